//! A driver's file or its settings change while it runs: between two polls another one has its place, and when that fails the one before is back.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tutin::journal::{DevicePhase, Event, SwapStep};
use tutin::reading::{InstrumentState, PollSet, Value};
use tutin::time::Timestamp;

use crate::support::asyncua::{Asyncua, NAMESPACE, Plant};
use crate::support::components::{put, version_of, with_file};
use crate::support::configuration::{t200, with_plugin};
use crate::support::hj212::Hj212Logger;
use crate::support::hub::{Hub, Site};
use crate::support::mosquitto::Mosquitto;
use crate::support::pymodbus::Pymodbus;
use crate::support::{journal, ports, t200};

/// Times that a file is replaced.
const REPLACED: u32 = 20;
/// A logger's own number.
const MN: &str = "010000A8900016F000169DC0";
const BEAT: Duration = Duration::from_millis(100);
/// The driver before is back within this time.
const BACK: Duration = Duration::from_secs(2);

/// A device of the misbehaving plugin in `counting.wasm`, with these settings.
fn counting(settings: &str) -> String {
    with_file("counting", Path::new("counting.wasm"))
        + &format!(
            "\n[links.none]\ntype = \"modbus_tcp\"\naddress = \"127.0.0.1:9\"\n\n[devices.counting]\nplugin = \"counting\"\n\
             link = \"none\"\ninterval = \"100ms\"\nsettings = {settings}\n"
        )
}

#[derive(Debug)]
struct Swapped {
    step: SwapStep,
    since: Timestamp,
    before: String,
    after: String,
    reason: String,
}

fn swaps(site: &Site, of: &str) -> Vec<Swapped> {
    let events = journal::events(site).into_iter();
    let of_device = events.filter_map(|event| match event {
        Event::Swap { device, since, step, before, after, reason } if device == of => {
            Some(Swapped { step, since, before, after, reason })
        }
        _ => None,
    });
    of_device.collect()
}

fn phases(site: &Site, of: &str) -> Vec<DevicePhase> {
    let events = journal::events(site).into_iter();
    let of_device = events.filter_map(|event| match event {
        Event::Device { device, phase, .. } if device == of => Some(phase),
        _ => None,
    });
    of_device.collect()
}

/// The device counts on: no poll is lost, none is there twice.
fn check_count(polls: &[PollSet]) {
    let values: Vec<f64> = polls.iter().flat_map(|set| set.columns.values.clone()).collect();
    let expected: Vec<f64> = (1..=values.len()).map(|count| count as f64).collect();
    assert_eq!(values, expected);
    check_valid(polls);
}

fn check_valid(polls: &[PollSet]) {
    let states = polls.iter().flat_map(|set| &set.columns.states);
    assert!(states.clone().count() > 0 && states.clone().all(|state| *state == InstrumentState::Valid));
}

/// Beats of a device from its first poll to its last that brought none.
fn missed(polls: &[PollSet]) -> i64 {
    let span = polls[polls.len() - 1].received_at.since(polls[0].received_at);
    (span.as_secs_f64() / BEAT.as_secs_f64()).round() as i64 + 1 - polls.len() as i64
}

/// `tutin reload`: its exit code, and what it said.
fn reload(site: &Site) -> (Option<i32>, String) {
    let mut reload = site.start(&["reload", "--config", "tutin.toml"]);
    let code = reload.wait().code();
    (code, reload.lines().text())
}

fn wait_for_polls(hub: &Hub, site: &Site, device: &str, more: usize) {
    let so_far = journal::polls(site, device).len();
    hub.wait_until("polls", || journal::polls(site, device).len() >= so_far + more);
}

