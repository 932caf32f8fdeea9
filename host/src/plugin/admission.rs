//! Whether a component may run: what it asks for, what the host offers, what the configuration grants.
//!
//! Everything here is read from the names in the file. Nothing of the component is compiled, and nothing runs.

use std::fmt;

use thiserror::Error;

use super::outline::Outline;
use crate::capability::{OFFERS, Offer, READING};

/// The interface that a driver exports, and the version that this host calls.
pub const DRIVER: &str = "tutin:driver/driver";
/// Version of [`DRIVER`].
pub const DRIVER_VERSION: &str = "0.1.0";

/// Exports that are shown of a component that is no driver.
const SHOWN: usize = 5;

/// Interfaces that every device is granted: they reach nothing but the device's own log lines and readings.
pub const ALWAYS_GRANTED: &[&str] = &["tutin:log/log"];

/// One import of a plugin that the host can satisfy.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// What the host offers for it.
    pub offer: &'static Offer,
}

/// Why a component may not run. Each text is one sentence for the person who installs it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It exports no driver at all.
    #[error("it exports no {DRIVER}, so it is not a driver{}", exports_text(.exports))]
    NotADriver {
        /// What it does export.
        exports: Vec<String>,
    },
    /// It exports a driver of a version that this host does not speak.
    #[error(
        "it was built for {exported}, and this host speaks {DRIVER}@{DRIVER_VERSION}; build the plugin against a version that both have"
    )]
    OtherContract {
        /// What it exports.
        exported: String,
    },
    /// It imports an interface of a version that this host does not have.
    #[error(
        "it imports {imported}, and this host offers {offered}; build the plugin against that version or update the hub"
    )]
    OtherVersion {
        /// What it imports.
        imported: String,
        /// What there is.
        offered: String,
    },
    /// It imports something that this host does not have at all.
    #[error("it imports {imported}, which this host does not offer; it offers {}", offered_text())]
    Unknown {
        /// What it imports.
        imported: String,
    },
    /// It reads another kind of link than the device has.
    #[error(
        "it reads a link through {imported}, and device {device} is behind a link of type {link_type}; name a link of another type"
    )]
    OtherLink {
        /// What it imports.
        imported: String,
        /// Which device it is for.
        device: String,
        /// The type of the device's link.
        link_type: &'static str,
    },
    /// It imports something that the configuration does not grant.
    #[error(
        "it imports {imported} ({permits}), and the configuration grants device {device} only {granted}; \
         if the device may do that, add grants = [\"{interface}\"] to [devices.{device}]"
    )]
    NotGranted {
        /// What it imports.
        imported: String,
        /// The same without version, as it is granted.
        interface: &'static str,
        /// What that would let it do.
        permits: &'static str,
        /// Which device it is for.
        device: String,
        /// What is granted.
        granted: String,
    },
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.offer.interface, self.offer.version)
    }
}

/// What the component wants, or why this host cannot run it at all.
pub(super) fn read(outline: &Outline) -> Result<Vec<Wanted>, Refusal> {
    check_exports(&outline.exports)?;
    outline.imports.iter().map(|name| wanted(name)).collect()
}

/// Compares how a plugin reads its link with the kind of link that the device has.
pub fn check_link(wanted: &[Wanted], device: &str, link_type: &'static str, granted: &[String]) -> Result<(), Refusal> {
    let is_reading = |interface: &str| interface.rsplit_once('/').is_some_and(|(_, name)| name == READING);
    let other = |wanted: &&Wanted| {
        let interface = wanted.offer.interface;
        is_reading(interface) && !granted.iter().any(|grant| grant == interface)
    };
    match wanted.iter().find(other) {
        None => Ok(()),
        Some(Wanted { offer }) => Err(Refusal::OtherLink {
            imported: format!("{}@{}", offer.interface, offer.version),
            device: device.to_owned(),
            link_type,
        }),
    }
}

