//! Whatever goes wrong at an instrument, its readings say so within two intervals, are valid again as soon as it is over, and never change places.
//!
//! Each row of the table is a device of one hub behind a peer of its own; its faults come one after another, the rows side by side.

mod lines;
mod modbus;
mod opcua;
mod pushed;
mod watch;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use tutin::reading::InstrumentState;
use tutin::time::Timestamp;

use self::watch::Watch;
use crate::support::configuration::with_plugin;
use crate::support::hub::Site;
use crate::support::{SOON, blessed, journal};

/// From one poll to the next, at devices that are asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// At those that send by themselves: that nothing comes is seen after a second at the soonest (`stale_after`, `silence`), and then by the next poll.
const SENT_INTERVAL: Duration = Duration::from_millis(1500);
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_millis(300);
/// `reconnect_max` of every link.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A reading is in the journal so much later than the hub has it, at most; long, because a busy disk is no fault of a driver.
const KEPT: Duration = Duration::from_secs(5);

/// The options of every link that concern time.
fn link_times() -> String {
    format!(
        "timeout = \"{}ms\"\nreconnect_min = \"100ms\"\nreconnect_max = \"{}ms\"\n",
        TIMEOUT.as_millis(),
        LONGEST_PAUSE.as_millis()
    )
}

/// A link over TCP.
fn link(name: &str, kind: &str, address: &str) -> String {
    format!("\n[links.{name}]\ntype = \"{kind}\"\naddress = \"{address}\"\n{}", link_times())
}

/// A device of the same name as its link.
fn device(name: &str, plugin: &str) -> String {
    let interval = INTERVAL.as_millis();
    format!("\n[devices.{name}]\nplugin = \"{plugin}\"\nlink = \"{name}\"\ninterval = \"{interval}ms\"\n")
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The instrument is gone.
    Refused,
    /// It resets the connection instead of answering.
    Reset,
    /// It does not answer.
    Silence,
    /// Its answers are damaged, and their check shows it.
    WrongCheck,
    /// Its answers break off.
    Short,
    /// It refuses what it is asked for, or says that it is broken.
    Refusal,
    /// It measures what cannot be.
    OutOfRange,
    /// It starts anew and knows nothing of what was.
    Restart,
    /// Its answers come when nobody waits for them any more.
    Late,
    /// Other bytes come before its answers.
    Garbage,
}

impl Fault {
    const ALL: [(Fault, &'static str); 10] = [
        (Fault::Refused, "connection refused"),
        (Fault::Reset, "reset"),
        (Fault::Silence, "silence"),
        (Fault::WrongCheck, "wrong checksum"),
        (Fault::Short, "short frame"),
        (Fault::Refusal, "exception"),
        (Fault::OutOfRange, "out-of-range value"),
        (Fault::Restart, "device restart"),
        (Fault::Late, "late answer"),
        (Fault::Garbage, "garbage"),
    ];

    /// Whether a driver may find the right answer all the same.
    fn may_be_harmless(self) -> bool {
        matches!(self, Fault::Late | Fault::Garbage)
    }
}

/// The instrument's end of a link.
trait Peer: Send {
    /// From now on this is wrong.
    fn begin(&mut self, fault: Fault);

    /// All is well again.
    fn end(&mut self, fault: Fault);
}

/// A device and its peer.
struct Row {
    driver: &'static str,
    /// What it is connected by.
    over: &'static str,
    /// Its link and itself, under this name.
    device: &'static str,
    configuration: String,
    interval: Duration,
    /// The point that a fault is looked for at.
    watched: &'static str,
    /// What each point measures, different for each.
    values: BTreeMap<String, f64>,
    /// What the driver ends by itself, as often as it comes.
    passing: &'static [Fault],
    /// What cannot happen here, and why.
    excluded: &'static [(Fault, &'static str)],
    peer: Box<dyn Peer>,
}

/// What a fault did.
enum Cell {
    /// It cannot happen, for this reason.
    Excluded(&'static str),
    /// Readings stayed valid and right.
    Harmless,
    /// The state that was shown, and the time from the end of the fault to valid readings of all points.
    Shown(InstrumentState, Duration),
}

impl Row {
    fn run(&mut self, watch: &Watch) -> (Vec<Cell>, Vec<String>) {
        let (mut cells, mut complaints) = (Vec::new(), Vec::new());
        if let Err(what) = self.returns(watch, 0, SOON) {
            return (cells, vec![format!("{}: at first {what}", self.device)]);
        }
        for (fault, name) in Fault::ALL {
            match self.suffer(fault, watch) {
                Ok(cell) => cells.push(cell),
                Err(what) => complaints.push(format!("{}, {name}: {what}", self.device)),
            }
        }
        let polls = watch.since(self.device, 0);
        complaints.extend(
            polls.iter().flat_map(|poll| poll.wrong(&self.values)).map(|what| format!("{}: {what}", self.device)),
        );
        (cells, complaints)
    }

