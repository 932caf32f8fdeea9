//! What came from a broker: what it had kept is there when the driver comes, and what came within a second comes in one step.

use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use super::{POLLS, RecordError, Scenes, poll};
use crate::capability::mqtt::matches;
use crate::capability::wire::{Content, Direction, MessageHead};
use crate::notation::counted;
use crate::simulator::replay::frames;
use crate::simulator::scripted::mqtt::Message;
use crate::time::Timestamp;

/// Span of a step.
const STEP: Duration = Duration::from_secs(1);
/// The member of an instrument, and of a step, that has them.
const MESSAGES: &str = "messages";

/// A message of the trace.
#[derive(Debug, Clone, PartialEq)]
struct Came {
    at: Timestamp,
    message: Message,
}

/// Messages of the trace that a device with these topics takes.
pub(super) fn scenes(trace: &Path, topics: &[&str]) -> Result<Scenes, RecordError> {
    let (mut kept, mut came, mut others): (Vec<Message>, Vec<Came>, usize) = Default::default();
    for (frame, payload) in frames(trace)? {
        let (Direction::In, Some(Content::Message(head))) = (frame.direction, frame.content) else { continue };
        let MessageHead { topic, qos, retained, again, length } = head;
        // What begins so is the broker's own, and a case has another broker.
        if topic.starts_with('$') || !topics.iter().any(|filter| matches(filter, &topic)) {
            others += 1;
            continue;
        }
        if payload.len() < length {
            return Err(RecordError::Cut { topic, at: frame.at, length });
        }
        let message = Message { topic, payload, retained, qos };
        if retained {
            kept.retain(|other| other.topic != message.topic);
            kept.push(message);
        } else if !(again && came.iter().any(|before| before.message == message)) {
            came.push(Came { at: frame.at, message });
        }
    }
    if kept.is_empty() && came.is_empty() {
        let what = match others {
            0 => "no message came in it; does something publish to the device's topics?".to_owned(),
            others => format!("no message in it is for the device; its topics take none of the {others} that came"),
        };
        return Err(RecordError::Empty { path: trace.to_owned(), what });
    }
    let (steps, later) = steps(came);
    let instrument = Some(kept).filter(|kept| !kept.is_empty()).map(|kept| messages(&kept));
    let left_out =
        [(others, "for the device's topics do not take them"), (later, "the last, for it would be too long")];
    Ok(Scenes {
        instrument: instrument.into_iter().collect(),
        steps,
        left_out: left_out
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("not in the case: {} of the trace, {why}", counted(*count, "message")))
            .collect(),
    })
}

/// A step for what came within a second, with a poll at the end of it; and how many messages there were after the last.
fn steps(came: Vec<Came>) -> (Vec<Table>, usize) {
    let mut groups: Vec<Vec<Came>> = Vec::new();
    for one in came {
        match groups.last_mut() {
            Some(group) if group.first().is_some_and(|first| first.at.after(STEP) > one.at) => group.push(one),
            _ => groups.push(vec![one]),
        }
    }
    let later = groups.split_off(groups.len().min(POLLS)).iter().map(Vec::len).sum();
    let step = |group: &Vec<Came>| {
        let mut step = poll(group.last().map(|last| last.at));
        step.extend([messages(group.iter().map(|came| &came.message))]);
        step
    };
    let steps: Vec<Table> = groups.iter().map(step).collect();
    (if steps.is_empty() { vec![poll(None)] } else { steps }, later)
}

fn messages<'a>(messages: impl IntoIterator<Item = &'a Message>) -> (String, Value) {
    (MESSAGES.to_owned(), Value::Array(messages.into_iter().map(|message| Value::Table(message.to_table())).collect()))
}
