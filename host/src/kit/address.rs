//! A link in one word: `tcp://10.0.0.7:502?timeout=2s`. What the scheme means depends on what the driver reads: behind `tcp` and
//! `serial` may be Modbus or any other protocol on a byte stream.
//!
//! ```text
//! tcp://HOST:PORT        modbus_tcp or stream_tcp        udp://HOST:PORT      stream_udp
//! rtu+tcp://HOST:PORT    modbus_rtu_tcp                  listen://HOST:PORT   stream_listen
//! serial:///dev/ttyS0    modbus_rtu or stream_serial     mqtt://HOST:PORT     mqtt
//! ascii:///dev/ttyS0     modbus_ascii                    opc.tcp://HOST:PORT/PATH   opcua
//! ```
//!
//! Behind `?` stand options of the link as in `[links.NAME]` of a hub, joined by `&`.

use toml::{Table, Value};

use crate::kit::site::Unfit;

/// What the schemes are, for people.
const KNOWN: &str = "tcp://, rtu+tcp://, serial://, ascii://, udp://, listen://, mqtt://, opc.tcp://";

/// The options of a link. `usual` is the type that the driver's imports suggest.
pub fn link(text: &str, usual: &str) -> Result<Table, Unfit> {
    let unfit = |reason: String| Unfit::new(format!("--link {text}: {reason}"));
    let (scheme, rest) = text.split_once("://").ok_or_else(|| unfit(format!("it begins with one of {KNOWN}")))?;
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let is_modbus = usual == "modbus_tcp";
    let (kind, member, place) = match (scheme, is_modbus) {
        ("tcp", true) => ("modbus_tcp", "address", place.to_owned()),
        ("tcp", false) => ("stream_tcp", "address", place.to_owned()),
        ("rtu+tcp", _) => ("modbus_rtu_tcp", "address", place.to_owned()),
        ("serial", true) => ("modbus_rtu", "port", place.to_owned()),
        ("serial", false) => ("stream_serial", "port", place.to_owned()),
        ("ascii", _) => ("modbus_ascii", "port", place.to_owned()),
        ("udp", _) => ("stream_udp", "address", place.to_owned()),
        ("listen", _) => ("stream_listen", "listen", place.to_owned()),
        ("mqtt", _) => ("mqtt", "address", place.to_owned()),
        ("opc.tcp", _) => ("opcua", "url", format!("opc.tcp://{place}")),
        _ => return Err(unfit(format!("{scheme} is none of {KNOWN}"))),
    };
    let mut link = Table::from_iter([("type".to_owned(), kind.into()), (member.to_owned(), place.into())]);
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = pair(option).map_err(unfit)?;
        link.insert(name, value);
    }
    Ok(link)
}

/// `NAME=VALUE`; the value as TOML writes it, and a text needs no quotes.
pub fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    let read = toml::from_str::<Table>(&format!("value = {value}")).ok().and_then(|mut table| table.remove("value"));
    Ok((name.trim().to_owned(), read.unwrap_or_else(|| Value::String(value.to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scheme_means_depends_on_what_the_driver_reads() {
        let check = |text, usual, expected: &str| {
            assert_eq!(link(text, usual).unwrap(), toml::from_str::<Table>(expected).unwrap(), "{text}");
        };
        check(
            "tcp://10.0.0.7:502?timeout=2s",
            "modbus_tcp",
            "type = \"modbus_tcp\"\naddress = \"10.0.0.7:502\"\ntimeout = \"2s\"",
        );
        check("tcp://[::1]:9880", "stream_tcp", "type = \"stream_tcp\"\naddress = \"[::1]:9880\"");
        check(
            "serial:///dev/ttyS0?baud=9600&parity=even",
            "stream_tcp",
            "type = \"stream_serial\"\nport = \"/dev/ttyS0\"\nbaud = 9600\nparity = \"even\"",
        );
        check(
            "opc.tcp://h:4840/x?policy=none",
            "opcua",
            "type = \"opcua\"\nurl = \"opc.tcp://h:4840/x\"\npolicy = \"none\"",
        );
        for wrong in ["10.0.0.7:502", "ftp://h", "tcp://h?timeout"] {
            assert!(link(wrong, "modbus_tcp").unwrap_err().to_string().contains(wrong));
        }
    }
}
