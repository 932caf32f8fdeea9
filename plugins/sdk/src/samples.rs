//! Samples in, columns out.
//!
//! The contract carries a poll as columns. [`Samples`] takes one [`Sample`] after the other and fills only the columns
//! that say something; a driver with a hot path hands over [`Columns`] that it built itself.
//!
//! Invariant: what becomes a batch has columns of one length.

use crate::bindings::exports::tutin::driver::driver as contract;
use crate::driver::Timestamp;
use crate::failure::Failure;
use crate::state::{Qualifiers, State};

/// One value of one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Position in the driver's list of points.
    pub point: u16,
    /// The value in the point's unit. Without meaning when the state has no value.
    pub value: f64,
    /// Whether the instrument stands for it.
    pub state: State,
    /// What else is known.
    pub qualifiers: Qualifiers,
    /// The instrument's own status that the state was derived from.
    pub status: Option<u64>,
    /// The bits of the value as they stood on the wire.
    pub raw: Option<u64>,
    /// When the instrument measured; the host's time when it does not say.
    pub time: Option<Timestamp>,
}

impl Sample {
    /// A valid value about which nothing else is known.
    pub fn new(point: u16, value: f64) -> Self {
        Sample { point, value, state: State::Valid, qualifiers: Qualifiers::NONE, status: None, raw: None, time: None }
    }

    /// With this state.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// With these remarks.
    #[must_use]
    pub fn qualifiers(mut self, qualifiers: Qualifiers) -> Self {
        self.qualifiers = qualifiers;
        self
    }

    /// With the instrument's own status.
    #[must_use]
    pub fn status(mut self, status: u64) -> Self {
        self.status = Some(status);
        self
    }

    /// With the bits that stood on the wire.
    #[must_use]
    pub fn raw(mut self, raw: u64) -> Self {
        self.raw = Some(raw);
        self
    }

    /// With the instrument's time.
    #[must_use]
    pub fn time(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }
}

/// The columns of a poll as the contract has them: each of the length of `points`, or empty where the contract says
/// what that means.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns {
    /// Positions in the driver's list of points.
    pub points: Vec<u16>,
    /// Values.
    pub values: Vec<f64>,
    /// Codes of states. Empty: all valid.
    pub states: Vec<u8>,
    /// Qualifier bits. Empty: none.
    pub qualifiers: Vec<u32>,
    /// The instrument's own status. Empty: it has none.
    pub statuses: Vec<u64>,
    /// Bits on the wire. Empty: the protocol has none.
    pub raws: Vec<u64>,
    /// Nanoseconds UTC. Empty: the host's time.
    pub times: Vec<i64>,
}

/// What one poll brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    columns: Columns,
    texts: Vec<(u32, String)>,
    more: bool,
    points_changed: bool,
    /// First row that lacks what other rows have, per column.
    without_status: Option<usize>,
    without_raw: Option<usize>,
    without_time: Option<usize>,
}

impl Samples {
    /// Nothing yet, with room for so many samples.
    pub fn with_capacity(samples: usize) -> Self {
        let points = Vec::with_capacity(samples);
        let values = Vec::with_capacity(samples);
        Samples { columns: Columns { points, values, ..Columns::default() }, ..Samples::default() }
    }

    /// Columns that the driver built itself.
    pub fn from_columns(columns: Columns) -> Self {
        Samples { columns, ..Samples::default() }
    }

    /// Adds a sample of a number.
    pub fn push(&mut self, sample: Sample) {
        let row = self.add(sample);
        let columns = &mut self.columns;
        // A row without a value has no bits either.
        let needs_raw = sample.state.has_value();
        optional(&mut columns.raws, row, sample.raw, needs_raw, &mut self.without_raw);
    }

    /// Adds a sample of a text; `sample.value` and `sample.raw` say nothing.
    pub fn push_text(&mut self, sample: Sample, text: impl Into<String>) {
        let row = self.add(Sample { value: f64::NAN, ..sample });
        optional(&mut self.columns.raws, row, None, false, &mut self.without_raw);
        self.texts.push((u32::try_from(row).unwrap_or(u32::MAX), text.into()));
    }

    /// There is more to fetch: the host is to poll again at once.
    pub fn more_to_come(&mut self) {
        self.more = true;
    }

    /// [`Driver::points`](crate::Driver::points) returns another list from now on, and these samples refer to it.
    pub fn points_changed(&mut self) {
        self.points_changed = true;
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.columns.points.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.columns.points.is_empty()
    }

