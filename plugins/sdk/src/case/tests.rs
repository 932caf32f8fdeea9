//! A driver that repeats what its instrument says, and cases that are kept or not.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::play::play_text;
use super::*;
use crate::driver::{Description, Driver, History, Point, Timestamp};
use crate::failure::Failure;
use crate::samples::{Sample, Samples};
use crate::stream::fake::Line;
use crate::stream::{Exchange, Framing, Stream, Unasked};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What it is asked.
    question: String,
}

/// Sends a greeting, asks its question, and takes what came unasked.
struct Parrot {
    line: Line,
    question: String,
}

impl Driver for Parrot {
    type Settings = Settings;

    fn description() -> Description {
        Description::new("parrot", "0")
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        Parrot::new(Line::pushing(), settings)
    }

    fn points(&self) -> Vec<Point> {
        vec![Point::number("number", "Number", "1"), Point::text("text", "Text")]
    }

    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.line.send(b"hello")?;
        let reply = self.line.ask(self.question.as_bytes(), &Exchange::default())?;
        let mut samples = Samples::default();
        samples.push(Sample::new(0, String::from_utf8_lossy(&reply).parse().unwrap_or(f64::NAN)).status(1));
        for frame in self.line.receive(10)?.frames {
            samples.push_text(Sample::new(1, f64::NAN).time(now), String::from_utf8_lossy(&frame.bytes));
            self.line.send_when_kept(b"thanks")?;
        }
        Ok(samples)
    }

    fn backfill(&mut self, _begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        let mut samples = Samples::default();
        samples.push(Sample::new(0, 1.5).time(end));
        Ok(History { samples, next: if next.is_empty() { "more".into() } else { String::new() } })
    }

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        if name == "say" { Ok(arguments.to_owned()) } else { Err(Failure::busy("it sleeps")) }
    }
}

impl Parrot {
    fn new(line: Line, settings: Settings) -> Result<Self, Failure> {
        line.frames(&Framing::ended_by(&[b"\r"]), Unasked::Waits)?;
        Ok(Parrot { line, question: settings.question })
    }
}

fn played(steps: &str) -> Result<(), Deviation> {
    play_text(&format!("about = ''\n[settings]\nquestion = '?'\n{steps}"), &Parrot::new)
}

const ASKED: &str = "exchange = [{ request = 'hello' }, { request = '?', reply = ['<37>'] }]\n";
const SEVEN: &str = r#"{"point": "number", "value": 7, "unit": "1", "state": "valid", "status": 1}"#;

#[test]
fn a_case_that_is_kept_passes() {
    let told = r#"{"point": "text", "value": "tweet", "time": "2026-11-01T00:00:00Z", "qualifiers": 0}"#;
    let poll = format!("[[step]]\npoll = '2026-11-01T00:00:00Z'\npush = ['tweet']\n{ASKED}");
    played(&format!("{poll}acknowledged = ['thanks']\nexpect = '''\n{SEVEN}\n{told}\n'''")).unwrap();
    played("[[step]]\ncommand = 'say'\narguments = 'yes'\nanswer = 'yes'").unwrap();
    played("[[step]]\ncommand = 'fly'\nfailure = { code = 5, text = 'it sleeps' }").unwrap();
    let record = r#"{"value": 1.5, "time": "2026-11-01T01:00:00Z"}"#;
    let backfill = "[[step]]\nbackfill = { begin = '2026-11-01T00:00:00Z', end = '2026-11-01T01:00:00Z' }";
    played(&format!("{backfill}\nexpect = '''\n{record}\n{record}\n'''")).unwrap();
    let gone = "exchange = [{ request = 'hello' }, { request = '?' }]";
    let failure = "failure = { code = 1, text = 'stream link: no connection: unplugged' }";
    played(&format!("[[step]]\nlink = 'down'\n{gone}\n{failure}\n")).unwrap();
}

#[test]
fn what_differs_is_named_with_its_step() {
    let check = |step: &str, expected: &str| {
        assert_eq!(played(&format!("[[step]]\n{step}")).unwrap_err().to_string(), expected);
    };
    let row = r#"{"point":"number","unit":"1","value":7.0,"state":"valid","status":1,"qualifiers":0,"time":null}"#;
    check(ASKED, &format!("step 1: samples (- expected, + found):\n+ {row}"));
    check(
        &format!("say = 'eight'\n{ASKED}expect = '{{\"value\": 8}}'"),
        &format!("step 1, eight: samples (- expected, + found):\n- {{\"value\":8}}\n+ {row}"),
    );
    check(
        &format!("{ASKED}expect = '''\n{SEVEN}\n{{\"value\": 8}}'''"),
        &format!("step 1: samples (- expected, + found):\n  {row}\n- {{\"value\":8}}"),
    );
    check("expect = ''", "step 1: sent:\n  \"hello\"\n  \"?\"\nexpected:");
    check("command = 'say'\narguments = 'no'", "step 1: Ok(Answer(\"no\")) came");
    check("command = 'fly'", "step 1: Err(Failure { code: 5, message: \"it sleeps\" }) came");
    check(
        "command = 'fly'\nfailure = { code = 2, text = 'it sleeps' }",
        "step 1: Failed { code: 2, text: \"it sleeps\" } was expected, Failed { code: 5, text: \"it sleeps\" } came",
    );
    let pushed = format!("push = ['tweet']\n{ASKED}acknowledged = []\nexpect = '''\n{{}}\n{{}}\n'''");
    check(&pushed, "step 1: acknowledged:\n  \"thanks\"\nexpected:");
    check("poll = 'noon'", "step 1: \"noon\" is no time such as \"2026-11-01T00:00:00Z\"");
}

#[test]
fn what_is_only_sent_is_not_taken_for_what_is_asked() {
    let steps = "[[step]]\nexchange = [{ request = 'hello' }, { request = 'hello', reply = ['7'] }]\nexpect = '{}'";

    play_text(&format!("about = ''\n[settings]\nquestion = 'hello'\n{steps}"), &Parrot::new).unwrap();
}

#[test]
fn wrong_settings_are_named() {
    let deviation = play_text("about = ''\nstep = []\n[settings]\nquestoin = '?'", &Parrot::new).unwrap_err();

    assert!(deviation.to_string().starts_with("settings.questoin: unknown field"), "{deviation}");
}

#[test]
fn all_members_are_compared_when_they_shall_be() {
    let check = |expected: &str, members: Members, is_same: bool| {
        let found = [json!({"value": 1.0, "status": 9_007_199_254_740_993_u64})];
        assert_eq!(compare(expected, &found, members).is_ok(), is_same, "{expected}");
    };
    check(r#"{"value": 1}"#, Members::Listed, true);
    check(r#"{"value": 1}"#, Members::All, false);
    check(r#"{"value": 1, "status": 9007199254740993}"#, Members::All, true);
    check(r#"{"value": 1, "status": 9007199254740992}"#, Members::All, false);
    check(r#"{"value": 1, "status": 9007199254740993, "late": true}"#, Members::All, false);
    check(r#"{"value": "1"}"#, Members::Listed, false);
    check(r#"{"late": null}"#, Members::Listed, false);
}

#[test]
fn a_name_in_brackets_is_a_byte_when_it_is_one() {
    let check = |text: &str, expected: &[u8]| assert_eq!(bytes(text), expected, "{text}");
    check("<STX>DA<ETX>04", b"\x02DA\x0304");
    check("<B1>o3<CR><LF>", b"\xB1o3\r\n");
    check("a<b>é<", "a<b>é<".as_bytes());
    check("<<0D>", b"<\r");
}