#[test]
fn a_file_is_replaced_twenty_times_under_load_and_no_reading_is_lost_or_doubled() {
    let peer = Pymodbus::start(t200::map());
    let site = Site::new("");
    put(&site, "counting.wasm", "misbehaving", 0);
    put(&site, "t200.wasm", "teledyne-t", 0);
    let analyzer = t200("analyzer", &peer.address()).replace("\"teledyne-t\"", "\"t200\"");
    let neighbour = t200("neighbour", &peer.address());
    let on_its_link = &neighbour[neighbour.find("[devices").unwrap()..];
    let on_its_link = on_its_link.replace("link = \"neighbour\"", "link = \"analyzer\"");
    let plugins = with_file("t200", &site.path("t200.wasm")) + &with_plugin("teledyne-t");
    site.configure(&(plugins + &counting("{}") + &analyzer + &on_its_link));
    let mut hub = site.run();
    hub.wait_until("the first readings", || journal::polls(&site, "analyzer").len() >= 10);

    for version in 1..=REPLACED {
        let said = hub.lines().count();
        // Two versions in turn: what is compiled stays so, and the time is spent on the changes.
        put(&site, "counting.wasm", "misbehaving", version % 2);
        put(&site, "t200.wasm", "teledyne-t", version % 2);
        for device in ["counting", "analyzer"] {
            hub.wait_for_after(said, "the change of drivers", |line| {
                line.contains("goes over") && line.contains(device)
            });
        }
    }
    hub.wait_for_after(0, "the last proof", |_| {
        swaps(&site, "analyzer").last().is_some_and(|last| last.step == SwapStep::Proven)
            && swaps(&site, "counting").last().is_some_and(|last| last.step == SwapStep::Proven)
    });
    assert!(hub.interrupt().success());

    for device in ["counting", "analyzer"] {
        let swaps = swaps(&site, device);
        assert_eq!(swaps.iter().filter(|swap| swap.step == SwapStep::TookOver).count(), REPLACED as usize, "{device}");
        assert!(swaps.iter().all(|swap| !matches!(swap.step, SwapStep::RolledBack | SwapStep::Refused)), "{swaps:#?}");
        let took_over: Vec<&Swapped> = swaps.iter().filter(|swap| swap.step == SwapStep::TookOver).collect();
        assert!(
            took_over.windows(2).all(|pair| pair[0].after == pair[1].before),
            "{device}: what ran before is not named"
        );
        assert_eq!(phases(&site, device), [DevicePhase::Running], "{device}");
    }
    check_count(&journal::polls(&site, "counting"));
    let (analyzer, neighbour) = (journal::polls(&site, "analyzer"), journal::polls(&site, "neighbour"));
    check_valid(&analyzer);
    check_valid(&neighbour);
    // A busy machine lets beats pass too, which the neighbour shows.
    let (lost, beside) = (missed(&analyzer), missed(&neighbour));
    eprintln!("{} polls, {lost} beats missed, {beside} of the neighbour's {}", analyzer.len(), neighbour.len());
    assert!((0..=i64::from(REPLACED) + beside).contains(&lost), "{lost} beats missed, {beside} beside it");
    assert!(swaps(&site, "neighbour").is_empty());
    assert_eq!(phases(&site, "neighbour"), [DevicePhase::Running]);
    let links = journal::events(&site).into_iter().filter(|event| matches!(event, Event::Link { .. })).count();
    assert_eq!(links, 1, "the connection was made anew");
    journal::check_chain(&site);
}

