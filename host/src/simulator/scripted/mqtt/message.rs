//! A message as a case writes it and as the broker hands it on.

use rumqttc::mqttbytes;
use serde::Deserialize;
use toml::{Table, Value};

use crate::notation::{hex, unhex};

/// What is published: `{ topic = "plant/co", payload = '{"v": 1}', retained = true, qos = 1 }`, with `hex` instead of `payload` for what is
/// no text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "Written")]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// Whether whoever subscribes later gets it, too.
    pub retained: bool,
    /// Quality of service, 0 to 2.
    pub qos: u8,
}

impl Message {
    /// As a case writes it.
    pub fn to_table(&self) -> Table {
        let is_text = |text: &&str| !text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t'));
        let payload = match std::str::from_utf8(&self.payload).ok().filter(is_text) {
            Some(text) => ("payload", Value::from(text)),
            None => ("hex", Value::from(hex(&self.payload))),
        };
        let members = [
            Some(("topic", Value::from(self.topic.as_str()))),
            Some(payload),
            self.retained.then(|| ("retained", Value::from(true))),
            (self.qos != at_least_once()).then(|| ("qos", Value::from(i64::from(self.qos)))),
        ];
        members.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    topic: String,
    payload: Option<String>,
    hex: Option<String>,
    #[serde(default)]
    retained: bool,
    #[serde(default = "at_least_once")]
    qos: u8,
}

fn at_least_once() -> u8 {
    1
}

impl TryFrom<Written> for Message {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { topic, payload, hex, retained, qos } = written;
        if topic.is_empty() || !mqttbytes::valid_topic(&topic) {
            return Err(format!("{topic:?} is no topic: it has at least one character, and neither + nor #"));
        }
        if topic.starts_with('$') {
            return Err(format!("{topic:?}: topics that begin with $ are the broker's own"));
        }
        if qos > 2 {
            return Err(format!("message of {topic}: quality of service {qos}; there are 0, 1 and 2"));
        }
        let payload = match (payload, hex) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(digits)) => {
                let digits: String = digits.split_whitespace().collect();
                unhex(&digits)
                    .ok_or_else(|| format!("message of {topic}: hex is two hexadecimal digits for each byte"))?
            }
            (None, None) => return Err(format!("message of {topic}: payload or hex is missing")),
            (Some(_), Some(_)) => return Err(format!("message of {topic}: payload and hex, of which one counts")),
        };
        Ok(Message { topic, payload, retained, qos })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_text_or_bytes_and_says_what_is_wrong_with_it() {
        let check = |text: &str, expected: Result<Message, &str>| match (toml::from_str::<Message>(text), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        };
        let message = |payload: &[u8], retained, qos| {
            Ok(Message { topic: "a/b".into(), payload: payload.to_vec(), retained, qos })
        };
        check("topic = 'a/b'\npayload = '1.5'", message(b"1.5", false, 1));
        check("topic = 'a/b'\npayload = ''\nretained = true\nqos = 2", message(b"", true, 2));
        check("topic = 'a/b'\nhex = '00 ff\\n 10'\nqos = 0", Err("two hexadecimal digits"));
        check("topic = 'a/b'\nhex = \"00 ff\\n 10\"\nqos = 0", message(&[0, 255, 16], false, 0));
        for message in [message(b"1.5\n", false, 1), message(b"a\rb", true, 0), message(&[0xff, 0], false, 2)] {
            check(&message.as_ref().unwrap().to_table().to_string(), message);
        }
        check("topic = 'a/b'\nhex = '0'", Err("two hexadecimal digits"));
        check("topic = 'a/b'", Err("payload or hex is missing"));
        check("topic = 'a/b'\npayload = ''\nhex = ''", Err("of which one counts"));
        check("topic = 'a/+'\npayload = ''", Err("is no topic"));
        check("topic = ''\npayload = ''", Err("is no topic"));
        check("topic = '$SYS/load'\npayload = ''", Err("the broker's own"));
        check("topic = 'a'\npayload = ''\nqos = 3", Err("quality of service 3"));
        check("topic = 'a'\npayload = ''\nretain = true", Err("unknown field `retain`"));
    }
}
