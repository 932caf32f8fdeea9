//! Walks `cases/*.case`: each plays an instrument, faults included, and says what the driver must make of it.
//!
//! ```text
//! settings        what the administrator says
//! [[step]]        a poll, or a `command` with `arguments`
//!   exchange      in order: request, and reply (frames) or fault ("timeout", "closed"); nothing for what is not answered
//!   expect        samples, one JSON object a line; every one must come, in order
//!   fails         code and text of the failure that is expected instead
//! ```
//!
//! In texts `<STX>`, `<ETX>`, `<CR>` and `<LF>` stand for the bytes.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use tutin_sdk::Failure;
use tutin_sdk::stream::Error;
use tutin_sdk::stream::fake::Line;

use crate::BayernHessen;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    settings: toml::Value,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    command: Option<String>,
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    exchange: Vec<Exchange>,
    #[serde(default)]
    expect: String,
    fails: Option<Fails>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    request: String,
    #[serde(default)]
    reply: Vec<String>,
    fault: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fails {
    code: u16,
    text: String,
}

/// Control characters in place of their names.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let names = [("<STX>", "\u{2}"), ("<ETX>", "\u{3}"), ("<CR>", "\r"), ("<LF>", "\n")];
    names.iter().fold(text.to_owned(), |text, (name, byte)| text.replace(name, byte)).into_bytes()
}

#[test]
fn every_case_comes_out_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut walked = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let case: Case =
            toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|err| panic!("{name}: {err}"));
        walk(&name, case);
        walked += 1;
    }
    assert!(walked >= 4, "{walked} cases");
}

fn walk(name: &str, case: Case) {
    let line = Line::new(|_| Err(Error::Timeout));
    let settings = serde_json::from_value(serde_json::to_value(case.settings).unwrap());
    let settings = settings.unwrap_or_else(|err| panic!("{name}: {err}"));
    let mut driver = BayernHessen::new(line.clone(), settings).unwrap_or_else(|err| panic!("{name}: {err}"));
    for (number, step) in (1..).zip(case.step) {
        let at = format!("{name}, step {number}");
        play(&line, &step.exchange);
        let came = match &step.command {
            Some(command) => driver.run(command, &step.arguments).map(|_| Vec::new()),
            None => poll(&mut driver),
        };
        let sent: Vec<Vec<u8>> = step.exchange.iter().map(|exchange| bytes(&exchange.request)).collect();
        assert_eq!(line.sent(), sent, "{at}: requests");
        match (came, step.fails) {
            (Ok(samples), None) => {
                let lines = step.expect.lines().filter(|line| !line.trim().is_empty());
                let expected: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
                assert_eq!(samples, expected, "{at}");
            }
            (Err(failure), Some(fails)) => {
                assert_eq!(Fails { code: failure.code(), text: failure.to_string() }, fails, "{at}");
            }
            (came, _) => panic!("{at}: {came:?}"),
        }
    }
}

fn play(line: &Line, exchanges: &[Exchange]) {
    let mut exchanges: VecDeque<Exchange> = exchanges.iter().cloned().collect();
    line.answers(move |_| {
        let exchange = exchanges.pop_front().expect("a request that the case does not have");
        match exchange.fault.as_deref() {
            None => Ok(exchange.reply.iter().map(|frame| bytes(frame)).collect()),
            Some("timeout") => Err(Error::Timeout),
            Some("closed") => Err(Error::Closed("connection refused".into())),
            Some(other) => panic!("fault {other:?}"),
        }
    });
}

fn poll(driver: &mut BayernHessen<Line>) -> Result<Vec<Value>, Failure> {
    let samples = driver.read()?;
    let points = driver.list();
    let line = |sample: tutin_sdk::Sample| {
        let value = if sample.value.is_nan() { Value::Null } else { json!(sample.value) };
        json!({
            "point": points[usize::from(sample.point)].id,
            "value": value,
            "state": sample.state,
            "status": sample.status,
        })
    };
    Ok(samples.iter().map(line).collect())
}
