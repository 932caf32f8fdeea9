//! Promises of the server, to the hub's own link as a driver has it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wasmtime::component::Resource;

use super::{Called, Node, NodeError, Server, Written};
use crate::capability::opcua::bindings::tutin::opcua::client::{self, DataValue, HostLink, Notification, Value};
use crate::capability::opcua::bindings::tutin::opcua::control;
use crate::capability::wire::ConnectionState;
use crate::capability::{self, Addressing, Guest, Plug, Surroundings, opcua};
use crate::config::model::{Limits, OpcUaIdentity, OpcUaLink, OpcUaMode, OpcUaPolicy, Reconnect};

mod refusal;

const PATIENCE: Duration = Duration::from_secs(5);
const VENDOR: &str = "http://vendor.example/";
const DI: &str = "http://opcfoundation.org/UA/DI/";
const SENSOR_FAILURE: u32 = 0x808C_0000;
const UNCERTAIN: u32 = 0x4000_0000;

const ANALYSER: &str = r#"
nodes = [
    { id = "ns=2;s=Gas", type = "object", type_definition = "nsu=http://vendor.example/;i=1001" },
    { id = "ns=2;s=Gas.Set", name = "3:ParameterSet", type = "object", parent = "ns=2;s=Gas" },
    { id = "ns=2;s=NO2", name = "NO2", type = "double", parent = "ns=2;s=Gas.Set", value = 12.5, time = "2026-11-01T00:00:00.5Z" },
    { id = "ns=2;s=NO2.Unit", name = "0:EngineeringUnits", type = "unit", parent = "ns=2;s=NO2", reference = "HasProperty", value = "mg/m³" },
    { id = "ns=2;s=Health", type = "int32", parent = "ns=2;s=Gas", value = 0 },
    { id = "ns=2;s=Range", type = "float", parent = "ns=2;s=Gas", value = 100 },
    { id = "ns=2;s=Start", name = "Start", type = "method", parent = "ns=2;s=Gas" },
    { id = "ns=2;s=Derived", type = "object_type", parent = "ns=3;i=1001", reference = "HasSubtype" },
]
"#;

fn nodes(text: &str) -> Vec<Node> {
    #[derive(serde::Deserialize)]
    struct Nodes {
        nodes: Vec<Node>,
    }
    toml::from_str::<Nodes>(text).unwrap().nodes
}

fn set(text: &str) -> Vec<Node> {
    nodes(&format!("nodes = [{text}]"))
}

async fn server() -> Server {
    let namespaces = [VENDOR.to_owned(), DI.to_owned()];
    Server::start("127.0.0.1:0".parse().unwrap(), &namespaces, &nodes(ANALYSER)).await.unwrap()
}

/// The hub's end: a link, and the driver that was given it.
struct Hub {
    connection: capability::Connection,
    link: capability::Link,
    guest: Guest,
    handle: Resource<opcua::Link>,
    /// Items that the server refused.
    refused: Vec<(u32, u32)>,
    _pki: tempfile::TempDir,
}

impl Hub {
    async fn new(server: SocketAddr) -> Self {
        let settings = OpcUaLink {
            url: format!("opc.tcp://{server}"),
            policy: OpcUaPolicy::None,
            mode: OpcUaMode::SignAndEncrypt,
            identity: OpcUaIdentity::Anonymous,
            timeout: PATIENCE,
            connect_timeout: PATIENCE,
            silence: Duration::from_secs(10),
            session_timeout: Duration::from_secs(60),
            queue: 10_000,
            reconnect: Reconnect { min: Duration::from_millis(10), max: Duration::from_millis(50) },
        };
        let pki = tempfile::tempdir().unwrap();
        let surroundings = Surroundings { pki: pki.path().into(), hub: "hub".into(), plug: Plug::In };
        let connection = opcua::Connection::new("analyser", settings, &surroundings);
        let connection = capability::Connection::OpcUa(Arc::new(connection));
        let device = Addressing {
            device: "device".into(),
            unit: 1,
            more_units: vec![],
            timeout: None,
            topics: vec![],
            publish_topics: vec![],
        };
        let link = connection.link(&device);
        let links = BTreeMap::from([("analyser".to_owned(), link.clone())]);
        let mut guest = Guest::new("device".into(), links, Limits::default(), Arc::default());
        let handle = guest.open("analyser".into()).await.unwrap().unwrap();
        Hub { connection, link, guest, handle, refused: vec![], _pki: pki }
    }

