//! The OPC UA peers themselves.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::asyncua::{Asyncua, Identity, NAMESPACE, Plant, connect};
use crate::support::told::Told;

/// Status codes of OPC 10000-4, 7.38.
const UNCERTAIN_LAST_USABLE_VALUE: u32 = 0x4090_0000;
const BAD_SENSOR_FAILURE: u32 = 0x808c_0000;

fn children(client: &mut Told, node: &str) -> Value {
    client.get(&json!({ "children": node }))
}

/// Walks browse names from the Objects folder and returns the node id at their end.
fn find(client: &mut Told, path: &str) -> String {
    path.split('/').fold("i=85".to_owned(), |node, name| {
        let children = children(client, &node);
        children[name].as_str().unwrap_or_else(|| panic!("{path}: no {name} in {children}")).to_owned()
    })
}

/// The value and status code of a node.
fn read(client: &mut Told, node: &str) -> (Value, u64) {
    let answer = client.get(&json!({ "read": [node] }));
    (answer[0][0].clone(), answer[0][1].as_u64().unwrap())
}

/// The index of the plant's namespace now.
fn namespace(client: &mut Told) -> usize {
    let uris = read(client, "i=2255").0;
    uris.as_array().unwrap().iter().position(|uri| uri == NAMESPACE).unwrap()
}

