//! The points: those of the settings first, then those of births, in the order of their names within a birth.
//!
//! Invariant: a point never changes its place or its id.

use std::collections::BTreeMap;

use tutin_sdk::{Point, PointKind, Timestamp};

use crate::payload::Metric;
use crate::settings::{IdPart, Settings};
use crate::topic::NodeName;

const LONGEST: usize = 64;

/// Where a metric belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The edge node.
    pub node: NodeName,
    /// The device; none for metrics of the edge node itself.
    pub device: Option<String>,
}

/// All points.
#[derive(Debug, Default)]
pub struct Points {
    all: Vec<Standing>,
    by_metric: BTreeMap<String, usize>,
    by_id: BTreeMap<String, usize>,
}

/// A point, and what is known of it.
#[derive(Debug)]
pub struct Standing {
    /// As the host knows it.
    pub point: Point,
    /// Where it belongs; none until it was in a birth.
    pub owner: Option<Owner>,
    /// Code of its type, from the birth.
    pub datatype: u64,
    /// Its present value, as the last birth or message brought it.
    pub held: Option<Metric>,
    /// Newest time that was told.
    pub told: Option<Timestamp>,
}

/// What became of a metric of a birth.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// A point that was there.
    Known(usize),
    /// A new one.
    New(usize),
    /// There is no room for more.
    NoRoom,
}

impl Points {
    /// The known ones.
    pub fn new(settings: &Settings) -> Self {
        let mut points = Points::default();
        for known in &settings.points {
            let label = known.label.clone().unwrap_or_else(|| known.metric.clone());
            let point = Point { id: known.id.clone(), label, unit: known.unit.clone(), kind: known.kind };
            points.add(known.metric.clone(), point);
        }
        points
    }

    /// The point of a metric of a birth, made if there is room.
    pub fn place(&mut self, owner: &Owner, metric: &str, kind: PointKind, unit: &str, settings: &Settings) -> Place {
        let full = owner.full(metric);
        if let Some(at) = self.by_metric.get(&full) {
            return Place::Known(*at);
        }
        if self.all.len() >= settings.most_points as usize {
            return Place::NoRoom;
        }
        let id = self.id(owner, metric, &full, &settings.id_parts);
        Place::New(self.add(full.clone(), Point { id, label: full, unit: unit.to_owned(), kind }))
    }

    /// The place of a metric.
    pub fn find(&self, owner: &Owner, metric: &str) -> Option<usize> {
        self.by_metric.get(&owner.full(metric)).copied()
    }

    /// A birth begins: nothing that was known of its metrics holds.
    pub fn forget(&mut self, born: &Owner) {
        for standing in self.all.iter_mut().filter(|standing| standing.owner.as_ref() == Some(born)) {
            standing.held = None;
        }
    }

    /// A point by its place.
    pub fn get(&self, at: usize) -> Option<&Standing> {
        self.all.get(at)
    }

    /// A point by its place.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Standing> {
        self.all.get_mut(at)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Standing> {
        self.all.iter()
    }

    fn add(&mut self, metric: String, point: Point) -> usize {
        let at = self.all.len();
        self.by_metric.insert(metric, at);
        self.by_id.insert(point.id.clone(), at);
        self.all.push(Standing { point, owner: None, datatype: 0, held: None, told: None });
        at
    }

    /// Lower case, everything but letters and digits as `_`. Where it is too long or taken, its end is eight digits that depend on the
    /// metric's full name alone.
    fn id(&self, owner: &Owner, metric: &str, full: &str, parts: &[IdPart]) -> String {
        let part = |part: &IdPart| match part {
            IdPart::Group => Some(owner.node.group.as_str()),
            IdPart::Node => Some(owner.node.name.as_str()),
            IdPart::Device => owner.device.as_deref(),
            IdPart::Metric => Some(metric),
        };
        let text = parts.iter().filter_map(part).collect::<Vec<_>>().join("_");
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
        let mut id: String = text.chars().map(letter).collect();
        if !id.starts_with(|first: char| first.is_ascii_lowercase()) {
            id.insert_str(0, "p_");
        }
        if id.len() <= LONGEST && !self.by_id.contains_key(&id) {
            return id;
        }
        let end = id.get(id.len().saturating_sub(LONGEST - 11)..).unwrap_or_default().to_owned();
        let mut digits = full.bytes().fold(0x811C_9DC5_u32, |hash, byte| {
            // FNV-1a.
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        loop {
            let id = format!("p_{end}_{digits:08x}");
            if !self.by_id.contains_key(&id) {
                return id;
            }
            digits = digits.wrapping_add(1);
        }
    }
}

impl Owner {
    /// A metric's name with all that it belongs to.
    pub fn full(&self, metric: &str) -> String {
        match &self.device {
            Some(device) => format!("{}/{device}/{metric}", self.node),
            None => format!("{}/{metric}", self.node),
        }
    }
}
