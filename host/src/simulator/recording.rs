//! The recording that simulated analyzers replay: hourly means of a gas turbine's stack (`data/README.md`).
//!
//! A row holds until the next one comes: nothing is interpolated, so that every concentration that leaves a
//! simulator was once measured. After the last row the first follows again.

use std::time::Duration;

/// Molar volume of an ideal gas at 0 °C and 101.325 kPa, L/mol.
pub const MOLAR_VOLUME: f64 = 22.414;
/// Molar mass of NO2, as which NOx is stated, g/mol.
pub const MOLAR_MASS_NO2: f64 = 46.0055;
/// Molar mass of CO, g/mol.
pub const MOLAR_MASS_CO: f64 = 28.01;

/// All rows, in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    rows: Vec<Row>,
}

/// What was measured in one hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Outside the building, °C.
    pub ambient_temperature_c: f64,
    /// Outside the building, mbar.
    pub ambient_pressure_mbar: f64,
    /// Outside the building, relative, %.
    pub ambient_humidity_pct: f64,
    /// Carbon monoxide, mg/m3.
    pub co_mg_m3: f64,
    /// Nitrogen oxides as NO2, mg/m3.
    pub nox_mg_m3: f64,
}

/// What is wrong with a recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// The header names no such column.
    #[error("the recording has no column {0}")]
    Column(&'static str),
    /// A field that is not a number.
    #[error("line {line} of the recording: {column} is not a number")]
    Field {
        /// Counted from 1, the header included.
        line: usize,
        /// Which column.
        column: &'static str,
    },
    /// There is nothing to replay.
    #[error("the recording has no rows")]
    Empty,
}

/// A recording that runs: one row per `step`, from `start_row`, without end.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    recording: Recording,
    step: Duration,
    start_row: usize,
}

impl Recording {
    /// The recording that is part of the program.
    pub fn embedded() -> Result<Self, RecordingError> {
        Self::parse(include_str!("data/gas-turbine-hourly-a.csv"))
    }

    /// Reads comma-separated lines under a header that names the columns, in any order. Further columns are allowed.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
        let column = |name: &'static str| {
            let position = names.iter().position(|candidate| *candidate == name).ok_or(RecordingError::Column(name))?;
            Ok((name, position))
        };
        let columns = [
            column("ambient_temperature_c")?,
            column("ambient_pressure_mbar")?,
            column("ambient_humidity_pct")?,
            column("co_mg_m3")?,
            column("nox_mg_m3")?,
        ];
        let rows = lines
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(index, line)| Row::parse(line, index + 2, columns))
            .collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() { Err(RecordingError::Empty) } else { Ok(Recording { rows }) }
    }

    /// The rows, at least one.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Lets it run. A `step` of zero holds `start_row` for ever.
    pub fn replay(self, step: Duration, start_row: usize) -> Replay {
        Replay { recording: self, step, start_row }
    }
}

impl Row {
    /// NOx in ppb (volume), from mg/m3 as NO2.
    pub fn nox_ppb(&self) -> f64 {
        self.nox_mg_m3 * MOLAR_VOLUME / MOLAR_MASS_NO2 * 1000.0
    }

    /// CO in ppm (volume).
    pub fn co_ppm(&self) -> f64 {
        self.co_mg_m3 * MOLAR_VOLUME / MOLAR_MASS_CO
    }

    fn parse(line: &str, number: usize, columns: [(&'static str, usize); 5]) -> Result<Self, RecordingError> {
        let fields: Vec<&str> = line.split(',').collect();
        let [temperature, pressure, humidity, co, nox] = columns.map(|(column, position)| {
            let number_of = |field: &&str| field.trim().parse::<f64>().ok().filter(|value| value.is_finite());
            fields.get(position).and_then(number_of).ok_or(RecordingError::Field { line: number, column })
        });
        Ok(Row {
            ambient_temperature_c: temperature?,
            ambient_pressure_mbar: pressure?,
            ambient_humidity_pct: humidity?,
            co_mg_m3: co?,
            nox_mg_m3: nox?,
        })
    }
}

impl Replay {
    /// Which row holds this long after the start.
    pub fn row_number(&self, elapsed: Duration) -> usize {
        let steps = match self.step.as_nanos() {
            0 => 0,
            step => elapsed.as_nanos() / step,
        };
        let rows = self.recording.rows.len().max(1);
        let within = usize::try_from(steps % rows as u128).unwrap_or(0);
        (self.start_row % rows + within) % rows
    }

    /// The row that holds this long after the start.
    pub fn row(&self, elapsed: Duration) -> Row {
        let none = Row {
            ambient_temperature_c: f64::NAN,
            ambient_pressure_mbar: f64::NAN,
            ambient_humidity_pct: f64::NAN,
            co_mg_m3: f64::NAN,
            nox_mg_m3: f64::NAN,
        };
        self.recording.rows.get(self.row_number(elapsed)).copied().unwrap_or(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_recording_is_whole() {
        let recording = Recording::embedded().unwrap();

        assert_eq!(recording.rows().len(), 7_411);
        assert_eq!(recording.rows()[0].nox_mg_m3, 81.952);
        assert_eq!(recording.rows()[0].co_mg_m3, 0.32663);
        assert_eq!(recording.rows()[0].ambient_pressure_mbar, 1018.7);
    }

    /// Computed by hand: 81.952 mg/m3 × 22.414 L/mol / 46.0055 g/mol; 0.32663 × 22.414 / 28.01.
    #[test]
    fn concentrations_are_converted_at_standard_conditions() {
        let row = Recording::embedded().unwrap().rows()[0];

        assert!((row.nox_ppb() - 39_927.229).abs() < 0.01, "{}", row.nox_ppb());
        assert!((row.co_ppm() - 0.261374).abs() < 1e-6, "{}", row.co_ppm());
    }

    #[test]
    fn a_row_holds_for_a_step_and_the_first_follows_the_last() {
        let rows = Recording::embedded().unwrap().rows().len();
        let replay = Recording::embedded().unwrap().replay(Duration::from_secs(2), 1);
        let check = |millis: u64, expected: usize| {
            assert_eq!(replay.row_number(Duration::from_millis(millis)), expected, "at {millis} ms");
        };

        check(0, 1);
        check(1_999, 1);
        check(2_000, 2);
        check(2_000 * (rows as u64 - 2), rows - 1);
        check(2_000 * (rows as u64 - 1), 0);
    }

    #[test]
    fn a_step_of_zero_holds_the_first_row() {
        let replay = Recording::embedded().unwrap().replay(Duration::ZERO, 7);

        assert_eq!(replay.row_number(Duration::from_secs(1_000_000)), 7);
    }

    #[test]
    fn a_damaged_recording_is_refused_by_line_and_column() {
        let header = "ambient_temperature_c,ambient_pressure_mbar,ambient_humidity_pct,co_mg_m3,nox_mg_m3";
        let check = |text: String, expected: RecordingError| assert_eq!(Recording::parse(&text), Err(expected));

        check("a,b\n1,2\n".into(), RecordingError::Column("ambient_temperature_c"));
        check(format!("{header}\n"), RecordingError::Empty);
        check(format!("{header}\n1,2,3,4,5\n1,2,3,x,5\n"), RecordingError::Field { line: 3, column: "co_mg_m3" });
        check(format!("{header}\n1,2,3,4\n"), RecordingError::Field { line: 2, column: "nox_mg_m3" });
    }
}