/// Compares what a plugin wants with what a device is granted: interface names without version.
pub fn check_grants(wanted: &[Wanted], device: &str, granted: &[String]) -> Result<(), Refusal> {
    let allowed =
        |interface: &str| ALWAYS_GRANTED.contains(&interface) || granted.iter().any(|grant| grant == interface);
    match wanted.iter().find(|wanted| !allowed(wanted.offer.interface)) {
        None => Ok(()),
        Some(Wanted { offer }) => Err(Refusal::NotGranted {
            imported: format!("{}@{}", offer.interface, offer.version),
            interface: offer.interface,
            permits: offer.permits,
            device: device.to_owned(),
            granted: ALWAYS_GRANTED
                .iter()
                .copied()
                .chain(granted.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

fn check_exports(exports: &[String]) -> Result<(), Refusal> {
    let ours = format!("{DRIVER}@{DRIVER_VERSION}");
    if exports.contains(&ours) {
        return Ok(());
    }
    match exports.iter().find(|name| split(name).0 == DRIVER) {
        Some(exported) => Err(Refusal::OtherContract { exported: exported.clone() }),
        None => Err(Refusal::NotADriver { exports: exports.to_vec() }),
    }
}

fn wanted(name: &str) -> Result<Wanted, Refusal> {
    let (interface, version) = split(name);
    let Some(offer) = OFFERS.iter().find(|offer| offer.interface == interface) else {
        return Err(Refusal::Unknown { imported: name.to_owned() });
    };
    if satisfies(offer.version, version) {
        Ok(Wanted { offer })
    } else {
        Err(Refusal::OtherVersion {
            imported: name.to_owned(),
            offered: format!("{}@{}", offer.interface, offer.version),
        })
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// True when a host that has `offered` can serve a plugin built against `wanted`: the same major number (the same minor for
/// 0.x), and nothing newer than the host has.
fn satisfies(offered: &str, wanted: &str) -> bool {
    let (Some(offered), Some(wanted)) = (numbers(offered), numbers(wanted)) else { return false };
    let compatible = match offered {
        [0, minor, _] => wanted.starts_with(&[0, minor]),
        [major, _, _] => wanted.starts_with(&[major]),
    };
    compatible && wanted <= offered
}

/// The three numbers of a version; a pre-release matches nothing.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let parts: Vec<u64> = version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn offered_text() -> String {
    OFFERS.iter().map(|offer| format!("{}@{}", offer.interface, offer.version)).collect::<Vec<_>>().join(", ")
}

fn exports_text(exports: &[String]) -> String {
    if exports.is_empty() {
        String::from("; it exports nothing")
    } else {
        let shown = exports.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = exports.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("; it exports {shown}{more}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_plugin_runs_on_a_newer_host_but_not_the_other_way() {
        let check =
            |offered, wanted, expected| assert_eq!(satisfies(offered, wanted), expected, "{wanted} on {offered}");
        check("0.1.3", "0.1.0", true);
        check("0.1.0", "0.1.3", false);
        check("0.2.0", "0.1.0", false);
        check("1.4.0", "1.2.9", true);
        check("2.0.0", "1.2.9", false);
        check("0.1.0", "0.1.0-rc.1", false);
        check("0.1.0", "", false);
    }

    #[test]
    fn a_refusal_names_the_import_and_the_grants() {
        let control = OFFERS.iter().find(|offer| offer.interface == "tutin:modbus/control").unwrap();
        let wanted = [Wanted { offer: control }];
        let granted = [String::from("tutin:modbus/client")];
        let refusal = check_grants(&wanted, "no2-north", &granted).unwrap_err().to_string();
        for part in ["tutin:modbus/control@0.1.0", "tutin:modbus/client", "no2-north", "grants ="] {
            assert!(refusal.contains(part), "{part:?} is not in {refusal:?}");
        }
        assert_eq!(check_grants(&wanted, "no2-north", &[control.interface.to_owned()]), Ok(()));
    }

    #[test]
    fn another_contract_is_refused_in_words() {
        let refusal = check_exports(&[String::from("tutin:driver/driver@9.0.0")]).unwrap_err();
        assert_eq!(refusal, Refusal::OtherContract { exported: String::from("tutin:driver/driver@9.0.0") });
        assert!(refusal.to_string().contains("tutin:driver/driver@0.1.0"));
    }
}
