//! What the instrument says without being asked.

use std::collections::BTreeSet;

use tutin_sdk::stream::{Frame, Stream};
use tutin_sdk::{Failure, PointKind, Timestamp, hex, log};

use crate::line::Line;
use crate::{SHOWN, TeledyneAscii, UNASKED, report};

impl<L: Stream> TeledyneAscii<L> {
    /// Lines that nobody asked for.
    pub(crate) fn listen(&mut self, complaints: &mut BTreeSet<String>) -> Result<bool, Failure> {
        let incoming = self.link.receive(UNASKED).map_err(|err| err.during("lines that nobody asked for"))?;
        if incoming.dropped > 0 {
            log::warn(&format!("{} lines were dropped because the queue was full", incoming.dropped));
        }
        for frame in &incoming.frames {
            match Line::read(&frame.bytes) {
                Some(line) if self.is_ours(&line) => self.hear(&line, frame, complaints),
                Some(_) => {}
                None => {
                    complaints.insert(format!("no line of an instrument: {}", hex(&frame.bytes, SHOWN)));
                }
            }
        }
        Ok(incoming.more)
    }

    fn hear(&mut self, line: &Line<'_>, frame: &Frame, complaints: &mut BTreeSet<String>) {
        match line.letter {
            'C' => self.hear_calibration(line.message),
            'W' => self.hear_warning(line.message, frame.at),
            'D' => self.hear_record(line, frame.at, complaints),
            _ => log::debug(|| format!("left alone: {} {}", line.letter, line.message)),
        }
    }

    fn hear_record(&mut self, line: &Line<'_>, at: Timestamp, complaints: &mut BTreeSet<String>) {
        let time = match self.placed(line.stamp, at) {
            Some(time) => time,
            None => {
                complaints.insert("the instrument's clock is wrong: records have the time of their arrival".into());
                at
            }
        };
        for value in report::values(line.message, &self.settings.channels) {
            let Some((position, PointKind::Number)) = self.points.place(value.channel, &value.name, PointKind::Number)
            else {
                complaints.insert(format!("{} of channel {} has no place", value.name, value.channel));
                continue;
            };
            self.pending.push(self.record(position, value.value, time));
            if let Some(unit) = value.unit
                && !self.points.set_unit(position, unit)
            {
                complaints.insert(format!("{}: the unit {unit:?} is unknown", value.name));
            }
        }
    }
}
