//! Where a peer is.

use crate::config::kind::{Fault, Kind, Scope, text_of};
use crate::config::mistake::Mistake;
use crate::config::tree::Node;

/// `host:port` with a port to fall back to, 0 when it must be written. The value always has one.
pub(crate) struct Address {
    pub port: u16,
}

impl Kind for Address {
    type Value = String;

    fn expected(&self) -> String {
        format!("an address host:port such as \"10.0.0.5:{}\"", if self.port == 0 { 4001 } else { self.port })
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<String, Vec<Fault>> {
        let text = text_of(node, &|| self.expected())?;
        let malformed = |advice: &str| {
            let advice = Some(advice.to_owned());
            vec![Mistake::Malformed { found: text.to_owned(), expected: self.expected(), advice }.into()]
        };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            Some(_) if !text.ends_with(']') => {
                return Err(malformed("an IPv6 address stands in brackets: [::1]:502"));
            }
            _ => (text, None),
        };
        if !is_host(host) {
            return Err(malformed("a host is a name or an IP address, without scheme, path and spaces"));
        }
        let number: u16 = match port {
            None if self.port == 0 => return Err(malformed("the port must be written: there is no usual one")),
            None => self.port,
            Some(port) => port
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| malformed("a port is an integer from 1 to 65535"))?,
        };
        Ok(format!("{host}:{number}"))
    }

    fn shown(&self, value: &String, _node: &Node) -> toml::Value {
        toml::Value::String(value.clone())
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && !host.starts_with('-')
                && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        }
    }
}

/// A URL of one of some schemes, without user and password: those are secrets.
pub(crate) struct Url {
    pub schemes: &'static [&'static str],
}

impl Kind for Url {
    type Value = String;

    fn expected(&self) -> String {
        let schemes: Vec<String> = self.schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        format!("a URL that begins with {}", schemes.join(" or "))
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<String, Vec<Fault>> {
        let text = text_of(node, &|| self.expected())?;
        let malformed = |advice: Option<String>| {
            vec![Mistake::Malformed { found: text.to_owned(), expected: self.expected(), advice }.into()]
        };
        let url = match reqwest::Url::parse(text) {
            Ok(url) => url,
            // The text may hold a password, which must not come back in a diagnostic.
            Err(_) if text.contains('@') => return Err(vec![Mistake::PlainSecret.into()]),
            Err(cause) => return Err(malformed(Some(cause.to_string()))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(vec![Mistake::PlainSecret.into()]);
        }
        let known = self.schemes.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty());
        if known { Ok(text.to_owned()) } else { Err(malformed(None)) }
    }
}
