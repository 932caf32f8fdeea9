//! Many devices on one line each get their turn, and one that is dead takes little of it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use tutin::reading::{InstrumentState, PollSet};
use tutin::simulator::Analyzer;
use tutin::simulator::analyzer::{Model, Options};

use crate::support::configuration::with_plugin;
use crate::support::hub::Site;
use crate::support::mbpoll::{self, Table};
use crate::support::pymodbus::{Fault, Framer, Map, Pymodbus};
use crate::support::serial::SerialPair;
use crate::support::{blessed, journal};

const UNITS: u8 = 32;
/// The one that dies.
const DEAD: u8 = 17;
const BAUD: u32 = 9600;
/// Registers of each unit, read by one request.
const REGISTERS: u16 = 10;
/// Longest wait of the line for an answer.
const TIMEOUT: Duration = Duration::from_millis(400);
/// Longest time that a unit is left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How long is counted.
const COUNTED: Duration = Duration::from_secs(10);

/// The most requests a second that a line of this speed has room for: request, answer, and 3.5 characters of silence before the next
/// request, 11 bits a character.
fn theoretical() -> f64 {
    let characters = 8.0 + f64::from(5 + 2 * REGISTERS) + 3.5;
    f64::from(BAUD) / 11.0 / characters
}

/// What a unit holds: no two registers of the line are the same.
fn registers(unit: u8) -> Vec<u16> {
    (0..REGISTERS).map(|n| 1000 * u16::from(unit) + n).collect()
}

fn device(unit: u8) -> String {
    format!("unit-{unit}")
}

/// Every device asks again as soon as it was answered: there is always somebody who waits for a turn.
fn configuration(line: &SerialPair) -> String {
    let mut text = with_plugin("modbus-map");
    let (timeout, longest) = (TIMEOUT.as_millis(), LONGEST_PAUSE.as_millis());
    write!(
        text,
        r#"
[links.line]
type = "modbus_rtu"
port = {:?}
baud = {BAUD}
parity = "even"
timeout = "{timeout}ms"
reconnect_min = "100ms"
reconnect_max = "{longest}ms"
"#,
        line.hub_end()
    )
    .unwrap();
    for unit in 1..=UNITS {
        write!(
            text,
            r#"
[devices.{}]
plugin = "modbus-map"
link = "line"
unit = {unit}
interval = "0s"
settings.points = [{{ id = "r{{n}}", table = "holding", address = 0, type = "u16", repeat = {{ count = {REGISTERS} }} }}]
"#,
            device(unit)
        )
        .unwrap();
    }
    text
}

/// Valid polls of each unit from now on, for as long as is counted.
fn count(site: &Site) -> Vec<usize> {
    let begin = tutin::time::Timestamp::now();
    std::thread::sleep(COUNTED + Duration::from_secs(1));
    let end = begin.after(COUNTED);
    let polls: Vec<PollSet> = journal::places(site).into_iter().map(|(_, set)| set).collect();
    let counted = polls.iter().filter(|set| set.received_at >= begin && set.received_at < end && is_valid(set));
    let mut counts = vec![0; usize::from(UNITS) + 1];
    for set in counted {
        let unit: usize = set.catalog.device.strip_prefix("unit-").unwrap().parse().unwrap();
        counts[unit] += 1;
    }
    counts
}

fn is_valid(set: &PollSet) -> bool {
    set.columns.states.iter().all(|state| *state == InstrumentState::Valid)
}

fn last_is_valid(site: &Site, unit: u8) -> bool {
    journal::polls(site, &device(unit)).last().is_some_and(is_valid)
}

fn others(counts: &[usize]) -> Vec<usize> {
    let others = counts.iter().enumerate().skip(1).filter(|(unit, _)| *unit != usize::from(DEAD));
    others.map(|(_, count)| *count).collect()
}

/// One row of the table: of all answers, and of those of the units that stay alive.
fn row(what: &str, counts: &[usize]) -> String {
    let a_second = |count: usize| count as f64 / COUNTED.as_secs_f64();
    let (all, others) = (a_second(counts.iter().sum()), a_second(others(counts).iter().sum()));
    format!("| {what} | {all:.1} | {:.0} % | {others:.1} |\n", 100.0 * all / theoretical())
}

