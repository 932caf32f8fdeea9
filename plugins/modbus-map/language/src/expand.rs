//! From the map's points to single points: repetitions written out, what is not wanted left out, what the site knows put in,
//! addresses from 0, every member checked.

use std::collections::HashSet;
use std::rc::Rc;

use tutin_sdk::modbus::{Span, Table};
use tutin_sdk::settings::{check_id, wrong};
use tutin_sdk::{Failure, Point};

use crate::codes::numbered;
use crate::effective::{Effective, unit_of_site};
use crate::kind::{Kind, kind};
use crate::pattern::{check, matches};
use crate::settings::{Adjust, CodeFrom, NameFrom, PointSettings, Sentinel};
use crate::source::{PlacedName, PlacedSource, name, source};

/// One point and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    /// What rules and filters call it.
    pub id: String,
    pub point: Point,
    pub unit_id: Option<u8>,
    pub table: Table,
    pub span: Span,
    pub kind: Kind,
    /// Scale and offset; `None` leaves the number as it is, bit for bit.
    pub linear: Option<(f64, f64)>,
    /// Lowest and highest number that can be.
    pub range: Option<[f64; 2]>,
    pub sentinels: Vec<Sentinel>,
    pub unit_from: Option<PlacedSource>,
    pub name_from: Option<PlacedName>,
}

/// A point before it is known whether anybody wants it.
struct Candidate<'a> {
    entry: &'a PointSettings,
    at: &'a str,
    id: String,
    label: String,
    /// Which repetition, by the map's counting.
    number: Option<u32>,
    /// Addresses from the first repetition to this one.
    distance: u32,
}

/// All points that are wanted, in order, and the ids of all that the map has.
pub(crate) fn expand(effective: &Effective) -> Result<(Vec<Placed>, Vec<String>), Failure> {
    if effective.points.is_empty() {
        return Err(wrong("points", "at least one point is needed"));
    }
    let mut candidates = Vec::new();
    for (at, entry) in &effective.points {
        repetitions(entry, at, &mut candidates)?;
        if candidates.len() > usize::from(u16::MAX) {
            return Err(wrong(at, "more than 65535 points in all"));
        }
    }
    let ids: Vec<String> = candidates.iter().map(|candidate| candidate.id.clone()).collect();
    check_patterns(effective, &ids)?;
    let placed: Vec<Placed> = candidates
        .iter()
        .filter(|candidate| is_wanted(effective, &candidate.id))
        .map(|candidate| place(effective, candidate))
        .collect::<Result<_, _>>()?;
    if placed.is_empty() {
        return Err(wrong("only", "with only and without, no point is left"));
    }
    let (mut seen, mut seen_ids) = (HashSet::new(), HashSet::new());
    for Placed { id, point, name_from, .. } in &placed {
        if !seen.insert(id.as_str()) || (name_from.is_none() && !seen_ids.insert(point.id.as_str())) {
            return Err(wrong("points", format_args!("two points are called {:?}", point.id)));
        }
    }
    Ok((placed, ids))
}

fn repetitions<'a>(entry: &'a PointSettings, at: &'a str, into: &mut Vec<Candidate<'a>>) -> Result<(), Failure> {
    let label = entry.label.as_ref().unwrap_or(&entry.id);
    let Some(repeat) = &entry.repeat else {
        into.push(Candidate { entry, at, id: entry.id.clone(), label: label.clone(), number: None, distance: 0 });
        return Ok(());
    };
    if repeat.count == 0 {
        return Err(wrong(&format!("{at}.repeat.count"), "must be at least 1"));
    }
    if !entry.id.contains("{n}") {
        return Err(wrong(&format!("{at}.id"), "must hold {n} where the number goes, because of repeat"));
    }
    let stride = u32::from(repeat.stride.unwrap_or_else(|| crate::kind::width(entry)));
    for step in 0..u32::from(repeat.count) {
        let number = repeat.first.saturating_add(step);
        let text = number.to_string();
        into.push(Candidate {
            entry,
            at,
            id: entry.id.replace("{n}", &text),
            label: label.replace("{n}", &text),
            number: Some(number),
            distance: step.saturating_mul(stride),
        });
    }
    Ok(())
}

fn check_patterns(effective: &Effective, ids: &[String]) -> Result<(), Failure> {
    let ids = || ids.iter().map(String::as_str);
    let settings = effective.settings;
    let only = settings.only.iter().flatten().map(|pattern| ("only".to_owned(), pattern));
    let without = settings.without.iter().map(|pattern| ("without".to_owned(), pattern));
    let adjust = settings.adjust.keys().map(|pattern| (format!("adjust.{pattern}"), pattern));
    only.chain(without).chain(adjust).try_for_each(|(at, pattern)| check(pattern, ids, &at))
}

fn is_wanted(effective: &Effective, id: &str) -> bool {
    let settings = effective.settings;
    let is_any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, id));
    settings.only.as_ref().is_none_or(|only| is_any(only)) && !is_any(&settings.without)
}

