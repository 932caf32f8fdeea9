//! `[links.NAME]`.

use std::time::Duration;

use crate::config::kind::{Address, Choice, Span};
use crate::config::mistake::Mistake;
use crate::config::model::{Link, ModbusTcpLink};
use crate::config::quantity::show_duration;
use crate::config::section::Section;

#[derive(Clone, Copy)]
enum LinkType {
    ModbusTcp,
}

const TYPES: Choice<LinkType> = Choice { what: "link type", words: &[("modbus_tcp", LinkType::ModbusTcp)] };

pub(super) fn link(section: &mut Section<'_, '_>) -> Option<Link> {
    match section.variant("type", &TYPES)? {
        LinkType::ModbusTcp => modbus_tcp(section).map(Link::ModbusTcp),
    }
}

fn modbus_tcp(section: &mut Section<'_, '_>) -> Option<ModbusTcpLink> {
    let address = section.required("address", &Address { port: 502 });
    let timeout = section.or("timeout", &Span::millis(10, 60_000), "1s");
    let connect_timeout = section.or("connect_timeout", &Span::millis(10, 60_000), "3s");
    let reconnect_min = section.or("reconnect_min", &Span::millis(10, 60_000), "500ms");
    let reconnect_max = section.or("reconnect_max", &Span::millis(10, 600_000), "30s");
    let in_order = min_and_max(section, ("reconnect_min", reconnect_min), ("reconnect_max", reconnect_max));
    Some(ModbusTcpLink {
        address: address?,
        timeout: timeout?,
        connect_timeout: connect_timeout?,
        reconnect_min: in_order?.0,
        reconnect_max: in_order?.1,
    })
}

/// The shortest and the longest pause, if the longest is not the shorter one.
pub(super) fn min_and_max(
    section: &mut Section<'_, '_>,
    (min_key, min): (&'static str, Option<Duration>),
    (max_key, max): (&'static str, Option<Duration>),
) -> Option<(Duration, Duration)> {
    let (min, max) = (min?, max?);
    if max >= min {
        return Some((min, max));
    }
    let (longest, shortest) = (show_duration(max), show_duration(min));
    let written = if section.has(max_key) { max_key } else { min_key };
    section.note(written, Mistake::MaxUnderMin { longest_key: max_key, longest, shortest_key: min_key, shortest });
    None
}