fn milliseconds(server: &Asyncua) -> u64 {
    server.epoch().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

#[test]
fn asyncua_tells_each_tick_of_each_item_once_with_its_source_time() {
    let mut server = Asyncua::start(Plant {
        items: 50,
        period: Duration::from_millis(200),
        other_namespaces: 2,
        ..Plant::default()
    });
    let mut client = connect(&server.url(), &Identity::default()).unwrap();
    let index = namespace(&mut client);
    let epoch = milliseconds(&server);

    let nodes: Vec<_> = (1..=50).map(|item| format!("ns={index};s=item.{item}")).collect();
    let came = client.get(&json!({ "watch": nodes, "ms": 1500 }));

    assert_eq!(index, 4);
    for node in &nodes {
        let ticks: Vec<_> = came.as_array().unwrap().iter().filter(|told| told[0] == **node).collect();
        assert!(ticks.len() >= 4, "{node}: {ticks:?}");
        for (position, told) in ticks.iter().enumerate() {
            let tick = told[1].as_u64().unwrap();
            assert_eq!(tick, ticks[0][1].as_u64().unwrap() + position as u64, "{node}: {ticks:?}");
            assert_eq!(told[2], epoch + tick * 200, "{node}");
        }
    }

    server.stop_publishing();
    assert_eq!(client.get(&json!({ "watch": nodes, "ms": 700 })), json!([]));
    server.publish();
    assert_ne!(client.get(&json!({ "watch": nodes, "ms": 700 })), json!([]));
}

#[test]
fn asyncua_has_values_states_a_method_and_a_history_that_outlives_a_restart() {
    let mut server = Asyncua::start(Plant { histories: 2, browse: 250, ..Plant::default() });
    let epoch = milliseconds(&server);
    let mut client = connect(&server.url(), &Identity::default()).unwrap();
    let index = namespace(&mut client);
    let node = |name: &str, index: usize| format!("ns={index};s={name}");

    let sum = client.get(&json!({ "call": [node("plant", index), node("sum", index), [1.5, 2.25]] }));
    assert_eq!(sum, 3.75);
    // Three folders of nodes to browse, the folder of three items, and two histories.
    assert_eq!(client.get(&json!({ "count": node("plant", index) })), 250 + 3 + 1 + 3 + 2);

    server.set("s=item.2", 4711);
    server.set_status("s=item.2", UNCERTAIN_LAST_USABLE_VALUE);
    assert_eq!(read(&mut client, &node("item.2", index)), (json!(4711), UNCERTAIN_LAST_USABLE_VALUE.into()));
    // With a bad status a server sets the value to null.
    server.set_status("s=item.2", BAD_SENSOR_FAILURE);
    assert_eq!(read(&mut client, &node("item.2", index)), (Value::Null, BAD_SENSOR_FAILURE.into()));

    server.restart_as(Plant { histories: 2, other_namespaces: 1, ..Plant::default() });
    let mut client = connect(&server.url(), &Identity::default()).unwrap();
    let moved = namespace(&mut client);
    assert_eq!(moved, index + 1);
    let history = client.get(&json!({ "history": [node("history.2", moved), epoch - 3000, epoch + 500] }));
    assert_eq!(history, json!([[-2.75, epoch - 3000], [-1.75, epoch - 2000], [-0.75, epoch - 1000], [0.25, epoch]]));
}

#[test]
fn asyncua_serves_an_analyser_after_the_companion_models() {
    let mut server = Asyncua::start(Plant { adi: true, ..Plant::default() });
    let mut client = connect(&server.url(), &Identity::default()).unwrap();

    let health = find(&mut client, "DeviceSet/Analyser/DeviceHealth");
    assert_eq!(read(&mut client, &health), (json!(0), 0));
    server.set_health(3);
    assert_eq!(read(&mut client, &health), (json!(3), 0));

    for channel in [1, 2] {
        let stream = format!("DeviceSet/Analyser/Channel{channel}/Stream1");
        let parameter = find(&mut client, &format!("{stream}/ParameterSet/ScaledData"));
        assert_eq!(find(&mut client, &format!("{stream}/AcquisitionData/ScaledData")), parameter);
        assert_eq!(read(&mut client, &parameter).0, 100.0 * f64::from(channel));
        server.set(&format!("{stream}/ParameterSet/ScaledData"), 12.625);
        assert_eq!(read(&mut client, &parameter).0, 12.625);
        for (group, name, value) in [("Status", "DiagnosticStatus", 0), ("AcquisitionStatus", "ExecutionCycle", 16)] {
            let node = find(&mut client, &format!("{stream}/{group}/{name}"));
            assert_eq!(read(&mut client, &node).0, value, "{name}");
        }
        let stream = find(&mut client, &stream);
        let groups = children(&mut client, &stream);
        assert!(!groups.to_string().contains('<'), "placeholders are left: {groups}");
    }
}

#[test]
fn asyncua_lets_in_whom_it_trusts_and_who_knows_the_password() {
    let user = |password: &str| Some(("hub".to_owned(), password.to_owned()));
    let server = Asyncua::start_secure(Plant { user: user("right"), only_secure: true, ..Plant::default() });
    let file = |name: &str| server.certificates().file(name);
    let client = (file("client.der"), file("client.pem"), "urn:tutin:test:client".to_owned());
    let identity = |policy: &str, password| Identity {
        policy: Some(policy.to_owned()),
        certificate: Some(client.clone()),
        user: user(password),
    };

    let refused = connect(&server.url(), &identity("Aes256Sha256RsaPss", "right")).err().unwrap();
    assert!(refused.contains("BadCertificateUntrusted"), "{refused}");
    assert_eq!(server.rejected().read_dir().unwrap().count(), 1);

    server.trust(&client.0);
    for policy in ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] {
        let mut client = connect(&server.url(), &identity(policy, "right")).unwrap();
        assert_eq!(namespace(&mut client), 2, "{policy}");
    }
    let refused = connect(&server.url(), &identity("Aes256Sha256RsaPss", "wrong")).err().unwrap();
    assert!(refused.contains("BadUserAccessDenied"), "{refused}");
    let open = Identity { user: user("right"), ..Identity::default() };
    assert!(connect(&server.url(), &open).is_err(), "it lets in who does not sign");
}

#[test]
fn asyncua_falls_silent_and_drops_connections_when_told() {
    let mut server = Asyncua::start(Plant::default());
    let mut client = connect(&server.url(), &Identity::default()).unwrap();
    assert!(server.tick() < 60);

    server.drop_connections();
    let answer = client.ask(&json!({ "read": ["i=2255"] }));
    assert!(answer.contains("Error"), "{answer}");

    server.fall_silent();
    let refused = connect(&server.url(), &Identity::default()).err().unwrap();
    assert!(refused.contains("Timeout"), "{refused}");
    server.speak();
    connect(&server.url(), &Identity::default()).unwrap();
}