fn place(effective: &Effective, candidate: &Candidate) -> Result<Placed, Failure> {
    let Candidate { entry, at, id, label, distance, .. } = candidate;
    let adjust = adjust(effective, id);
    let kind = kind(effective, entry, adjust.word_order, at)?;
    let address = effective.wire_address(entry.table, entry.address.saturating_add(*distance), kind.width(), at)?;
    let point_id = adjust.id.as_ref().unwrap_or(id);
    check_id(&format!("{at}.id"), point_id)?;
    let label = adjust.label.as_ref().unwrap_or(label).clone();
    let point = match kind.is_text() {
        true => Point::text(point_id, label),
        false => Point::number(point_id, label, unit(effective, candidate, &adjust)?),
    };
    Ok(Placed {
        id: id.clone(),
        point,
        unit_id: entry.unit_id,
        table: entry.table,
        span: Span { address, count: kind.width() },
        linear: linear(entry, &adjust, &kind, at)?,
        range: range(entry, &adjust, at)?,
        sentinels: sentinels(entry, at)?,
        unit_from: entry.unit_from.as_ref().map(|from| unit_source(effective, from, candidate)).transpose()?,
        name_from: entry.name_from.as_ref().map(|from| name_source(effective, from, candidate)).transpose()?,
        kind,
    })
}

/// What the site says of a point: patterns first, then its id.
fn adjust(effective: &Effective, id: &str) -> Adjust {
    let table = &effective.settings.adjust;
    let patterns = table.iter().filter(|(pattern, _)| pattern.contains('*') && matches(pattern, id));
    let mut sum = Adjust::default();
    for (pattern, one) in patterns.chain(table.get_key_value(id)) {
        let own_id = one.id.clone().filter(|_| !pattern.contains('*'));
        sum = Adjust {
            id: own_id.or(sum.id),
            label: one.label.clone().or(sum.label),
            unit: one.unit.clone().or(sum.unit),
            range: one.range.or(sum.range),
            scale: one.scale.or(sum.scale),
            offset: one.offset.or(sum.offset),
            word_order: one.word_order.or(sum.word_order),
        };
    }
    sum
}

fn unit(effective: &Effective, candidate: &Candidate, adjust: &Adjust) -> Result<String, Failure> {
    let entry = candidate.entry;
    match (&adjust.unit, &entry.unit_key) {
        (Some(unit), _) => Ok(unit.clone()),
        (None, Some(key)) => {
            let number = candidate.number.map_or(String::new(), |number| number.to_string());
            unit_of_site(effective.settings, &key.replace("{n}", &number))
        }
        (None, None) => Ok(entry.unit.clone()),
    }
}

fn unit_source(effective: &Effective, from: &CodeFrom, candidate: &Candidate) -> Result<PlacedSource, Failure> {
    let entry = candidate.entry;
    let CodeFrom { table, address, mask, length, codes } = from;
    let at = format!("{}.unit_from", candidate.at);
    source(effective, (entry.unit_id, *table, address.saturating_add(candidate.distance)), *mask, *length, codes, &at)
}

fn name_source(effective: &Effective, from: &NameFrom, candidate: &Candidate) -> Result<PlacedName, Failure> {
    let entry = candidate.entry;
    let NameFrom { table, address, mask, length, codes, id, label } = from;
    let at = format!("{}.name_from", candidate.at);
    let address = address.saturating_add(candidate.distance);
    let source = source(effective, (entry.unit_id, *table, address), *mask, *length, codes, &at)?;
    name(source, id.as_deref(), label.as_deref(), candidate.number.unwrap_or_default(), &at)
}

fn linear(entry: &PointSettings, adjust: &Adjust, kind: &Kind, at: &str) -> Result<Option<(f64, f64)>, Failure> {
    let (scale, offset) = (adjust.scale.or(entry.scale), adjust.offset.or(entry.offset));
    if kind.is_text() && (scale.is_some() || offset.is_some()) {
        return Err(wrong(&format!("{at}.scale"), "is for numbers"));
    }
    let (scale, offset) = (scale.unwrap_or(1.0), offset.unwrap_or(0.0));
    if !scale.is_finite() || scale == 0.0 {
        return Err(wrong(&format!("{at}.scale"), "must be a number other than 0"));
    }
    if !offset.is_finite() {
        return Err(wrong(&format!("{at}.offset"), "must be a finite number"));
    }
    Ok((scale != 1.0 || offset != 0.0).then_some((scale, offset)))
}

fn range(entry: &PointSettings, adjust: &Adjust, at: &str) -> Result<Option<[f64; 2]>, Failure> {
    match adjust.range.or(entry.range) {
        Some([low, high]) if low.is_nan() || high.is_nan() || low > high => {
            Err(wrong(&format!("{at}.range"), "must be the lowest and the highest number, as in [0, 1000]"))
        }
        range => Ok(range),
    }
}

fn sentinels(entry: &PointSettings, at: &str) -> Result<Vec<Sentinel>, Failure> {
    for (index, sentinel) in entry.sentinels.iter().enumerate() {
        let at = format!("{at}.sentinels[{index}]");
        if sentinel.number.is_some() == sentinel.raw.is_some() {
            return Err(wrong(&at, "needs number or raw, and not both"));
        }
        if sentinel.state == tutin_sdk::State::Valid {
            return Err(wrong(&format!("{at}.state"), "must be a state other than valid"));
        }
    }
    Ok(entry.sentinels.clone())
}

/// The texts of a point that is a code.
pub(crate) fn texts(effective: &Effective, entry: &PointSettings, at: &str) -> Result<Option<Kind>, Failure> {
    let Some(codes) = &entry.texts else { return Ok(None) };
    let limit = if entry.table.is_bits() { 1 } else { u16::MAX };
    let texts = numbered(codes, effective.settings, limit, &format!("{at}.texts"), |text| Ok(text.to_owned()))?;
    Ok(Some(Kind::Code(Rc::new(texts))))
}