    /// The columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The samples one by one, for tests.
    pub fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        let columns = &self.columns;
        columns.points.iter().zip(&columns.values).enumerate().map(|(row, (point, value))| Sample {
            point: *point,
            value: *value,
            state: State::from_code(columns.states.get(row).copied().unwrap_or_default()),
            qualifiers: Qualifiers(columns.qualifiers.get(row).copied().unwrap_or_default()),
            status: columns.statuses.get(row).copied(),
            raw: columns.raws.get(row).copied(),
            time: columns.times.get(row).copied().map(Timestamp),
        })
    }

    /// The text of a row.
    pub fn text(&self, row: usize) -> Option<&str> {
        self.texts.iter().find(|(of, _)| *of as usize == row).map(|(_, text)| text.as_str())
    }

    fn add(&mut self, sample: Sample) -> usize {
        let columns = &mut self.columns;
        let row = columns.points.len();
        columns.points.push(sample.point);
        columns.values.push(sample.value);
        sparse(&mut columns.states, row, sample.state.code());
        sparse(&mut columns.qualifiers, row, sample.qualifiers.0);
        optional(&mut columns.statuses, row, sample.status, true, &mut self.without_status);
        optional(&mut columns.times, row, sample.time.map(|time| time.0), true, &mut self.without_time);
        row
    }

    pub(crate) fn into_batch(self) -> Result<contract::Batch, Failure> {
        self.check()?;
        let Columns { points, values, states, qualifiers, statuses, raws, times } = self.columns;
        let texts = self.texts.into_iter().map(|(row, value)| contract::Text { row, value }).collect();
        Ok(contract::Batch {
            points,
            values,
            states,
            qualifiers,
            statuses,
            raws,
            times,
            texts,
            more: self.more,
            points_changed: self.points_changed,
        })
    }

    fn check(&self) -> Result<(), Failure> {
        let columns = &self.columns;
        let rows = columns.points.len();
        let lengths = [
            ("values", columns.values.len(), None),
            ("states", columns.states.len(), Some(0)),
            ("qualifiers", columns.qualifiers.len(), Some(0)),
            ("statuses", columns.statuses.len(), Some(0)),
            ("raws", columns.raws.len(), Some(0)),
            ("times", columns.times.len(), Some(0)),
        ];
        for (name, length, allowed) in lengths {
            if length != rows && Some(length) != allowed {
                return Err(Failure::internal(format!("{rows} points but {length} {name}")));
            }
        }
        let holes = [
            ("status", &columns.statuses.is_empty(), self.without_status),
            ("raw value", &columns.raws.is_empty(), self.without_raw),
            ("time", &columns.times.is_empty(), self.without_time),
        ];
        for (name, is_empty, hole) in holes {
            if let (false, Some(row)) = (is_empty, hole) {
                return Err(Failure::internal(format!("sample {row} has no {name}, others have one")));
            }
        }
        Ok(())
    }
}

/// A column that stays empty as long as every row has the default.
fn sparse<T: Copy + Default + PartialEq>(column: &mut Vec<T>, row: usize, cell: T) {
    if cell != T::default() || !column.is_empty() {
        column.resize(row, T::default());
        column.push(cell);
    }
}

/// A column that every row has or none. Rows that need none are filled with the default; the first that needs one and
/// has none is remembered.
fn optional<T: Copy + Default>(
    column: &mut Vec<T>,
    row: usize,
    cell: Option<T>,
    needed: bool,
    hole: &mut Option<usize>,
) {
    if let Some(cell) = cell {
        column.resize(row, T::default());
        column.push(cell);
        return;
    }
    if needed {
        hole.get_or_insert(row);
    }
    if !column.is_empty() {
        column.push(T::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Qualifier;

    #[test]
    fn columns_that_say_nothing_stay_empty() {
        let mut samples = Samples::with_capacity(2);
        samples.push(Sample::new(0, 1.5));
        samples.push(Sample::new(1, 2.5));

        let batch = samples.into_batch().unwrap();

        assert_eq!((batch.points, batch.values), (vec![0, 1], vec![1.5, 2.5]));
        assert!(batch.states.is_empty() && batch.qualifiers.is_empty() && batch.statuses.is_empty());
        assert!(batch.raws.is_empty() && batch.times.is_empty() && batch.texts.is_empty());
    }

    #[test]
    fn a_column_that_begins_late_covers_the_rows_before() {
        let mut samples = Samples::default();
        samples.push(Sample::new(0, 1.0));
        samples.push(Sample::new(1, 2.0).state(State::Fault).qualifiers(Qualifier::AboveLimit.into()));
        samples.push(Sample::new(2, 3.0));

        let batch = samples.into_batch().unwrap();

        assert_eq!(batch.states, [0, 5, 0]);
        assert_eq!(batch.qualifiers, [0, 2, 0]);
    }

    #[test]
    fn rows_without_a_value_need_no_raw_bits() {
        let mut samples = Samples::default();
        samples.push_text(Sample::new(0, 0.0), "r1");
        samples.push(Sample::new(1, 1.0).raw(0x3F80_0000));
        samples.push(Sample::new(2, f64::NAN).state(State::Missing));

        let batch = samples.into_batch().unwrap();

        assert_eq!(batch.raws, [0, 0x3F80_0000, 0]);
        assert_eq!((batch.texts[0].row, batch.texts[0].value.as_str()), (0, "r1"));
    }

    #[test]
    fn a_value_without_what_the_others_have_is_the_drivers_fault() {
        let mut samples = Samples::default();
        samples.push(Sample::new(0, 1.0).raw(1).status(1));
        samples.push(Sample::new(1, 1.0).status(1));

        let failure = samples.into_batch().unwrap_err();

        assert_eq!(failure, Failure::internal("sample 1 has no raw value, others have one"));
    }

    #[test]
    fn columns_of_different_length_are_the_drivers_fault() {
        let columns = Columns { points: vec![0, 1], values: vec![1.0, 2.0], raws: vec![1], ..Columns::default() };

        let failure = Samples::from_columns(columns).into_batch().unwrap_err();

        assert_eq!(failure, Failure::internal("2 points but 1 raws"));
    }
}
