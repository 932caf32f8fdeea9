//! The task that keeps one session with a broker: connects, and connects again.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::bytes::BytesMut;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::conversation::{Conversation, End};
use super::device::Device;
use super::error::MqttError;
use super::frames::{Frame, Frames};
use super::ledger::Ledger;
use super::message::Returns;
use super::own::Answer;
use super::packet::{self, ConnAck, Connect, Incoming, Publish};
use super::subscriptions::Subscriptions;
use crate::capability::wire::{Backoff, Direction, Io, Reporter, Trace, dial_tcp};
use crate::config::model::{MqttLink, MqttVersion};
use crate::time::Timestamp;

/// What the task and the devices share.
pub(super) struct Session {
    pub settings: MqttLink,
    pub reporter: Reporter,
    pub trace: Trace,
    pub returns: Arc<Returns>,
    pub is_connected: AtomicBool,
    /// Connections since the hub started.
    pub connection: AtomicU64,
    devices: Mutex<Vec<Weak<Device>>>,
    /// Filters that the broker refuses, and why.
    refused: Mutex<BTreeMap<String, String>>,
}

/// A message to be published, and where its answer goes.
pub(super) struct Publication {
    pub publish: Publish,
    pub answer: Answer,
}

/// What outlives a connection.
pub(super) struct Memory {
    pub ledger: Ledger,
    pub subscriptions: Subscriptions,
}

/// Keeps the session until the token is cancelled.
pub(super) async fn run(session: Arc<Session>, mut publications: mpsc::Receiver<Publication>, stop: CancellationToken) {
    let mut backoff = Backoff::new(session.settings.reconnect);
    // Any number will do that an earlier run has hardly used last.
    let last = u16::try_from(Timestamp::now().millis().rem_euclid(60_000)).unwrap_or_default();
    let mut memory = Memory { ledger: Ledger::new(last), subscriptions: Subscriptions::default() };
    session.warn_of_plain_password();
    while !stop.is_cancelled() {
        let connected = tokio::select! {
            () = stop.cancelled() => return,
            connected = connect(&session.settings, &session.trace) => connected,
        };
        let end = match connected {
            Ok((io, frames, ack)) => {
                backoff.connected();
                let number = session.connection.fetch_add(1, Ordering::Relaxed) + 1;
                if number > 1 && session.is_persistent() && !ack.session_present {
                    let link = &**session.reporter.link();
                    warn!(link, "the broker did not keep the session: what it had for this hub is lost");
                }
                lock(&session.refused).clear();
                session.is_connected.store(true, Ordering::Relaxed);
                session.reporter.connected();
                let conversation = Conversation::new(&session, &mut memory, &mut backoff, number, ack);
                let end = conversation.run(io, frames, &mut publications, &stop).await;
                session.is_connected.store(false, Ordering::Relaxed);
                end
            }
            Err(reason) => End::Lost(reason),
        };
        match end {
            End::Stopped => return,
            End::Again => {}
            End::Lost(reason) => {
                session.trace.show(Direction::State, b"", || reason.clone());
                session.reporter.lost(reason.as_str());
                backoff.failed();
                refuse(&mut publications, &reason, &stop, backoff.ready()).await;
            }
        }
    }
}

