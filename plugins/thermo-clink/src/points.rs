//! The list of points. Units come with the instrument's answers, and values of records that are not read otherwise get a place at the end.

use tutin_sdk::{Point, PointKind};

/// So many values of records at most.
const MOST: usize = 256;

/// Points in order.
#[derive(Debug)]
pub(crate) struct Points {
    list: Vec<Point>,
    changed: bool,
}

impl Points {
    /// Points for commands: those with numbers, then those with text.
    pub fn new(numbers: &[String], texts: &[String]) -> Self {
        let number = |command: &String| Point::number(id(command), command, "");
        let text = |command: &String| Point::text(id(command), command);
        Points { list: numbers.iter().map(number).chain(texts.iter().map(text)).collect(), changed: false }
    }

    /// All of them.
    pub fn list(&self) -> Vec<Point> {
        self.list.clone()
    }

    /// The instrument gave this unit.
    pub fn set_unit(&mut self, position: usize, unit: &str) {
        if let Some(point) = self.list.get_mut(position)
            && point.unit != unit
        {
            point.unit = unit.to_owned();
            self.changed = true;
        }
    }

    /// Where a value of a record goes, by its name there; nothing when there is no place or it is no name.
    pub fn place(&mut self, name: &str) -> Option<u16> {
        let id = id(name);
        let is_number = |point: &Point| point.kind == PointKind::Number;
        if let Some(at) = self.list.iter().position(|point| is_number(point) && point.id == id) {
            return u16::try_from(at).ok();
        }
        let own = format!("lrec_{id}");
        if let Some(at) = self.list.iter().position(|point| point.id == own) {
            return u16::try_from(at).ok();
        }
        self.add(Point::number(own, format!("{name}, from records"), ""))
    }

    /// True once after the list has changed.
    pub fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What the next instance needs to know.
    pub fn kept(&self) -> Vec<Point> {
        self.list.iter().filter(|point| point.kind == PointKind::Number).cloned().collect()
    }

    /// Takes over what the last instance knew.
    pub fn restore(&mut self, kept: Vec<Point>) {
        for kept in kept {
            match self.list.iter().position(|point| point.id == kept.id) {
                Some(at) => self.set_unit(at, &kept.unit),
                None if kept.id.starts_with("lrec_") => {
                    self.add(kept);
                }
                None => {}
            }
        }
    }

    fn add(&mut self, point: Point) -> Option<u16> {
        if self.list.len() >= MOST || !Point::is_id(&point.id) {
            return None;
        }
        self.list.push(point);
        self.changed = true;
        u16::try_from(self.list.len() - 1).ok()
    }
}

/// `cell a int` becomes `cell_a_int`.
pub(crate) fn id(command: &str) -> String {
    let lower = |character: char| match character.to_ascii_lowercase() {
        kept @ ('a'..='z' | '0'..='9') => kept,
        _ => '_',
    };
    command.chars().map(lower).take(64).collect()
}
