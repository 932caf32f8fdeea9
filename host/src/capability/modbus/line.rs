//! A line without transaction numbers: a serial port, or a converter that passes its bytes on.
//!
//! There is no task: whoever has the turn opens the line when it is not open, keeps its silence, sends one request and waits for
//! its answer. Turns are given in the order in which they were asked for, and a device asks for one at a time.
//!
//! On such a line a late answer looks like the current one. Therefore everything that was sent to a unit and not answered counts as owed: after a
//! timeout it is left alone for a while, what comes meanwhile is thrown away, and before it is asked anything again it must answer a request whose
//! answer cannot be mistaken for any that it owes (`pdu::distinct`), earlier such requests among them. Answers come in the order of requests, so that behind this one nothing old can come.
//!
//! Invariant: an answer is only taken for that of the current request when its unit owes none.

use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_modbus::prelude::{Request, Response};

use super::frame::{self, Found};
use super::meaning;
use super::pdu::{self, Expected, Fit};
use super::request::RequestError;
use super::unit::Units;
use crate::capability::wire::{Backoff, Direction, Io, Reporter, Trace, dial_serial, dial_tcp};
use crate::capability::{Plug, UNPLUGGED};
use crate::config::model::{ModbusLineLink, Wire};

/// Silence inside an answer after which no more of it is waited for. Adapters hold bytes back for up to 16 ms; converters more.
const GAP: Duration = Duration::from_millis(100);
/// Time after which a line that is not quiet is given up for this turn.
const BABBLE: Duration = Duration::from_secs(1);
/// Silence between frames of a line above 19,200 baud (Modbus over Serial Line V1.02, 2.5.1.1).
const FAST_SILENCE: Duration = Duration::from_micros(1750);

/// One line of the configuration.
pub struct Line {
    settings: ModbusLineLink,
    /// Time of one character; zero where the line is behind a converter.
    character: Duration,
    silence: Duration,
    /// Held over a whole exchange: the waiters are the line's queue.
    open: Mutex<Open>,
    /// Looked at before the turn is waited for, so that a unit that is left alone waits for nothing.
    units: StdMutex<Units>,
    reporter: Reporter,
    trace: Trace,
    plug: Plug,
}

struct Open {
    io: Option<Io>,
    backoff: Backoff,
    /// Nothing may be sent before.
    free_at: Instant,
}

/// Why an exchange brought no answer.
enum Missed {
    /// None came in time.
    Silence,
    /// What came is no frame.
    Broken(String),
    /// The line is gone.
    Lost(String),
}

impl Line {
    /// A line that is opened when it is first needed.
    pub fn new(name: &str, settings: ModbusLineLink, plug: Plug) -> Self {
        let (character, place) = match &settings.wire {
            Wire::Serial(port) => (port.character(), port.port.display().to_string()),
            Wire::Tcp(peer) => (Duration::ZERO, peer.address.clone()),
            Wire::Udp { address } | Wire::Listen { listen: address, .. } => (Duration::ZERO, address.clone()),
        };
        let usual = match &settings.wire {
            Wire::Serial(port) if port.baud > 19_200 => FAST_SILENCE,
            _ => character * 7 / 2,
        };
        let silence = settings.silence.unwrap_or(usual);
        let open = Open { io: None, backoff: Backoff::new(settings.reconnect), free_at: Instant::now() };
        Line {
            settings,
            character,
            silence,
            open: Mutex::new(open),
            units: StdMutex::default(),
            reporter: Reporter::new(name, place),
            trace: Trace::of_answers(name),
            plug,
        }
    }

    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// One exchange with a unit. `timeout`: the device's own, else the line's.
    pub(super) async fn call<T>(
        &self,
        unit: u8,
        timeout: Option<Duration>,
        request: Request<'_>,
        judge: impl FnOnce(Response) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        if self.plug == Plug::Out {
            return Err(RequestError::Closed(UNPLUGGED.into()));
        }
        if unit == 0 {
            let text = "unit 0 speaks to all units of a serial line, and none of them answers";
            return Err(RequestError::BadRequest(text.into()));
        }
        let timeout = timeout.unwrap_or(self.settings.timeout);
        let request = request.into_owned();
        self.not_held(unit)?;
        let mut open = self.open.lock().await;
        // It may have fallen silent while its turn was waited for.
        self.not_held(unit)?;
        self.open(&mut open).await?;
        match self.in_step(&mut open, unit, timeout, &request).await {
            Ok(pdu) => {
                let answer = match Expected::of(&request).fit(&pdu) {
                    Fit::Exception(code) => Err(RequestError::Exception(code)),
                    Fit::Answer | Fit::Other => pdu::decode(&request, &pdu).and_then(judge),
                };
                self.units(|units| units.answered(unit));
                // An echo of something else is the answer to something else: its own may still come.
                if matches!(answer, Err(RequestError::BadResponse(_))) {
                    self.units(|units| units.sent(unit, Expected::of(&request)));
                }
                open.backoff.answered();
                self.reporter.connected();
                answer
            }
            Err(Missed::Silence) => {
                let error = RequestError::Timeout(timeout);
                let longest = self.settings.reconnect.max;
                let is_all = self.units(|units| units.silent(unit, timeout, longest));
                if is_all {
                    self.reporter.lost(format!("unit {unit}: {error}"));
                }
                // A converter that has started anew does not say so: a new connection finds it.
                if matches!(self.settings.wire, Wire::Tcp(_)) && self.units(|units| units.are_gone()) {
                    open.io = None;
                }
                Err(error)
            }
            Err(Missed::Broken(what)) => Err(RequestError::BadResponse(what)),
            Err(Missed::Lost(reason)) => {
                open.io = None;
                open.backoff.failed();
                self.reporter.lost(reason.clone());
                Err(RequestError::Closed(reason))
            }
        }
    }

