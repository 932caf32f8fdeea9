//! A broker in memory, for the native tests of drivers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::driver::Timestamp;
use crate::mqtt::{Error, Incoming, Message, Publisher, QoS, Subscriber};

/// A broker. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Broker {
    shared: Rc<RefCell<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    granted: Vec<String>,
    filters: Vec<String>,
    queue: VecDeque<Message>,
    published: Vec<(String, Vec<u8>)>,
    dropped: u64,
    is_away: bool,
    connection: u64,
}

impl Broker {
    /// A broker whose device is granted these topic filters.
    pub fn new(granted: &[&str]) -> Self {
        let broker = Broker::default();
        let granted = granted.iter().map(|filter| (*filter).to_owned()).collect();
        *broker.shared.borrow_mut() = Shared { granted, connection: 1, ..Shared::default() };
        broker
    }

    /// A message arrives now, at this time.
    pub fn deliver(&self, topic: &str, payload: impl Into<Vec<u8>>, at: Timestamp) {
        let message = Message { topic: topic.into(), payload: payload.into(), is_retained: false, is_again: false, at };
        self.deliver_message(message);
    }

    /// A message with all its marks arrives.
    pub fn deliver_message(&self, message: Message) {
        self.shared.borrow_mut().queue.push_back(message);
    }

    /// The host had to refuse so many messages.
    pub fn drop_messages(&self, count: u64) {
        self.shared.borrow_mut().dropped += count;
    }

    /// The connection is gone.
    pub fn disconnect(&self) {
        self.shared.borrow_mut().is_away = true;
    }

    /// There is a new connection.
    pub fn connect(&self) {
        let mut shared = self.shared.borrow_mut();
        shared.is_away = false;
        shared.connection += 1;
    }

    /// What the driver subscribed to.
    pub fn filters(&self) -> Vec<String> {
        self.shared.borrow().filters.clone()
    }

    /// What the driver published since the last call.
    pub fn published(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.shared.borrow_mut().published)
    }
}

impl Subscriber for Broker {
    fn granted(&self) -> Vec<String> {
        self.shared.borrow().granted.clone()
    }

    fn subscribe(&self, filters: &[String], _qos: QoS) -> Result<(), Error> {
        self.shared.borrow_mut().filters = filters.to_vec();
        Ok(())
    }

    fn receive(&self, most: u32) -> Result<Incoming, Error> {
        let mut shared = self.shared.borrow_mut();
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(shared.queue.len());
        let messages = shared.queue.drain(..most).collect();
        Ok(Incoming {
            messages,
            dropped: std::mem::take(&mut shared.dropped),
            more: !shared.queue.is_empty(),
            is_connected: !shared.is_away,
            connection: shared.connection,
        })
    }
}

impl Publisher for Broker {
    fn publish(&self, topic: &str, payload: &[u8], _qos: QoS) -> Result<(), Error> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_away {
            return Err(Error::Closed("the broker is away".into()));
        }
        shared.published.push((topic.to_owned(), payload.to_vec()));
        Ok(())
    }
}
