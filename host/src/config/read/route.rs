//! `[routes.NAME]`.

use crate::config::kind::{Choice, Glob, List, Reference};
use crate::config::model::{Path, Route, Select};
use crate::config::section::Section;

#[derive(Clone, Copy)]
enum Take {
    Averages,
    Alarms,
    Readings,
}

const TAKES: Choice<Take> = Choice {
    what: "kind of record",
    words: &[("averages", Take::Averages), ("alarms", Take::Alarms), ("readings", Take::Readings)],
};

const PATHS: Choice<Path> = Choice { what: "path", words: &[("journal", Path::Journal), ("live", Path::Live)] };

const NAMES: List<Glob> = List::some(Glob);
const ALL: &str = "[\"*\"]";

pub(super) fn route(section: &mut Section<'_, '_>) -> Option<Route> {
    let to = section.required("to", &List::some(Reference { section: "sinks", member: "sink" }));
    let select = match section.variant("take", &TAKES)? {
        Take::Averages => averages(section),
        Take::Alarms => alarms(section),
        Take::Readings => readings(section),
    };
    Some(Route { select: select?, to: to? })
}

fn averages(section: &mut Section<'_, '_>) -> Option<Select> {
    let sources = section.or("sources", &NAMES, ALL);
    let parameters = section.or("parameters", &NAMES, ALL);
    let rule_sets = section.or("rule_sets", &NAMES, ALL);
    Some(Select::Averages { sources: sources?, parameters: parameters?, rule_sets: rule_sets? })
}

fn alarms(section: &mut Section<'_, '_>) -> Option<Select> {
    let kinds = section.or("kinds", &NAMES, ALL);
    let sources = section.or("sources", &NAMES, ALL);
    let parameters = section.or("parameters", &NAMES, ALL);
    Some(Select::Alarms { kinds: kinds?, sources: sources?, parameters: parameters? })
}

fn readings(section: &mut Section<'_, '_>) -> Option<Select> {
    let devices = section.or("devices", &NAMES, ALL);
    let points = section.or("points", &NAMES, ALL);
    let path = section.or("path", &PATHS, "journal");
    Some(Select::Readings { devices: devices?, points: points?, path: path? })
}
