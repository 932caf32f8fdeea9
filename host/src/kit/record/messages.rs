//! What came from a broker: what it had kept is there when the driver comes, and what came at once comes in one step.

use std::path::Path;

use toml::{Table, Value};

use super::{RecordError, Scenes, grouped, poll};
use crate::capability::mqtt::matches;
use crate::capability::wire::{Content, Direction, MessageHead};
use crate::notation::counted;
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

/// A step for what came at once, with a poll at the end of it; and how many messages there were after the last.
fn steps(came: Vec<Came>) -> (Vec<Table>, usize) {
    let (groups, later) = grouped(came, |one| one.at, |_, _| true);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_first_what_comes_again_once_and_what_is_cut_never() {
        let line = |millis: u32, topic: &str, marks: &str, hex: &str, length: u32| {
            format!(
                r#"{{"at":"2026-11-01T00:00:00.{millis:03}Z","link":"l","direction":"in","hex":"{hex}","text":"","content":{{"message":{{"topic":"{topic}","qos":1,{marks},"length":{length}}}}}}}"#
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
            line(0, "a/b", kept, "30", 1),
            line(0, "a/b", kept, "31", 1),
            line(100, "a/b", plain, "32", 1),
            line(150, "a/c", plain, "33", 1),
            line(160, "b/c", plain, "33", 1),
            line(170, "$SYS/load", plain, "33", 1),
            line(300, "a/b", again, "32", 1),
            line(400, "a/b", again, "34", 1),
        ];

        let made = of(&lines).unwrap();

        let payloads = |table: &Table| -> Vec<String> {
            let messages = table.get(MESSAGES).and_then(Value::as_array).into_iter().flatten();
            messages.filter_map(|message| Some(message.get("payload")?.as_str()?.to_owned())).collect()
        };
        assert_eq!(payloads(&made.instrument), ["1"]);
        assert_eq!(made.steps.iter().map(payloads).collect::<Vec<_>>(), [vec!["2", "3"], vec!["4"]]);
        assert_eq!(
            made.left_out,
            ["not in the case: 2 messages of the trace, for the device's topics do not take them"]
        );
        let cut = of(&[line(0, "a/b", plain, "30", 70_000)]).map(|_| ()).unwrap_err();
        assert!(cut.to_string().contains("a/b at 2026-11-01T00:00:00Z has 70000 bytes"), "{cut}");
    }
}
