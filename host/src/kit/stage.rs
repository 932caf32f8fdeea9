//! A driver and the instrument that a case describes, joined by one of the hub's real links over loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};
use toml::{Table, Value};

use crate::capability::Link;
use crate::capability::wire::printable;
use crate::hub::single::Single;
use crate::kit::case::{Case, Instrument, Step, Wire};
use crate::kit::members::misplaced;
use crate::kit::outgoing::Outgoing;
use crate::kit::refusal::{EXCEPTIONS, Refusals};
use crate::kit::site::{Site, Unfit, usual_link};
use crate::kit::teller::{News, Teller};
use crate::plugin::Plugin;
use crate::simulator::StartError;
use crate::simulator::replay::{Script, ScriptError};
use crate::simulator::scripted::between::{self, Between, Fault};
use crate::simulator::scripted::frame::bytes;
use crate::simulator::scripted::line::{self, END_OF_REQUEST, Exchange, Line};
use crate::simulator::scripted::modbus::{self, Device};
use crate::simulator::scripted::opcua;

/// Options of links that a case does not set itself: a rehearsal need not wait as long as a plant.
const PATIENCE: &[(&str, &[&str], &str)] = &[
    ("timeout", &["modbus_tcp", "modbus_rtu_tcp", "stream_tcp", "stream_listen"], "300ms"),
    ("reconnect_min", &["modbus_tcp", "modbus_rtu_tcp", "stream_tcp", "stream_listen", "mqtt", "opcua"], "20ms"),
    ("reconnect_max", &["modbus_tcp", "modbus_rtu_tcp", "stream_tcp", "stream_listen", "mqtt", "opcua"], "100ms"),
    ("quiet", &["stream_tcp", "stream_listen"], "20ms"),
];
/// A free port of this machine.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How late things are when they are late: later than any driver waits here.
const LATE: Duration = Duration::from_millis(900);
/// Longest wait until what the instrument sent by itself is there.
const LONGEST_SETTLE: Duration = Duration::from_secs(3);
/// Silence of a link that has brought everything.
const QUIET: Duration = Duration::from_millis(40);
/// Silence after which everything that the driver sent has come, and been found to be no request of the case.
const HEARD: Duration = END_OF_REQUEST.saturating_mul(2);
/// The same for what leaves once the samples are durable: the hub does that in its own time.
const ACKNOWLEDGED: Duration = Duration::from_millis(120);
/// Longest time that bytes are on their way over loopback.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// Time in which a connection that may come back does.
const BACK: Duration = Duration::from_millis(250);