#[test]
fn thirty_two_devices_share_a_line_and_a_dead_one_costs_them_little() {
    let line = SerialPair::start();
    let maps: Vec<Map> =
        (1..=UNITS).map(|unit| Map::default().unit(unit).holding_registers(0, &registers(unit))).collect();
    let mut peer = Pymodbus::start_serial_at(BAUD, &maps, Framer::Rtu, &line.device_end());
    let site = Site::new(&configuration(&line));
    let mut hub = site.run();
    hub.wait_until("a valid reading of each unit", || (1..=UNITS).all(|unit| last_is_valid(&site, unit)));

    let alive = count(&site);
    peer.fail_unit(DEAD, &Fault::Silent);
    hub.wait_until("silence of one", || !last_is_valid(&site, DEAD));
    // Long enough for its pauses to have grown: 400 ms, 1.6 s, 4 s.
    std::thread::sleep(Duration::from_secs(7));
    let with_dead = count(&site);
    peer.heal();
    let healed = Instant::now();
    hub.wait_until("its return", || last_is_valid(&site, DEAD));
    // It is left alone for so long, and then it is its turn.
    assert!(healed.elapsed() < LONGEST_PAUSE * 2, "back after {:?}", healed.elapsed());
    let alive_again = count(&site);
    assert!(hub.interrupt().success());

    for unit in 1..=UNITS {
        let values: Vec<f64> = registers(unit).into_iter().map(f64::from).collect();
        let polls = journal::polls(&site, &device(unit));
        assert!(polls.iter().filter(|set| is_valid(set)).all(|set| set.columns.values == values), "unit {unit}");
    }
    let slots = theoretical() * COUNTED.as_secs_f64();
    let of_others = |counts: &[usize]| others(counts).iter().sum::<usize>();
    let (all, left) = (alive.iter().sum::<usize>(), of_others(&with_dead));
    let table = format!(
        "| units that answer | answers a second | share of the theoretical {:.1} | of the other 31 |\n| --- | --- | --- | --- |\n{}{}",
        theoretical(),
        row("all 32", &alive),
        row("31, one is dead", &with_dead)
    );
    println!("{table}");
    // The slave counts its time with the clock of a busy machine, on which every turn takes a little longer.
    assert!(all as f64 > 0.6 * slots, "{all} answers where {slots:.0} have room");
    // What else the machine does changes meanwhile: the dead one is held to the worse time without it.
    let without = of_others(&alive).min(of_others(&alive_again));
    assert!(left * 10 >= without * 9, "{left} answers of the others beside a dead one, {without} without");
    for counts in [&alive, &with_dead, &alive_again] {
        let counts = others(counts);
        let mean = counts.iter().sum::<usize>() / counts.len();
        assert!(counts.iter().all(|count| *count + 1 >= mean / 2 && *count <= mean * 2 + 1), "not fair: {counts:?}");
    }
    blessed::agree("docs/plants/faults.md", "shares", &table, first_cells);
}

/// What was measured differs from run to run.
fn first_cells(table: &str) -> String {
    table.lines().filter_map(|line| line.split('|').nth(1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_client_reads_what_the_simulated_analyzer_serves() {
    let options = Options { step: Duration::ZERO, ..Options::default() };
    let analyzer = Analyzer::start(Model::T200, options, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = analyzer.address().to_string();

    let reading = tokio::task::spawn_blocking(move || mbpoll::registers(&address, 1, Table::InputRegisters, 30, 12));
    let registers = reading.await.unwrap().unwrap();
    let float = |at: usize| f32::from_bits(u32::from(registers[at]) << 16 | u32::from(registers[at + 1]));
    let (nox, no, no2) = (float(0), float(4), float(8));
    assert!(nox > 0.0 && no2 > 0.0, "{nox} {no2}");
    assert!((no + no2 - nox).abs() < 0.001 * nox, "NOx {nox} is not NO {no} and NO2 {no2}");
}