    fn handle(&self) -> Resource<opcua::Link> {
        Resource::new_borrow(self.handle.rep())
    }

    /// What is below a node: browse name with the namespace it is in, class, type definition.
    async fn browse(&mut self, identifier: &str, types: bool) -> Result<Vec<(String, u32, String)>, u32> {
        let (handle, node) = (self.handle(), node(identifier));
        let mut found = self.guest.browse(handle, vec![node], types).await.unwrap().unwrap();
        let shown = |reference: client::Reference| {
            let name = format!("{}{}", reference.browse_namespace, reference.browse_name);
            (name, reference.node_class, reference.type_definition.identifier)
        };
        found.remove(0).map(|references| references.into_iter().map(shown).collect())
    }

    async fn read(&mut self, identifier: &str, attribute: u32) -> DataValue {
        let (handle, node) = (self.handle(), node(identifier));
        self.guest.read(handle, vec![node], attribute).await.unwrap().unwrap().remove(0)
    }

    async fn subscribe(&mut self, identifiers: &[&str]) {
        let (handle, nodes) = (self.handle(), identifiers.iter().map(|id| node(id)).collect());
        self.guest.subscribe(handle, nodes, 1000, 1000, 10).await.unwrap().unwrap();
    }

    /// The next notifications.
    async fn receive(&mut self, count: usize) -> Vec<Notification> {
        let mut found = Vec::new();
        while found.len() < count {
            let handle = self.handle();
            let incoming = self.guest.receive(handle, 100).await.unwrap().unwrap();
            self.refused.extend(incoming.refused);
            found.extend(incoming.notifications);
            if found.len() < count && !incoming.more {
                let bell = self.link.bell().unwrap();
                timeout(PATIENCE, bell.notified()).await.unwrap_or_else(|_| panic!("only {}", found.len()));
            }
        }
        found
    }

    /// The next notification: item, value, status.
    async fn told(&mut self) -> (u32, f64, u32) {
        let notification = self.receive(1).await.remove(0);
        (notification.item, number(&notification.value), notification.value.status)
    }
}

fn node(identifier: &str) -> client::Node {
    let namespace = if identifier.starts_with("i=") { "" } else { VENDOR };
    client::Node { namespace: namespace.into(), identifier: identifier.into() }
}

