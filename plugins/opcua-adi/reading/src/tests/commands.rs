//! Methods and writes.

use tutin_sdk::opcua::Reference;

use super::*;
use crate::commands::ControllingAdi;

fn controlling(server: &Server) -> ControllingAdi<Line> {
    let settings = json!({
        "discover": true,
        "methods": ["StartSingleAcquisition", "Stop"],
        "nodes": [
            {"id": "span", "node": node("Span").to_string(), "writable": {"min": 0, "max": 100}},
            {"id": "zero", "node": node("Zero").to_string()},
        ],
    });
    let mut driver = ControllingAdi::new(Line::new(server), serde_json::from_value(settings).unwrap()).unwrap();
    driver.reading().read(at(0.0)).unwrap();
    driver
}

#[test]
fn a_method_that_the_settings_allow_is_called_on_the_object_that_has_it() {
    let server = analyser(&models());
    let driver = controlling(&server);
    let said = driver
        .run("call-method", r#"{"method": "StartSingleAcquisition", "arguments": [4, true, "S1", 0.5]}"#)
        .unwrap();
    assert!(said.contains("Gas.Ch1.StartSingleAcquisition was called"), "{said}");
    let arguments = vec![Value::Integer(4), Value::Boolean(true), Value::Text("S1".into()), Value::Double(0.5)];
    assert_eq!(server.calls(), [(node("Ch1.Methods"), node("Ch1.Start1"), arguments)]);
}

#[test]
fn a_value_within_the_limits_is_written_to_its_node() {
    let server = analyser(&models());
    let driver = controlling(&server);
    driver.run("write-value", r#"{"point": "span", "value": 12.5}"#).unwrap();
    driver.run("write-value", r#"{"point": "span", "value": 100}"#).unwrap();
    let written: Vec<Value> = server.calls().into_iter().map(|(_, _, values)| values[0].clone()).collect();
    assert_eq!(written, [Value::Double(12.5), Value::Integer(100)]);
}

#[test]
fn what_is_not_allowed_is_refused_and_nothing_is_sent() {
    let server = analyser(&models());
    let driver = controlling(&server);
    let check = |name: &str, arguments: &str, expected: &str, code: u16| {
        let failure = driver.run(name, arguments).unwrap_err();
        assert!(failure.message().contains(expected) && failure.code() == code, "{arguments}: {failure}");
        assert!(server.calls().is_empty(), "{arguments}");
    };
    check("reboot", "", "no command \"reboot\"", 4);
    check("call-method", r#"{"method": "StartSingleAcquisitoin"}"#, "did you mean StartSingleAcquisition", 4);
    check("call-method", r#"{"method": "Start"}"#, "does not allow", 4);
    check("call-method", r#"{"method": "Stop"}"#, "no element of the server has a method Stop", 2);
    let elsewhere = r#"{"method": "StartSingleAcquisition", "element": "Gas"}"#;
    check("call-method", elsewhere, "no element", 2);
    check("call-method", r#"{"method": "StartSingleAcquisition", "arguments": [null]}"#, "arguments.arguments[0]", 4);
    check("call-method", "{}", "missing field `method`", 4);
    check("write-value", r#"{"point": "zero", "value": 1}"#, "no node of the settings with writable", 4);
    check("write-value", r#"{"point": "gas_ch1_s1_no2", "value": 1}"#, "no node of the settings", 4);
    check("write-value", r#"{"point": "span", "value": 100.1}"#, "not within 0 to 100", 4);
    check("write-value", r#"{"point": "span", "value": "1"}"#, "invalid type", 4);
}

#[test]
fn a_refusal_comes_in_the_servers_words() {
    let server = analyser(&models());
    let driver = controlling(&server);
    let check = |status: u32, code: u16, expected: &str| {
        server.refuse(Some(status));
        let failure = driver.run("write-value", r#"{"point": "span", "value": 1}"#).unwrap_err();
        assert!(failure.code() == code && failure.message().contains(expected), "{failure}");
    };
    check(0x80AF_0000, 5, "0x80AF0000");
    check(0x801F_0000, 2, "0x801F0000");
    check(0x803C_0000, 2, "BadOutOfRange");
}

#[test]
fn two_elements_with_one_method_must_be_told_apart() {
    let server = analyser(&models());
    let methods = node("S1.Methods");
    server.refer(&node("S1"), Reference { node_class: 1, ..variable(model::DI, "MethodSet", methods.clone(), None) });
    let other = variable(model::ADI, "StartSingleAcquisition", node("S1.Start1"), None);
    server.refer(&methods, Reference { node_class: 4, ..other });
    let driver = controlling(&server);
    let failure = driver.run("call-method", r#"{"method": "StartSingleAcquisition"}"#).unwrap_err();
    assert!(failure.message().contains("both Gas.Ch1 and Gas.Ch1.S1"), "{failure}");
    driver.run("call-method", r#"{"method": "StartSingleAcquisition", "element": "Gas.Ch1.S1"}"#).unwrap();
    assert_eq!(server.calls()[0].1, node("S1.Start1"));
}