    fn not_held(&self, unit: u8) -> Result<(), RequestError> {
        match self.units(|units| units.held(unit, Instant::now())) {
            None => Ok(()),
            Some(left) => {
                let millis = left.as_millis();
                Err(RequestError::Closed(format!("unit {unit} did not answer and is left alone for {millis} ms more")))
            }
        }
    }

    async fn open(&self, open: &mut Open) -> Result<(), RequestError> {
        if open.io.is_some() {
            return Ok(());
        }
        if open.backoff.not_before().is_some() {
            return Err(RequestError::Closed(self.reporter.reason_or("waiting to open the line")));
        }
        let opened = match &self.settings.wire {
            Wire::Serial(port) => dial_serial(port),
            Wire::Tcp(peer) => dial_tcp(peer).await,
            Wire::Udp { .. } | Wire::Listen { .. } => {
                return Err(RequestError::BadRequest("Modbus frames do not go over such a link".into()));
            }
        };
        match opened {
            Ok(io) => {
                open.backoff.connected();
                open.io = Some(io);
                // What was under way before is over by then, and thrown away.
                open.free_at = Instant::now() + GAP;
                Ok(())
            }
            Err(error) => {
                open.backoff.failed();
                self.reporter.lost(error.to_string());
                Err(RequestError::Closed(error.to_string()))
            }
        }
    }

    /// The answer to a request of a unit that owes none: if it does, it is brought into step first.
    async fn in_step(
        &self,
        open: &mut Open,
        unit: u8,
        timeout: Duration,
        request: &Request<'static>,
    ) -> Result<Vec<u8>, Missed> {
        let owed = self.units(|units| units.owes(unit));
        if !owed.is_empty() {
            let probe = pdu::distinct(request, &owed);
            let answer = self.exchange(open, unit, timeout, &probe).await?;
            // What it owes may be a refusal too; then whatever comes now is waited for, and thrown away.
            if matches!(Expected::of(&probe).fit(&answer), Fit::Exception(_)) {
                self.drain(open, timeout).await?;
            }
            self.units(|units| units.answered(unit));
        }
        self.exchange(open, unit, timeout, request).await
    }

    /// Sends a request and waits for its answer: the bytes after the unit.
    async fn exchange(
        &self,
        open: &mut Open,
        unit: u8,
        timeout: Duration,
        request: &Request<'static>,
    ) -> Result<Vec<u8>, Missed> {
        let pdu = pdu::encode(request).map_err(|error| Missed::Broken(error.to_string()))?;
        let frame = frame::wrap(self.settings.framing, unit, &pdu);
        sleep_until(open.free_at).await;
        self.drain(open, Duration::ZERO).await?;
        let io = open.io.as_mut().ok_or_else(|| Missed::Lost("the line is not open".into()))?;
        self.show(Direction::Out, &frame, "");
        self.units(|units| units.sent(unit, Expected::of(request)));
        let written = async {
            io.write_all(&frame).await?;
            io.flush().await
        };
        written.await.map_err(|error| Missed::Lost(error.to_string()))?;
        let sent = Instant::now() + self.time_of(frame.len());
        let answer = self.receive(open, unit, sent + timeout, Expected::of(request)).await;
        open.free_at = Instant::now() + self.silence + self.settings.turnaround;
        answer
    }

