//! `[devices.NAME]`.

use crate::config::kind::{Choice, FilePath, Glob, List, Reference, Settings, Span, Text, Whole};
use crate::config::mistake::Mistake;
use crate::config::model::{Device, Limits};
use crate::config::read::hub;
use crate::config::section::Section;

/// Interfaces that a device may be granted. Reading its link and writing to the log need no grant.
const GRANTS: Choice<&str> = Choice {
    what: "interface",
    words: &[
        ("tutin:modbus/control", "tutin:modbus/control"),
        ("tutin:mqtt/control", "tutin:mqtt/control"),
        ("tutin:opcua/control", "tutin:opcua/control"),
    ],
};

const SETTINGS_FILE: FilePath = FilePath { what: "the path of a TOML file with settings", except: None };

pub(super) fn device(section: &mut Section<'_, '_>, limits: Option<&Limits>) -> Option<Device> {
    let plugin = section.required("plugin", &Reference { section: "plugins", member: "plugin" });
    let link = section.required("link", &Reference { section: "links", member: "link" });
    let unit = section.or("unit", &Whole::<u8>::from_to(0, 255), "1");
    let more_units = section.or("more_units", &List::of(Whole::<u8>::from_to(0, 255)), "[]");
    let timeout = section.optional("timeout", &Span::millis(10, 60_000));
    let topics = section.or("topics", &List::of(Text::FILTER), "[]");
    let publish_topics = section.or("publish_topics", &List::of(Text::FILTER), "[]");
    let commands = section.or("commands", &List::of(Glob), "[]");
    let backfill = section.or("backfill", &Span::millis(0, 365 * 86_400_000), "24h");
    let interval = section.or("interval", &Span::millis(0, 86_400_000), "1s");
    let grants = section.or("grants", &List::of(GRANTS), "[]");
    let limits = section.part("limits", |section| hub::limits(section, limits));
    // Its content has been laid under the settings when the layers were read.
    section.optional("settings_file", &SETTINGS_FILE)?;
    let settings = section.or("settings", &Settings, "{}");
    if let (Some(unit), Some(more_units)) = (unit, &more_units)
        && more_units.contains(&unit)
    {
        section.note("more_units", Mistake::OwnUnit { unit });
    }
    Some(Device {
        plugin: plugin?,
        link: link?,
        unit: unit?,
        more_units: more_units?,
        timeout: timeout?,
        topics: topics?,
        publish_topics: publish_topics?,
        commands: commands?,
        backfill: backfill?,
        interval: interval?,
        grants: grants?.into_iter().map(str::to_owned).collect(),
        limits: limits?,
        settings: settings?,
    })
}
