//! `[links.NAME]`.

use std::time::Duration;

use crate::config::kind::{Address, Choice, FilePath, List, SecretReference, Size, Span, Text, Url, Whole};
use crate::config::mistake::Mistake;
use crate::config::model::{
    Link, ModbusFraming, ModbusLineLink, ModbusTcpLink, MqttLink, MqttVersion, OpcUaIdentity, OpcUaLink, OpcUaMode,
    OpcUaPolicy, Parity, Reconnect, SerialPort, StreamLink, TcpPeer, Tls, Wire,
};
use crate::config::quantity::show_duration;
use crate::config::section::Section;

#[derive(Clone, Copy)]
enum LinkType {
    ModbusTcp,
    ModbusLine(ModbusFraming, WireType),
    Stream(WireType),
    Mqtt,
    OpcUa,
}

#[derive(Clone, Copy)]
enum WireType {
    Serial,
    Tcp,
    Udp,
    Listen,
}

const TYPES: Choice<LinkType> = Choice {
    what: "link type",
    words: &[
        ("modbus_tcp", LinkType::ModbusTcp),
        ("modbus_rtu", LinkType::ModbusLine(ModbusFraming::Rtu, WireType::Serial)),
        ("modbus_ascii", LinkType::ModbusLine(ModbusFraming::Ascii, WireType::Serial)),
        ("modbus_rtu_tcp", LinkType::ModbusLine(ModbusFraming::Rtu, WireType::Tcp)),
        ("stream_tcp", LinkType::Stream(WireType::Tcp)),
        ("stream_serial", LinkType::Stream(WireType::Serial)),
        ("stream_udp", LinkType::Stream(WireType::Udp)),
        ("stream_listen", LinkType::Stream(WireType::Listen)),
        ("mqtt", LinkType::Mqtt),
        ("opcua", LinkType::OpcUa),
    ],
};
const PARITIES: Choice<Parity> =
    Choice { what: "parity", words: &[("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)] };
const VERSIONS: Choice<MqttVersion> =
    Choice { what: "version of MQTT", words: &[("3.1.1", MqttVersion::V3), ("5", MqttVersion::V5)] };
const POLICIES: Choice<OpcUaPolicy> = Choice {
    what: "security policy",
    words: &[
        ("none", OpcUaPolicy::None),
        ("basic256_sha256", OpcUaPolicy::Basic256Sha256),
        ("aes128_sha256_rsa_oaep", OpcUaPolicy::Aes128Sha256RsaOaep),
        ("aes256_sha256_rsa_pss", OpcUaPolicy::Aes256Sha256RsaPss),
    ],
};
const MODES: Choice<OpcUaMode> = Choice {
    what: "security mode",
    words: &[("sign", OpcUaMode::Sign), ("sign_and_encrypt", OpcUaMode::SignAndEncrypt)],
};
const PEM: FilePath = FilePath { what: "the path of a PEM file", except: None };
const NO_PORT: u16 = 0;

pub(super) fn link(section: &mut Section<'_, '_>, hub: &str, name: &str) -> Option<Link> {
    match section.variant("type", &TYPES)? {
        LinkType::ModbusTcp => modbus_tcp(section).map(Link::ModbusTcp),
        LinkType::ModbusLine(framing, wire) => modbus_line(section, framing, wire).map(Link::ModbusLine),
        LinkType::Stream(wire) => stream(section, wire).map(Link::Stream),
        LinkType::Mqtt => mqtt(section, &format!("{hub}-{name}")).map(Link::Mqtt),
        LinkType::OpcUa => opcua(section).map(Link::OpcUa),
    }
}

fn modbus_tcp(section: &mut Section<'_, '_>) -> Option<ModbusTcpLink> {
    let peer = tcp_peer(section, 502);
    let timeout = timeout(section, "1s");
    let reconnect = reconnect(section);
    Some(ModbusTcpLink { peer: peer?, timeout: timeout?, reconnect: reconnect? })
}

fn modbus_line(section: &mut Section<'_, '_>, framing: ModbusFraming, kind: WireType) -> Option<ModbusLineLink> {
    let wire = wire(section, kind);
    let timeout = timeout(section, "1s");
    let silence = section.optional("silence", &Span::millis(0, 1_000));
    let turnaround = section.or("turnaround", &Span::millis(0, 10_000), "0s");
    let reconnect = reconnect(section);
    Some(ModbusLineLink {
        framing,
        wire: wire?,
        timeout: timeout?,
        silence: silence?,
        turnaround: turnaround?,
        reconnect: reconnect?,
    })
}

fn stream(section: &mut Section<'_, '_>, kind: WireType) -> Option<StreamLink> {
    let wire = wire(section, kind);
    let timeout = timeout(section, "1s");
    let pause = section.or("pause", &Span::millis(0, 60_000), "0s");
    let quiet = section.or("quiet", &Span::millis(1, 10_000), "100ms");
    let queue = section.or("queue", &Whole::from_to(1, 1_000_000), "1000");
    let reconnect = reconnect(section);
    Some(StreamLink {
        wire: wire?,
        timeout: timeout?,
        pause: pause?,
        quiet: quiet?,
        queue: queue?,
        reconnect: reconnect?,
    })
}

fn mqtt(section: &mut Section<'_, '_>, client: &str) -> Option<MqttLink> {
    // Whether there is encryption decides which port is meant when none is written.
    let peer = tcp_peer(section, if section.has("tls") { 8883 } else { 1883 });
    let version = section.or("version", &VERSIONS, "5");
    let client_id = section.or("client_id", &Text::ANY, client);
    let user = section.optional("user", &Text::ANY);
    let password = section.optional("password", &SecretReference);
    let keep_alive = section.or("keep_alive", &Span::millis(5_000, 600_000), "30s");
    let session_expiry = section.or("session_expiry", &Span::millis(0, 8_640_000_000), "7d");
    let largest = section.or("largest", &Size { min: 1, max: 64 << 20 }, "256KiB");
    let rate = section.or("rate", &Whole::from_to(1, 1_000_000), "10000");
    let queue = section.or("queue", &Whole::from_to(1, 1_000_000), "10000");
    let reconnect = reconnect(section);
    Some(MqttLink {
        peer: peer?,
        version: version?,
        client_id: client_id?,
        user: user?,
        password: password?,
        keep_alive: keep_alive?,
        session_expiry: session_expiry?,
        largest: largest?,
        rate: rate?,
        queue: queue?,
        reconnect: reconnect?,
    })
}

fn opcua(section: &mut Section<'_, '_>) -> Option<OpcUaLink> {
    let url = section.required("url", &Url { schemes: &["opc.tcp"] });
    let policy = section.required("policy", &POLICIES);
    let mode = section.or("mode", &MODES, "sign_and_encrypt");
    let identity = identity(section);
    let timeout = timeout(section, "5s");
    let connect_timeout = section.or("connect_timeout", &Span::millis(10, 60_000), "3s");
    let silence = section.or("silence", &Span::millis(1_000, 600_000), "10s");
    let session_timeout = section.or("session_timeout", &Span::millis(1_000, 3_600_000), "1min");
    let queue = section.or("queue", &Whole::from_to(1, 10_000_000), "100000");
    let reconnect = reconnect(section);
    Some(OpcUaLink {
        url: url?,
        policy: policy?,
        mode: mode?,
        identity: identity?,
        timeout: timeout?,
        connect_timeout: connect_timeout?,
        silence: silence?,
        session_timeout: session_timeout?,
        queue: queue?,
        reconnect: reconnect?,
    })
}

fn identity(section: &mut Section<'_, '_>) -> Option<OpcUaIdentity> {
    let user = section.optional("user", &Text::ANY);
    let password = section.optional("password", &SecretReference);
    let cert_file = file(section, "cert_file");
    let key_file = file(section, "key_file");
    match (user?, password?, cert_file?, key_file?) {
        (None, None, None, None) => Some(OpcUaIdentity::Anonymous),
        (Some(name), Some(password), None, None) => Some(OpcUaIdentity::User { name, password }),
        (None, None, Some(cert_file), Some(key_file)) => Some(OpcUaIdentity::Certificate { cert_file, key_file }),
        _ => {
            section.note("user", Mistake::HalfIdentity);
            None
        }
    }
}

fn wire(section: &mut Section<'_, '_>, kind: WireType) -> Option<Wire> {
    match kind {
        WireType::Serial => serial_port(section).map(Wire::Serial),
        WireType::Tcp => tcp_peer(section, NO_PORT).map(Wire::Tcp),
        WireType::Udp => {
            let address = section.required("address", &Address { port: NO_PORT })?;
            Some(Wire::Udp { address })
        }
        WireType::Listen => {
            let listen = section.required("listen", &Address { port: NO_PORT });
            let from = section.or("from", &List::of(Text::IP), "[]");
            Some(Wire::Listen { listen: listen?, from: from? })
        }
    }
}

fn serial_port(section: &mut Section<'_, '_>) -> Option<SerialPort> {
    let port = section.required("port", &FilePath { what: "the path of a serial port", except: None });
    let baud = section.or("baud", &Whole::from_to(50, 4_000_000), "9600");
    let data_bits = section.or("data_bits", &Whole::from_to(5, 8), "8");
    let parity = section.or("parity", &PARITIES, "none");
    let stop_bits = section.or("stop_bits", &Whole::from_to(1, 2), "1");
    Some(SerialPort { port: port?, baud: baud?, data_bits: data_bits?, parity: parity?, stop_bits: stop_bits? })
}

/// A peer with the port of its protocol; 0: it must be written.
fn tcp_peer(section: &mut Section<'_, '_>, port: u16) -> Option<TcpPeer> {
    let address = section.required("address", &Address { port });
    let connect_timeout = section.or("connect_timeout", &Span::millis(10, 60_000), "3s");
    let tls = section.optional_part("tls", tls);
    Some(TcpPeer { address: address?, connect_timeout: connect_timeout?, tls: tls? })
}

fn tls(section: &mut Section<'_, '_>) -> Option<Tls> {
    let ca_file = file(section, "ca_file");
    let server_name = section.optional("server_name", &Text::ANY);
    let cert_file = file(section, "cert_file");
    let key_file = file(section, "key_file");
    let (cert_file, key_file) = (cert_file?, key_file?);
    if cert_file.is_some() != key_file.is_some() {
        section.note("cert_file", Mistake::HalfCertificate);
        return None;
    }
    Some(Tls { ca_file: ca_file?, server_name: server_name?, cert_file, key_file })
}

fn file(section: &mut Section<'_, '_>, key: &'static str) -> Option<Option<std::path::PathBuf>> {
    let file = section.optional(key, &PEM)?;
    if let Some(file) = &file {
        section.note_file(key, file);
    }
    Some(file)
}

fn timeout(section: &mut Section<'_, '_>, default: &str) -> Option<Duration> {
    section.or("timeout", &Span::millis(10, 60_000), default)
}

fn reconnect(section: &mut Section<'_, '_>) -> Option<Reconnect> {
    let min = section.or("reconnect_min", &Span::millis(10, 60_000), "500ms");
    let max = section.or("reconnect_max", &Span::millis(10, 600_000), "30s");
    let (min, max) = min_and_max(section, ("reconnect_min", min), ("reconnect_max", max))?;
    Some(Reconnect { min, max })
}

/// The shortest and the longest pause, if the longest is not the shorter one.
pub(super) fn min_and_max(
    section: &mut Section<'_, '_>,
    (min_key, min): (&'static str, Option<Duration>),
    (max_key, max): (&'static str, Option<Duration>),
) -> Option<(Duration, Duration)> {
    let (min, max) = (min?, max?);
    if max >= min {
        return Some((min, max));
    }
    let (longest, shortest) = (show_duration(max), show_duration(min));
    let written = if section.has(max_key) { max_key } else { min_key };
    section.note(written, Mistake::MaxUnderMin { longest_key: max_key, longest, shortest_key: min_key, shortest });
    None
}
