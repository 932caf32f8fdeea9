//! Mistakes that no section shows alone: routes that match nothing, blocks without samples, sections that nobody uses.
//!
//! Names are taken from the tree, not from what could be read, so that a mistake in one section does not make
//! others look wrong.

mod devices;
mod peers;
mod routes;
mod sources;

use crate::config::mistake::Mistake;
use crate::config::path::path_text;
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::read::Draft;

/// Checks that need the whole configuration and nothing else.
pub(crate) fn check(draft: &Draft, places: &Places) -> Vec<Problem> {
    let mut problems = Vec::new();
    sources::check(draft, places, &mut problems);
    empty_sources(draft, places, &mut problems);
    routes::check(draft, places, &mut problems);
    peers::check(draft, places, &mut problems);
    devices::check(draft, places, &mut problems);
    unused(places, &mut problems);
    problems
}

/// A problem at a path made of keys.
fn problem_at(places: &Places, keys: &[&str], mistake: &Mistake) -> Problem {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let path = path_text(&keys);
    let place = places.nearest(&path);
    Problem::new(path, place, mistake)
}

/// A source whose parameters are wrong is not here, so that it is not told to have none.
fn empty_sources(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    for (name, _) in draft.sources.iter().filter(|(_, source)| source.parameters.is_empty()) {
        problems.push(problem_at(places, &["sources", name], &Mistake::NoParameter));
    }
}

/// Sections that are there and have no effect. References are taken as written, even when the section has mistakes.
fn unused(places: &Places, problems: &mut Vec<Problem>) {
    let devices = places.members("devices");
    if devices.is_empty() {
        problems.push(Problem::new("", places.nearest(""), &Mistake::NoDevice));
    }
    for (section, option) in [("links", "link"), ("plugins", "plugin")] {
        let reference = |device: &str| places.text(&path_text(&["devices".into(), device.into(), option.into()]));
        let used: Vec<Option<&str>> = devices.iter().map(|device| reference(device)).collect();
        let members = places.members(section);
        // A reference that leads nowhere was meant for one of them, and nobody knows which.
        if used.iter().any(|name| name.is_none_or(|name| !members.contains(&name))) {
            continue;
        }
        for name in members.into_iter().filter(|name| !used.contains(&Some(name))) {
            problems.push(problem_at(places, &[section, name], &Mistake::Unused { by: "device" }));
        }
    }
}
