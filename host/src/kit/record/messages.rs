//! What came from a broker: what it had kept is there when the driver comes, and what came at once comes in one step.

use std::collections::HashSet;
use std::path::Path;

use toml::{Table, Value};

use super::{RecordError, Scenes, grouped, left_out, poll};
use crate::capability::mqtt::matches;
use crate::capability::wire::{Content, Direction, MessageHead};
use crate::simulator::replay::frames;
use crate::simulator::scripted::mqtt::Message;
use crate::time::Timestamp;

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
    let (mut begin, mut numbers) = (None, HashSet::new());
    for (frame, payload) in frames(trace)? {
        let (Direction::In, Some(Content::Message(head))) = (frame.direction, frame.content) else { continue };
        let MessageHead { topic, qos, retained, again, packet, length } = head;
        // What begins so is the broker's own, and a case has another broker.
        if topic.starts_with('$') || !topics.iter().any(|filter| matches(filter, &topic)) {
            others += 1;
            continue;
        }
        if payload.len() < length {
            return Err(RecordError::Cut { topic, at: frame.at, length });
        }
        let message = Message { topic, payload, retained, qos };
        let is_known = packet != 0 && !numbers.insert((packet, message.clone()));
        let last = came.iter().rev().map(|came| &came.message).chain(&kept).find(|last| last.topic == message.topic);
        match last {
            None if retained => {
                begin = Some(frame.at);
                kept.push(message);
            }
            // What was kept comes anew with each connection.
            Some(last) if retained && last.payload == message.payload => {}
            _ if again && is_known => {}
            _ => came.push(Came { at: frame.at, message }),
        }
    }
    if kept.is_empty() && came.is_empty() {
        let what = match others {
            0 => "no message came in it; does something publish to the device's topics?".to_owned(),
            others => format!("no message in it is for the device; its topics take none of the {others} that came"),
        };
        return Err(RecordError::Empty { path: trace.to_owned(), what });
    }
    let (mut steps, later) = steps(came);
    if !kept.is_empty() {
        steps.insert(0, poll(begin));
    }
    let instrument = Some(kept).filter(|kept| !kept.is_empty()).map(|kept| messages(&kept));
    let left_out = left_out([
        (others, "message", "for the device's topics do not take them"),
        (later, "message", "the last, for it would be too long"),
    ]);
    Ok(Scenes { instrument: instrument.into_iter().collect(), steps, left_out })
}

/// A step for what came at once, with a poll at the end of it; and how many messages there were after the last.
fn steps(came: Vec<Came>) -> (Vec<Table>, usize) {
    let (groups, later) = grouped(came, |one| one.at, |_, _| true);
    let step = |group: &Vec<Came>| {
        let mut step = poll(group.last().map(|last| last.at));
        step.extend([messages(group.iter().map(|came| &came.message))]);
        step
    };
    let steps: Vec<Table> = groups.iter().map(step).collect();
    (steps, later)
}

fn messages<'a>(messages: impl IntoIterator<Item = &'a Message>) -> (String, Value) {
    (MESSAGES.to_owned(), Value::Array(messages.into_iter().map(|message| Value::Table(message.to_table())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_first_what_comes_again_once_and_what_is_cut_never() {
        let line = |millis: u32, packet: u16, topic: &str, marks: &str, hex: &str, length: u32| {
            format!(
                r#"{{"at":"2026-11-01T00:00:00.{millis:03}Z","link":"l","direction":"in","hex":"{hex}","text":"","content":{{"message":{{"topic":"{topic}","qos":1,{marks},"packet":{packet},"length":{length}}}}}}}"#
            )
        };
        let plain = r#""retained":false,"again":false"#;
        let kept = r#""retained":true,"again":false"#;
        let again = r#""retained":false,"again":true"#;
        let of = |lines: &[String]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), lines.join("\n")).unwrap();
            scenes(file.path(), &["a/#"])
        };
        let lines = [
            line(0, 1, "a/b", kept, "30", 1),
            line(0, 2, "a/c", kept, "39", 1),
            line(100, 3, "a/b", plain, "32", 1),
            line(150, 4, "a/c", plain, "33", 1),
            line(160, 5, "b/c", plain, "33", 1),
            line(170, 6, "$SYS/load", plain, "33", 1),
            line(300, 3, "a/b", again, "32", 1),
            line(400, 7, "a/b", again, "32", 1),
            // A new connection: what is kept comes anew, and one is another by now.
            line(600, 8, "a/b", kept, "32", 1),
            line(600, 9, "a/c", kept, "35", 1),
        ];

        let made = of(&lines).unwrap();

        let payloads = |table: &Table| -> Vec<String> {
            let messages = table.get(MESSAGES).and_then(Value::as_array).into_iter().flatten();
            messages.filter_map(|message| Some(message.get("payload")?.as_str()?.to_owned())).collect()
        };
        assert_eq!(payloads(&made.instrument), ["0", "9"]);
        let expected = [vec![], vec!["2", "3"], vec!["2"], vec!["5"]];
        assert_eq!(made.steps.iter().map(payloads).collect::<Vec<_>>(), expected);
        assert_eq!(made.steps[0], poll(Some(Timestamp::from_seconds(1_793_491_200))));
        assert_eq!(
            made.left_out,
            ["not in the case: 2 messages of the trace, for the device's topics do not take them"]
        );
        let cut = of(&[line(0, 1, "a/b", plain, "30", 70_000)]).map(|_| ()).unwrap_err();
        assert!(cut.to_string().contains("a/b at 2026-11-01T00:00:00Z has 70000 bytes"), "{cut}");
    }
}
