//! Promises of the pieces; what a real server makes of them is in the scenarios.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opcua::crypto::SecurityPolicy;
use opcua::types::{
    Array, DataValue, DateTime, EndpointDescription, ExpandedNodeId, LocalizedText, MessageSecurityMode, NodeId,
    StatusCode, UAString, UserTokenPolicy, UserTokenType, Variant, VariantScalarTypeId,
};

use super::bindings::tutin::opcua::client::{self as contract, Node, Notification, Value};
use super::certificate::Own;
use super::establish::Plan;
use super::identity::User;
use super::node::{Namespaces, NodeError, parse, show};
use super::reading::{From, from, resume_after};
use super::seat::{Seat, Wanted as WantedNodes};
use super::transport::address;
use super::trust::{Distrust, TrustList};
use super::value::{data_value, from_server, is_overflow, nanos, tick_from};
use super::variant::{Kind, Wanted, to_server};
use super::{Connection, Fault, Link};
use crate::capability::wire::{Memory, Trace};
use crate::capability::{Addressing, Plug, Surroundings, UNPLUGGED};
use crate::config::model::{OpcUaIdentity, OpcUaLink, OpcUaMode, OpcUaPolicy, Reconnect};
use crate::config::secret::Secret;

const VENDOR: &str = "http://vendor.example/";

fn namespaces(uris: &[&str]) -> Namespaces {
    Namespaces::new(uris.iter().map(|uri| (*uri).to_owned()).collect())
}

fn usual() -> Namespaces {
    namespaces(&["http://opcfoundation.org/UA/", "urn:server", VENDOR])
}

fn node(namespace: &str, identifier: &str) -> Node {
    Node { namespace: namespace.into(), identifier: identifier.into() }
}

fn settings(url: &str) -> OpcUaLink {
    OpcUaLink {
        url: url.into(),
        policy: OpcUaPolicy::None,
        mode: OpcUaMode::SignAndEncrypt,
        identity: OpcUaIdentity::Anonymous,
        timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(200),
        silence: Duration::from_secs(10),
        session_timeout: Duration::from_secs(60),
        queue: 100,
        reconnect: Reconnect { min: Duration::from_secs(60), max: Duration::from_secs(60) },
    }
}

fn connection(url: &str, plug: Plug) -> Arc<Connection> {
    let surroundings = Surroundings { pki: std::env::temp_dir().join("tutin-no-pki"), hub: "hub".into(), plug };
    Arc::new(Connection::new("analyzer", settings(url), &surroundings))
}

fn device(connection: &Arc<Connection>) -> Link {
    let addressing = Addressing {
        device: "o2".into(),
        unit: 1,
        more_units: Vec::new(),
        timeout: None,
        topics: Vec::new(),
        publish_topics: Vec::new(),
    };
    Link::new(Arc::clone(connection), &addressing)
}

#[test]
fn a_node_has_the_index_that_this_server_gives_its_namespace() {
    let stack = node(VENDOR, "s=Stack1.NO2");
    for (uris, index) in [(vec!["http://opcfoundation.org/UA/", VENDOR], 1), (vec!["x", "y", "z", VENDOR], 3)] {
        let namespaces = namespaces(&uris);
        let id = namespaces.to_server(&stack).unwrap();
        assert_eq!(id, NodeId::new(index, "Stack1.NO2"));
        assert_eq!(show(&namespaces.to_plugin(&id)), "nsu=http://vendor.example/;s=Stack1.NO2");
    }
}

#[test]
fn every_kind_of_identifier_goes_there_and_back() {
    let namespaces = usual();
    for text in [
        "i=85",
        "nsu=http://vendor.example/;i=4294967295",
        "nsu=http://vendor.example/;s=a=b;c",
        "nsu=urn:server;g=09087e75-8e5e-499b-954f-f2a9603db28a",
        "nsu=urn:server;b=M/RbKBsRVkePCePcx24oRA==",
    ] {
        let id = namespaces.to_server(&parse(text).unwrap()).unwrap();
        assert_eq!(show(&namespaces.to_plugin(&id)), text);
    }
    let elsewhere =
        ExpandedNodeId { namespace_uri: UAString::from("urn:other"), ..ExpandedNodeId::from(NodeId::new(0, 7)) };
    assert_eq!(show(&namespaces.expanded(&elsewhere)), "nsu=urn:other;i=7");
    assert_eq!(namespaces.to_server(&node("http://opcfoundation.org/UA/", "i=85")), Ok(NodeId::new(0, 85)));
}