/// Opens a connection and introduces the hub.
async fn connect(settings: &MqttLink, trace: &Trace) -> Result<(Io, Frames, ConnAck), String> {
    let mut io = dial_tcp(&settings.peer).await.map_err(|error| error.to_string())?;
    let mut frames = Frames::new(settings.version, settings.largest);
    let hello = Connect {
        client_id: settings.client_id.clone(),
        user: settings.user.clone(),
        password: settings.password.as_ref().map(|password| password.expose().trim_end().to_owned()),
        keep_alive: settings.keep_alive,
        session_expiry: settings.session_expiry,
        receive_maximum: u16::try_from(settings.queue).unwrap_or(u16::MAX),
    };
    let mut out = BytesMut::new();
    packet::write_connect(settings.version, &hello, &mut out)?;
    // Its bytes have the password in them.
    trace.show(Direction::Out, b"", || format!("CONNECT as {}", settings.client_id));
    let greet = async {
        io.write_all(&out).await.map_err(|error| error.to_string())?;
        io.flush().await.map_err(|error| error.to_string())?;
        loop {
            match frames.next().map_err(|fault| unreadable(settings.version, &fault))? {
                Some(Frame::Packet(packet @ Incoming::ConnAck(_))) => {
                    trace.show(Direction::In, b"", || packet.meaning());
                    let Incoming::ConnAck(ack) = packet else { continue };
                    return ack.map_err(|reason| format!("connection refused: {reason}"));
                }
                Some(other) => return Err(unreadable(settings.version, &format!("{other:?}"))),
                None => {}
            }
            match io.read_buf(&mut frames.input).await {
                Ok(0) => return Err("the broker closed the connection instead of greeting".into()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    let place = &settings.peer.address;
    match timeout(settings.peer.connect_timeout, greet).await {
        Ok(Ok(ack)) => Ok((io, frames, ack)),
        Ok(Err(reason)) => Err(format!("{place}: {reason}")),
        Err(_) => Err(format!("{place}: no CONNACK within {} ms", settings.peer.connect_timeout.as_millis())),
    }
}

fn unreadable(version: MqttVersion, fault: &str) -> String {
    let version = match version {
        MqttVersion::V3 => "3.1.1",
        MqttVersion::V5 => "5",
    };
    format!("the greeting is not one of MQTT {version} (version): {fault}")
}

/// Waits, and tells whoever wants to publish that there is no connection.
async fn refuse(
    publications: &mut mpsc::Receiver<Publication>,
    reason: &str,
    stop: &CancellationToken,
    pause: impl Future<Output = ()>,
) {
    tokio::pin!(pause);
    loop {
        tokio::select! {
            biased;
            Some(Publication { answer, .. }) = publications.recv() => {
                // Who asked may have gone.
                let _ = answer.send(Err(MqttError::Closed(reason.to_owned())));
            }
            () = stop.cancelled() => return,
            () = &mut pause => return,
        }
    }
}

impl Session {
    pub(super) fn new(name: &str, settings: MqttLink) -> Self {
        Session {
            reporter: Reporter::new(name, settings.peer.address.clone()),
            trace: Trace::new(name),
            settings,
            returns: Arc::default(),
            is_connected: AtomicBool::new(false),
            connection: AtomicU64::new(0),
            devices: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Whether the broker keeps the session of an absent hub.
    pub(super) fn is_persistent(&self) -> bool {
        self.settings.session_expiry > Duration::ZERO
    }

    /// A device that uses the session, for as long as it lives.
    pub(super) fn add(&self, device: &Arc<Device>) {
        let mut devices = lock(&self.devices);
        devices.retain(|device| device.strong_count() > 0);
        devices.push(Arc::downgrade(device));
    }

    pub(super) fn devices(&self) -> Vec<Arc<Device>> {
        lock(&self.devices).iter().filter_map(Weak::upgrade).collect()
    }

    /// What the broker made of a subscription.
    pub(super) fn subscribed(&self, filter: &str, result: Result<(), String>) {
        let mut refused = lock(&self.refused);
        match result {
            Ok(()) => drop(refused.remove(filter)),
            Err(reason) => drop(refused.insert(filter.to_owned(), reason)),
        }
    }

    /// The filters that the broker refuses.
    pub(super) fn refused(&self) -> BTreeMap<String, String> {
        lock(&self.refused).clone()
    }

    fn warn_of_plain_password(&self) {
        if self.settings.password.is_some() && self.settings.peer.tls.is_none() {
            let (link, place) = (&**self.reporter.link(), &self.settings.peer.address);
            warn!(link, "the password goes to {place} without encryption; [links.{link}.tls] would encrypt it");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
