//! The format of a block of readings: what one commit brought, in one entry.
//!
//! All numbers are little-endian. A block is a version, a count, and as many poll sets:
//!
//! ```text
//! block     | version = 1: u8 | sets: u32 | set … |
//! set       | catalog: u64 | received_at: i64 | rows: u32 | columns: u8 | column … |
//! columns   always      points u16 × rows, values u64 × rows (bits of the f64), states u8 × rows
//!           bit 0 set   qualifiers u32 × rows
//!           bit 1 set   statuses u64 × rows
//!           bit 2 set   raws u64 × rows
//!           bit 3 set   times i64 × rows
//!           bit 4 set   texts: count u32, then count × | row: u32 | bytes: u32 | UTF-8 |
//! ```
//!
//! `catalog` is the sequence number of the entry that says which device and which points these are. The columns stand in the
//! order of the list. Values are kept bit for bit, NaN and its payload included.

use std::sync::Arc;

use crate::reading::{Columns, DeviceCatalog, InstrumentState, PollSet, Qualifiers};
use crate::time::Timestamp;

const VERSION: u8 = 1;
const QUALIFIERS: u8 = 1;
const STATUSES: u8 = 2;
const RAWS: u8 = 4;
const TIMES: u8 = 8;
const TEXTS: u8 = 16;

/// Puts poll sets into one block.
#[derive(Debug)]
pub struct BlockWriter {
    bytes: Vec<u8>,
    sets: u32,
}

impl BlockWriter {
    /// A block without sets.
    pub fn new() -> Self {
        let mut bytes = vec![VERSION];
        bytes.extend(0_u32.to_le_bytes());
        BlockWriter { bytes, sets: 0 }
    }

