//! Instruments on byte streams, each played from a case of its driver.

use super::{Fault, INTERVAL, Peer, Row, TIMEOUT, device, link};
use crate::support::played::{self, Case, Played, bytes};

pub const ROWS: &[fn() -> Row] = &[bayern_hessen, ak_protocol, thermo_clink, teledyne_ascii];

const NO_CHECK: (Fault, &str) = (Fault::WrongCheck, "this protocol has no check of its own");

struct Instrument {
    played: Played,
    /// What is asked, and what is answered to it by an instrument that refuses or is broken, and by one that measures what cannot be.
    asked: Vec<u8>,
    refusal: Vec<u8>,
    impossible: Vec<u8>,
}

impl Peer for Instrument {
    fn begin(&mut self, fault: Fault) {
        let says = |answer: &[u8]| played::Fault::Says(self.asked.clone(), answer.to_vec());
        self.played.fail(match fault {
            Fault::Refused => return self.played.vanish(),
            Fault::Restart => return self.played.forget_connections(),
            Fault::Reset => played::Fault::Reset,
            Fault::Silence => played::Fault::Silent,
            Fault::WrongCheck => played::Fault::WrongChecksum,
            Fault::Short => played::Fault::Short,
            Fault::Refusal => says(&self.refusal),
            Fault::OutOfRange => says(&self.impossible),
            Fault::Late => played::Fault::Late(TIMEOUT * 3 / 2),
            Fault::Garbage => played::Fault::GarbageBefore(vec![0x00, 0xFF, 0x23, 0x15, 0x80]),
        });
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Refused => self.played.come_back(),
            _ => self.played.heal(),
        }
    }
}

struct Line {
    driver: &'static str,
    case: Case,
    watched: &'static str,
    asked: &'static str,
    refusal: String,
    impossible: String,
    excluded: &'static [(Fault, &'static str)],
}

impl Line {
    fn row(self) -> Row {
        let case = self.case;
        let played = Played::start(&case);
        let name = self.driver;
        let link = link(name, "stream_tcp", &played.address());
        let peer = Instrument {
            played,
            asked: bytes(self.asked),
            refusal: bytes(&self.refusal),
            impossible: bytes(&self.impossible),
        };
        Row {
            driver: self.driver,
            over: "TCP",
            device: name,
            configuration: link + &device(name, self.driver) + "\n" + &case.settings_of(name),
            interval: INTERVAL,
            passing: &[],
            watched: self.watched,
            values: case.values(),
            excluded: self.excluded,
            peer: Box::new(peer),
        }
    }
}

/// Two values in one reply, with a block check. What is refused is what the instrument says of itself: its lamp has failed.
fn bayern_hessen() -> Row {
    let broken = "<STX>MD02 001 +2578+01 40 08 001 000045 002 +3581+01 40 08 002 000045 <ETX>2D";
    Line {
        driver: "bayern-hessen",
        case: Case::read("bayern-hessen", "serinus-40-faults"),
        watched: "no",
        asked: "<STX>DA<ETX>04",
        refusal: broken.to_owned(),
        impossible: String::new(),
        excluded: &[(Fault::OutOfRange, "its flags have none for it; the limits of a parameter (`gate`) catch it")],
    }
    .row()
}

fn ak_protocol() -> Row {
    Line {
        driver: "ak-protocol",
        case: Case::read("ak-protocol", "cai-700-day"),
        watched: "co",
        asked: "<STX> AKON K0<ETX>",
        refusal: "<STX> AKON 0 K0 NA<ETX>".to_owned(),
        impossible: "<STX> AKON 0 #9999.9 11.25<ETX>".to_owned(),
        excluded: &[NO_CHECK],
    }
    .row()
}

fn thermo_clink() -> Row {
    Line {
        driver: "thermo-clink",
        case: Case::read("thermo-clink", "42i-with-sum"),
        watched: "no",
        asked: "<AA>no\r",
        refusal: with_sum("no bad cmd"),
        impossible: with_sum("no 1E999 ppb"),
        excluded: &[],
    }
    .row()
}

/// The text, and the sum of its characters.
fn with_sum(text: &str) -> String {
    let sum: u32 = text.bytes().map(u32::from).sum();
    format!("{text}\nsum {sum:04x}\r")
}

/// What is refused is what the instrument warns of.
fn teledyne_ascii() -> Row {
    Line {
        driver: "teledyne-ascii",
        case: Case::read("teledyne-ascii", "t200").with("list_silence_ms", 100),
        watched: "nox",
        asked: "T LIST\r",
        refusal: "T 305:05:00 0412 NOX=XXXX PPB\r\n".to_owned(),
        impossible: "T 305:05:00 0412 NOX=1E99 PPB\r\nT 305:05:00 0412 NO=5.1 PPB\r\n".to_owned(),
        excluded: &[NO_CHECK],
    }
    .row()
}
