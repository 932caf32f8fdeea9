//! Messages that the hub publishes, until the broker has taken them.
//!
//! Invariant: a message that was not confirmed when its connection ended is never sent again. A command must not come late.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::error::MqttError;
use super::packet::{ConnAck, Publish};

/// Most bytes of a message's packet besides topic and payload.
const BESIDES: usize = 16;

/// Where the answer to a message goes.
pub(super) type Answer = oneshot::Sender<Result<(), MqttError>>;

/// Messages that the broker has not taken.
#[derive(Debug, Default)]
pub(super) struct OwnMessages {
    /// Those of quality 1 and 2, with it, by their packet identifier.
    waiting: BTreeMap<u16, (u8, Answer)>,
    /// Those of quality 0 that are not sent.
    unsent: Vec<Answer>,
}

/// Refuses what the broker said that it will not take: sending it would end the connection.
pub(super) fn check(publish: &Publish, agreed: &ConnAck) -> Result<(), String> {
    let Publish { topic, payload, qos, .. } = publish;
    if *qos > agreed.highest_qos {
        return Err(format!("quality of service {qos}, and the broker takes at most {}", agreed.highest_qos));
    }
    if publish.retain && !agreed.keeps_retained {
        return Err("the broker keeps no messages".into());
    }
    if topic.len() + payload.len() + BESIDES > agreed.largest_packet {
        let (bytes, most) = (payload.len(), agreed.largest_packet);
        return Err(format!("message of {bytes} bytes, and the broker takes packets of at most {most}"));
    }
    Ok(())
}

impl OwnMessages {
    /// Messages that wait for the broker.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a packet identifier is in use.
    pub(super) fn has(&self, packet: u16) -> bool {
        self.waiting.contains_key(&packet)
    }

    /// A message is on its way.
    pub(super) fn sent(&mut self, packet: u16, qos: u8, answer: Answer) {
        if qos == 0 {
            self.unsent.push(answer);
        } else {
            self.waiting.insert(packet, (qos, answer));
        }
    }

    /// The broker has taken or refused a message.
    pub(super) fn answer(&mut self, packet: u16, result: Result<(), String>) {
        if let Some((_, answer)) = self.waiting.remove(&packet) {
            let refused = |reason| MqttError::Other(format!("the broker refuses the message: {reason}"));
            // Who asked may have gone.
            let _ = answer.send(result.map_err(refused));
        }
    }

    /// Everything was sent.
    pub(super) fn flushed(&mut self) {
        for answer in self.unsent.drain(..) {
            // Who asked may have gone.
            let _ = answer.send(Ok(()));
        }
    }

    /// The connection ended. Returns the identifiers that the broker may take for the same message when they are used again.
    pub(super) fn end(&mut self, reason: &str) -> Vec<u16> {
        let waiting = std::mem::take(&mut self.waiting);
        let half_way = waiting.iter().filter(|(_, (qos, _))| *qos == 2).map(|(packet, _)| *packet).collect();
        for answer in waiting.into_values().map(|(_, answer)| answer).chain(self.unsent.drain(..)) {
            let text = format!("{reason}; whether the broker took the message is not known");
            // Who asked may have gone.
            let _ = answer.send(Err(MqttError::Closed(text)));
        }
        half_way
    }
}