#[test]
fn settings_that_fail_are_rolled_back_within_two_seconds_and_told() {
    let site = Site::new("");
    put(&site, "counting.wasm", "misbehaving", 0);
    let peer = Pymodbus::start(t200::map());
    let others = with_plugin("teledyne-t") + &t200("neighbour", &peer.address());
    site.configure(&(others.clone() + &counting("{}")));
    let mut hub = site.run();
    hub.wait_until("readings", || journal::polls(&site, "counting").len() >= 10);

    site.configure(&(others.clone() + &counting("{ behaviour = \"loop\" }")));
    let (code, said) = reload(&site);
    assert_eq!(code, Some(1), "{said}");
    for part in ["rolled back device counting", "limits.call"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    hub.wait_for("the reason in the log", |line| line.contains("limits.call") && line.contains("back to"));
    wait_for_polls(&hub, &site, "counting", 5);

    // What ran before counts on, so that the next change begins from it.
    site.configure(&(others + &counting("{ after_polls = 5 }")));
    let (code, said) = reload(&site);
    assert!(code == Some(0) && said.contains("swapped device counting"), "{said}");
    wait_for_polls(&hub, &site, "counting", 5);
    assert!(hub.interrupt().success());

    let swaps = swaps(&site, "counting");
    let steps: Vec<SwapStep> = swaps.iter().map(|swap| swap.step).collect();
    assert_eq!(steps, [SwapStep::TookOver, SwapStep::RolledBack, SwapStep::TookOver, SwapStep::Proven]);
    let away = swaps[1].since.since(swaps[0].since);
    eprintln!("the driver before was back after {away:?}");
    assert!(away < BACK && swaps[1].reason.contains("limits.call"), "{away:?}: {}", swaps[1].reason);
    check_count(&journal::polls(&site, "counting"));
    let applied: Vec<Vec<String>> = journal::events(&site)
        .into_iter()
        .filter_map(|event| if let Event::Configuration { applied, .. } = event { Some(applied) } else { None })
        .collect();
    assert_eq!(applied.len(), 3);
    assert!(applied[1][0].starts_with("rolled back device counting, which runs as before: "), "{applied:?}");
    assert_eq!(applied[2], ["swapped device counting"]);
    check_valid(&journal::polls(&site, "neighbour"));
    assert_eq!(phases(&site, "neighbour"), [DevicePhase::Running]);
    journal::check_chain(&site);
}

#[test]
fn a_file_that_cannot_run_leaves_the_driver_that_runs() {
    let site = Site::new("");
    put(&site, "counting.wasm", "misbehaving", 0);
    site.configure(&counting("{}"));
    let mut hub = site.run();
    hub.wait_until("readings", || journal::polls(&site, "counting").len() >= 5);
    let (code, said) = reload(&site);
    assert!(code == Some(0) && said.contains("nothing changed"), "{said}");
    let runs = &site.status()[0];

    // Half a copy, which rests for longer than a look.
    let whole = version_of("misbehaving", 1);
    fs::write(site.path("counting.wasm"), &whole[..whole.len() / 2]).unwrap();
    hub.wait_for("the warning", |line| line.contains("no WebAssembly component") && line.contains("runs on"));
    // A driver for another kind of link.
    put(&site, "counting.wasm", "thermo-clink", 1);
    hub.wait_for("the refusal", |line| line.contains("tutin:stream/client") && line.contains("what runs goes on"));
    let runs_on = &site.status()[0];
    assert_eq!(runs_on["digest"], runs["digest"], "what runs is not what lies there");
    assert_eq!(runs_on["used"]["memory"], runs["used"]["memory"]);
    // The whole of it at last.
    put(&site, "counting.wasm", "misbehaving", 2);
    hub.wait_for("the change", |line| line.contains("goes over to misbehaving"));
    wait_for_polls(&hub, &site, "counting", 5);
    hub.wait_until("the memory of one instance", || {
        let runs_now = &site.status()[0];
        assert_ne!(runs_now["digest"], runs["digest"]);
        runs_now["used"]["memory"] == runs["used"]["memory"]
    });
    assert!(hub.interrupt().success());

    let warnings = hub.lines().text().lines().filter(|line| line.contains("no WebAssembly component")).count();
    assert_eq!(warnings, 1, "it is told once");
    let steps: Vec<SwapStep> = swaps(&site, "counting").iter().map(|swap| swap.step).collect();
    assert_eq!(steps[..2], [SwapStep::Refused, SwapStep::TookOver]);
    check_count(&journal::polls(&site, "counting"));
}

#[test]
fn a_configuration_with_mistakes_touches_nothing_and_each_is_told_with_its_line() {
    let site = Site::new("");
    put(&site, "counting.wasm", "misbehaving", 0);
    let good = counting("{}");
    site.configure(&good);
    let mut hub = site.run();
    hub.wait_until("readings", || journal::polls(&site, "counting").len() >= 3);
    let check = |text: &str, parts: &[&str]| {
        site.configure(text);
        let (code, said) = reload(&site);
        assert_eq!(code, Some(1), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    };
    check(&good.replace("interval", "intervall"), &["tutin.toml:11:1", "intervall", "interval"]);
    // What only the plugin knows.
    check(&good.replace("{}", "{ behaviour = \"odd\" }"), &["tutin.toml:12", "odd", "nothing was touched"]);
    fs::remove_file(site.path("counting.wasm")).unwrap();
    check(&good, &["counting.wasm", "nothing was touched"]);
    put(&site, "counting.wasm", "misbehaving", 0);

    // The same without anybody who waits for the answer.
    site.configure(&good.replace("{}", "{ after_polls = 3 }"));
    hub.hang_up();
    hub.wait_for("the change", |line| line.contains("goes over"));
    wait_for_polls(&hub, &site, "counting", 3);
    // Files that the hub does not read.
    fs::copy(site.path("tutin.toml"), site.path("other.toml")).unwrap();
    let mut other = site.start(&["reload", "--config", "tutin.toml", "--config", "other.toml"]);
    assert_eq!(other.wait().code(), Some(1));
    assert!(other.lines().text().contains("this hub reads"), "{}", other.lines().text());
    assert!(hub.interrupt().success());
    check_count(&journal::polls(&site, "counting"));
    assert_eq!(phases(&site, "counting"), [DevicePhase::Running]);
}

#[test]
fn messages_of_a_broker_reach_one_of_the_two_drivers() {
    let broker = Mosquitto::start();
    let text = |stale: u32| {
        with_plugin("mqtt-json")
            + &format!(
                "[links.broker]\ntype = \"mqtt\"\naddress = \"127.0.0.1:{}\"\n\n[devices.boiler]\nplugin = \"mqtt-json\"\nlink = \"broker\"\n\
                 topics = [\"plant/#\"]\ninterval = \"100ms\"\n\n[devices.boiler.settings]\nstale_after_s = {stale}\n\
                 points = [{{ id = \"no2\", unit = \"[ppb]\" }}]\n\
                 messages = [{{ topic = \"plant/{{id}}\", format = \"plain\", values = [{{ id = \"{{id}}\" }}] }}]\n",
                broker.port()
            )
    };
    let site = Site::new(&text(3600));
    let mut hub = site.run();
    let values = |site: &Site| -> Vec<f64> {
        let sets = journal::polls(site, "boiler");
        let readings = sets.iter().flat_map(|set| set.columns.values.iter().zip(&set.columns.states));
        readings.filter(|(_, state)| **state == InstrumentState::Valid).map(|(value, _)| *value).collect()
    };
    let mut sent = Vec::new();
    hub.wait_until("the subscription", || {
        sent.push(sent.len() as f64);
        broker.publish("plant/no2", sent[sent.len() - 1].to_string());
        values(&site).last().is_some()
    });
    for stale in [3000, 3001] {
        site.configure(&text(stale));
        let mut reload = site.start(&["reload", "--config", "tutin.toml"]);
        for _ in 0..100 {
            sent.push(sent.len() as f64);
            broker.publish("plant/no2", sent[sent.len() - 1].to_string());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(reload.wait().success(), "{}", reload.lines().text());
    }
    hub.wait_until("the last message", || values(&site).last() == sent.last());
    assert!(hub.interrupt().success());
    let values = values(&site);
    let first = sent.iter().position(|value| *value == values[0]).unwrap();
    assert_eq!(values, sent[first..], "a message is missing or came twice");
    assert_eq!(swaps(&site, "boiler").iter().filter(|swap| swap.step == SwapStep::Proven).count(), 2);
}

#[test]
fn what_a_logger_pushes_is_answered_and_kept_once_whoever_drives_it() {
    let address = format!("127.0.0.1:{}", ports::free());
    let site = Site::new("");
    put(&site, "station.wasm", "hj212-station", 0);
    site.configure(
        &(with_file("station", &site.path("station.wasm"))
            + &format!(
                "[links.logger]\ntype = \"stream_listen\"\nlisten = \"{address}\"\n\n[devices.station]\nplugin = \"station\"\n\
                 link = \"logger\"\ninterval = \"100ms\"\n\n[devices.station.settings]\nmn = {MN:?}\npw = \"123456\"\nst = 31\n\
                 utc_offset = \"+00:00\"\nstale_after = 60\npage_silence = 1\nexpected = [\"a21026-Rtd\"]\nunits = {{ a21026 = \"mg/m3\" }}\n"
            )),
    );
    let mut hub = site.run();
    let mut logger = Hj212Logger::start(address.parse().unwrap(), MN, "123456");
    logger.wait_until_connected();
    let mut sent = Vec::new();
    for version in 1..=3 {
        let said = hub.lines().count();
        put(&site, "station.wasm", "hj212-station", version);
        for _ in 0..40 {
            let value = sent.len() as f64 + 1.0;
            let data = format!("DataTime={};a21026-Rtd={value:.1},a21026-Flag=N", data_time(sent.len()));
            let qn = logger.push_with(2011, &data, &json!({ "flag": 5 }));
            assert!(logger.is_answered(&qn, 5.0), "{value} is not answered");
            sent.push(value);
            std::thread::sleep(Duration::from_millis(50));
        }
        hub.wait_for_after(said, "the change of drivers", |line| line.contains("goes over"));
    }
    let values = |site: &Site| -> Vec<f64> {
        let sets = journal::polls(site, "station");
        let readings = sets.iter().flat_map(|set| set.readings());
        let valid = readings.filter(|one| one.point.id == "a21026_rtd" && one.state == InstrumentState::Valid);
        valid.filter_map(|one| if let Value::Number(value) = one.value { Some(value) } else { None }).collect()
    };
    hub.wait_until("the last value", || values(&site).last() == sent.last());
    assert!(hub.interrupt().success());
    assert_eq!(values(&site), sent, "a value is missing or came twice");
    assert!(swaps(&site, "station").iter().filter(|swap| swap.step == SwapStep::TookOver).count() >= 3);
}

/// Seconds one after the other up to now, as HJ 212 writes them, in UTC.
fn data_time(number: usize) -> String {
    let at = Timestamp::now().before(Duration::from_secs(600)).after(Duration::from_secs(number as u64));
    at.to_string().chars().filter(char::is_ascii_digit).take(14).collect()
}

#[test]
fn a_server_s_notifications_have_no_gap_when_another_driver_takes_them() {
    let mut server = Asyncua::start(Plant { histories: 0, ..Plant::default() });
    let node =
        |item: usize| format!("{{ id = \"item_{item}\", node = \"nsu={NAMESPACE};s=item.{item}\", unit = \"1\" }}");
    let text = |ahead: u32| {
        with_plugin("opcua-adi")
            + &format!(
                "[links.server]\ntype = \"opcua\"\nurl = \"{}\"\npolicy = \"none\"\n\n[devices.analyser]\nplugin = \"opcua-adi\"\n\
                 link = \"server\"\ninterval = \"500ms\"\nlimits = {{ memory = \"64MiB\", call = \"2s\" }}\n\n[devices.analyser.settings]\n\
                 discover = false\nmax_clock_difference_s = {ahead}\nnodes = [{}, {}]\n",
                server.url(),
                node(1),
                node(2)
            )
    };
    let (first, second, third) = (text(60), text(61), text(62));
    let site = Site::new(&first);
    let mut hub = site.run();
    let ticks = |site: &Site| -> Vec<u64> {
        let sets = journal::polls(site, "analyser");
        let readings = sets.iter().flat_map(|set| set.readings());
        let valid = readings.filter(|one| one.point.id == "item_1" && one.state == InstrumentState::Valid);
        let numbers =
            valid.filter_map(|one| if let Value::Number(value) = one.value { Some(value as u64) } else { None });
        // A value that stands is repeated from poll to poll.
        let mut ticks: Vec<u64> = numbers.collect();
        ticks.dedup();
        ticks
    };
    let newest = |site: &Site| ticks(site).last().copied().unwrap_or_default();
    let start = server.tick();
    hub.wait_until("values", || newest(&site) > start + 2);
    for next in [second, third] {
        site.configure(&next);
        let (code, said) = reload(&site);
        assert!(code == Some(0) && said.contains("swapped device analyser"), "{said}");
        let now = server.tick();
        hub.wait_until("values", || newest(&site) > now + 2);
    }
    assert!(hub.interrupt().success());
    let ticks = ticks(&site);
    let gaps: Vec<&[u64]> = ticks.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert!(gaps.is_empty(), "{gaps:?} of {} ticks", ticks.len());
    let silent = journal::polls(&site, "analyser")
        .iter()
        .skip(3)
        .flat_map(|set| set.columns.states.clone())
        .filter(|state| !state.has_value())
        .count();
    assert_eq!(silent, 0, "there are readings without a value after the first");
}
