//! Back-fill.

use super::*;

fn server(values: Vec<DataValue>) -> (OpcuaAdi<Line>, Server) {
    let (driver, server, _) = running(json!({"only": ["gas_ch1_s1_no2"]}));
    server.remember(&node("S1.NO2"), values);
    server.remember(&node("Gas.Health"), vec![value(Value::Integer(1), 0, 3.0)]);
    (driver, server)
}

fn pages(driver: &OpcuaAdi<Line>, begin: f64, end: f64) -> (Vec<String>, Vec<String>) {
    let (mut all, mut tokens, mut next) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = driver.remembered(at(begin), at(end), &next).unwrap();
        assert!(page.samples.len() <= 10_000);
        all.extend(lines(driver, &page.samples));
        if page.next.is_empty() {
            return (all, tokens);
        }
        next = page.next;
        tokens.push(next.clone());
        assert!(tokens.len() < 50);
    }
}

#[test]
fn the_servers_history_comes_node_after_node_with_its_own_states() {
    let remembered = vec![
        value(Value::Double(1.0), 0, 1.0),
        value(Value::Double(2.0), 0x4090_0000, 2.0),
        value(Value::Empty, 0x8031_0000, 3.0),
        value(Value::Double(4.0), 0, 4.0),
    ];
    // What the device says of itself now does not speak of the past.
    let (mut driver, server) = server(remembered);
    server.change(&node("Gas.Health"), good(Value::Integer(1)));
    driver.read(at(5.0)).unwrap();
    let (all, _) = pages(&driver, 2.0, 4.0);
    assert_eq!(
        all,
        [
            "gas_ch1_s1_no2 2 suspect @2 40900000",
            "gas_ch1_s1_no2 - comm_error @3 80310000",
            "gas_devicehealth 1 valid @3",
        ]
    );
}

#[test]
fn a_long_history_comes_once_each_and_goes_on_in_another_instance() {
    // Three values in each moment, so that a page ends within one.
    let values = (0..25_000).map(|number| value(Value::Integer(number), 0, (number / 3) as f64)).collect();
    let (driver, server) = server(values);
    let (all, tokens) = pages(&driver, 0.0, 1e6);
    let numbers: Vec<String> = all
        .iter()
        .filter(|line| line.starts_with("gas_ch1_s1_no2"))
        .map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..25_000).map(|number| number.to_string()).collect();
    assert!(numbers == expected, "{} of 25000", numbers.len());
    let (mut other, _) = open(&server, json!({"only": ["gas_ch1_s1_no2"]})).unwrap();
    assert_eq!(other.remembered(at(0.0), at(1e6), &tokens[0]).unwrap_err().code(), 5, "not browsed yet");
    other.read(at(1.0)).unwrap();
    let page = other.remembered(at(0.0), at(1e6), &tokens[1]).unwrap();
    let again = driver.remembered(at(0.0), at(1e6), &tokens[1]).unwrap();
    assert_eq!(lines(&other, &page.samples), lines(&driver, &again.samples));
    assert!(other.remembered(at(0.0), at(1.0), "gone@1").unwrap_err().message().contains("gone@1"));
    assert!(other.remembered(at(0.0), at(1.0), "nonsense").is_err());
}

#[test]
fn a_moment_that_fills_a_page_does_not_stop_the_back_fill() {
    let values = (0..10_500).map(|number| value(Value::Integer(number), 0, 1.0)).collect();
    let (driver, _) = server(values);
    let (all, tokens) = pages(&driver, 0.0, 10.0);
    assert_eq!((all.len(), tokens.len()), (10_001, 1));
}

#[test]
fn without_a_session_the_back_fill_says_so() {
    let (driver, server) = server(Vec::new());
    server.disconnect("away");
    let failure = driver.remembered(at(0.0), at(1.0), "").unwrap_err();
    assert_eq!(failure.code(), 1);
}
