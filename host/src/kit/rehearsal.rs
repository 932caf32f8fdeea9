//! The instrument of a case by itself, for whoever wants to connect something to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::kit::case::Case;
use crate::simulator::StartError;
use crate::simulator::replay::{Script, ScriptError};
use crate::simulator::scripted::frame::bytes;
use crate::simulator::scripted::line::{self, Exchange, Line};
use crate::simulator::scripted::modbus::{self, Device};

/// An instrument that listens; dropping it ends it.
#[derive(Debug)]
pub enum Rehearsal {
    /// It answers lines and frames.
    Line(line::Open),
    /// It has registers.
    Modbus(modbus::Open),
}

/// Why there is no instrument.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// It cannot listen.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its trace cannot be played.
    #[error(transparent)]
    Trace(#[from] ScriptError),
    /// It is one that only a test plays.
    #[error("{}: {what}, and what is played here answers on a byte stream or Modbus; `tutin plugin test` plays this case", case.display())]
    Unplayable {
        /// The case's folder.
        case: PathBuf,
        /// What it has.
        what: &'static str,
    },
}

impl Rehearsal {
    /// The instrument as it is before the first step.
    pub async fn start(case: &Case, listen: SocketAddr) -> Result<Self, RehearsalError> {
        if let Some(what) = unplayable(case) {
            return Err(RehearsalError::Unplayable { case: case.folder.clone(), what });
        }
        let instrument = &case.instrument;
        if let Some(trace) = &instrument.trace {
            let line = Script::read(&case.folder.join(trace))?.line();
            return Ok(Rehearsal::Line(line.listen(listen).await?));
        }
        if instrument.registers.is_empty() {
            let greeting = instrument.greeting.iter().map(|frame| (Duration::ZERO, bytes(frame))).collect();
            let line = Line::new(instrument.answers.iter().map(Exchange::from), greeting);
            return Ok(Rehearsal::Line(line.listen(listen).await?));
        }
        let device = Device::default();
        device.set(&instrument.registers);
        Ok(Rehearsal::Modbus(device.listen(listen).await?))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Rehearsal::Line(open) => open.address,
            Rehearsal::Modbus(open) => open.address,
        }
    }
}

/// What somebody who connects would wait for in vain.
fn unplayable(case: &Case) -> Option<&'static str> {
    let instrument = &case.instrument;
    let is_silent = instrument.trace.is_none()
        && instrument.answers.is_empty()
        && instrument.greeting.is_empty()
        && instrument.registers.is_empty();
    let kind = case.link.get("type").and_then(toml::Value::as_str);
    if !instrument.messages.is_empty() || kind == Some("mqtt") {
        Some("its instrument publishes messages over MQTT")
    } else if !instrument.nodes.is_empty() || kind == Some("opcua") {
        Some("its instrument has nodes of OPC UA")
    } else if kind == Some("stream_listen") {
        Some("its instrument connects to the hub (stream_listen)")
    } else if is_silent {
        Some("its [instrument] has neither answers, greeting, registers nor trace")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::kit::case::CASE;

    const ANY: &str = "127.0.0.1:0";

    /// A folder with a case of this instrument.
    fn case(text: &str) -> (tempfile::TempDir, Case) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CASE), format!("about = ''\n{text}\n[[step]]")).unwrap();
        let case = Case::read(folder.path()).unwrap();
        (folder, case)
    }

    #[tokio::test]
    async fn an_instrument_that_was_recorded_says_what_it_said_then() {
        let (folder, case) = case("[instrument]\ntrace = 't.jsonl'");
        let line = |direction: &str, hex: &str| {
            format!(
                "{{\"at\":\"2026-11-01T00:00:00Z\",\"link\":\"l\",\"direction\":\"{direction}\",\"hex\":\"{hex}\",\"text\":\"\"}}\n"
            )
        };
        std::fs::write(folder.path().join("t.jsonl"), line("out", "520d") + &line("in", "310d")).unwrap();

        let played = Rehearsal::start(&case, ANY.parse().unwrap()).await.unwrap();

        let mut stream = TcpStream::connect(played.address()).await.unwrap();
        stream.write_all(b"R\r").await.unwrap();
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"1\r");
    }

    #[tokio::test]
    async fn an_instrument_that_would_say_nothing_is_refused() {
        for (text, expected) in [
            ("[instrument]\nmessages = [{ topic = 'a', payload = '1' }]", "publishes messages over MQTT"),
            ("[instrument]\nnodes = [{ id = 'ns=1;s=a', type = 'double' }]", "has nodes of OPC UA"),
            ("[link]\ntype = 'stream_listen'\n[instrument]\ngreeting = ['a']", "connects to the hub"),
            ("", "neither answers, greeting, registers nor trace"),
        ] {
            let (_folder, case) = case(text);
            let error = Rehearsal::start(&case, ANY.parse().unwrap()).await.unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("`tutin plugin test` plays this case"), "{error}");
        }
    }
}