/// Why a stage cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// What the case says of link or device cannot be.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The instrument cannot be played.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server cannot be played.
    #[error(transparent)]
    Server(#[from] opcua::StartError),
    /// Its trace cannot be played.
    #[error(transparent)]
    Trace(#[from] ScriptError),
    /// The machine has no free port.
    #[error("no port of this machine can be used")]
    Port(#[from] std::io::Error),
}

/// What is at the other end of the link.
enum Counterpart {
    Line(Line),
    Modbus(Device),
    /// An MQTT broker or an OPC UA server.
    Teller(Teller),
}

/// What keeps the instrument going.
enum Open {
    Line(#[expect(dead_code, reason = "ends with the stage")] line::Open),
    Modbus(#[expect(dead_code, reason = "ends with the stage")] modbus::Open),
    /// The counterpart itself.
    Itself,
}

/// The stage. Everything on it ends when it is dropped.
pub struct Stage {
    /// The driver's side.
    pub single: Single,
    counterpart: Counterpart,
    outgoing: Outgoing,
    between: Between,
    _open: Open,
}

impl Stage {
    /// Joins a plugin to the instrument of a case. `state` is where the hub's own certificates are.
    pub async fn set(plugin: Arc<Plugin>, case: &Case, state: &Path) -> Result<Self, StageError> {
        let usual = usual_link(&plugin);
        let mut link = case.link.clone();
        let kind = match link.get("type").and_then(Value::as_str).or(usual) {
            Some(kind) => kind.to_owned(),
            None => return Err(Unfit::new("the plugin reads through no link: there is nothing to play").into()),
        };
        if let Some(reason) = misplaced(&kind, &case.instrument, &case.steps) {
            return Err(Unfit::new(reason).into());
        }
        let counterpart = Counterpart::of(&kind, &case.instrument, &case.folder).await?;
        let (between, open, address) = counterpart.join(&kind).await?;
        let (member, place) = match kind.as_str() {
            "stream_listen" => ("listen", address.to_string()),
            "opcua" => ("url", format!("opc.tcp://{address}")),
            _ => ("address", address.to_string()),
        };
        if kind == "opcua" {
            // A plant must say so; what is played here has no other.
            link.entry("policy").or_insert_with(|| Value::from("none"));
        }
        if link.insert(member.to_owned(), Value::String(place)).is_some() {
            return Err(Unfit::new(format!("[link] {member} is not said here: the case has its own instrument")).into());
        }
        let patience = PATIENCE.iter().filter(|(_, kinds, _)| kinds.contains(&kind.as_str()));
        for (name, _, span) in patience {
            link.entry(*name).or_insert_with(|| Value::String((*span).to_owned()));
        }
        link.insert("type".into(), Value::String(kind));
        let site = site(case, link);
        let single = site.single(plugin, state)?;
        let outgoing = Outgoing::new(single.connection.trace());
        Ok(Stage { single, counterpart, outgoing, between, _open: open })
    }

    /// The instrument's side of a step. Returns what cannot be done.
    pub async fn prepare(&self, step: &Step) -> Option<String> {
        match step.link {
            Some(Wire::Down) => {
                if let Counterpart::Teller(teller) = &self.counterpart {
                    // What is not acknowledged would come once more.
                    teller.acknowledged().await;
                }
                self.between.set(Fault::Reset);
                sleep(QUIET).await;
            }
            Some(Wire::Up) => {
                self.between.set(Fault::None);
                sleep(BACK).await;
            }
            None => {}
        }
        if let Some(fault) = step.fault {
            self.between.set(fault);
        }
        if let Some(reason) = self.counterpart.change(step) {
            return Some(reason);
        }
        let has_spoken = !step.push.is_empty() || step.link != Some(Wire::Down) && self.counterpart.is_heard();
        if !has_spoken || self.settle().await {
            None
        } else {
            Some("what the instrument sends by itself did not arrive: there is no connection".into())
        }
    }

    /// Things go wrong so from now on.
    pub fn fault(&self, fault: Fault) {
        self.between.set(fault);
    }

    /// Errors of its protocol that the instrument can answer with.
    pub fn refusals(&self) -> Option<&'static Refusals> {
        match &self.counterpart {
            Counterpart::Line(_) => None,
            Counterpart::Modbus(_) => Some(&EXCEPTIONS),
            Counterpart::Teller(teller) => teller.refusals(),
        }
    }

    /// The instrument answers with this one of them from now on, or with none.
    pub fn refuse(&self, code: Option<u32>) {
        match &self.counterpart {
            Counterpart::Line(_) => {}
            Counterpart::Modbus(device) => device.answer_with(code.and_then(|code| u8::try_from(code).ok())),
            Counterpart::Teller(teller) => teller.refuse(code),
        }
    }

    /// A driver has been opened that was not there before.
    pub async fn entered(&self) {
        self.settle().await;
        if let Counterpart::Teller(teller) = &self.counterpart {
            teller.met();
        }
    }

    /// Waits until everything that the instrument sent by itself is there; false when it is not.
    async fn settle(&self) -> bool {
        let until = Instant::now() + LONGEST_SETTLE;
        if let Counterpart::Teller(teller) = &self.counterpart {
            let is_there = self.between.fault() != Fault::Reset;
            if is_there && teller.tell().await == News::Some {
                self.quiet(until).await;
            }
            teller.hold();
            return true;
        }
        while !self.counterpart.is_settled() {
            if Instant::now() > until || self.between.fault() == Fault::Reset {
                return false;
            }
            sleep(Duration::from_millis(2)).await;
        }
        self.quiet(until).await;
        true
    }

    /// Waits until nothing more comes.
    async fn quiet(&self, until: Instant) {
        let bells: Vec<_> = self.single.spec.links.values().filter_map(Link::bell).collect();
        for bell in bells {
            while Instant::now() < until && timeout(QUIET, bell.notified()).await.is_ok() {}
        }
    }

    /// Whether what the instrument said once holds until it says something else.
    pub fn holds_values(&self) -> bool {
        matches!(self.counterpart, Counterpart::Teller(_))
    }

    /// What the driver did in a step that the case does not allow: one text for each. What was only sent may still be on its way.
    pub async fn deviations(&self) -> Vec<String> {
        let until = Instant::now() + ON_ITS_WAY;
        while self.counterpart.is_owed(&self.outgoing) && Instant::now() < until {
            sleep(Duration::from_millis(2)).await;
        }
        if let Counterpart::Line(_) = self.counterpart {
            sleep(HEARD).await;
        }
        self.counterpart.deviations()
    }

    /// What the driver had sent when the samples of a step were durable; `None` when that is nothing.
    pub async fn acknowledgements(&self) -> Option<Vec<u8>> {
        let Counterpart::Line(line) = &self.counterpart else { return None };
        sleep(ACKNOWLEDGED).await;
        Some(line.unexpected().concat()).filter(|frames| !frames.is_empty())
    }

    /// Waits until a connection that the instrument broke is there again.
    pub async fn connected_again(&self) {
        sleep(BACK).await;
    }

    /// What the driver changed in the instrument since the last call.
    pub fn written(&self) -> Vec<String> {
        match &self.counterpart {
            Counterpart::Line(_) => Vec::new(),
            Counterpart::Modbus(device) => device.written(),
            Counterpart::Teller(teller) => teller.written(),
        }
    }

    /// How many of its answers to requests the instrument has given at least once; none when it is no line.
    pub fn told(&self) -> usize {
        match &self.counterpart {
            Counterpart::Line(line) => line.told(),
            Counterpart::Modbus(_) | Counterpart::Teller(_) => 0,
        }
    }

    /// Whether the instrument has an answer to such a request, and was never asked so.
    pub fn is_unasked(&self, request: &[u8]) -> bool {
        matches!(&self.counterpart, Counterpart::Line(line) if line.is_unasked(request))
    }

    /// How many of its answers the instrument has not given yet; none when they have no end.
    pub fn untold(&self) -> usize {
        match &self.counterpart {
            Counterpart::Line(line) => line.untold(),
            Counterpart::Modbus(_) | Counterpart::Teller(_) => 0,
        }
    }
}

fn site(case: &Case, link: Table) -> Site {
    Site { link, device: case.device.clone(), settings: case.settings.clone(), home: case.folder.clone() }
}

impl Counterpart {
    async fn of(kind: &str, instrument: &Instrument, home: &Path) -> Result<Self, StageError> {
        if let (Some(teller), None) = (Teller::of(kind, ANY, instrument).await?, &instrument.trace) {
            return Ok(Counterpart::Teller(teller));
        }
        match (kind, &instrument.trace) {
            ("modbus_tcp" | "modbus_rtu_tcp" | "stream_tcp" | "stream_listen", Some(trace)) => {
                Ok(Counterpart::Line(Script::read(&home.join(trace))?.line()))
            }
            ("stream_tcp" | "stream_listen", None) => {
                let greeting = instrument.greeting.iter().map(|frame| (Duration::ZERO, bytes(frame)));
                Ok(Counterpart::Line(Line::new(instrument.answers.iter().map(Exchange::from), greeting.collect())))
            }
            ("modbus_tcp", None) => {
                let device = Device::default();
                device.set(&instrument.registers);
                Ok(Counterpart::Modbus(device))
            }
            _ => {
                let played = "modbus_tcp, stream_tcp, stream_listen, mqtt, opcua";
                Err(Unfit::new(format!("[link] type: an instrument is played over {played}, not over {kind}")).into())
            }
        }
    }

    /// Between the hub and this instrument there is a stretch of network; returns the address that the hub is told.
    async fn join(&self, kind: &str) -> Result<(Between, Open, SocketAddr), StageError> {
        if kind == "stream_listen" {
            // Free a moment ago; the hub takes it when the driver opens the link.
            let hub = TcpListener::bind(ANY).await?.local_addr()?;
            let between = Between::start(hub, between::Instrument::Connects, LATE).await?;
            let Counterpart::Line(line) = self else { return Err(Unfit::new("only a byte stream connects").into()) };
            let open = Open::Line(line.connect(between.address()));
            return Ok((between, open, hub));
        }
        let (open, address) = match self {
            Counterpart::Line(line) => {
                let open = line.listen(ANY).await?;
                let address = open.address;
                (Open::Line(open), address)
            }
            Counterpart::Modbus(device) => {
                let open = device.listen(ANY).await?;
                let address = open.address;
                (Open::Modbus(open), address)
            }
            Counterpart::Teller(teller) => (Open::Itself, teller.address()),
        };
        let between = Between::start(address, between::Instrument::Listens, LATE).await?;
        let hub = between.address();
        Ok((between, open, hub))
    }

    /// Does what the step says. Returns what cannot be done.
    fn change(&self, step: &Step) -> Option<String> {
        match self {
            Counterpart::Line(line) => {
                line.answer(step.answers.iter().map(Exchange::from));
                line.expect(step.exchange.iter().map(Exchange::from));
                step.push.iter().for_each(|frame| line.push(bytes(frame)));
            }
            Counterpart::Modbus(device) => {
                device.set(&step.registers);
                if let Some(code) = step.exception {
                    device.answer_with(Some(code).filter(|code| *code != 0));
                }
            }
            Counterpart::Teller(teller) => return teller.change(step),
        }
        None
    }

    /// Whether somebody is there who is told unasked.
    fn is_heard(&self) -> bool {
        matches!(self, Counterpart::Teller(teller) if teller.is_known())
    }

    fn is_settled(&self) -> bool {
        match self {
            Counterpart::Line(line) => line.is_settled(),
            Counterpart::Modbus(_) | Counterpart::Teller(_) => true,
        }
    }

    fn is_owed(&self, outgoing: &Outgoing) -> bool {
        match self {
            Counterpart::Line(line) => line.is_owed(),
            Counterpart::Modbus(_) => false,
            Counterpart::Teller(teller) => teller.is_owed(outgoing),
        }
    }

    fn deviations(&self) -> Vec<String> {
        let Counterpart::Line(line) = self else { return Vec::new() };
        let sent = line
            .unexpected()
            .into_iter()
            .map(|request| format!("the driver sent {}, which the case does not answer here", printable(&request)));
        let missing = line
            .outstanding()
            .into_iter()
            .map(|exchange| format!("the driver did not send {}", printable(&exchange.request)));
        sent.chain(missing).collect()
    }
}