    fn suffer(&mut self, fault: Fault, watch: &Watch) -> Result<Cell, String> {
        if let Some((_, reason)) = self.excluded.iter().find(|(excluded, _)| *excluded == fault) {
            return Ok(Cell::Excluded(reason));
        }
        let start = watch.count(self.device);
        self.peer.begin(fault);
        let begun = Timestamp::now();
        let bad = |state: Option<InstrumentState>| state.is_some_and(|state| state != InstrumentState::Valid);
        let in_time = 2 * self.interval;
        let longest = if fault.may_be_harmless() { in_time } else { in_time + KEPT };
        let noticed = watch.wait(self.device, start, longest, |poll| bad(poll.state(self.watched)));
        let shown = match &noticed {
            Some(poll) if poll.at.since(begun) > in_time => Err(format!("noticed after {:?}", poll.at.since(begun))),
            Some(poll) => Ok(poll.state(self.watched)),
            None if fault.may_be_harmless() => Ok(None),
            None => Err("not noticed".to_owned()),
        };
        // It lasts for a while, so that the hub has tried again; but whoever restarts is there again at once.
        let passes = fault == Fault::Restart || fault.may_be_harmless() || self.passing.contains(&fault);
        if let Some(poll) = noticed.filter(|_| !passes) {
            std::thread::sleep(self.interval);
            let meanwhile = watch.since(self.device, start).into_iter().filter(|later| later.at > poll.at);
            if meanwhile.clone().any(|later| later.state(self.watched) == Some(InstrumentState::Valid)) {
                self.peer.end(fault);
                return Err("valid readings while it lasts".to_owned());
            }
        }
        let start = watch.count(self.device);
        self.peer.end(fault);
        let in_time = 2 * self.interval + LONGEST_PAUSE;
        let recovered = self.returns(watch, start, in_time + KEPT)?;
        match shown? {
            None => Ok(Cell::Harmless),
            Some(_) if recovered > in_time => Err(format!("valid again after {recovered:?}")),
            Some(state) => Ok(Cell::Shown(state, recovered)),
        }
    }

    /// Waits until each point was valid in a poll from `start` on, and says how long that took from now on.
    fn returns(&self, watch: &Watch, start: usize, longest: Duration) -> Result<Duration, String> {
        let begin = Timestamp::now();
        let mut missing: Vec<&String> = self.values.keys().collect();
        let mut last_states = BTreeMap::new();
        let last = watch.wait(self.device, start, longest, |poll| {
            let valid = poll.valid();
            last_states.extend(poll.states());
            missing.retain(|point| !valid.contains(point.as_str()));
            missing.is_empty()
        });
        match last {
            Some(poll) => Ok(poll.at.since(begin)),
            None => Err(format!("{missing:?} not valid, of {last_states:?}")),
        }
    }
}

fn rows() -> Vec<Row> {
    // They take a moment to start, therefore side by side.
    let kinds: Vec<fn() -> Row> = [modbus::ROWS, lines::ROWS, pushed::ROWS, opcua::ROWS].concat();
    std::thread::scope(|scope| {
        let starting: Vec<_> = kinds.into_iter().map(|start| scope.spawn(start)).collect();
        starting.into_iter().map(|row| row.join().unwrap()).collect()
    })
}

#[test]
fn every_driver_shows_every_fault_and_comes_back() {
    let mut rows = rows();
    let mut drivers: Vec<&str> = rows.iter().map(|row| row.driver).collect();
    drivers.sort_unstable();
    drivers.dedup();
    let plugins: String = drivers.into_iter().map(with_plugin).collect();
    let devices: String = rows.iter().map(|row| row.configuration.as_str()).collect();
    let site = Site::new(&format!("[journal]\ncommit_interval = \"20ms\"\n{plugins}{devices}"));
    let mut hub = site.run();
    let watch = Watch::new(journal::file(&site));

    let results: Vec<(Vec<Cell>, Vec<String>)> = std::thread::scope(|scope| {
        scope.spawn(|| watch.run());
        let watch = &watch;
        let running: Vec<_> = rows.iter_mut().map(|row| scope.spawn(move || row.run(watch))).collect();
        let results = running.into_iter().map(|row| row.join()).collect::<Vec<_>>();
        watch.end();
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|_| (Vec::new(), vec!["a peer failed".to_owned()])))
            .collect()
    });

    let complaints: Vec<&String> = results.iter().flat_map(|(_, complaints)| complaints).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(hub.interrupt().success());
    let filled = results.iter().flat_map(|(cells, _)| cells).filter(|cell| !matches!(cell, Cell::Excluded(_))).count();
    assert!(filled >= 40, "{filled} cells");
    let cells: Vec<&[Cell]> = results.iter().map(|(cells, _)| cells.as_slice()).collect();
    blessed::agree("docs/plants/faults.md", "faults", &table(&rows, &cells), without_times);
}

/// A row for each driver, a column for each fault.
fn table(rows: &[Row], results: &[&[Cell]]) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    let mut text = String::from("| driver | over |");
    let names = Fault::ALL.map(|(_, name)| name);
    writeln!(text, " {} |\n|{}", names.join(" | "), " --- |".repeat(names.len() + 2)).unwrap();
    for (row, cells) in rows.iter().zip(results) {
        write!(text, "| {} | {} |", row.driver, row.over).unwrap();
        for cell in *cells {
            match cell {
                Cell::Harmless => text.push_str(" valid |"),
                Cell::Shown(state, time) => write!(text, " {}, {:.1} s |", state.name(), time.as_secs_f64()).unwrap(),
                Cell::Excluded(reason) => {
                    let known = reasons.iter().position(|known| known == reason);
                    let number = known.unwrap_or_else(|| {
                        reasons.push(reason);
                        reasons.len() - 1
                    });
                    write!(text, " – ({}) |", number + 1).unwrap();
                }
            }
        }
        text.push('\n');
    }
    for (number, reason) in (1..).zip(reasons) {
        write!(text, "\n({number}) {reason}.").unwrap();
        text.push('\n');
    }
    text
}

/// Times differ from run to run.
fn without_times(text: &str) -> String {
    let cells = text.split('|').map(|cell| match cell.split_once(", ") {
        Some((state, time)) if time.ends_with(" s ") => format!("{state} "),
        _ => cell.to_owned(),
    });
    cells.collect::<Vec<_>>().join("|")
}
