//! Two sections that lead to one place outside: an instrument, a file, a broker.

use crate::config::mistake::Mistake;
use crate::config::model::{Link, ModbusTcpLink, SinkKind};
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::read::Draft;
use crate::config::relations::problem_at;

pub(super) fn check(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    links(draft, places, problems);
    sinks(draft, places, problems);
}

fn links(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    for (position, (name, Link::ModbusTcp(link))) in draft.links.iter().enumerate() {
        let mut earlier = draft.links.iter().take(position);
        let Some((other, Link::ModbusTcp(twin))) =
            earlier.find(|(_, Link::ModbusTcp(other))| other.address == link.address)
        else {
            continue;
        };
        let mistake = Mistake::SameAddress {
            address: link.address.clone(),
            other: other.clone(),
            difference: difference(link, twin),
        };
        problems.push(problem_at(places, &["links", name, "address"], &mistake));
    }
}

fn difference(link: &ModbusTcpLink, twin: &ModbusTcpLink) -> String {
    let differs = [
        ("timeout", link.timeout != twin.timeout),
        ("connect_timeout", link.connect_timeout != twin.connect_timeout),
        ("reconnect_min", link.reconnect_min != twin.reconnect_min),
        ("reconnect_max", link.reconnect_max != twin.reconnect_max),
    ];
    let names: Vec<&str> = differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    if names.is_empty() { String::new() } else { format!(", with another {}", names.join(", ")) }
}

fn sinks(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    for (position, (name, sink)) in draft.sinks.iter().enumerate() {
        let mut earlier = draft.sinks.iter().take(position);
        match &sink.kind {
            SinkKind::File(file) if file.path.as_os_str() != "-" => {
                let twin =
                    earlier.find(|(_, other)| matches!(&other.kind, SinkKind::File(other) if other.path == file.path));
                if let Some((other, _)) = twin {
                    let mistake = Mistake::SameFile { file: file.path.display().to_string(), other: other.clone() };
                    problems.push(problem_at(places, &["sinks", name, "path"], &mistake));
                }
            }
            SinkKind::Mqtt(mqtt) => {
                let twin = earlier.find(|(_, other)| {
                    matches!(&other.kind, SinkKind::Mqtt(other) if other.url == mqtt.url && other.client_id == mqtt.client_id)
                });
                if let Some((other, _)) = twin {
                    let mistake = Mistake::SameClient { id: mqtt.client_id.clone(), other: other.clone() };
                    problems.push(problem_at(places, &["sinks", name, "client_id"], &mistake));
                }
            }
            SinkKind::File(_) | SinkKind::HttpJson(_) => {}
        }
    }
}
