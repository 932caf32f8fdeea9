//! The settings as a plan: what is read, and what becomes of it.

use tutin_sdk::modbus::{Block as Span, MAX_REGISTERS, Span as Run, Table, plan_blocks};
use tutin_sdk::settings::wrong;
use tutin_sdk::{Failure, Point};

use crate::map::{Block, Map, Register, Role};
use crate::settings::{Group, Settings};
use crate::status::{StatusBlock, check_generation};

/// What a poll does.
#[derive(Debug)]
pub(crate) struct Plan {
    pub points: Vec<Point>,
    /// Registers to read; the concentrations are in one of these.
    pub reads: Vec<Read>,
    pub rows: Vec<Row>,
    /// Position of the point that names the active range.
    pub active_range_point: u16,
    pub active_range: String,
    /// Discrete inputs to read; the first speaks of the whole instrument.
    pub statuses: Vec<StatusBlock>,
}

/// One request for input registers.
#[derive(Debug)]
pub(crate) struct Read {
    pub span: Span,
    /// True when it only holds what an optional block has, so that the poll goes on when the instrument refuses it.
    pub is_optional: bool,
}

/// A point with a number, and where it comes from.
#[derive(Debug)]
pub(crate) struct Row {
    pub point: u16,
    pub read: usize,
    pub offset: usize,
    pub role: Role,
    /// Whose discrete inputs speak of it besides those of the instrument.
    pub block: Option<Block>,
}

impl Plan {
    pub fn new(settings: &Settings) -> Result<Self, Failure> {
        check_generation(settings)?;
        check_blocks(settings)?;
        let map = Map::of(settings.model);
        let fitted: Vec<&Register> =
            map.registers.iter().filter(|register| is_fitted(register.block, settings)).collect();
        let wanted: Vec<(&Register, Point)> = wanted(&fitted, settings);
        let reads = reads(&fitted, &wanted);
        let mut rows = Vec::with_capacity(wanted.len());
        for (point, (register, _)) in (0..).zip(&wanted) {
            rows.push(row(point, register, &reads)?);
        }
        let mut points: Vec<Point> = wanted.into_iter().map(|(_, point)| point).collect();
        let active_range_point = u16::try_from(points.len()).unwrap_or(u16::MAX);
        points.push(Point::text("active_range", "Range that the gas's own points show, as in the settings"));
        Ok(Plan {
            points,
            reads,
            rows,
            active_range_point,
            active_range: format!("r{}", settings.active_range),
            statuses: StatusBlock::plan(settings)?,
        })
    }
}

fn check_blocks(settings: &Settings) -> Result<(), Failure> {
    let map = Map::of(settings.model);
    for (index, block) in settings.blocks.iter().enumerate() {
        if !map.registers.iter().any(|register| register.block == Some(*block)) {
            let why = format!("the model {} has no such block", settings.model.name());
            return Err(wrong(&format!("blocks[{index}]"), why));
        }
        if settings.blocks.iter().take(index).any(|earlier| earlier == block) {
            return Err(wrong(&format!("blocks[{index}]"), "named twice"));
        }
    }
    match settings.active_range {
        1 | 2 => Ok(()),
        3 if settings.blocks.contains(&Block::Range3) => Ok(()),
        3 => Err(wrong("active_range", "3 needs the block range3")),
        _ => Err(wrong("active_range", "must be 1, 2 or 3")),
    }
}

fn is_fitted(block: Option<Block>, settings: &Settings) -> bool {
    match block {
        None => true,
        Some(Block::HighRange) => settings.model.is_high_range(),
        Some(block) => settings.blocks.contains(&block),
    }
}

/// The points with their registers: each gas in the active range under its own name first, then what `publish` names.
fn wanted<'a>(fitted: &[&'a Register], settings: &Settings) -> Vec<(&'a Register, Point)> {
    let mut wanted = Vec::new();
    for register in fitted {
        match register.role {
            Role::Gas { gas, range } if range == settings.active_range => {
                let label = register.label.split(',').next().unwrap_or(register.label);
                wanted.push((*register, Point::number(gas, format!("{label}, active range"), register.unit)));
            }
            Role::Gas { gas, range: 0 } => wanted.push((*register, Point::number(gas, register.label, register.unit))),
            _ => {}
        }
    }
    for register in fitted {
        let group = match register.role {
            Role::Gas { range: 0, .. } => continue,
            Role::Gas { .. } | Role::Measured => Group::Ranges,
            Role::Diagnostic => Group::Diagnostics,
            Role::Calibration => Group::Calibration,
        };
        if settings.publish.contains(&group) {
            wanted.push((*register, Point::number(register.id, register.label, register.unit)));
        }
    }
    wanted
}

/// As few requests as the map allows: unwanted registers are read along where the instrument is known to have them.
fn reads(fitted: &[&Register], wanted: &[(&Register, Point)]) -> Vec<Read> {
    let run = |register: &Register| Run { address: register.address, count: 2 };
    let islands = plan_blocks(fitted.iter().map(|register| run(register)), 0, u16::MAX);
    let mut reads = Vec::new();
    for island in islands {
        let inside = wanted.iter().map(|(register, _)| run(register)).filter(|run| is_inside(*run, island));
        for span in plan_blocks(inside, u16::MAX, MAX_REGISTERS) {
            let mut parts = fitted.iter().filter(|register| is_inside(run(register), span));
            let is_optional = parts.all(|register| register.block.is_some());
            reads.push(Read {
                span: Span { table: Table::Input, address: span.address, count: span.count },
                is_optional,
            });
        }
    }
    reads
}

fn is_inside(part: Run, whole: Run) -> bool {
    part.address >= whole.address && part.end() <= whole.end()
}

fn row(point: u16, register: &Register, reads: &[Read]) -> Result<Row, Failure> {
    let run = Run { address: register.address, count: 2 };
    let found = reads.iter().enumerate().find_map(|(read, Read { span, .. })| {
        let is_here = is_inside(run, Run { address: span.address, count: span.count });
        is_here.then(|| (read, usize::from(register.address - span.address)))
    });
    let (read, offset) = found.ok_or_else(|| Failure::internal(format!("{} is in no read", register.id)))?;
    Ok(Row { point, read, offset, role: register.role, block: register.block })
}
