//! The settings, checked, as a list of points and where each finds its field.

use tutin_sdk::settings::{check_id, wrong};
use tutin_sdk::{Failure, Point, PointKind, State};

use crate::settings::{PointSettings, Read, Settings, StatusFrom};

/// What a poll does.
#[derive(Debug)]
pub(crate) struct Plan {
    pub filler: u8,
    /// First those of `fields`, then for each status channel its running function and its errors.
    pub points: Vec<Point>,
    pub fields: Vec<Field>,
    /// Channels that ASTZ is asked of.
    pub status_channels: Vec<u16>,
}

/// Where a point finds its field.
#[derive(Debug)]
pub(crate) struct Field {
    pub id: String,
    /// Which command's answer.
    pub read: usize,
    /// Which field after the error digit, from 0.
    pub at: usize,
    pub kind: PointKind,
    pub range: Option<[f64; 2]>,
    pub diagnostic: bool,
    /// Which status channel speaks of it.
    pub status: Option<usize>,
}

impl Plan {
    /// Refuses settings that do not fit, naming the member.
    pub fn new(settings: &Settings) -> Result<Plan, Failure> {
        let filler = match settings.filler.as_bytes() {
            [filler @ b' '..=b'~'] => *filler,
            _ => return Err(wrong("filler", "must be one printable character")),
        };
        if settings.other_errors == State::Valid {
            return Err(wrong("other_errors", "an unknown error cannot be `valid`"));
        }
        if settings.functions.contains_key("STBY") {
            return Err(wrong("functions.STBY", "is the setting `standby`"));
        }
        if settings.standby.is_none() && settings.status != StatusFrom::None {
            return Err(wrong(
                "standby",
                "needed: whether the instrument measures in standby differs from maker to maker",
            ));
        }
        if settings.reads.is_empty() {
            return Err(wrong("reads", "at least one"));
        }
        let status_channels = status_channels(settings);
        let mut plan = Plan { filler, points: Vec::new(), fields: Vec::new(), status_channels };
        for (index, read) in settings.reads.iter().enumerate() {
            plan.add(index, read, settings.status)?;
        }
        for channel in &plan.status_channels {
            plan.points.push(Point::text(format!("status_k{channel}"), format!("Running function, channel {channel}")));
            plan.points.push(Point::text(format!("errors_k{channel}"), format!("Errors, channel {channel}")));
        }
        Ok(plan)
    }

    fn add(&mut self, index: usize, read: &Read, status: StatusFrom) -> Result<(), Failure> {
        let at = format!("reads[{index}]");
        let is_code =
            read.code.len() == 4 && read.code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !is_code || !read.code.starts_with('A') {
            return Err(wrong(&format!("{at}.code"), "must be four capitals, the first an A: others do not read"));
        }
        if read.channel > 999 {
            return Err(wrong(&format!("{at}.channel"), "must be 0 to 999"));
        }
        if read.data.len() > 60 || !read.data.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(wrong(&format!("{at}.data"), "at most 60 printable characters"));
        }
        if read.points.is_empty() {
            return Err(wrong(&format!("{at}.points"), "at least one"));
        }
        let status = match status {
            StatusFrom::None => None,
            StatusFrom::Device => Some(0),
            StatusFrom::ByChannel => self.status_channels.iter().position(|channel| *channel == read.channel),
        };
        for (place, point) in read.points.iter().enumerate() {
            let at = format!("{at}.points[{place}]");
            self.check(&at, point)?;
            let field = match point.field {
                Some(0) => return Err(wrong(&format!("{at}.field"), "counts from 1")),
                Some(field) => usize::from(field) - 1,
                None => place,
            };
            let PointSettings { id, kind, range, diagnostic, .. } = point.clone();
            self.fields.push(Field { id, read: index, at: field, kind, range, diagnostic, status });
            let label = point.label.as_ref().unwrap_or(&point.id);
            self.points.push(match point.kind {
                PointKind::Number => Point::number(&point.id, label, &point.unit),
                PointKind::Text => Point::text(&point.id, label),
            });
        }
        Ok(())
    }

    fn check(&self, at: &str, point: &PointSettings) -> Result<(), Failure> {
        let id = format!("{at}.id");
        check_id(&id, &point.id)?;
        if point.id.starts_with("status_k") || point.id.starts_with("errors_k") {
            return Err(wrong(&id, "status_kN and errors_kN are the plugin's own"));
        }
        if self.points.iter().any(|other| other.id == point.id) {
            return Err(wrong(&id, format_args!("{:?} is taken", point.id)));
        }
        if point.kind == PointKind::Text && (point.range.is_some() || !point.unit.is_empty()) {
            return Err(wrong(at, "a text has neither unit nor range"));
        }
        if let Some([low, high]) = point.range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return Err(wrong(&format!("{at}.range"), "must be two numbers, the lower first"));
        }
        Ok(())
    }
}

fn status_channels(settings: &Settings) -> Vec<u16> {
    let mut channels = Vec::new();
    match settings.status {
        StatusFrom::None => {}
        StatusFrom::Device => channels.push(0),
        StatusFrom::ByChannel => {
            for read in &settings.reads {
                if !channels.contains(&read.channel) {
                    channels.push(read.channel);
                }
            }
        }
    }
    channels
}
