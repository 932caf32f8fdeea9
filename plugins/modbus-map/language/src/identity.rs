//! Names and units that the instrument itself gives its points.
//!
//! The registers that say so are read in every poll, beside the values, so that a value never goes under the name of another: the
//! list of points changes in the very poll that reads another code.

use std::collections::BTreeMap;

use tutin_sdk::modbus::Error;
use tutin_sdk::{Failure, Point, log};

use crate::Content;
use crate::expand::Placed;
use crate::kind::text_of;
use crate::reads::{Reads, Want};
use crate::source::{Lookup, PlacedName, PlacedSource};
use crate::status::{Item, word};

/// What the instrument says of its points.
#[derive(Debug)]
pub(crate) struct Identity {
    sources: Vec<Source>,
    /// One for each point of the map.
    of_points: Vec<OfPoint>,
}

#[derive(Debug)]
struct Source {
    item: Item,
    width: usize,
    lookup: Lookup,
    /// What it said last; `None` when it was never read.
    said: Option<Said>,
    /// False when the last poll could not read it.
    is_read: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Known(String),
    Unknown(String),
}

#[derive(Debug, Default)]
struct OfPoint {
    name: Option<(usize, PlacedName)>,
    unit: Option<usize>,
}

impl Identity {
    /// `None` when the map says everything itself.
    pub fn new(placed: &[Placed], reads: &Reads) -> Result<Option<Self>, Failure> {
        let mut identity = Identity { sources: Vec::new(), of_points: Vec::new() };
        for point in placed {
            let name = point.name_from.as_ref();
            let name =
                name.map(|name| Ok::<_, Failure>((identity.source(&name.source, reads)?, name.clone()))).transpose()?;
            let unit = point.unit_from.as_ref().map(|unit| identity.source(unit, reads)).transpose()?;
            identity.of_points.push(OfPoint { name, unit });
        }
        Ok((!identity.sources.is_empty()).then_some(identity))
    }

    fn source(&mut self, placed: &PlacedSource, reads: &Reads) -> Result<usize, Failure> {
        let item = reads.find(placed.unit_id, placed.table, placed.span)?;
        let width = usize::from(placed.span.count);
        let is_it = |source: &Source| (source.item, source.width) == (item, width) && source.lookup == placed.lookup;
        if let Some(known) = self.sources.iter().position(is_it) {
            return Ok(known);
        }
        self.sources.push(Source { item, width, lookup: placed.lookup.clone(), said: None, is_read: false });
        Ok(self.sources.len() - 1)
    }

    /// Looks at what a poll brought. True when something says something else than before.
    pub fn look(&mut self, answers: &[Result<Content, Error>]) -> bool {
        let mut has_changed = false;
        for source in &mut self.sources {
            let said = source.read(answers);
            source.is_read = said.is_some();
            if said.is_some() && said != source.said {
                source.said = said;
                has_changed = true;
            }
        }
        has_changed
    }

    /// False when what this point is, or its unit, was not read in this poll, so that its value could be of anything.
    pub fn is_sure(&self, point: usize) -> bool {
        let Some(of) = self.of_points.get(point) else { return true };
        let sources = of.name.iter().map(|(source, _)| source).chain(&of.unit);
        sources.filter_map(|source| self.sources.get(*source)).all(|source| source.is_read)
    }

    /// The points as the instrument names them; `None` for those that it has not, or has not named yet.
    pub fn points(&self, of_map: &[Point]) -> Vec<Option<Point>> {
        let mut points: Vec<Option<Point>> =
            of_map.iter().zip(&self.of_points).map(|(point, of)| self.point(point, of)).collect();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for point in points.iter().flatten() {
            *counts.entry(point.id.clone()).or_default() += 1;
        }
        for (point, of) in points.iter_mut().zip(&self.of_points) {
            if let (Some(point), Some((_, name))) = (point, &of.name)
                && counts.get(&point.id).is_some_and(|count| *count > 1)
            {
                point.id = format!("{}_{}", point.id, name.number);
                point.label = format!("{} {}", point.label, name.number);
            }
        }
        points
    }

    fn point(&self, of_map: &Point, of: &OfPoint) -> Option<Point> {
        let mut point = of_map.clone();
        if let Some((source, name)) = &of.name {
            let said = match self.sources.get(*source)?.said.as_ref()? {
                Said::Known(text) if text.is_empty() => return None,
                Said::Known(text) => text.clone(),
                Said::Unknown(code) => format!("code{code}"),
            };
            point.id = name.id.replace("{name}", &said);
            point.label = name.label.as_ref().map_or_else(|| point.id.clone(), |label| label.replace("{name}", &said));
        }
        if let Some(source) = of.unit {
            point.unit = match self.sources.get(source).and_then(|source| source.said.as_ref()) {
                Some(Said::Known(unit)) => unit.clone(),
                Some(Said::Unknown(code)) => {
                    log::warn(&format!("{}: the map knows no unit for {code:?}; its unit is open", point.id));
                    String::new()
                }
                None => String::new(),
            };
        }
        Some(point)
    }
}

impl Source {
    fn read(&self, answers: &[Result<Content, Error>]) -> Option<Said> {
        let answer = answers.get(self.item.read)?;
        let (key, known) = match &self.lookup {
            Lookup::Code(mask, codes) => {
                let code = word(answer, self.item.offset)?.0 & mask;
                (code.to_string(), codes.get(&code))
            }
            Lookup::Text(texts) => {
                let Ok(Content::Words(words)) = answer else { return None };
                let text = text_of(words.get(self.item.offset..)?.get(..self.width)?);
                let known = texts.get(&text);
                (text, known)
            }
        };
        Some(known.map_or(Said::Unknown(key), |known| Said::Known(known.clone())))
    }
}

/// What a point's name and unit want to be read.
pub(crate) fn wants(point: &Placed) -> impl Iterator<Item = Want<'_>> {
    let sources = point.name_from.iter().map(|name| &name.source).chain(&point.unit_from);
    sources.map(|source| Want { unit_id: source.unit_id, table: source.table, span: source.span, id: Some(&point.id) })
}
