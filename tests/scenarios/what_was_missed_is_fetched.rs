//! A device that remembers is asked for what nobody heard, after every outage: its own, its link's, the hub's.

use std::time::Duration;

use serde_json::json;
use tutin::reading::{Reading, Value};
use tutin::status::Qualifiers;

use crate::support::asyncua::{Asyncua, NAMESPACE, Plant};
use crate::support::configuration::with_plugin;
use crate::support::hj212::Hj212Logger;
use crate::support::hub::Site;
use crate::support::{journal, ports};

const MN: &str = "010000A8900016F000169DC0";

/// Numbers of a point, with whether they came late.
fn values(site: &Site, device: &str, point: &str) -> Vec<(f64, bool)> {
    let polls = journal::polls(site, device);
    let number = |reading: Reading<'_>| match reading.value {
        Value::Number(value) if reading.point.id == point => {
            Some((value, reading.qualifiers.0 & Qualifiers::LATE.0 != 0))
        }
        _ => None,
    };
    polls.iter().flat_map(|set| set.readings()).filter_map(number).collect()
}

#[test]
fn a_server_s_history_fills_the_time_without_a_hub_and_without_the_server() {
    let mut server = Asyncua::start(Plant { items: 1, histories: 1, ..Plant::default() });
    let site = Site::new(
        &(with_plugin("opcua-adi")
            + &format!(
                r#"
[links.server]
type = "opcua"
url = "{}"
policy = "none"
reconnect_max = "1s"

[devices.analyser]
plugin = "opcua-adi"
link = "server"
interval = "1s"

[devices.analyser.settings]
discover = false
nodes = [{{ id = "no2", node = "nsu={NAMESPACE};s=history.1", unit = "[ppb]" }}]
"#,
                server.url()
            )),
    );
    let mut hub = site.run();
    hub.wait_until("live values", || values(&site, "analyser", "no2").len() > 3);
    assert!(hub.interrupt().success());
    let first = server.tick() + 1;
    std::thread::sleep(Duration::from_secs(6));
    let last = server.tick() - 1;
    assert!(last > first, "the outage had no whole tick");

    let hub = site.run();
    // Tick N of the first history is N and an eighth.
    let missed: Vec<f64> = (first..=last).map(|tick| tick as f64 + 0.125).collect();
    hub.wait_until("all ticks of the outage, marked late", || {
        let known = values(&site, "analyser", "no2");
        missed.iter().all(|value| known.contains(&(*value, true)))
    });

    let first = server.tick() + 1;
    server.vanish();
    std::thread::sleep(Duration::from_secs(6));
    server.restart();
    let last = server.tick() - 1;
    let missed: Vec<f64> = (first..=last).map(|tick| tick as f64 + 0.125).collect();
    hub.wait_until("all ticks that nobody heard, from the history of the new server", || {
        let known = values(&site, "analyser", "no2");
        missed.iter().all(|value| known.contains(&(*value, true)) || known.contains(&(*value, false)))
    });
}

#[test]
fn a_station_is_asked_for_the_minutes_that_it_could_not_send() {
    let address = format!("127.0.0.1:{}", ports::free());
    let site = Site::new(
        &(with_plugin("hj212-station")
            + &format!(
                r#"
[links.station]
type = "stream_listen"
listen = "{address}"

[devices.stack]
plugin = "hj212-station"
link = "station"
interval = "1s"

[devices.stack.settings]
mn = "{MN}"
pw = "123456"
st = 31
utc_offset = "+00:00"
stale_after = 2
page_silence = 1
units = {{ a21026 = "mg/m3" }}
expected = ["a21026-Rtd"]
"#
            )),
    );
    let hub = site.run();
    let mut logger = Hj212Logger::start(address.parse().unwrap(), MN, "123456");
    logger.wait_until_connected();
    let push = |logger: &mut Hj212Logger, value: &str| {
        let time = now();
        let data = format!("DataTime={time};a21026-Rtd={value},a21026-Flag=N");
        logger.push_with(2011, &data, &json!({ "flag": 5 }))
    };
    let qn = push(&mut logger, "286.5");
    hub.wait_until("the first value", || values(&site, "stack", "a21026_rtd").contains(&(286.5, false)));
    assert!(logger.is_answered(&qn, 10.0), "what is durable was not acknowledged");

    logger.leave();
    std::thread::sleep(Duration::from_secs(4));
    logger.keep(2051, &[(&now(), "a21026-Avg=301.25,a21026-Flag=N")]);
    std::thread::sleep(Duration::from_secs(2));
    logger.come_back();
    logger.wait_until_connected();
    push(&mut logger, "290.5");
    hub.wait_until("the minute of the outage", || {
        values(&site, "stack", "a21026_minute_avg").contains(&(301.25, true))
    });
    let asked: Vec<u16> = logger.requests().into_iter().map(|(command, ..)| command).collect();
    assert!(asked.contains(&2051), "{asked:?}");
}

/// The time as HJ 212 writes it, in UTC.
fn now() -> String {
    let text = tutin::time::Timestamp::now().to_string();
    text.chars().filter(char::is_ascii_digit).take(14).collect()
}
