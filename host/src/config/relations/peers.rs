//! Two sections that lead to one place outside: an instrument, a file, a broker.

use crate::config::mistake::Mistake;
use crate::config::model::{Link, ModbusLineLink, SerialPort, SinkKind, StreamLink, Wire};
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::read::Draft;
use crate::config::relations::problem_at;

pub(super) fn check(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    links(draft, places, problems);
    sinks(draft, places, problems);
}

fn links(draft: &Draft, places: &Places, problems: &mut Vec<Problem>) {
    for (position, (name, link)) in draft.links.iter().enumerate() {
        let (option, place) = link.place();
        let mut earlier = draft.links.iter().take(position);
        let Some((other, twin)) = earlier.find(|(_, other)| other.place() == (option, place.clone())) else {
            continue;
        };
        let mistake = match option {
            // A serial port, a listening socket and a session belong to one link alone.
            "port" | "listen" | "client_id" => {
                Mistake::SamePlace { option, place, other: other.clone(), difference: difference(link, twin) }
            }
            _ => Mistake::SameAddress { address: place, other: other.clone(), difference: difference(link, twin) },
        };
        problems.push(problem_at(places, &["links", name, option], &mistake));
    }
}

fn difference(link: &Link, twin: &Link) -> String {
    let differs = match (link, twin) {
        (Link::ModbusTcp(link), Link::ModbusTcp(twin)) => vec![
            ("timeout", link.timeout != twin.timeout),
            ("connect_timeout", link.peer.connect_timeout != twin.peer.connect_timeout),
            ("tls", link.peer.tls != twin.peer.tls),
            ("reconnect_min", link.reconnect.min != twin.reconnect.min),
            ("reconnect_max", link.reconnect.max != twin.reconnect.max),
        ],
        _ => vec![("type", link.type_name() != twin.type_name()), ("line settings", serial(link) != serial(twin))],
    };
    let names: Vec<&str> = differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    if names.is_empty() { String::new() } else { format!(", with another {}", names.join(", ")) }
}

fn serial(link: &Link) -> Option<&SerialPort> {
    match link {
        Link::ModbusLine(ModbusLineLink { wire: Wire::Serial(port), .. })
        | Link::Stream(StreamLink { wire: Wire::Serial(port), .. }) => Some(port),
        _ => None,
    }
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
