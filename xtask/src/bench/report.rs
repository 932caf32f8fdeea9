//! The table at the end, and what must never happen.

use std::fmt::Write;
use std::time::Duration;

use super::Measured;
use super::verdict::{Arrived, percentile};
use super::workload::Workload;

/// One load, measured on both.
pub struct Row {
    /// The loop that only reads.
    pub native: Native,
    /// The hub; `None` when it was left out.
    pub hub: Option<Hub>,
}

/// What the native loop did.
pub struct Native {
    /// What the devices saw of it and what it used.
    pub measured: Measured,
    /// Microseconds from the device's time stamp to the decoded values.
    pub latencies: Vec<u64>,
}

/// What the hub did.
pub struct Hub {
    /// What the devices saw of it and what it used.
    pub measured: Measured,
    /// What arrived at the live sink.
    pub arrived: Arrived,
    /// Averages delivered from the journal.
    pub averages: usize,
    /// Microseconds from start to the first reading at the sink.
    pub first_reading: Option<u64>,
}

impl Row {
    /// What must never happen, in words.
    pub fn faults(&self, workload: &Workload) -> Vec<String> {
        let name = workload.name;
        let mut faults = Vec::new();
        let mut count = |number: u64, what: &str| {
            if number > 0 {
                faults.push(format!("{name}: {number} {what}"));
            }
        };
        count(self.native.measured.missed, "polls missed by the native loop: this machine is too slow or too busy");
        let Some(hub) = &self.hub else { return faults };
        count(hub.measured.missed, "polls missed by the hub");
        count(hub.arrived.lost, "polls of the hub read and not delivered");
        count(hub.arrived.doubled, "polls of the hub delivered twice");
        let torn = hub
            .arrived
            .torn
            .first()
            .map(|first| format!("lines of the hub that are no whole answer, the first: {first}"));
        count(hub.arrived.torn.len() as u64, &torn.unwrap_or_default());
        let averages_due = !workload.interval.is_zero();
        count(u64::from(averages_due && hub.averages == 0), "run of the hub without a single average delivered");
        faults
    }
}

impl Measured {
    fn polls(&self) -> u64 {
        self.answered.iter().map(|stamps| stamps.len() as u64).sum()
    }

    fn us_per_value(&self, workload: &Workload) -> f64 {
        self.computed_ns as f64 / 1_000.0 / (self.polls() * u64::from(workload.registers)).max(1) as f64
    }
}

const HEADINGS: [&str; 10] =
    ["load", "program", "polls", "polls/s", "missed", "CPU us/value", "ratio", "memory MB", "p50 ms", "p99 ms"];

/// All loads as one table.
pub fn table(rows: &[(Workload, Row)], length: Duration) -> String {
    let mut cells: Vec<Vec<String>> = vec![HEADINGS.map(str::to_owned).to_vec()];
    let mut remarks = String::new();
    for (workload, row) in rows {
        let native = &row.native;
        cells.push(line(workload, "native", &native.measured, &native.latencies, None, length));
        if let Some(hub) = &row.hub {
            let ratio = hub.measured.us_per_value(workload) / native.measured.us_per_value(workload);
            cells.push(line(workload, "hub", &hub.measured, &hub.arrived.latencies, Some(ratio), length));
            let first = hub.first_reading.map_or("never".to_owned(), |first| format!("{:.3} s", first as f64 / 1e6));
            let _ =
                writeln!(remarks, "{}: first reading {first} after start, {} averages", workload.name, hub.averages);
        }
    }
    format!("{}\n{remarks}", align(&cells))
}

fn line(
    workload: &Workload,
    program: &str,
    measured: &Measured,
    latencies: &[u64],
    ratio: Option<f64>,
    length: Duration,
) -> Vec<String> {
    let mut latencies = latencies.to_vec();
    let mut ms =
        |share| percentile(&mut latencies, share).map_or("-".to_owned(), |us| format!("{:.2}", us as f64 / 1_000.0));
    vec![
        workload.describe(),
        program.to_owned(),
        measured.polls().to_string(),
        format!("{:.0}", measured.polls() as f64 / length.as_secs_f64()),
        measured.missed.to_string(),
        format!("{:.3}", measured.us_per_value(workload)),
        ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
        format!("{:.1}", measured.resident_kib as f64 / 1_024.0),
        ms(0.5),
        ms(0.99),
    ]
}

fn align(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let mut table = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            // Words to the left, numbers to the right.
            let _ = if column < 2 {
                write!(table, "{cell:<0$}  ", width(column))
            } else {
                write!(table, "{cell:>0$}  ", width(column))
            };
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(missed: u64) -> Measured {
        Measured { answered: vec![vec![1, 2], vec![3]], missed, computed_ns: 600_000, resident_kib: 10_240 }
    }

    fn row(arrived: Arrived, averages: usize) -> Row {
        let native = Native { measured: measured(0), latencies: vec![100, 200, 300] };
        Row { native, hub: Some(Hub { measured: measured(0), arrived, averages, first_reading: Some(50_000) }) }
    }

    const LOAD: Workload = Workload { name: "small", devices: 2, registers: 100, interval: Duration::from_secs(1) };

    #[test]
    fn cpu_is_told_per_value() {
        assert_eq!(measured(0).us_per_value(&LOAD), 2.0);
        let table = table(&[(LOAD, row(Arrived::default(), 1))], Duration::from_secs(3));
        assert!(
            table.contains(
                "2 x 100 every 1s  native       3        1       0         2.000      -       10.0    0.20    0.30"
            ),
            "{table}"
        );
        assert!(table.contains("first reading 0.050 s after start"), "{table}");
    }

    #[test]
    fn everything_that_must_never_happen_is_a_fault() {
        let good = || Arrived { latencies: vec![1, 2, 3], ..Arrived::default() };
        assert_eq!(row(good(), 1).faults(&LOAD), Vec::<String>::new());
        assert_eq!(row(good(), 0).faults(&LOAD).len(), 1);
        assert_eq!(row(Arrived { lost: 1, ..good() }, 1).faults(&LOAD).len(), 1);
        assert_eq!(row(Arrived { doubled: 1, ..good() }, 1).faults(&LOAD).len(), 1);
        assert_eq!(row(Arrived { torn: vec!["x".into()], ..good() }, 1).faults(&LOAD).len(), 1);
        let mut late = row(good(), 1);
        late.native.measured.missed = 1;
        assert_eq!(late.faults(&LOAD).len(), 1);
    }
}