fn number(value: &DataValue) -> f64 {
    match &value.value {
        Value::Double(number) => *number,
        Value::Float(number) => f64::from(*number),
        Value::Integer(number) => *number as f64,
        Value::Empty => f64::NAN,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_driver_finds_its_way_by_names_types_and_references() {
    let server = server().await;
    let mut hub = Hub::new(server.address()).await;

    let objects = hub.browse("i=85", false).await.unwrap();
    assert_eq!(objects, [("Server".into(), 1, "i=2004".into()), (format!("{VENDOR}Gas"), 1, "i=1001".into()),]);
    let gas: Vec<_> =
        hub.browse("s=Gas", false).await.unwrap().into_iter().map(|(name, class, _)| (name, class)).collect();
    let expected = [
        (format!("{DI}ParameterSet"), 1),
        (format!("{VENDOR}Health"), 2),
        (format!("{VENDOR}Range"), 2),
        (format!("{VENDOR}Start"), 4),
    ];
    assert_eq!(gas, expected);
    let unit = hub.browse("s=NO2", false).await.unwrap();
    assert_eq!(unit[0].0, "EngineeringUnits");
    let types = hub.browse("s=NO2", true).await.unwrap();
    assert_eq!((types.len(), types[1].1), (2, 8), "the type definition is a type");
    assert_eq!(hub.browse("s=Nobody", false).await, Err(0x8034_0000), "BadNodeIdUnknown");

    let handle = hub.handle();
    let model = client::Node { namespace: DI.into(), identifier: "i=1001".into() };
    let derived = hub.guest.browse(handle, vec![model], true).await.unwrap().unwrap().remove(0).unwrap();
    assert_eq!(
        (derived[0].target.identifier.as_str(), derived[0].reference_type.identifier.as_str()),
        ("s=Derived", "i=45")
    );
    let handle = hub.handle();
    let namespaces = hub.guest.namespaces(handle).await.unwrap().unwrap();
    assert_eq!(namespaces[2..], [VENDOR, DI]);
}

#[tokio::test]
async fn a_driver_reads_values_with_their_status_and_time() {
    let server = server().await;
    let mut hub = Hub::new(server.address()).await;

    let value = hub.read("s=NO2", 13).await;
    assert_eq!((number(&value), value.status), (12.5, 0));
    assert_eq!(value.source_time, 1_793_491_200_500_000_000);
    let range = hub.read("s=Range", 13).await;
    assert!(matches!(range.value, Value::Float(100.0)) && range.source_time == 0, "{range:?}");
    let unit = hub.read("s=NO2.Unit", 13).await;
    assert!(matches!(&unit.value, Value::Other(text) if text.contains("name=mg/m³")), "{unit:?}");
    assert!(matches!(hub.read("s=NO2", 14).await.value, Value::Id(of) if of.identifier == "i=11"));
    assert_eq!(hub.read("s=Gas", 13).await.status, 0x8035_0000, "BadAttributeIdInvalid");

    let changed = r#"{ id = "ns=2;s=NO2", status = 0x808C0000 }"#;
    server.set(&set(changed)).unwrap();
    let value = hub.read("s=NO2", 13).await;
    assert!(matches!(value.value, Value::Empty) && value.status == SENSOR_FAILURE, "{value:?}");
}

#[tokio::test]
async fn a_driver_is_told_of_every_change_of_value_status_and_time() {
    let server = server().await;
    let mut hub = Hub::new(server.address()).await;
    assert!(!server.joined(Duration::ZERO).await);
    hub.subscribe(&["s=NO2", "s=Health", "s=Nobody"]).await;
    assert!(server.joined(PATIENCE).await);
    assert_eq!(server.monitored(), ["ns=2;s=Health", "ns=2;s=NO2"]);
    let first = hub.receive(2).await;
    assert_eq!((first[0].item, number(&first[0].value), number(&first[1].value)), (0, 12.5, 0.0));

    for (change, expected) in [
        (r#"{ id = "ns=2;s=NO2", value = 13.5 }"#, (0, 13.5, 0)),
        // Only the status changes.
        (r#"{ id = "ns=2;s=NO2", value = 13.5, status = 0x40000000 }"#, (0, 13.5, UNCERTAIN)),
        (r#"{ id = "ns=2;s=Health", value = 2 }"#, (1, 2.0, 0)),
    ] {
        server.set(&set(change)).unwrap();
        assert!(server.settled(PATIENCE).await);
        assert_eq!(hub.told().await, expected);
    }
    // Times go back and stand still, and are told as they are.
    for time in ["2026-11-01T00:00:05Z", "2026-11-01T00:00:03Z", "2026-11-01T00:00:03Z"] {
        server.set(&set(&format!(r#"{{ id = "ns=2;s=NO2", value = 1, time = "{time}" }}"#))).unwrap();
        let told = hub.receive(1).await.remove(0);
        let expected: jiff::Timestamp = time.parse().unwrap();
        assert_eq!(i128::from(told.value.source_time), expected.as_nanosecond());
    }
    assert_eq!(hub.refused, [(2, 0x8034_0000)]);
}

#[tokio::test]
async fn what_is_held_back_comes_when_it_is_released() {
    let server = server().await;
    server.hold();
    let mut hub = Hub::new(server.address()).await;
    assert!(!server.is_known());
    hub.subscribe(&["s=NO2"]).await;
    assert!(server.subscribing_after(0, PATIENCE).await && server.has_parked() && server.is_known());
    server.set(&set(r#"{ id = "ns=2;s=NO2", value = 13.5 }"#)).unwrap();
    assert_eq!(number(&hub.read("s=NO2", 13).await), 13.5);
    let handle = hub.handle();
    assert!(hub.guest.receive(handle, 10).await.unwrap().unwrap().notifications.is_empty());
    assert!(!server.is_settled());

    server.release();
    assert!(server.monitored_after(0, PATIENCE).await && server.is_monitored());
    assert_eq!(number(&hub.receive(1).await[0].value), 13.5, "it is subscribed when it is released");
    server.hold();
    server.set(&set(r#"{ id = "ns=2;s=NO2", value = 14 }, { id = "ns=2;s=NO2", value = 15 }"#)).unwrap();
    assert!(!server.settled(Duration::from_millis(50)).await);
    server.release();

    let told: Vec<f64> = hub.receive(2).await.iter().map(|told| number(&told.value)).collect();
    assert_eq!(told, [14.0, 15.0]);
    assert!(server.is_settled());
}

#[tokio::test]
async fn a_queue_that_overflows_says_so() {
    let server = server().await;
    let mut hub = Hub::new(server.address()).await;
    hub.subscribe(&["s=NO2"]).await;
    hub.receive(1).await;
    let many: Vec<String> = (0..15).map(|value| format!(r#"{{ id = "ns=2;s=NO2", value = {value} }}"#)).collect();

    server.set(&set(&many.join(", "))).unwrap();

    let told = hub.receive(10).await;
    let values: Vec<f64> = told.iter().map(|told| number(&told.value)).collect();
    assert_eq!(values, (5..15).map(f64::from).collect::<Vec<_>>());
    assert_eq!(told[0].value.status & 0x480, 0x480, "the overflow bit of the info bits");
}

#[tokio::test]
async fn what_a_driver_writes_and_calls_is_told_and_takes_effect() {
    let server = server().await;
    let mut hub = Hub::new(server.address()).await;
    let write = async |hub: &mut Hub, identifier: &str, value: Value| {
        let handle = hub.handle();
        control::Host::write(&mut hub.guest, handle, node(identifier), value).await.unwrap()
    };

    write(&mut hub, "s=Range", Value::Double(50.0)).await.unwrap();
    let error = write(&mut hub, "i=2255", Value::Text("x".into())).await.unwrap_err();
    assert!(matches!(error, client::Error::BadRequest(_) | client::Error::Status(_)), "{error:?}");
    let handle = hub.handle();
    let arguments = vec![Value::Integer(4), Value::Text("now".into())];
    let answer = control::Host::call(&mut hub.guest, handle, node("s=Gas"), node("s=Start"), arguments).await.unwrap();
    assert!(answer.unwrap().is_empty());
    let handle = hub.handle();
    let wrong = control::Host::call(&mut hub.guest, handle, node("s=Gas.Set"), node("s=Start"), vec![]).await.unwrap();
    assert!(matches!(wrong, Err(client::Error::Status(0x8075_0000))), "{wrong:?}");

    assert_eq!(server.written(), [Written { node: "ns=2;s=Range".into(), value: json!(50.0) }]);
    let arguments = vec![json!(4), json!("now")];
    assert_eq!(server.called(), [Called { object: "ns=2;s=Gas".into(), method: "ns=2;s=Start".into(), arguments }]);
    assert_eq!((server.written().len(), server.called().len()), (0, 0));
    assert_eq!(number(&hub.read("s=Range", 13).await), 50.0);
}

#[tokio::test]
async fn a_session_outlives_its_connection_and_loses_nothing() {
    let server = server().await;
    let (stretch, address) = Stretch::start(server.address()).await;
    let mut hub = Hub::new(address).await;
    hub.subscribe(&["s=NO2"]).await;
    hub.receive(1).await;
    let handle = hub.handle();
    let session = hub.guest.receive(handle, 1).await.unwrap().unwrap().session;

    stretch.cut();
    server.state.subscribe().wait_for(|state| state.monitored().is_empty()).await.unwrap();
    server.set(&set(r#"{ id = "ns=2;s=NO2", value = 1 }, { id = "ns=2;s=NO2", value = 2 }"#)).unwrap();
    stretch.mend();

    let told: Vec<f64> = hub.receive(2).await.iter().map(|told| number(&told.value)).collect();
    assert_eq!(told, [1.0, 2.0]);
    let handle = hub.handle();
    assert_eq!(hub.guest.receive(handle, 1).await.unwrap().unwrap().session, session, "there is a new one");
}

#[tokio::test]
async fn many_nodes_make_messages_of_several_chunks() {
    let one = |number: usize| format!(r#"{{ id = "ns=2;s=Point{number}", type = "double", value = {number} }}"#);
    let many = nodes(&format!("nodes = [{}]", (0..3000).map(one).collect::<Vec<_>>().join(",")));
    let server = Server::start("127.0.0.1:0".parse().unwrap(), &[VENDOR.into()], &many).await.unwrap();
    let mut hub = Hub::new(server.address()).await;

    assert_eq!(hub.browse("i=85", false).await.unwrap().len(), 3001);
    let names: Vec<String> = (0..3000).map(|number| format!("s=Point{number}")).collect();
    hub.subscribe(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let told: f64 = hub.receive(3000).await.iter().map(|told| number(&told.value)).sum();
    assert_eq!(told, 4_498_500.0);
}

#[tokio::test]
async fn a_server_ends_with_its_handle() {
    let server = server().await;
    let mut hub = Hub::new(server.address()).await;
    let address = server.address();
    hub.read("s=NO2", 13).await;

    drop(server);

    let mut states = hub.connection.reporter().watch();
    let lost = states.wait_for(|state| matches!(state, ConnectionState::Waiting(_)));
    timeout(PATIENCE, lost).await.expect("the connection goes on").unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "it listens");
}

#[tokio::test]
async fn who_says_what_is_no_opc_ua_is_left() {
    let server = server().await;
    let chunk = |kind: &[u8; 4], rest: &[u8]| [&kind[..], &(rest.len() as u32 + 8).to_le_bytes(), rest].concat();
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        chunk(b"HELF", &[0; 4]),
        chunk(b"MSGF", &[0; 16]),
        chunk(b"MSGF", &[0xff; 40]),
        chunk(b"MSGX", &[0; 20]),
        vec![b'M', b'S', b'G', b'F', 0xff, 0xff, 0xff, 0xff],
        vec![b'M', b'S', b'G', b'F', 0, 0, 0, 0],
    ] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(&garbage).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it goes on").unwrap();
        assert_eq!(answer[..4], *b"ERRF", "{garbage:?}");
    }
}

#[tokio::test]
async fn a_node_that_is_none_is_told_by_its_id() {
    let start = async |text: &str| {
        let started = Server::start("127.0.0.1:0".parse().unwrap(), &[VENDOR.into()], &set(text)).await;
        started.map(drop).unwrap_err().to_string()
    };
    let check = async |text: &str, expected: &str| {
        let error = start(text).await;
        assert!(error.contains(expected), "{error}");
    };
    check(r#"{ id = "ns=3;s=A", type = "bool" }"#, "node ns=3;s=A: \"ns=3;s=A\" is no id").await;
    check(r#"{ id = "nsu=urn:nobody;s=A", type = "bool" }"#, "is no id").await;
    check(r#"{ id = "A", type = "bool" }"#, "is no id").await;
    check(r#"{ id = "ns=2;s=A" }"#, "type is missing").await;
    check(r#"{ id = "ns=2;s=A", type = "bool", parent = "ns=2;s=B" }"#, "there is no node ns=2;s=B").await;
    check(r#"{ id = "ns=2;s=A", type = "uint16", value = 65536 }"#, "Integer(65536) is no value of type uint16").await;
    check(r#"{ id = "ns=2;s=A", type = "double", time = "yesterday" }"#, "\"yesterday\" is no time").await;
    let error = server().await.set(&set(r#"{ id = "ns=2;s=NO2", value = "high" }"#)).unwrap_err();
    assert!(matches!(error, NodeError::Value { .. }), "{error}");
    assert!(toml::from_str::<Node>("id = 'i=1'\nunit = 'ppb'").is_err());
}

/// A stretch of network that can be cut.
struct Stretch(tokio::sync::watch::Sender<bool>);

impl Stretch {
    async fn start(to: SocketAddr) -> (Self, SocketAddr) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (orders, told) = tokio::sync::watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut told = told.clone();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    tokio::select! {
                        _ = told.wait_for(|is_whole| !is_whole) => {}
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        (Stretch(orders), address)
    }

    fn cut(&self) {
        self.0.send_replace(false);
    }

    fn mend(&self) {
        self.0.send_replace(true);
    }
}
