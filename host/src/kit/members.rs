//! Which members of an instrument and of a step belong to which kind of link, and whether their frames say what was meant.
//!
//! Invariant: what a case says is played or refused. What is passed over lets a case pass that checks nothing.

use crate::kit::case::{Instrument, Step};
use crate::simulator::scripted::frame::unknown_name;
use crate::simulator::scripted::line::Answer;

/// Links that show what a member says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Streams,
    Modbus,
    Mqtt,
    OpcUa,
}

/// A member's name, where it belongs, and whether it is there.
type Member = (&'static str, On, bool);

/// What the instrument or a step says that nobody on a link of this kind would hear.
pub(super) fn misplaced(kind: &str, instrument: &Instrument, steps: &[Step]) -> Option<String> {
    let of_instrument = of_instrument(instrument).into_iter().filter(|(.., is_there)| *is_there);
    for (name, on, _) in of_instrument {
        if !on.belongs_to(kind) {
            return Some(format!("[instrument] {name} belongs to another kind of link than {kind}"));
        }
        if instrument.trace.is_some() {
            return Some(format!(
                "[instrument] {name} beside trace: a recorded instrument says what it said then; take out one of the two"
            ));
        }
    }
    if let Some(name) = unnamed(&instrument.answers, &instrument.greeting) {
        return Some(format!("[instrument] {name}"));
    }
    for (number, step) in (1..).zip(steps) {
        let unnamed = unnamed(&step.answers, &step.push).or_else(|| unnamed(&step.exchange, &[]));
        if let Some(name) = unnamed {
            return Some(format!("step {number}: {name}"));
        }
        for (name, on, _) in of_step(step).into_iter().filter(|(.., is_there)| *is_there) {
            if !on.belongs_to(kind) {
                return Some(format!("step {number}: {name} belongs to another kind of link than {kind}"));
            }
            if instrument.trace.is_some() && on == On::Modbus {
                return Some(format!(
                    "step {number}: {name}: a recorded instrument has frames and no registers; write another case for it"
                ));
            }
        }
    }
    None
}

/// What is no byte and looks like the name of one.
fn unnamed(answers: &[Answer], frames: &[String]) -> Option<String> {
    let answers = answers.iter().flat_map(|answer| std::iter::once(&answer.request).chain(&answer.reply));
    let name = answers.chain(frames).find_map(|text| unknown_name(text))?;
    Some(format!(
        "<{name}> is not the name of a byte, as <CR> is; a byte in hexadecimal is <0D>, the sign < itself <3C>"
    ))
}

fn of_instrument(instrument: &Instrument) -> [Member; 6] {
    [
        ("answers", On::Streams, !instrument.answers.is_empty()),
        ("greeting", On::Streams, !instrument.greeting.is_empty()),
        ("registers", On::Modbus, !instrument.registers.is_empty()),
        ("messages", On::Mqtt, !instrument.messages.is_empty()),
        ("namespaces", On::OpcUa, !instrument.namespaces.is_empty()),
        ("nodes", On::OpcUa, !instrument.nodes.is_empty()),
    ]
}

fn of_step(step: &Step) -> [Member; 7] {
    [
        ("answers", On::Streams, !step.answers.is_empty()),
        ("registers", On::Modbus, !step.registers.is_empty()),
        ("messages", On::Mqtt, !step.messages.is_empty()),
        ("nodes", On::OpcUa, !step.nodes.is_empty()),
        ("exception", On::Modbus, step.exception.is_some()),
        ("push", On::Streams, !step.push.is_empty()),
        ("exchange", On::Streams, !step.exchange.is_empty()),
    ]
}

impl On {
    fn belongs_to(self, kind: &str) -> bool {
        match self {
            On::Streams => kind.starts_with("stream_"),
            On::Modbus => matches!(kind, "modbus_tcp" | "modbus_rtu_tcp"),
            On::Mqtt => kind == "mqtt",
            On::OpcUa => kind == "opcua",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::case::Case;

    #[test]
    fn what_nobody_would_hear_is_told_by_step_and_member() {
        let check = |kind: &str, text: &str, expected: Option<&str>| {
            let case: Case = toml::from_str(&format!("about = ''\n{text}")).unwrap();
            assert_eq!(misplaced(kind, &case.instrument, &case.steps).as_deref(), expected, "{kind}: {text}");
        };
        let other = |place: &str, kind: &str| format!("{place} belongs to another kind of link than {kind}");
        let registers = "registers = [{ table = 'input', address = 0, words = [1] }]";
        let nodes = "nodes = [{ id = 'ns=2;s=NO' }]";

        check("modbus_tcp", &format!("[instrument]\n{registers}\n[[step]]\nexception = 6"), None);
        check("stream_tcp", "[[step]]\nexchange = [{ request = 'R' }]\npush = ['P']\nfault = 'late'", None);
        check("mqtt", "[instrument]\ngreeting = ['G']", Some(&other("[instrument] greeting", "mqtt")));
        check("modbus_tcp", "[[step]]\n[[step]]\npush = ['P']", Some(&other("step 2: push", "modbus_tcp")));
        check("modbus_tcp", "[[step]]\nexchange = [{ request = 'R' }]", Some(&other("step 1: exchange", "modbus_tcp")));
        check("stream_listen", "[[step]]\nexception = 0", Some(&other("step 1: exception", "stream_listen")));
        check("opcua", &format!("[[step]]\n{registers}"), Some(&other("step 1: registers", "opcua")));
        check("mqtt", &format!("[[step]]\n{nodes}"), Some(&other("step 1: nodes", "mqtt")));
        check("modbus_tcp", "[instrument]\ntrace = 't.jsonl'\n[[step]]", None);
        let beside = "[instrument] registers beside trace: a recorded instrument says what it said then; take out one of the two";
        check("modbus_tcp", &format!("[instrument]\ntrace = 't.jsonl'\n{registers}"), Some(beside));
        let unnamed = "is not the name of a byte, as <CR> is; a byte in hexadecimal is <0D>, the sign < itself <3C>";
        let text = "[instrument]\nanswers = [{ request = 'o3<CRR>', reply = ['1<CR>'] }]";
        check("stream_tcp", text, Some(&format!("[instrument] <CRR> {unnamed}")));
        check("stream_tcp", "[[step]]\npush = ['<SXT>1']", Some(&format!("step 1: <SXT> {unnamed}")));
        let recorded =
            "step 1: exception: a recorded instrument has frames and no registers; write another case for it";
        check("modbus_tcp", "[instrument]\ntrace = 't.jsonl'\n[[step]]\nexception = 6", Some(recorded));
    }
}
