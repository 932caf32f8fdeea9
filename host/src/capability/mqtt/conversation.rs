//! One connection of a session, from CONNACK to its end.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::bytes::{Bytes, BytesMut};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::device::Device;
use super::error::MqttError;
use super::frames::{Frame, Frames};
use super::ledger::Arrival;
use super::message::{Claim, Message, Return};
use super::own::{self, OwnMessages};
use super::packet::{self, ConnAck, Incoming, Outgoing, Publish, Retained};
use super::session::{Memory, Publication, Session};
use crate::capability::wire::{Backoff, Direction, Io};
use crate::time::Timestamp;

/// Bytes that wait to be sent before nothing more is read.
const UNSENT: usize = 1 << 20;
/// Bytes that are read at a time.
const READ: usize = 64 << 10;
/// Filters in one packet.
const FILTERS: usize = 100;
/// The rate is held over this time.
const WINDOW: Duration = Duration::from_secs(1);
/// Longest time for a farewell.
const FAREWELL: Duration = Duration::from_secs(2);

/// One connection.
pub(super) struct Conversation<'a> {
    session: &'a Session,
    memory: &'a mut Memory,
    backoff: &'a mut Backoff,
    number: u64,
    agreed: ConnAck,
    out: BytesMut,
    is_flushed: bool,
    is_first_subscription: bool,
    /// When they were looked at.
    subscriptions_at: Instant,
    /// Subscriptions without an answer.
    asked: BTreeMap<u16, Vec<(String, u8)>>,
    own: OwnMessages,
    /// Messages must come again, once these devices have room.
    is_owed: bool,
    crowded: Vec<Weak<Device>>,
    /// Messages in the second that began then.
    taken: u32,
    window: Instant,
    heard: Instant,
    asked_for_life: Instant,
    begun: Instant,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The hub ended it.
    Stopped,
    /// It was lost, and why.
    Lost(String),
    /// The hub ended it so that the broker sends again what could not be taken.
    Again,
}

