//! A session as one device sees it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::bytes::Bytes;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::device::{Device, Filters, Handed};
use super::error::MqttError;
use super::packet::Publish;
use super::session::{self, Publication, Session};
use super::topic;
use crate::capability::wire::{Memory, NOT_YET, Reporter, Role, Trace};
use crate::capability::{Addressing, Plug, Surroundings, UNPLUGGED};
use crate::config::model::MqttLink;

/// Longest wait for the broker to take a message.
const PUBLISH: Duration = Duration::from_secs(10);
/// Longest wait for the task to end.
const CLOSE: Duration = Duration::from_secs(3);
/// Messages that wait to be published.
const PUBLICATIONS: usize = 32;

/// One session of the configuration.
pub struct Connection {
    session: Arc<Session>,
    publications: mpsc::Sender<Publication>,
    task: Mutex<Task>,
    stop: CancellationToken,
    plug: Plug,
    /// The task ends with the connection.
    _guard: DropGuard,
}

enum Task {
    /// Nobody has asked for anything yet.
    Idle(mpsc::Receiver<Publication>),
    Running(JoinHandle<()>),
    Closed,
}

/// A session as one device sees it.
#[derive(Clone)]
pub struct Link {
    connection: Arc<Connection>,
    device: Arc<Device>,
    role: Role<Filters>,
}

/// What a device takes at a time, and how the connection is.
pub(super) struct Received {
    pub handed: Handed,
    pub is_connected: bool,
    pub connection: u64,
}

impl Connection {
    /// A connection that is made when a device first uses it.
    pub fn new(name: &str, settings: MqttLink, surroundings: &Surroundings) -> Self {
        let (publications, waiting) = mpsc::channel(PUBLICATIONS);
        let stop = CancellationToken::new();
        Connection {
            session: Arc::new(Session::new(name, settings)),
            publications,
            task: Mutex::new(Task::Idle(waiting)),
            _guard: stop.clone().drop_guard(),
            stop,
            plug: surroundings.plug,
        }
    }

    /// How it is.
    pub fn reporter(&self) -> &Reporter {
        &self.session.reporter
    }

    /// What goes over it.
    pub fn trace(&self) -> &Trace {
        &self.session.trace
    }

    /// Says goodbye to the broker. Whoever still uses the session is told that it is closed.
    pub async fn close(&self) {
        self.stop.cancel();
        let task = std::mem::replace(&mut *self.task(), Task::Closed);
        if let Task::Running(task) = task {
            // It ends by itself, at the latest when the runtime does.
            let _ = timeout(CLOSE, task).await;
        }
    }

    /// Begins to connect, if it has not.
    fn start(&self) {
        if self.plug == Plug::Out {
            return;
        }
        let mut task = self.task();
        *task = match std::mem::replace(&mut *task, Task::Closed) {
            Task::Idle(waiting) => {
                let session = Arc::clone(&self.session);
                Task::Running(tokio::spawn(session::run(session, waiting, self.stop.clone())))
            }
            other => other,
        };
    }

    fn task(&self) -> std::sync::MutexGuard<'_, Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// A link for this device.
    pub fn new(connection: Arc<Connection>, device: &Addressing) -> Self {
        let Session { settings, returns, .. } = &*connection.session;
        let device = Arc::new(Device::new(device, settings.queue, returns));
        connection.session.add(&device);
        Link { connection, device, role: Role::first() }
    }

    /// The same place for a driver that waits to take over.
    pub fn understudy(&self) -> Self {
        Link { role: self.role.understudy(), ..self.clone() }
    }

    /// The driver of this link has the place from now on.
    pub fn step_in(&self, memory: Memory) {
        if let Some(filters) = self.role.step_in(memory) {
            self.device.subscribe(filters, memory);
        }
    }

    /// What wakes the device's poll.
    pub fn bell(&self) -> Arc<Notify> {
        self.device.bell()
    }

    /// Whether something was handed out that must be kept before the broker may forget it.
    pub fn is_in_hand(&self) -> bool {
        self.device.is_in_hand()
    }

    /// What was made of everything that was handed out is durable.
    pub fn kept(&self) {
        self.device.kept();
    }

    /// Nothing could be kept of what was handed out.
    pub fn not_kept(&self) {
        self.device.not_kept();
    }

    pub(super) fn granted(&self) -> &[String] {
        self.device.granted()
    }

    /// Takes messages of these filters from now on, and after every connection.
    pub(super) fn subscribe(&self, filters: &[String], qos: u8) -> Result<(), MqttError> {
        let is_idle = filters.is_empty();
        let filters = self.device.check_filters(filters, qos)?;
        if self.role.says(filters.clone()) {
            self.device.subscribe(filters, self.role.memory().unwrap_or(Memory::None));
        }
        if !is_idle {
            self.connection.start();
        }
        Ok(())
    }

    /// Takes at most so many messages. Never waits.
    pub(super) fn receive(&self, most: u32) -> Result<Received, MqttError> {
        let session = &self.connection.session;
        let handed = if self.role.has_place() {
            self.device.begins();
            self.device.take(most)
        } else {
            Handed::default()
        };
        if handed.messages.is_empty() && handed.dropped == 0 {
            let refused = session.refused();
            let is_refused = |filter: &str| refused.keys().any(|outer| topic::lies_within(filter, outer));
            if let Some(filter) = self.device.first_within(is_refused) {
                let reason =
                    refused.iter().find(|(outer, _)| topic::lies_within(&filter, outer)).map(|(_, reason)| reason);
                let reason = reason.map(String::as_str).unwrap_or_default();
                return Err(MqttError::Other(format!("the broker refuses the subscription of {filter}: {reason}")));
            }
        }
        Ok(Received {
            handed,
            is_connected: session.is_connected.load(Ordering::Relaxed),
            connection: session.connection.load(Ordering::Relaxed),
        })
    }

    /// Publishes a message, and waits until the broker took it.
    pub(super) async fn publish(
        &self,
        topic: String,
        payload: Vec<u8>,
        qos: u8,
        retain: bool,
    ) -> Result<(), MqttError> {
        if qos > 2 {
            return Err(MqttError::BadRequest(format!("quality of service {qos}; there are 0, 1 and 2")));
        }
        self.device.may_publish(&topic)?;
        let Session { settings, reporter, .. } = &*self.connection.session;
        if payload.len() as u64 > settings.largest {
            let (bytes, most) = (payload.len(), settings.largest);
            return Err(MqttError::BadRequest(format!("message of {bytes} bytes, at most {most} (largest)")));
        }
        if self.connection.plug == Plug::Out {
            return Err(MqttError::Closed(UNPLUGGED.into()));
        }
        if !self.role.has_place() {
            return Err(MqttError::Closed(NOT_YET.into()));
        }
        self.connection.start();
        let (answer, answered) = oneshot::channel();
        let publish = Publish { topic, payload: Bytes::from(payload), qos, retain, dup: false, packet: 0 };
        let closed = || MqttError::Closed("the connection is closed".into());
        let exchange = async {
            self.connection.publications.send(Publication { publish, answer }).await.map_err(|_| closed())?;
            answered.await.map_err(|_| closed())?
        };
        match timeout(PUBLISH, exchange).await {
            Ok(result) => result,
            Err(_) => {
                let reason = reporter.reason_or("the broker does not answer");
                let text = format!("{reason}; not taken within {} s", PUBLISH.as_secs());
                Err(MqttError::Closed(text))
            }
        }
    }
}
