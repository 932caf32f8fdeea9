//! Options of a device that only some kinds of link give a meaning to.

use crate::config::mistake::Mistake;
use crate::config::model::{Device, Link};
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::read::Draft;
use crate::config::relations::problem_at;

pub(super) fn check(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    for (name, device) in &draft.devices {
        let Some(link) = draft.links.get(&device.link) else { continue };
        for option in set(device).into_iter().filter(|option| !has_meaning(option, link)) {
            let mistake = Mistake::NotForLink { option, link: device.link.clone(), kind: link.type_name() };
            problems.push(problem_at(places, &["devices", name, option], &mistake));
        }
        if matches!(link, Link::Mqtt(_)) && device.topics.is_empty() {
            problems.push(problem_at(places, &["devices", name, "topics"], &Mistake::NoTopics));
        }
    }
}

/// Options with another value than their default, which says nothing.
fn set(device: &Device) -> Vec<&'static str> {
    let options = [
        ("unit", device.unit != 1),
        ("more_units", !device.more_units.is_empty()),
        ("timeout", device.timeout.is_some()),
        ("topics", !device.topics.is_empty()),
        ("publish_topics", !device.publish_topics.is_empty()),
    ];
    options.into_iter().filter(|(_, is_set)| *is_set).map(|(option, _)| option).collect()
}

fn has_meaning(option: &str, link: &Link) -> bool {
    match option {
        "unit" | "more_units" => matches!(link, Link::ModbusTcp(_) | Link::ModbusLine(_)),
        "timeout" => matches!(link, Link::ModbusLine(_) | Link::Stream(_)),
        _ => matches!(link, Link::Mqtt(_)),
    }
}
