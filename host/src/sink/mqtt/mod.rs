//! Publishing to an MQTT 5 broker with QoS 1.
//!
//! The messages of a batch are sent one after the other without waiting, at most 100 unconfirmed, and each is accepted
//! on its PUBACK. The client keeps nothing between two batches: when an attempt does not end well the connection is
//! dropped with all that the client still held, and the next attempt begins with a clean session. What the broker has
//! but did not confirm comes again with the same key, which every message carries as the user property `key`.
//!
//! Source: "MQTT Version 5.0", OASIS Standard, 7 March 2019.
//!
//! Invariant: a record is accepted only when the broker confirmed every one of its messages.

mod answer;
mod encode;
mod peer;

use std::time::Duration;

use rumqttc::PublishNotice;
use tokio::time::{Instant, timeout_at};

use self::answer::{after_end, of_notice, worse};
use self::encode::{Message, MessageForm};
pub use self::encode::{Placeholder, TopicError, placeholders};
use self::peer::{Connection, Peer};
use super::{BuildError, Outcome, Record, Sink};
use crate::config::model::Mqtt;

/// The sink of `type = "mqtt"`.
#[derive(Debug)]
pub struct MqttSink {
    form: MessageForm,
    peer: Peer,
    /// Present between attempts while all went well.
    connection: Option<Connection>,
    most: usize,
    limit: Duration,
    /// Records that were under way when the broker ended the connection because of one of them. They are sent one by
    /// one, so that it is known which.
    suspects: usize,
}

impl MqttSink {
    /// A sink for this hub. Connects with the first delivery. `limit` is the time of one attempt, `most` the records of
    /// one.
    pub fn new(hub: &str, config: &Mqtt, most: usize, limit: Duration) -> Result<Self, BuildError> {
        Ok(MqttSink {
            form: MessageForm::new(hub, config)?,
            peer: Peer::new(config)?,
            connection: None,
            most: most.max(1),
            limit,
            suspects: 0,
        })
    }

    /// Waits until the kept connection is lost.
    #[cfg(test)]
    pub(super) async fn until_disconnected(&self) {
        if let Some(connection) = &self.connection {
            connection.wait_for_end().await;
        }
    }

    /// Publishes everything, then waits for the confirmations in order.
    async fn publish(&mut self, connection: &Connection, records: &[Record], deadline: Instant) -> Vec<Outcome> {
        let mut sent: Vec<Vec<Sent>> = Vec::with_capacity(records.len());
        for record in records {
            let mut of_record = Vec::new();
            for message in self.form.messages(record) {
                of_record.push(send(connection, message, deadline).await);
            }
            let must_wait = of_record.iter().any(|sent| matches!(sent, Sent::Not(Outcome::Retry { .. })));
            sent.push(of_record);
            if must_wait {
                break;
            }
        }
        let mut outcomes = Vec::with_capacity(records.len());
        for of_record in sent {
            let mut outcome = Outcome::Accepted { answer: "nothing to send".into() };
            for sent in of_record {
                outcome = worse(outcome, confirmed(connection, sent, deadline).await);
            }
            outcomes.push(outcome);
        }
        let waits = Outcome::Retry { reason: "an earlier message must be delivered first".into() };
        outcomes.resize(records.len(), waits);
        outcomes
    }

    /// When the broker ended the connection over a message, finds out which by sending the suspects one by one.
    fn judge_end(&mut self, connection: &Connection, outcomes: &mut [Outcome]) {
        let Some(end) = connection.end() else { return };
        let unsettled = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Retry { .. })).count();
        if !end.blames_a_message || unsettled == 0 {
            return;
        }
        match outcomes {
            [only] => *only = Outcome::Rejected { reason: end.reason },
            _ => self.suspects = unsettled,
        }
    }
}

impl Sink for MqttSink {
    async fn deliver(&mut self, records: &[Record]) -> Vec<Outcome> {
        // The sink's own deadline is a little earlier than the runner's, so that what was confirmed by then counts.
        let deadline = Instant::now() + self.limit.mul_f64(0.9);
        // Taken out: a dropped attempt takes the connection, and with it all that the client held, along.
        let connection = match self.connection.take().filter(|connection| connection.end().is_none()) {
            Some(connection) => connection,
            None => match timeout_at(deadline, self.peer.connect()).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(reason)) => return vec![Outcome::Retry { reason }; records.len()],
                Err(_) => {
                    return vec![Outcome::Retry { reason: "no answer to CONNECT in time".into() }; records.len()];
                }
            },
        };
        let mut outcomes = self.publish(&connection, records, deadline).await;
        let all_settled = !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Retry { .. }));
        self.judge_end(&connection, &mut outcomes);
        if all_settled {
            self.connection = Some(connection);
        }
        if records.len() == 1 && !matches!(outcomes.as_slice(), [Outcome::Retry { .. }]) {
            self.suspects = self.suspects.saturating_sub(1);
        }
        outcomes
    }

    fn batch(&self) -> usize {
        if self.suspects > 0 { 1 } else { self.most }
    }

    fn timeout(&self) -> Duration {
        self.limit
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}

/// A message on its way, or why it is not.
enum Sent {
    Under(PublishNotice),
    Not(Outcome),
}

async fn send(connection: &Connection, message: Result<Message, Outcome>, deadline: Instant) -> Sent {
    let message = match message {
        Ok(message) => message,
        Err(outcome) => return Sent::Not(outcome),
    };
    if let Err(outcome) = connection.admits(&message) {
        return Sent::Not(outcome);
    }
    match timeout_at(deadline, connection.publish(message)).await {
        Ok(Ok(notice)) => Sent::Under(notice),
        Ok(Err(outcome)) => Sent::Not(outcome),
        Err(_) => Sent::Not(Outcome::Retry { reason: "the broker takes no more messages".into() }),
    }
}

async fn confirmed(connection: &Connection, sent: Sent, deadline: Instant) -> Outcome {
    match sent {
        Sent::Not(outcome) => outcome,
        Sent::Under(notice) => match timeout_at(deadline, notice.wait_async()).await {
            Ok(result) => match of_notice(result) {
                Some(outcome) => outcome,
                // The client is gone; the connection knows why.
                None => after_end(connection.wait_for_end().await),
            },
            Err(_) => Outcome::Retry { reason: "no PUBACK in time".into() },
        },
    }
}