    /// Adds a set whose catalog stands in this entry.
    pub fn push(&mut self, catalog: u64, set: &PollSet) {
        let Columns { points, values, states, qualifiers, statuses, raws, times, texts } = &set.columns;
        let bytes = &mut self.bytes;
        let bit = |empty: bool, bit: u8| if empty { 0 } else { bit };
        bytes.extend(catalog.to_le_bytes());
        bytes.extend(set.received_at.0.to_le_bytes());
        bytes.extend((points.len() as u32).to_le_bytes());
        bytes.push(
            bit(qualifiers.is_empty(), QUALIFIERS)
                | bit(statuses.is_empty(), STATUSES)
                | bit(raws.is_empty(), RAWS)
                | bit(times.is_empty(), TIMES)
                | bit(texts.is_empty(), TEXTS),
        );
        bytes.extend(points.iter().flat_map(|point| point.to_le_bytes()));
        bytes.extend(values.iter().flat_map(|value| value.to_bits().to_le_bytes()));
        bytes.extend(states.iter().map(|state| state.code()));
        bytes.extend(qualifiers.iter().flat_map(|set| set.0.to_le_bytes()));
        bytes.extend(statuses.iter().flat_map(|status| status.to_le_bytes()));
        bytes.extend(raws.iter().flat_map(|raw| raw.to_le_bytes()));
        bytes.extend(times.iter().flat_map(|time| time.0.to_le_bytes()));
        if !texts.is_empty() {
            bytes.extend((texts.len() as u32).to_le_bytes());
            for (row, text) in texts {
                bytes.extend(row.to_le_bytes());
                bytes.extend((text.len() as u32).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
        }
        self.sets += 1;
    }

    /// The finished block.
    pub fn finish(mut self) -> Vec<u8> {
        if let Some(count) = self.bytes.get_mut(1..5) {
            count.copy_from_slice(&self.sets.to_le_bytes());
        }
        self.bytes
    }
}

/// Reads a block. `catalog` finds what stands in an entry. The error says what is wrong with the bytes.
pub fn read<E: From<String>>(
    block: &[u8],
    mut catalog: impl FnMut(u64) -> Result<Arc<DeviceCatalog>, E>,
) -> Result<Vec<PollSet>, E> {
    let mut bytes = Bytes(block);
    let version = bytes.u8()?;
    if version != VERSION {
        return Err(format!("block version {version}, and {VERSION} is known").into());
    }
    let count = bytes.u32()?;
    let mut sets = Vec::new();
    for _ in 0..count {
        let catalog = catalog(bytes.u64()?)?;
        sets.push(bytes.set(catalog)?);
    }
    if bytes.0.is_empty() { Ok(sets) } else { Err(format!("{} bytes behind the last set", bytes.0.len()).into()) }
}

/// How many readings a block holds, without reading them.
pub fn rows(block: &[u8]) -> Result<u64, String> {
    let mut bytes = Bytes(block);
    let (_, count) = (bytes.u8()?, bytes.u32()?);
    let mut total = 0;
    for _ in 0..count {
        bytes.take(16)?;
        let rows = bytes.u32()? as usize;
        let present = bytes.u8()?;
        let widths = [(QUALIFIERS, 4), (STATUSES, 8), (RAWS, 8), (TIMES, 8)];
        let width: usize =
            11 + widths.iter().filter(|(bit, _)| present & bit != 0).map(|(_, width)| width).sum::<usize>();
        bytes.take(rows.saturating_mul(width))?;
        if present & TEXTS != 0 {
            bytes.texts()?;
        }
        total += rows as u64;
    }
    Ok(total)
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn set(&mut self, catalog: Arc<DeviceCatalog>) -> Result<PollSet, String> {
        let received_at = Timestamp(i64::from_le_bytes(self.array()?));
        let rows = self.u32()? as usize;
        let present = self.u8()?;
        let has = |bit: u8| if present & bit == 0 { 0 } else { rows };
        let columns = Columns {
            points: self.column(rows, u16::from_le_bytes)?,
            values: self.column(rows, |bytes| f64::from_bits(u64::from_le_bytes(bytes)))?,
            states: self.column(rows, |[code]| InstrumentState::from_code(code))?,
            qualifiers: self.column(has(QUALIFIERS), |bytes| Qualifiers(u32::from_le_bytes(bytes)))?,
            statuses: self.column(has(STATUSES), u64::from_le_bytes)?,
            raws: self.column(has(RAWS), u64::from_le_bytes)?,
            times: self.column(has(TIMES), |bytes| Timestamp(i64::from_le_bytes(bytes)))?,
            texts: if present & TEXTS == 0 { Vec::new() } else { self.texts()? },
        };
        Ok(PollSet { catalog, received_at, columns })
    }

    fn texts(&mut self) -> Result<Vec<(u32, String)>, String> {
        let count = self.u32()?;
        let mut texts = Vec::new();
        for _ in 0..count {
            let (row, length) = (self.u32()?, self.u32()? as usize);
            let text = std::str::from_utf8(self.take(length)?).map_err(|error| error.to_string())?;
            texts.push((row, text.to_owned()));
        }
        Ok(texts)
    }

    fn column<const N: usize, T>(&mut self, rows: usize, read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
        let bytes = self.take(rows.saturating_mul(N))?;
        Ok(bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect())
    }

    fn u8(&mut self) -> Result<u8, String> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let short = || format!("{} bytes where {N} are needed", self.0.len());
        let (first, rest) = self.0.split_first_chunk().ok_or_else(short)?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let short = || format!("{} bytes where {count} are needed", self.0.len());
        let (first, rest) = self.0.split_at_checked(count).ok_or_else(short)?;
        self.0 = rest;
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Point, PointKind};

    fn catalog() -> Arc<DeviceCatalog> {
        let point = |id: &str, kind| Point { id: id.into(), label: String::new(), unit: String::new(), kind };
        Arc::new(DeviceCatalog {
            device: "d".into(),
            plugin: "p 1".into(),
            plugin_digest: "00".into(),
            points: vec![point("a", PointKind::Number), point("b", PointKind::Text)],
        })
    }

    fn sets() -> Vec<PollSet> {
        let nan = f64::from_bits(0x7ff4_0000_0000_beef);
        let full = Columns {
            points: vec![0, 1],
            values: vec![nan, 0.0],
            states: vec![InstrumentState::Fault, InstrumentState::Valid],
            qualifiers: vec![Qualifiers::TEST, Qualifiers::NONE],
            statuses: vec![u64::MAX, 1],
            raws: vec![0x7fc0_beef, 0],
            times: vec![Timestamp(-5), Timestamp(7)],
            texts: vec![(1, "жарайды".into())],
        };
        let bare =
            Columns { points: vec![0], values: vec![1.5], states: vec![InstrumentState::Valid], ..Columns::default() };
        [full, bare, Columns::default()]
            .map(|columns| PollSet { catalog: catalog(), received_at: Timestamp(42), columns })
            .into()
    }

    fn written() -> Vec<u8> {
        let mut block = BlockWriter::new();
        for set in sets() {
            block.push(9, &set);
        }
        block.finish()
    }

    #[test]
    fn what_was_written_is_read_bit_for_bit() {
        let read =
            read::<String>(&written(), |entry| if entry == 9 { Ok(catalog()) } else { Err("?".into()) }).unwrap();
        let bits = |sets: &[PollSet]| -> Vec<u64> {
            sets.iter().flat_map(|set| set.columns.values.iter().map(|value| value.to_bits())).collect()
        };
        assert_eq!(bits(&read), bits(&sets()));
        assert_eq!(format!("{read:?}"), format!("{:?}", sets()));
    }

    #[test]
    fn readings_are_counted_without_being_read() {
        assert_eq!(rows(&written()), Ok(3));
    }

    #[test]
    fn a_block_that_was_cut_anywhere_is_an_error_and_no_panic() {
        let block = written();
        for length in 0..block.len() {
            assert!(read::<String>(&block[..length], |_| Ok(catalog())).is_err(), "cut at {length}");
        }
    }
}
