//! Nodes of a trace, and the case that they become.

use super::*;
use crate::kit::case::Case;

/// A trace of these nodes, a frame each, a second apart.
fn of(nodes: &[&str]) -> Result<Scenes, RecordError> {
    let line = |(second, node): (usize, &&str)| {
        format!(
            r#"{{"at":"2026-11-01T00:00:{second:02}Z","link":"l","direction":"in","hex":"","text":"","content":{{"nodes":[{node}]}}}}"#
        )
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: Vec<String> = nodes.iter().enumerate().map(line).collect();
    std::fs::write(file.path(), lines.join("\n")).unwrap();
    scenes(file.path())
}

fn value(id: &str, data_type: &str, value: &str, status: u32, time: &str) -> String {
    format!(r#"{{"id":"{id}","value":{{"data_type":"{data_type}","value":{value},"status":{status},"time":{time}}}}}"#)
}

fn below(parent: &str, reference: &str, id: &str, name: &str, class: u32) -> String {
    format!(
        r#"{{"id":"{id}","below":{{"parent":"{parent}","reference":"{reference}","namespace":"urn:a","name":"{name}","class":{class},"type_definition":null}}}}"#
    )
}

#[test]
fn what_was_seen_first_is_there_and_what_changed_comes_in_steps() {
    let time = r#""2026-10-31T23:00:00Z""#;
    let seen = [
        below("i=85", "i=35", "nsu=urn:a;s=Gas", "Gas", OBJECT),
        below("nsu=urn:a;s=Gas", "i=47", "nsu=urn:a;s=NO", "NO", VARIABLE),
        below("nsu=urn:a;s=NO", "i=46", "nsu=urn:a;s=Unit", "Unit", VARIABLE),
        value("nsu=urn:a;s=NO", "Float", "12.5", 0, time),
        value("nsu=urn:a;s=Unit", "EUInformation", "\"ppb\"", 0, "null"),
        value("nsu=urn:a;s=NO", "Float", "12.5", 0, time),
        value("nsu=urn:a;s=NO", "Float", "\"NaN\"", 0, time),
        value("nsu=urn:a;s=Unit", "EUInformation", "\"ppb\"", 0, "null"),
        value("nsu=urn:a;s=NO", "", "null", 0x8031_0000, "null"),
    ];
    let scenes = of(&seen.each_ref().map(String::as_str)).unwrap();

    assert_eq!(scenes.left_out, Vec::<String>::new());
    let case: Case =
        toml::from_str(&crate::kit::record::text("", &crate::kit::record::Source::default(), &scenes)).unwrap();
    let names: Vec<_> = case.instrument.nodes.iter().map(|node| node.name.clone().unwrap()).collect();
    assert_eq!(names, ["2:Gas", "2:NO", "2:Unit"]);
    assert_eq!(case.instrument.namespaces, ["urn:a"]);
    let polls: Vec<_> = case.steps.iter().map(|step| (step.poll.clone().unwrap(), step.nodes.len())).collect();
    let at = |second: u32, nodes| (format!("2026-11-01T00:00:0{second}Z"), nodes);
    assert_eq!(polls, [at(0, 0), at(4, 0), at(6, 1), at(8, 1)]);
    let changed: Vec<_> = case.steps.iter().flat_map(|step| &step.nodes).map(|node| node.status).collect();
    assert_eq!(changed, [None, Some(0x8031_0000)]);
}

#[test]
fn a_node_is_where_it_is_a_part_whatever_was_seen_first() {
    let seen = [
        value("nsu=urn:b;s=NO", "Double", "1.5", 0, "null"),
        value("nsu=urn:b;s=NO", "Double", "\"NaN\"", 0, "null"),
        value("nsu=urn:b;s=NO", "Double", "\"NaN\"", 0, "null"),
        below("nsu=urn:a;s=Group", "i=35", "nsu=urn:b;s=NO", "NO", VARIABLE),
        below("nsu=urn:a;s=Set", "i=47", "nsu=urn:b;s=NO", "NO", VARIABLE),
        below("nsu=urn:c;i=1", "i=45", "nsu=urn:a;i=2", "Derived", OBJECT_TYPE),
        below("i=85", "i=47", "nsu=urn:a;s=Set", "Set", OBJECT),
    ];
    let scenes = of(&seen.each_ref().map(String::as_str)).unwrap();

    let case: Case =
        toml::from_str(&crate::kit::record::text("", &crate::kit::record::Source::default(), &scenes)).unwrap();
    let nodes = case.instrument.nodes.iter().map(|node| (node.id.as_str(), node.parent.as_deref().unwrap()));
    let expected =
        [("nsu=urn:a;i=2", "nsu=urn:c;i=1"), ("nsu=urn:a;s=Set", "i=85"), ("nsu=urn:b;s=NO", "nsu=urn:a;s=Set")];
    assert_eq!(nodes.collect::<Vec<_>>(), expected);
    assert_eq!(case.instrument.namespaces, ["urn:a", "urn:c", "urn:b"]);
    assert_eq!(case.steps.len(), 3, "what is no number is the same as before");
    assert_eq!(scenes.left_out.len(), 1, "that it is in the group, too: {:?}", scenes.left_out);
}

#[test]
fn what_was_first_seen_after_a_change_is_not_taken_for_what_was_before() {
    let seen = [
        value("nsu=urn:a;s=NO", "Double", "1.5", 0, "null"),
        value("nsu=urn:a;s=NO", "Double", "2.5", 0, "null"),
        value("nsu=urn:a;s=Health", "Int32", "2", 0, "null"),
    ];
    let scenes = of(&seen.each_ref().map(String::as_str)).unwrap();

    let case: Case =
        toml::from_str(&crate::kit::record::text("", &crate::kit::record::Source::default(), &scenes)).unwrap();
    let health = case.instrument.nodes.iter().find(|node| node.id.ends_with("Health")).unwrap();
    assert_eq!((&health.value, health.time.as_ref()), (&None, None));
    assert_eq!(case.steps.last().map(|step| step.nodes[0].id.as_str()), Some("nsu=urn:a;s=Health"));
    assert_eq!(scenes.left_out.len(), 1, "{:?}", scenes.left_out);
}

#[test]
fn what_no_case_can_have_is_told() {
    let seen = [
        below("nsu=urn:a;s=Elsewhere", "i=47", "nsu=urn:a;s=Child", "Child", VARIABLE),
        below("i=85", "nsu=urn:a;i=9", "nsu=urn:a;s=Odd", "Odd", OBJECT),
        below("i=85", "i=35", "nsu=urn:a;s=Type", "Type", 16),
        below("i=85", "i=35", "i=2253", "Server", OBJECT),
        value("nsu=urn:a;s=List", "Array", "null", 0, "null"),
        value("nsu=urn:a;s=Gone", "", "null", NO_SUCH_NODE, "null"),
        value("nsu=urn:a;s=NO", "Double", "1.5", 0, "null"),
    ];
    let scenes = of(&seen.each_ref().map(String::as_str)).unwrap();

    assert_eq!(
        scenes.left_out,
        [
            "not in the case: 1 node of the trace, for nothing was seen of what it is below, nor a value",
            "not in the case: 1 node of the trace, which is neither object nor variable, method or type of objects",
            "not in the case: 1 reference of the trace, of a type that no case knows, or not the first to its node",
            "not in the case: 1 value of the trace, of a type that no case knows",
        ]
    );
    let nodes = scenes.instrument.get("nodes").and_then(Value::as_array).unwrap();
    let ids: Vec<_> = nodes.iter().filter_map(|node| node.get("id")?.as_str()).collect();
    assert_eq!(ids, ["nsu=urn:a;s=NO"]);
    let nothing = of(&seen[..4].iter().map(String::as_str).collect::<Vec<_>>()).map(|_| ()).unwrap_err();
    assert!(nothing.to_string().contains("no value of a node was seen in it"), "{nothing}");
}