/// How far sending has come.
enum Sent {
    Some,
    All,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        session: &'a Session,
        memory: &'a mut Memory,
        backoff: &'a mut Backoff,
        number: u64,
        agreed: ConnAck,
    ) -> Self {
        memory.ledger.connected(number, agreed.session_present);
        memory.subscriptions.connected(agreed.session_present);
        let now = Instant::now();
        Conversation {
            session,
            memory,
            backoff,
            number,
            agreed,
            out: BytesMut::new(),
            is_flushed: true,
            is_first_subscription: true,
            subscriptions_at: now,
            asked: BTreeMap::new(),
            own: OwnMessages::default(),
            is_owed: false,
            crowded: Vec::new(),
            taken: 0,
            window: now,
            heard: now,
            asked_for_life: now,
            begun: now,
        }
    }

    pub(super) async fn run(
        mut self,
        io: Io,
        mut frames: Frames,
        publications: &mut mpsc::Receiver<Publication>,
        stop: &CancellationToken,
    ) -> End {
        let (mut reader, mut writer) = split(io);
        let end = loop {
            match self.work(&mut frames) {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(reason) => break End::Lost(reason),
            }
            let may_read = self.may_read();
            let may_send = !self.out.is_empty() || !self.is_flushed;
            let may_publish = self.own.waiting() < usize::from(self.agreed.receive_maximum) && self.out.len() < UNSENT;
            let next = if self.is_at_rate() { self.window + WINDOW } else { self.next_look() };
            frames.input.reserve(READ);
            // Each branch may be lost: bytes that were read or written are in the buffers by then.
            tokio::select! {
                biased;
                () = stop.cancelled() => break End::Stopped,
                () = self.session.returns.rung() => {}
                sent = send(&mut writer, &mut self.out), if may_send => match sent {
                    Ok(Sent::Some) => self.is_flushed = false,
                    Ok(Sent::All) => {
                        self.is_flushed = true;
                        self.own.flushed();
                    }
                    Err(error) => break End::Lost(error.to_string()),
                },
                Some(publication) = publications.recv(), if may_publish => self.publish(publication),
                () = sleep_until(next) => {}
                read = reader.read_buf(&mut frames.input), if may_read => match read {
                    Ok(0) => break End::Lost("the broker closed the connection".into()),
                    Ok(_) => self.heard = Instant::now(),
                    Err(error) => break End::Lost(error.to_string()),
                },
            }
        };
        if end == End::Stopped || end == End::Again {
            // What was kept is acknowledged before the goodbye.
            if self.look_at_returns().is_ok() {
                self.farewell(&mut writer).await;
            }
        }
        let reason = match &end {
            End::Stopped => "the connection is closed",
            End::Again => "connecting again",
            End::Lost(reason) => reason.as_str(),
        };
        self.own.end(reason).into_iter().for_each(|packet| self.memory.ledger.spend(packet));
        end
    }

    /// Everything that can be done without waiting.
    fn work(&mut self, frames: &mut Frames) -> Result<Option<End>, String> {
        let now = Instant::now();
        if now >= self.window + WINDOW {
            (self.window, self.taken) = (now, 0);
        }
        self.look_at_returns()?;
        self.look_at_subscriptions(now)?;
        while self.may_read() {
            match frames.next()? {
                Some(Frame::Packet(packet)) => self.handle(packet)?,
                Some(Frame::TooLarge { topic, qos, packet, bytes }) => self.too_large(&topic, qos, packet, bytes)?,
                None => break,
            }
        }
        // What came back meanwhile belongs to what was just handled.
        self.look_at_returns()?;
        self.look_for_life(now)?;
        Ok(self.must_come_again(now).then_some(End::Again))
    }

    fn look_at_returns(&mut self) -> Result<(), String> {
        for what in self.session.returns.take() {
            match what {
                Return::Abandoned { connection, packet, qos } if connection == self.number => {
                    if self.session.is_persistent() {
                        self.is_owed = true;
                    } else {
                        // It will never come again: the broker should not wait.
                        let acknowledgement = self.memory.ledger.acknowledge(packet, qos);
                        self.send(acknowledgement)?;
                    }
                }
                what => {
                    if let Some(acknowledgement) = self.memory.ledger.returned(what, self.number) {
                        self.send(acknowledgement)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn look_at_subscriptions(&mut self, now: Instant) -> Result<(), String> {
        let is_first = std::mem::take(&mut self.is_first_subscription);
        let may_end = self.memory.subscriptions.lingers() && now >= self.subscriptions_at + WINDOW;
        if !self.session.returns.has_changed() && !is_first && !may_end {
            return Ok(());
        }
        self.subscriptions_at = now;
        let (mut wanted, mut fresh) = (Vec::new(), Vec::new());
        for device in self.session.devices() {
            let (filters, is_fresh) = device.wanted();
            if is_fresh {
                fresh.extend_from_slice(&filters);
            }
            wanted.extend(filters);
        }
        let changes = self.memory.subscriptions.changes(&wanted, &fresh, now);
        let is_known = is_first && self.agreed.session_present && fresh.is_empty();
        let retained = if is_known { Retained::WhenNew } else { Retained::Always };
        for filters in changes.subscribe.chunks(FILTERS) {
            let Some(packet) = self.identifier() else { return Err("no packet identifier is free".into()) };
            self.asked.insert(packet, filters.to_vec());
            self.send(Outgoing::Subscribe { packet, filters: filters.to_vec(), retained })?;
        }
        for filters in changes.unsubscribe.chunks(FILTERS) {
            let Some(packet) = self.identifier() else { return Err("no packet identifier is free".into()) };
            self.send(Outgoing::Unsubscribe { packet, filters: filters.to_vec() })?;
        }
        Ok(())
    }

    /// Asks whether the broker is there, and notices when it is not.
    fn look_for_life(&mut self, now: Instant) -> Result<(), String> {
        let keep_alive = self.keep_alive();
        if now > self.heard + keep_alive + keep_alive / 2 {
            return Err(format!("no sign of life from the broker for {} s", (now - self.heard).as_secs()));
        }
        if now >= self.asked_for_life + keep_alive / 2 {
            self.asked_for_life = now;
            self.send(Outgoing::PingReq)?;
        }
        Ok(())
    }

    /// Whether the broker must send again what could not be taken, and it can be taken now.
    fn must_come_again(&self, now: Instant) -> bool {
        self.is_owed
            && !self.memory.subscriptions.lingers()
            && now >= self.begun + self.session.settings.reconnect.min
            && self.crowded.iter().filter_map(Weak::upgrade).all(|device| device.has_room())
    }

    fn handle(&mut self, packet: Incoming) -> Result<(), String> {
        match &packet {
            Incoming::Publish(publish) => self.session.trace.show(Direction::In, &publish.payload, || publish.shown()),
            other => self.session.trace.show(Direction::In, b"", || other.meaning()),
        }
        match packet {
            Incoming::Publish(publish) => self.deliver(publish)?,
            Incoming::PubRel { packet } => {
                let done = self.memory.ledger.released(packet);
                self.send(done)?;
            }
            Incoming::PubAck { packet, result } => self.own.answer(packet, result),
            Incoming::PubRec { packet, result: Err(reason) } => self.own.answer(packet, Err(reason)),
            Incoming::PubRec { packet, result: Ok(()) } => self.send(Outgoing::PubRel { packet })?,
            Incoming::PubComp { packet } => self.own.answer(packet, Ok(())),
            Incoming::SubAck { packet, results } => self.subscribed(packet, results),
            Incoming::UnsubAck => {}
            Incoming::PingResp => self.backoff.answered(),
            Incoming::Disconnect { reason } => return Err(format!("the broker ended the connection: {reason}")),
            Incoming::ConnAck(_) | Incoming::Strange => return Err("the broker breaks the protocol".into()),
        }
        Ok(())
    }

    fn deliver(&mut self, publish: Publish) -> Result<(), String> {
        self.taken += 1;
        self.backoff.answered();
        if publish.qos > 0 {
            match self.memory.ledger.arrival(&publish, self.number) {
                Arrival::New => {}
                Arrival::Held => return Ok(()),
                Arrival::Kept => return self.acknowledge(publish.packet, publish.qos),
            }
        }
        let devices = self.for_whom(&publish.topic, publish.qos);
        if devices.is_empty() && publish.qos > 0 {
            if self.session.is_persistent() && self.memory.subscriptions.may_be_wanted_soon(&publish.topic) {
                self.is_owed = true;
                return Ok(());
            }
            return self.acknowledge(publish.packet, publish.qos);
        }
        let claim = |qos| Claim::new(publish.packet, qos, self.number, devices.len(), &self.session.returns);
        let message = Arc::new(Message {
            claim: (publish.qos > 0).then(|| claim(publish.qos)),
            topic: publish.topic,
            // A copy: the rest of what was read with it need not wait with it.
            payload: Bytes::copy_from_slice(&publish.payload),
            is_retained: publish.retain,
            is_dup: publish.dup,
            at: Timestamp::now(),
        });
        if publish.qos > 0 {
            self.memory.ledger.hold(publish.packet, &message);
        }
        for device in devices.iter().filter(|device| !device.offer(&message, self.number)) {
            if publish.qos > 0 {
                self.crowded.push(Arc::downgrade(device));
            }
        }
        Ok(())
    }

    fn too_large(&mut self, topic: &str, qos: u8, packet: u16, bytes: usize) -> Result<(), String> {
        self.taken += 1;
        let most = self.session.settings.largest;
        let text = || format!("PUBLISH {packet} {topic}: {bytes} bytes, at most {most} are taken");
        self.session.trace.show(Direction::In, b"", text);
        let devices = self.for_whom(topic, qos);
        devices.iter().for_each(|device| device.lost_before(1));
        if !devices.is_empty() {
            let link = &**self.session.reporter.link();
            warn!(link, "message of {bytes} bytes on topic {topic} refused, at most {most} are taken (largest)");
        }
        if qos > 0 { self.acknowledge(packet, qos) } else { Ok(()) }
    }

    fn for_whom(&self, topic: &str, qos: u8) -> Vec<Arc<Device>> {
        self.session.devices().into_iter().filter(|device| device.wants(topic, qos)).collect()
    }

    fn acknowledge(&mut self, packet: u16, qos: u8) -> Result<(), String> {
        let acknowledgement = self.memory.ledger.acknowledge(packet, qos);
        self.send(acknowledgement)
    }

    fn subscribed(&mut self, packet: u16, results: Vec<Result<u8, String>>) {
        let link = &**self.session.reporter.link();
        for ((filter, qos), result) in self.asked.remove(&packet).unwrap_or_default().into_iter().zip(results) {
            match &result {
                Err(reason) => warn!(link, "the broker refuses the subscription of {filter}: {reason}"),
                Ok(granted) if *granted < qos => {
                    warn!(link, "the broker sends {filter} with quality of service {granted}, asked for {qos}");
                }
                Ok(_) => {}
            }
            self.session.subscribed(&filter, result.map(drop));
        }
    }

    fn publish(&mut self, Publication { mut publish, answer }: Publication) {
        // Nobody waits any more: a command must not come late.
        if answer.is_closed() {
            return;
        }
        let identifier = if publish.qos == 0 { Some(0) } else { self.identifier() };
        let sent = own::check(&publish, &self.agreed).and_then(|()| {
            let (packet, qos) = (identifier.ok_or("no packet identifier is free")?, publish.qos);
            publish.packet = packet;
            self.send(Outgoing::Publish(publish))?;
            Ok((packet, qos))
        });
        match sent {
            Ok((packet, qos)) => self.own.sent(packet, qos, answer),
            // Who asked may have gone.
            Err(refusal) => drop(answer.send(Err(MqttError::Other(refusal)))),
        }
    }

    fn send(&mut self, packet: Outgoing) -> Result<(), String> {
        match &packet {
            Outgoing::Publish(publish) => self.session.trace.show(Direction::Out, &publish.payload, || publish.shown()),
            other => self.session.trace.show(Direction::Out, b"", || other.meaning()),
        }
        packet::write(self.session.settings.version, packet, &mut self.out)
    }

    fn identifier(&mut self) -> Option<u16> {
        let (asked, own) = (&self.asked, &self.own);
        self.memory.ledger.identifier(|packet| asked.contains_key(&packet) || own.has(packet))
    }

    /// Nothing is read that cannot be worked off: what is not read, the broker keeps.
    fn may_read(&self) -> bool {
        self.out.len() < UNSENT && !self.is_at_rate()
    }

    fn is_at_rate(&self) -> bool {
        self.taken >= self.session.settings.rate
    }

    fn keep_alive(&self) -> Duration {
        let settings = self.session.settings.keep_alive;
        self.agreed.keep_alive.filter(|theirs| !theirs.is_zero()).map_or(settings, |theirs| theirs.min(settings))
    }

    fn next_look(&self) -> Instant {
        Instant::now() + (self.keep_alive() / 4).min(WINDOW)
    }

    async fn farewell(&mut self, writer: &mut (impl AsyncWrite + Unpin)) {
        let said = self.send(Outgoing::Disconnect);
        let goodbye = async {
            while said.is_ok() && !self.out.is_empty() {
                writer.write_buf(&mut self.out).await?;
            }
            writer.shutdown().await
        };
        // The broker notices a socket that is closed without a farewell, too.
        let _ = timeout(FAREWELL, goodbye).await;
    }
}

/// Sends some of what waits, and pushes it out when nothing waits any more.
async fn send(writer: &mut (impl AsyncWrite + Unpin), out: &mut BytesMut) -> io::Result<Sent> {
    if out.is_empty() {
        writer.flush().await?;
        return Ok(Sent::All);
    }
    writer.write_buf(out).await?;
    Ok(Sent::Some)
}
