//! What an HTTP answer means.

use serde_json::Value;

use super::peer::Reply;
use crate::config::model::Acknowledge;
use crate::sink::Outcome;

/// Longest part of an answer that is kept, in characters.
const KEPT: usize = 500;

/// Which answer is an acknowledgement and which a refusal.
#[derive(Debug)]
pub(super) struct Rule(Acknowledge);

impl Rule {
    pub(super) fn new(acknowledge: &Acknowledge) -> Self {
        Rule(acknowledge.clone())
    }

    /// The status decides first; a status in neither list, or an answer without what the rule's pointer asks for,
    /// means that the record has to be sent again.
    pub(super) fn judge(&self, reply: &Reply) -> Outcome {
        if self.0.reject.contains(&reply.status) {
            return Outcome::Rejected { reason: text_of(reply) };
        }
        if !self.0.status.contains(&reply.status) {
            return Outcome::Retry { reason: text_of(reply) };
        }
        let Some(pointer) = &self.0.pointer else {
            return Outcome::Accepted { answer: text_of(reply) };
        };
        match self.receipt(pointer, &reply.body) {
            Ok(receipt) => Outcome::Accepted { answer: shortened(&receipt) },
            Err(why) => Outcome::Retry { reason: format!("{why}: {}", text_of(reply)) },
        }
    }

    fn receipt(&self, pointer: &str, body: &[u8]) -> Result<String, String> {
        let answer: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
        let value = answer.pointer(pointer).ok_or_else(|| format!("the answer has no {pointer}"))?;
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match &self.0.equals {
            Some(expected) if text == *expected => Ok(text),
            Some(expected) => Err(format!("{pointer} is {:?}, not {expected:?}", shortened(&text))),
            None if matches!(value, Value::Null | Value::Bool(false)) => Err(format!("{pointer} is {text}")),
            None => Ok(text),
        }
    }
}

/// The status and the beginning of what was said.
fn text_of(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    let mut text = reply.status.to_string();
    if let Some(location) = &reply.location {
        text.push_str(" to ");
        text.push_str(&shortened(location));
    }
    if !body.trim().is_empty() {
        text.push(' ');
        text.push_str(&shortened(body.trim()));
    }
    text
}

fn shortened(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pointer: Option<&str>, equals: Option<&str>) -> Rule {
        Rule(Acknowledge {
            status: vec![200, 204],
            pointer: pointer.map(str::to_owned),
            equals: equals.map(str::to_owned),
            reject: vec![400, 422],
        })
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, location: None, body: body.as_bytes().to_vec() }
    }

    fn accepted(answer: &str) -> Outcome {
        Outcome::Accepted { answer: answer.into() }
    }

    fn retry(reason: &str) -> Outcome {
        Outcome::Retry { reason: reason.into() }
    }

    #[test]
    fn the_status_decides() {
        let check = |status, body: &str, expected: Outcome| {
            assert_eq!(rule(None, None).judge(&reply(status, body)), expected, "{status} {body}");
        };
        check(200, "ok", accepted("200 ok"));
        check(204, "", accepted("204"));
        check(422, "no such station", Outcome::Rejected { reason: "422 no such station".into() });
        check(201, "", retry("201"));
        check(401, "", retry("401"));
        check(503, "later", retry("503 later"));
    }

    #[test]
    fn a_redirect_is_no_acknowledgement() {
        let reply = Reply { status: 302, location: Some("http://elsewhere/".into()), body: Vec::new() };
        assert_eq!(rule(None, None).judge(&reply), retry("302 to http://elsewhere/"));
    }

    #[test]
    fn a_pointer_must_find_its_receipt() {
        let check = |equals, body: &str, expected: Outcome| {
            assert_eq!(rule(Some("/data/receipt"), equals).judge(&reply(200, body)), expected, "{body}");
        };
        check(None, r#"{"data":{"receipt":"A-17"}}"#, accepted("A-17"));
        check(None, r#"{"data":{"receipt":17}}"#, accepted("17"));
        check(None, r#"{"data":{}}"#, retry(r#"the answer has no /data/receipt: 200 {"data":{}}"#));
        check(None, r#"{"data":{"receipt":null}}"#, retry(r#"/data/receipt is null: 200 {"data":{"receipt":null}}"#));
        check(
            None,
            r#"{"data":{"receipt":false}}"#,
            retry(r#"/data/receipt is false: 200 {"data":{"receipt":false}}"#),
        );
        check(None, "<html>welcome</html>", retry("the answer is not JSON: 200 <html>welcome</html>"));
        check(Some("ok"), r#"{"data":{"receipt":"ok"}}"#, accepted("ok"));
        check(Some("true"), r#"{"data":{"receipt":true}}"#, accepted("true"));
        check(
            Some("ok"),
            r#"{"data":{"receipt":"no"}}"#,
            retry(r#"/data/receipt is "no", not "ok": 200 {"data":{"receipt":"no"}}"#),
        );
    }

    #[test]
    fn a_refusal_keeps_the_beginning_of_the_answer() {
        let long = "ж".repeat(2000);
        let Outcome::Rejected { reason } = rule(None, None).judge(&reply(400, &long)) else { panic!("not rejected") };
        assert_eq!(reason, format!("400 {}", "ж".repeat(500)));
    }
}
