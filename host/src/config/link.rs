//! `[links.NAME]`: connections that the hub owns, shared by the devices that name them.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::secret::Secret;

/// A connection. The section's `type` says which kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// `type = "modbus_tcp"`
    ModbusTcp(ModbusTcpLink),
    /// `type = "modbus_rtu"`, `"modbus_ascii"`, `"modbus_rtu_tcp"`
    ModbusLine(ModbusLineLink),
    /// `type = "stream_tcp"`, `"stream_serial"`, `"stream_udp"`, `"stream_listen"`
    Stream(StreamLink),
    /// `type = "mqtt"`
    Mqtt(MqttLink),
    /// `type = "opcua"`
    OpcUa(OpcUaLink),
}

/// Modbus over TCP.
#[derive(Debug, Clone, PartialEq)]
pub struct ModbusTcpLink {
    /// Where the instrument listens. Port 502 unless it is given.
    pub peer: TcpPeer,
    /// Longest wait for an answer. Default 1 s, 10 ms to 60 s.
    pub timeout: Duration,
    /// Pauses before connecting again.
    pub reconnect: Reconnect,
}

/// Modbus on a serial line, or through a converter that passes the line's bytes on.
#[derive(Debug, Clone, PartialEq)]
pub struct ModbusLineLink {
    /// How frames look.
    pub framing: ModbusFraming,
    /// What the line is: a serial port or a TCP connection to a converter.
    pub wire: Wire,
    /// Longest wait for an answer; a device may have its own. Default 1 s, 10 ms to 60 s.
    pub timeout: Duration,
    /// Silence between two frames. Default: 3.5 characters of the line, 1.75 ms above 19,200 baud.
    pub silence: Option<Duration>,
    /// Pause after an answer before the next request, for converters that must turn round. Default 0 s, 0 s to 10 s.
    pub turnaround: Duration,
    /// Pauses before opening the line again, and the longest that a silent device is left alone.
    pub reconnect: Reconnect,
}

/// Frames of Modbus on a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModbusFraming {
    /// Binary, with a CRC.
    Rtu,
    /// Hexadecimal, with an LRC.
    Ascii,
}

/// Bytes of any meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamLink {
    /// What carries them.
    pub wire: Wire,
    /// Longest wait for a reply; a device may have its own. Default 1 s, 10 ms to 60 s.
    pub timeout: Duration,
    /// Shortest pause from the end of one exchange to the next. Default 0 s, 0 s to 60 s.
    pub pause: Duration,
    /// Silence after which the line counts as quiet again when an exchange went wrong. Default 100 ms, 1 ms to 10 s.
    pub quiet: Duration,
    /// Frames that nobody asked for and that wait for a device. Default 1,000, 1 to 1,000,000.
    pub queue: usize,
    /// Pauses before connecting again.
    pub reconnect: Reconnect,
}

/// What carries bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Wire {
    /// A serial port.
    Serial(SerialPort),
    /// A TCP connection that the hub makes.
    Tcp(TcpPeer),
    /// Datagrams to and from one address.
    Udp {
        /// Where to, `host:port`.
        address: String,
    },
    /// A TCP socket where the instrument connects. The newest connection counts.
    Listen {
        /// Where to listen, `host:port`.
        listen: String,
        /// Addresses that may connect; none: any.
        from: Vec<String>,
    },
}

/// A serial port.
#[derive(Debug, Clone, PartialEq)]
pub struct SerialPort {
    /// The device file.
    pub port: PathBuf,
    /// Bits a second. Default 9,600, 50 to 4,000,000.
    pub baud: u32,
    /// Default 8, 5 to 8.
    pub data_bits: u8,
    /// Default none.
    pub parity: Parity,
    /// Default 1, 1 to 2.
    pub stop_bits: u8,
}

/// The parity bit of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// There is none.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

impl SerialPort {
    /// Time of one character: start bit, data, parity, stop bits.
    pub fn character(&self) -> Duration {
        let parity = if self.parity == Parity::None { 0 } else { 1 };
        let bits = 1 + u32::from(self.data_bits) + parity + u32::from(self.stop_bits);
        Duration::from_secs(1) * bits / self.baud.max(1)
    }
}

/// The other end of a TCP connection that the hub makes.
#[derive(Debug, Clone, PartialEq)]
pub struct TcpPeer {
    /// `host:port`.
    pub address: String,
    /// Longest wait for the connection. Default 3 s, 10 ms to 60 s.
    pub connect_timeout: Duration,
    /// Encryption. Where it is given there is no connection without it.
    pub tls: Option<Tls>,
}

/// Encryption of a TCP connection, and who is at its ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// PEM file of authorities that are trusted besides those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Name that the other end's certificate must have. Default: the host of the address.
    pub server_name: Option<String>,
    /// PEM file of the hub's own certificate, for peers that ask for one.
    pub cert_file: Option<PathBuf>,
    /// PEM file of its key.
    pub key_file: Option<PathBuf>,
}

/// Pauses before connecting again. The pause doubles from the shortest to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// Default 500 ms, 10 ms to 60 s.
    pub min: Duration,
    /// Default 30 s, not under `min`, to 10 min.
    pub max: Duration,
}