#[test]
fn a_node_that_is_not_the_servers_is_named_in_the_error() {
    let unknown = usual().to_server(&node("urn:nobody", "i=1")).unwrap_err();
    assert_eq!(unknown.to_string(), r#"the server has no namespace "urn:nobody""#);
    for text in ["", "85", "x=1", "i=", "i=-1", "i=+1", "i=4294967296", "s=", "g=1", "b=*"] {
        let error = usual().to_server(&node("", text)).unwrap_err();
        assert!(matches!(&error, NodeError::Malformed(named, _) if named == text), "{text}: {error}");
    }
    assert!(parse("ns=2;s=Stack1").unwrap_err().to_string().contains("URI"));
}

#[test]
fn a_float_arrives_bit_for_bit() {
    for bits in [0x3dcc_cccd_u32, 0x7f80_0001, 0xffc1_2345, 0x8000_0000, 0x0000_0001] {
        let value = from_server(&Variant::Float(f32::from_bits(bits)), &usual());
        assert!(matches!(value, Value::Float(float) if float.to_bits() == bits), "{bits:#x}");
    }
}

#[test]
fn numbers_in_arrays_are_exact_or_in_words() {
    let array = |kind, values: Vec<Variant>| Variant::Array(Box::new(Array::new(kind, values).unwrap()));
    let exact = array(VariantScalarTypeId::Int64, vec![Variant::Int64(-1), Variant::Int64(1 << 53)]);
    assert!(
        matches!(from_server(&exact, &usual()), Value::Numbers(numbers) if numbers == [-1.0, 9_007_199_254_740_992.0])
    );
    let inexact = array(VariantScalarTypeId::UInt64, vec![Variant::UInt64(1), Variant::UInt64((1 << 53) + 1)]);
    assert!(matches!(from_server(&inexact, &usual()), Value::Texts(texts) if texts == ["1", "9007199254740993"]));
    let texts = array(VariantScalarTypeId::LocalizedText, vec![LocalizedText::new("en", "low").into()]);
    assert!(matches!(from_server(&texts, &usual()), Value::Texts(texts) if texts == ["low"]));
}

#[test]
fn times_are_nanoseconds_or_nothing() {
    let at = 1_767_323_045_678_901_200;
    assert_eq!(nanos(&tick_from(at)), Some(at));
    assert_eq!(nanos(&tick_from(at + 1)), Some(at + 100), "a tick is never before the moment");
    assert_eq!(nanos(&tick_from(-1)), Some(0));
    let value = DataValue {
        value: Some(Variant::Int32(-5)),
        source_timestamp: Some(tick_from(at)),
        source_picoseconds: Some(4_200),
        server_timestamp: Some(DateTime::null()),
        ..DataValue::null()
    };
    let value = data_value(&value, &usual());
    assert!(matches!(value.value, Value::Integer(-5)));
    assert_eq!((value.status, value.source_time, value.server_time), (0, at + 42, 0));
    assert!(matches!(from_server(&Variant::DateTime(Box::new(DateTime::endtimes())), &usual()), Value::Other(_)));
}

#[test]
fn only_the_overflow_bit_of_a_data_value_says_that_values_were_dropped() {
    for (status, overflow) in
        [(0x0000_0480, true), (0x8000_0480, true), (0x0000_0080, false), (0x0000_0400, false), (0, false)]
    {
        assert_eq!(is_overflow(status), overflow, "{status:#x}");
    }
}

#[test]
fn a_value_is_written_in_the_variables_type_or_refused() {
    use VariantScalarTypeId as Id;
    let fits = |value: Value, kind| to_server(&value, Wanted::Scalar(Kind::Of(kind)), &usual());
    assert_eq!(fits(Value::Integer(255), Id::Byte), Ok(Variant::Byte(255)));
    assert_eq!(fits(Value::Unsigned(7), Id::Int16), Ok(Variant::Int16(7)));
    assert_eq!(fits(Value::Double(3.0), Id::UInt32), Ok(Variant::UInt32(3)));
    assert_eq!(fits(Value::Double(0.1), Id::Float), Ok(Variant::Float(0.1)));
    assert_eq!(fits(Value::Float(0.1), Id::Double), Ok(Variant::Double(f64::from(0.1_f32))));
    assert_eq!(fits(Value::Integer(-3), Id::Double), Ok(Variant::Double(-3.0)));
    assert_eq!(fits(Value::Text("on".into()), Id::LocalizedText), Ok(LocalizedText::new("", "on").into()));
    assert_eq!(fits(Value::Time(100), Id::DateTime), Ok(Variant::DateTime(Box::new(tick_from(100)))));
    for (value, kind, sentence) in [
        (Value::Integer(256), Id::Byte, "256 does not fit Byte"),
        (Value::Integer(-1), Id::UInt64, "-1 does not fit UInt64"),
        (Value::Double(1.5), Id::Int32, "1.5 does not fit Int32"),
        (Value::Double(f64::NAN), Id::Int32, "NaN does not fit Int32"),
        (Value::Double(1e39), Id::Float, "1000000000000000000000000000000000000000 does not fit Float"),
        (Value::Integer(16_777_217), Id::Float, "16777217 does not fit Float"),
        (Value::Integer(1), Id::Boolean, "1 does not fit Boolean"),
        (Value::Text("1".into()), Id::Int32, r#""1" does not fit Int32"#),
        (Value::Numbers(vec![1.0]), Id::Double, "1 numbers do not fit a single value"),
        (Value::Empty, Id::Double, "nothing does not fit Double"),
    ] {
        assert_eq!(fits(value, kind), Err(sentence.to_owned()));
    }
    let many = |value| to_server(&value, Wanted::Array(Kind::Of(Id::Int16)), &usual());
    assert!(
        matches!(many(Value::Numbers(vec![1.0, -2.0])), Ok(Variant::Array(array)) if array.values == [Variant::Int16(1), Variant::Int16(-2)])
    );
    assert_eq!(many(Value::Numbers(vec![40_000.0])), Err("40000 does not fit Int16".into()));
    assert_eq!(many(Value::Integer(1)), Err("1 does not fit an array".into()));
}

fn endpoint(
    policy: SecurityPolicy,
    mode: MessageSecurityMode,
    tokens: &[(UserTokenType, &str)],
) -> EndpointDescription {
    let token = |(token_type, uri): &(UserTokenType, &str)| UserTokenPolicy {
        policy_id: UAString::from(format!("{token_type:?} {uri}")),
        token_type: *token_type,
        security_policy_uri: UAString::from(*uri),
        ..UserTokenPolicy::default()
    };
    EndpointDescription {
        security_policy_uri: UAString::from(policy.to_uri()),
        security_mode: mode,
        user_identity_tokens: Some(tokens.iter().map(token).collect()),
        ..EndpointDescription::default()
    }
}

#[test]
fn a_password_is_never_sent_in_clear_text() {
    use MessageSecurityMode as Mode;
    use SecurityPolicy as Policy;
    let identity = OpcUaIdentity::User { name: "op".into(), password: Secret::new("test", "secret") };
    let (none, strong) = (Policy::None.to_uri(), Policy::Basic256Sha256.to_uri());
    let weak = Policy::Basic128Rsa15.to_uri();
    for (policy, mode, token, is_sent) in [
        (Policy::None, Mode::None, "", false),
        (Policy::None, Mode::None, none, false),
        (Policy::None, Mode::None, weak, false),
        (Policy::None, Mode::None, strong, true),
        (Policy::Aes256Sha256RsaPss, Mode::Sign, none, false),
        (Policy::Aes256Sha256RsaPss, Mode::Sign, "", true),
        (Policy::Aes256Sha256RsaPss, Mode::SignAndEncrypt, none, true),
        (Policy::Aes256Sha256RsaPss, Mode::SignAndEncrypt, "", true),
    ] {
        let endpoint = endpoint(policy, mode, &[(UserTokenType::UserName, token)]);
        match User::at(&identity, &endpoint) {
            Ok(user) => assert!(
                is_sent && (user.needs_certificate() || mode == Mode::SignAndEncrypt),
                "{policy} {mode} {token:?}"
            ),
            Err(reason) => assert!(!is_sent && reason.contains("clear text"), "{policy} {mode} {token:?}: {reason}"),
        }
    }
}

#[test]
fn a_user_whom_the_endpoint_does_not_take_is_told_so() {
    let endpoint = endpoint(SecurityPolicy::None, MessageSecurityMode::None, &[(UserTokenType::UserName, "")]);
    let refusal = User::at(&OpcUaIdentity::Anonymous, &endpoint).err();
    assert_eq!(refusal.as_deref(), Some("the server's endpoint takes no anonymous users"));
}

#[test]
fn a_weaker_endpoint_than_the_configured_one_is_never_taken() {
    use MessageSecurityMode as Mode;
    use SecurityPolicy as Policy;
    let plan = |policy, mode| Plan {
        link: "analyzer".into(),
        settings: OpcUaLink { policy, mode, ..settings("opc.tcp://analyzer/") },
        pki: "pki".into(),
        hub: "hub".into(),
        trace: Arc::new(Trace::new("analyzer")),
    };
    let offered = || {
        let weaker = [
            (Policy::None, Mode::None),
            (Policy::Basic256Sha256, Mode::Sign),
            (Policy::Basic256, Mode::SignAndEncrypt),
        ];
        weaker.map(|(policy, mode)| endpoint(policy, mode, &[])).to_vec()
    };
    let refusal = plan(OpcUaPolicy::Basic256Sha256, OpcUaMode::SignAndEncrypt).choose(offered()).unwrap_err();
    assert!(
        refusal.contains("no endpoint with policy Basic256Sha256 and mode SignAndEncrypt; it has: Basic256 "),
        "{refusal}"
    );
    let signed = plan(OpcUaPolicy::Basic256Sha256, OpcUaMode::Sign).choose(offered()).unwrap();
    assert_eq!((signed.security_mode, signed.endpoint_url.as_ref()), (Mode::Sign, "opc.tcp://analyzer/"));
}

#[test]
fn only_the_very_certificate_that_was_trusted_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let [server, impostor] = ["a", "b"].map(|pki| Own::read_or_make(&folder.path().join(pki), "analyzer").unwrap());
    let list = TrustList::new(&folder.path().join("hub"));
    let check = |own: &Own| list.check(&own.certificate, SecurityPolicy::Aes256Sha256RsaPss);

    let refusal = check(&server).unwrap_err();
    let Distrust::Unknown { file, .. } = &refusal else { panic!("{refusal}") };
    assert!(refusal.to_string().contains(&format!("run `tutin opcua trust {file}`")), "{refusal}");
    let (name, _) = list.trust(file.as_ref()).unwrap();
    check(&server).unwrap();
    assert!(matches!(check(&impostor), Err(Distrust::Unknown { .. })), "the same name is not the same certificate");
    let [trusted, refused] = list.list().unwrap();
    assert_eq!((trusted.len(), refused.len()), (1, 1));
    list.remove(&name).unwrap();
    assert!(matches!(check(&server), Err(Distrust::Unknown { .. })));
}

#[test]
fn the_own_certificate_is_made_once_and_its_key_is_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let made = Own::read_or_make(folder.path(), "hub, or: \"odd\" + name").unwrap();
    let read = Own::read_or_make(folder.path(), "renamed").unwrap();
    assert_eq!(made.certificate.as_byte_string(), read.certificate.as_byte_string());
    assert_eq!(made.uri, read.uri, "the name in the certificate stays when the hub is renamed");
    assert!(made.uri.starts_with("urn:") && made.uri.ends_with(":tutin:hub--or---odd----name"), "{}", made.uri);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join("own/key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}

#[test]
fn the_port_of_an_address_may_be_left_out() {
    for (url, expected) in [
        ("opc.tcp://analyzer", "analyzer:4840"),
        ("opc.tcp://10.0.0.7:48010/UA/Server", "10.0.0.7:48010"),
        ("opc.tcp://[fd00::7]/x", "[fd00::7]:4840"),
        ("opc.tcp://[fd00::7]:4841", "[fd00::7]:4841"),
    ] {
        assert_eq!(address(url), expected);
    }
}

fn at(time: i64) -> contract::DataValue {
    contract::DataValue { value: Value::Double(1.0), status: 0, source_time: time, server_time: 0 }
}

#[test]
fn a_history_without_continuation_points_goes_on_after_what_was_handed_out() {
    let next = resume_after(&[at(5), at(9), at(9)]);
    assert!(matches!(from(&next), Some(From::Time(9, 2))));
    assert!(matches!(from(&[0, 1, 2]), Some(From::Point(point)) if point.as_ref() == [1, 2]));
    assert!(matches!(from(&[]), Some(From::Begin)));
    assert!(from(&[1, 2]).is_none() && from(&[9]).is_none());
}

#[test]
fn notifications_of_a_list_that_was_replaced_are_not_handed_out() {
    let wanted = || WantedNodes::new(vec![node("", "i=1")], Duration::ZERO, Duration::ZERO, 1);
    let seat = Seat::new("o2".into(), 10);
    let note = |item| vec![Notification { item, value: at(1) }];
    seat.want(wanted(), None);
    let old = seat.wanted().unwrap().list;
    seat.deliver(old, note(7));
    seat.want(wanted(), None);
    let new = seat.wanted().unwrap().list;
    seat.refuse(old, vec![(1, 2)]);
    seat.refuse(new, vec![(3, StatusCode::BadNodeIdUnknown.bits())]);
    seat.deliver(old, note(8));
    seat.deliver(new, note(9));
    seat.lost(4, "for the test");

    let taken = seat.take(100);
    assert_eq!(taken.notifications.iter().map(|note| note.item).collect::<Vec<_>>(), [9]);
    assert_eq!((taken.refused, taken.lost, taken.more), (vec![(3, 0x8034_0000)], 4, false));
    seat.not_kept();
    assert_eq!(seat.take(100).notifications.len(), 1, "what was not kept comes again");
}

#[test]
fn a_driver_that_takes_over_goes_on_with_the_same_list_and_is_told_what_stands() {
    let wanted =
        |queue| WantedNodes::new(vec![node("", "i=1"), node("", "i=2")], Duration::ZERO, Duration::ZERO, queue);
    let seat = Seat::new("o2".into(), 10);
    let times = |seat: &Seat| -> Vec<(u32, i64)> {
        seat.take(100).notifications.iter().map(|note| (note.item, note.value.source_time)).collect()
    };
    seat.want(wanted(1), None);
    let list = seat.wanted().unwrap().list;
    seat.refuse(list, vec![(1, StatusCode::BadNodeIdUnknown.bits())]);
    seat.deliver(list, vec![Notification { item: 0, value: at(1) }, Notification { item: 0, value: at(2) }]);
    assert_eq!(times(&seat), [(0, 1), (0, 2)]);
    seat.kept();
    seat.deliver(list, vec![Notification { item: 0, value: at(3) }]);

    seat.want(wanted(1), Some(Memory::Kept));
    assert_eq!(times(&seat), [(0, 3)], "what waited is for whoever takes over, and nothing is told twice");
    seat.kept();
    seat.want(wanted(1), Some(Memory::None));
    assert_eq!(seat.wanted().unwrap().list, list, "the server was asked for another subscription");
    let taken = seat.take(100);
    assert_eq!((taken.notifications[0].value.source_time, taken.refused.len()), (3, 1), "it is not told what stands");
    seat.lost(1, "for the test");
    seat.want(wanted(1), Some(Memory::None));
    assert_ne!(seat.wanted().unwrap().list, list, "what stands is not known after a loss");
    let second = seat.wanted().unwrap().list;
    seat.want(wanted(2), Some(Memory::Kept));
    assert_ne!(seat.wanted().unwrap().list, second);
}

#[tokio::test]
async fn nothing_is_connected_without_a_plug() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connection = connection(&format!("opc.tcp://{}", listener.local_addr().unwrap()), Plug::Out);
    let link = device(&connection);
    link.subscribe(vec![node("", "i=2258")], 100, 100, 1).unwrap();
    let refusal = link.session().await.err();
    assert_eq!(refusal, Some(Fault::Closed(UNPLUGGED.into())));
    let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(accepted.is_err(), "it connected");
}

#[tokio::test]
async fn while_the_hub_waits_to_connect_again_the_reason_comes_at_once() {
    // Somebody listens and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connection = connection(&format!("opc.tcp://{}/x", listener.local_addr().unwrap()), Plug::In);
    let link = device(&connection);
    let Some(Fault::Closed(reason)) = link.session().await.err() else { panic!("a session without a server") };
    assert!(reason.ends_with("the server does not answer within 0.4 s"), "{reason}");
    let asked = Instant::now();
    assert_eq!(link.session().await.err(), Some(Fault::Closed(reason)));
    assert!(asked.elapsed() < Duration::from_millis(100), "it waited {:?}", asked.elapsed());
}

#[tokio::test]
async fn a_link_that_is_closed_stays_closed() {
    let connection = connection("opc.tcp://127.0.0.1:1", Plug::In);
    let link = device(&connection);
    assert!(link.session().await.is_err());
    let never_used = self::connection("opc.tcp://127.0.0.1:1", Plug::In);
    connection.close().await;
    never_used.close().await;
    let closed = Some(Fault::Closed("the hub has closed the link".into()));
    assert_eq!(link.session().await.err(), closed);
    assert_eq!(device(&never_used).session().await.err(), closed);
}

#[test]
fn arguments_of_a_guest_are_checked_before_anything_is_sent() {
    let connection = connection("opc.tcp://127.0.0.1:1", Plug::Out);
    let link = device(&connection);
    for (nodes, publishing, word) in [
        (vec![node("", "x=1")], 1000, "x=1"),
        (vec![node("", "i=1")], u32::MAX, "publishing-ms"),
        (vec![node("", "i=1"); 100_001], 1000, "100001 nodes"),
    ] {
        let refusal = link.subscribe(nodes, 0, publishing, 0).unwrap_err();
        assert!(matches!(&refusal, Fault::BadRequest(text) if text.contains(word)), "{refusal}");
    }
}