    async fn receive(
        &self,
        open: &mut Open,
        unit: u8,
        deadline: Instant,
        expected: Expected,
    ) -> Result<Vec<u8>, Missed> {
        let io = open.io.as_mut().ok_or_else(|| Missed::Lost("the line is not open".into()))?;
        let mut came: Vec<u8> = Vec::new();
        let mut buffer = [0; frame::LONGEST];
        loop {
            // Inside an answer only a short silence is waited for, and then what came is no frame.
            let gap = GAP + self.time_of(4);
            let until = if came.is_empty() { deadline } else { deadline.min(Instant::now() + gap) };
            let count = match timeout_at(until, io.read(&mut buffer)).await {
                Ok(Ok(0)) => return Err(Missed::Lost("the other end closed the connection".into())),
                Ok(Ok(count)) => count,
                Ok(Err(error)) => return Err(Missed::Lost(error.to_string())),
                Err(_) if came.is_empty() => return Err(Missed::Silence),
                Err(_) => {
                    self.show(Direction::In, &came, "no frame: ");
                    return Err(Missed::Broken(broken(&came)));
                }
            };
            came.extend(buffer.get(..count).unwrap_or_default());
            loop {
                match frame::find(self.settings.framing, unit, expected, &came) {
                    Found::Answer { pdu, end } => {
                        self.show(Direction::In, came.get(..end).unwrap_or_default(), "");
                        return Ok(pdu);
                    }
                    Found::Stray { end } => {
                        let stray: Vec<u8> = came.drain(..end).collect();
                        self.show(Direction::In, &stray, "too late or not asked for: ");
                    }
                    Found::Nothing => break,
                }
            }
            if came.len() > 2 * frame::LONGEST {
                self.show(Direction::In, &came, "no frame: ");
                return Err(Missed::Broken(broken(&came)));
            }
        }
    }

    /// Throws away what has come, until nothing has come for `quiet`; zero: only what is there already. A line that is never quiet is
    /// nobody's to use.
    async fn drain(&self, open: &mut Open, quiet: Duration) -> Result<(), Missed> {
        let io = open.io.as_mut().ok_or_else(|| Missed::Lost("the line is not open".into()))?;
        let deadline = Instant::now() + quiet * 2 + BABBLE;
        let mut buffer = [0; frame::LONGEST];
        while Instant::now() < deadline {
            match timeout_at(Instant::now() + quiet, io.read(&mut buffer)).await {
                Ok(Ok(0)) => return Err(Missed::Lost("the other end closed the connection".into())),
                Ok(Ok(count)) => {
                    self.show(Direction::In, buffer.get(..count).unwrap_or_default(), "thrown away: ");
                }
                Ok(Err(error)) => return Err(Missed::Lost(error.to_string())),
                Err(_) => return Ok(()),
            }
        }
        Err(Missed::Broken("the line is never quiet: another master, or a fault of the converter".into()))
    }

    fn time_of(&self, bytes: usize) -> Duration {
        self.character.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    fn show(&self, direction: Direction, bytes: &[u8], remark: &str) {
        self.trace.show(direction, bytes, || {
            let meaning = match frame::unwrap(self.settings.framing, bytes) {
                Some((unit, pdu)) => meaning::of_pdu(direction, unit, &pdu),
                None => format!("{} bytes", bytes.len()),
            };
            format!("{remark}{meaning}")
        });
    }

    fn units<R>(&self, work: impl FnOnce(&mut Units) -> R) -> R {
        work(&mut self.units.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn broken(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let shown = crate::notation::hex(bytes.get(..SHOWN).unwrap_or(bytes));
    let more = if bytes.len() > SHOWN { " …" } else { "" };
    format!("{} bytes that are no frame with a right check: {shown}{more}", bytes.len())
}