/// A session with an MQTT broker.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttLink {
    /// The broker. Port 1883, with TLS 8883, unless it is given.
    pub peer: TcpPeer,
    /// Version of the protocol. Default 5.
    pub version: MqttVersion,
    /// Client identifier; the broker keeps the session under it. Default: names of hub and link.
    pub client_id: String,
    /// Whom the broker knows us as.
    pub user: Option<String>,
    /// What proves it.
    pub password: Option<Secret>,
    /// Longest silence before the client asks whether the broker is there. Default 30 s, 5 s to 10 min.
    pub keep_alive: Duration,
    /// How long the broker keeps the session of an absent hub; 0 s: it does not. Default 7 d, 0 s to 100 d.
    pub session_expiry: Duration,
    /// Largest payload, bytes. Default 256 KiB, 1 B to 64 MiB.
    pub largest: u64,
    /// Most messages a second that are taken. Default 10,000, 1 to 1,000,000.
    pub rate: u32,
    /// Messages that wait for a device. Default 10,000, 1 to 1,000,000.
    pub queue: usize,
    /// Pauses before connecting again.
    pub reconnect: Reconnect,
}

/// Version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttVersion {
    /// 3.1.1
    V3,
    /// 5
    V5,
}

/// A session with an OPC UA server.
#[derive(Debug, Clone, PartialEq)]
pub struct OpcUaLink {
    /// `opc.tcp://host:port/path`.
    pub url: String,
    /// Security policy. It has no default: whoever wants none says so.
    pub policy: OpcUaPolicy,
    /// Whether messages are encrypted besides being signed. Default `sign_and_encrypt`; without meaning when the policy is none.
    pub mode: OpcUaMode,
    /// Who signs in. Default: anonymous.
    pub identity: OpcUaIdentity,
    /// Longest wait for the answer to a service. Default 5 s, 10 ms to 60 s.
    pub timeout: Duration,
    /// Longest wait for the connection. Default 3 s, 10 ms to 60 s.
    pub connect_timeout: Duration,
    /// A session in which nothing at all arrives for so long is built anew. Default 10 s, 1 s to 10 min.
    pub silence: Duration,
    /// How long the server keeps a session without a connection. Default 60 s, 1 s to 1 h.
    pub session_timeout: Duration,
    /// Notifications that wait for a device. Default 100,000, 1 to 10,000,000.
    pub queue: usize,
    /// Pauses before connecting again.
    pub reconnect: Reconnect,
}

/// Security policies of OPC UA that are offered (OPC 10000-7). Those with SHA-1 are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpcUaPolicy {
    /// No security at all.
    None,
    /// Basic256Sha256.
    Basic256Sha256,
    /// Aes128_Sha256_RsaOaep.
    Aes128Sha256RsaOaep,
    /// Aes256_Sha256_RsaPss.
    Aes256Sha256RsaPss,
}

/// What is done to messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpcUaMode {
    /// They are signed.
    Sign,
    /// They are signed and encrypted.
    SignAndEncrypt,
}

/// Who signs in to an OPC UA server.
#[derive(Debug, Clone, PartialEq)]
pub enum OpcUaIdentity {
    /// Nobody by name.
    Anonymous,
    /// A user with a password.
    User {
        /// Name.
        name: String,
        /// Password.
        password: Secret,
    },
    /// Whoever has the key of a certificate.
    Certificate {
        /// PEM or DER file of the certificate.
        cert_file: PathBuf,
        /// PEM file of the key.
        key_file: PathBuf,
    },
}

impl Link {
    /// The section's `type`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Link::ModbusTcp(_) => "modbus_tcp",
            Link::ModbusLine(ModbusLineLink { framing: ModbusFraming::Ascii, .. }) => "modbus_ascii",
            Link::ModbusLine(ModbusLineLink { wire: Wire::Serial(_), .. }) => "modbus_rtu",
            Link::ModbusLine(_) => "modbus_rtu_tcp",
            Link::Stream(link) => match link.wire {
                Wire::Serial(_) => "stream_serial",
                Wire::Tcp(_) => "stream_tcp",
                Wire::Udp { .. } => "stream_udp",
                Wire::Listen { .. } => "stream_listen",
            },
            Link::Mqtt(_) => "mqtt",
            Link::OpcUa(_) => "opcua",
        }
    }

    /// The WIT package through which a plugin reads it.
    pub fn package(&self) -> &'static str {
        match self {
            Link::ModbusTcp(_) | Link::ModbusLine(_) => "tutin:modbus",
            Link::Stream(_) => "tutin:stream",
            Link::Mqtt(_) => "tutin:mqtt",
            Link::OpcUa(_) => "tutin:opcua",
        }
    }

    /// The place outside that only one link may have: a serial port, an address, a client identifier. As the option that names it, and its value.
    pub fn place(&self) -> (&'static str, String) {
        let wire = |wire: &Wire| match wire {
            Wire::Serial(serial) => ("port", serial.port.display().to_string()),
            Wire::Tcp(peer) => ("address", peer.address.clone()),
            Wire::Udp { address } => ("address", address.clone()),
            Wire::Listen { listen, .. } => ("listen", listen.clone()),
        };
        match self {
            Link::ModbusTcp(link) => ("address", link.peer.address.clone()),
            Link::ModbusLine(link) => wire(&link.wire),
            Link::Stream(link) => wire(&link.wire),
            Link::Mqtt(link) => ("client_id", format!("{} at {}", link.client_id, link.peer.address)),
            Link::OpcUa(link) => ("url", link.url.clone()),
        }
    }
}
