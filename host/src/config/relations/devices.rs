//! Options of a device that only some kinds of link give a meaning to.

use crate::config::mistake::Mistake;
use crate::config::model::Link;
use crate::config::path::path_text;
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::read::Draft;
use crate::config::relations::problem_at;

pub(super) fn check(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    for (name, device) in &draft.devices {
        let Some(link) = draft.links.get(&device.link) else { continue };
        for (option, has_meaning) in meanings(link) {
            let path = path_text(&["devices".into(), name.clone(), option.into()]);
            if !has_meaning && places.find(&path).is_some() {
                let mistake = Mistake::NotForLink { option, link: device.link.clone(), kind: link.type_name() };
                problems.push(problem_at(places, &["devices", name, option], &mistake));
            }
        }
        if matches!(link, Link::Mqtt(_)) && device.topics.is_empty() {
            problems.push(problem_at(places, &["devices", name, "topics"], &Mistake::NoTopics));
        }
    }
}

fn meanings(link: &Link) -> [(&'static str, bool); 5] {
    let is_modbus = matches!(link, Link::ModbusTcp(_) | Link::ModbusLine(_));
    let is_mqtt = matches!(link, Link::Mqtt(_));
    let has_timeout = matches!(link, Link::ModbusLine(_) | Link::Stream(_));
    [
        ("unit", is_modbus),
        ("more_units", is_modbus),
        ("timeout", has_timeout),
        ("topics", is_mqtt),
        ("publish_topics", is_mqtt),
    ]
}
