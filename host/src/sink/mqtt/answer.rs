//! What a broker's words mean. Reason codes: MQTT 5.0, table 2-6.

use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{ConnectionError, DisconnectReasonCode, PubAckReason, PublishNoticeError, PublishResult, StateError};

use crate::sink::Outcome;
use crate::sink::cause::with_causes;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub reason: String,
    /// The broker ended it because of what a message was, so that the same message would end the next one too.
    pub blames_a_message: bool,
}

impl End {
    pub(super) fn of(err: &ConnectionError) -> Self {
        let blames_a_message = match err {
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => matches!(
                reason_code,
                DisconnectReasonCode::TopicNameInvalid
                    | DisconnectReasonCode::PacketTooLarge
                    | DisconnectReasonCode::PayloadFormatInvalid
            ),
            ConnectionError::MqttState(StateError::OutgoingPacketTooLarge { .. }) => true,
            // A PUBACK with a code that the library does not know; mosquitto sends 0x95, packet too large.
            ConnectionError::MqttState(StateError::Deserialization(PacketError::InvalidConnectReturnCode(0x95))) => {
                true
            }
            _ => false,
        };
        End { reason: reason(err), blames_a_message }
    }
}

fn reason(err: &ConnectionError) -> String {
    match err {
        ConnectionError::MqttState(StateError::Deserialization(PacketError::InvalidConnectReturnCode(code))) => {
            format!("PUBACK with reason code 0x{code:02x}")
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let said = reason_string.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
            format!("the broker disconnected: {reason_code:?}{said}")
        }
        ConnectionError::ConnectionRefused(code) => format!("the broker refuses the connection: {code:?}"),
        err => with_causes(err),
    }
}

/// What a PUBACK said; `None` when there will be none because the connection ended.
pub(super) fn of_notice(result: Result<PublishResult, PublishNoticeError>) -> Option<Outcome> {
    match result {
        Ok(PublishResult::Qos1(ack)) => {
            let said = ack.properties.and_then(|properties| properties.reason_string);
            Some(of_reason(ack.reason, said.as_deref()))
        }
        Ok(_) => Some(Outcome::Retry { reason: "the broker confirmed another quality of service than 1".into() }),
        Err(PublishNoticeError::V5PubAck(reason)) => Some(of_reason(reason, None)),
        // A mistake in the configuration: nothing has to be lost over it.
        Err(PublishNoticeError::RetainNotSupported) => {
            Some(Outcome::Retry { reason: "the broker does not keep messages, set retain = false".into() })
        }
        Err(_) => None,
    }
}

/// The message was under way when the connection ended.
pub(super) fn after_end(end: End) -> Outcome {
    Outcome::Retry { reason: end.reason }
}

fn of_reason(reason: PubAckReason, said: Option<&str>) -> Outcome {
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    let text = format!("PUBACK 0x{:02x} {reason:?}{said}", reason as u8);
    match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Outcome::Accepted { answer: text },
        PubAckReason::NotAuthorized | PubAckReason::TopicNameInvalid | PubAckReason::PayloadFormatInvalid => {
            Outcome::Rejected { reason: text }
        }
        PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::PacketIdentifierInUse
        | PubAckReason::QuotaExceeded => Outcome::Retry { reason: text },
    }
}

/// What holds for a record of several messages: one that has to be sent again outweighs one that is refused, and that
/// one outweighs those that arrived.
pub(super) fn worse(first: Outcome, second: Outcome) -> Outcome {
    let weight = |outcome: &Outcome| match outcome {
        Outcome::Accepted { .. } => 0,
        Outcome::Rejected { .. } => 1,
        Outcome::Retry { .. } => 2,
    };
    match (&first, &second) {
        (Outcome::Accepted { .. }, _) => second,
        _ if weight(&second) > weight(&first) => second,
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Rejected { .. } => "rejected",
            Outcome::Retry { .. } => "retry",
        }
    }

    #[test]
    fn every_reason_code_of_a_puback_has_its_outcome() {
        let check = |reason, expected| assert_eq!(verdict(&of_reason(reason, None)), expected, "{reason:?}");
        check(PubAckReason::Success, "accepted");
        check(PubAckReason::NoMatchingSubscribers, "accepted");
        check(PubAckReason::UnspecifiedError, "retry");
        check(PubAckReason::ImplementationSpecificError, "retry");
        check(PubAckReason::NotAuthorized, "rejected");
        check(PubAckReason::TopicNameInvalid, "rejected");
        check(PubAckReason::PacketIdentifierInUse, "retry");
        check(PubAckReason::QuotaExceeded, "retry");
        check(PubAckReason::PayloadFormatInvalid, "rejected");
        assert_eq!(
            of_reason(PubAckReason::NotAuthorized, Some("not your topic")),
            Outcome::Rejected { reason: "PUBACK 0x87 NotAuthorized: not your topic".into() }
        );
    }

    #[test]
    fn a_message_is_blamed_only_for_what_it_is() {
        let disconnect =
            |reason_code| ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string: None });
        let check = |reason_code, expected: bool| {
            assert_eq!(End::of(&disconnect(reason_code)).blames_a_message, expected, "{reason_code:?}");
        };
        check(DisconnectReasonCode::PacketTooLarge, true);
        check(DisconnectReasonCode::TopicNameInvalid, true);
        check(DisconnectReasonCode::PayloadFormatInvalid, true);
        check(DisconnectReasonCode::ServerShuttingDown, false);
        check(DisconnectReasonCode::NotAuthorized, false);
        check(DisconnectReasonCode::SessionTakenOver, false);
        check(DisconnectReasonCode::QuotaExceeded, false);
    }

    #[test]
    fn the_worst_message_speaks_for_its_record() {
        let outcome = |verdict: &str| match verdict {
            "accepted" => Outcome::Accepted { answer: String::new() },
            "rejected" => Outcome::Rejected { reason: String::new() },
            _ => Outcome::Retry { reason: String::new() },
        };
        let check = |first, second, expected| {
            assert_eq!(verdict(&worse(outcome(first), outcome(second))), expected, "{first} {second}");
        };
        check("accepted", "accepted", "accepted");
        check("accepted", "rejected", "rejected");
        check("rejected", "accepted", "rejected");
        check("rejected", "retry", "retry");
        check("retry", "rejected", "retry");
    }
}
