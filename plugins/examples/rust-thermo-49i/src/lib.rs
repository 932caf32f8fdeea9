//! Thermo 49i ozone analyzer over C-Link: the concentration, with the state that the instrument's flags give it.
//!
//! A request is the instrument's id + 128, the command and CR; the reply repeats the command: `o3 550E-2 ppb`, `flags 00000040`.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::stream::{Exchange, Framing, Link, Stream, Unasked};
use tutin_sdk::{
    Description, Driver, Failure, Point, Qualifier, Qualifiers, Sample, Samples, State, Timestamp, hex, settings,
};

/// Bytes of a reply that a failure shows.
const SHOWN: usize = 48;

/// Settings of a device.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Instrument ID as its menu shows it. 0: no ID is sent. Range: 0 to 127.
    id: u8,
    /// The unit that the instrument's display shows.
    unit: Unit,
}

/// A unit of concentrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Ppb,
    Ppm,
}

/// The driver.
#[derive(Debug)]
pub struct Thermo49i {
    link: Link,
    id: u8,
    unit: Unit,
}

impl Driver for Thermo49i {
    type Settings = Settings;

    fn description() -> Description {
        Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .instruments("Thermo Scientific", &["49i"])
            .stream("the instrument")
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        settings::within("id", settings.id.into(), 0, 127)?;
        let link = Link::open("main")?;
        link.frames(&Framing::ended_by(&[b"\r"]), Unasked::Waits)?;
        Ok(Thermo49i { link, id: settings.id, unit: settings.unit })
    }

    fn points(&self) -> Vec<Point> {
        let unit = if self.unit == Unit::Ppb { "[ppb]" } else { "[ppm]" };
        vec![Point::number("o3", "Ozone", unit)]
    }

    fn poll(&mut self, _now: Timestamp) -> Result<Samples, Failure> {
        let (value, unit) = self.ask("o3", concentration)?;
        if unit != self.unit {
            return Err(Failure::device(format!("o3: in {unit:?}, and settings.unit says {:?}", self.unit)));
        }
        let flags = self.ask("flags", |text| u32::from_str_radix(text, 16).ok())?;
        let (state, remarks) = verdict(flags);
        let mut samples = Samples::with_capacity(1);
        samples.push(Sample::new(0, value).state(state).qualifiers(remarks).status(flags.into()));
        Ok(samples)
    }
}

impl Thermo49i {
    /// Sends a command and reads what stands behind its echo.
    fn ask<T>(&self, command: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Failure> {
        let mut request = command.as_bytes().to_vec();
        if self.id > 0 {
            request.insert(0, self.id | 0x80);
        }
        request.push(b'\r');
        let reply = self.link.ask(&request, &Exchange::default()).map_err(|err| err.during(command))?;
        let answer = str::from_utf8(&reply).ok().and_then(|text| text.trim().strip_prefix(command)?.strip_prefix(' '));
        answer.and_then(|answer| read(answer.trim())).ok_or_else(|| {
            Failure::device(format!("{command}: not a reply that this driver knows: {}", hex(&reply, SHOWN)))
        })
    }
}

/// `550E-2 ppb` is 5.5 ppb.
fn concentration(text: &str) -> Option<(f64, Unit)> {
    let (number, unit) = text.split_once(' ')?;
    let unit = match unit {
        "ppb" => Unit::Ppb,
        "ppm" => Unit::Ppm,
        _ => return None,
    };
    Some((number.parse().ok()?, unit))
}

/// What the flags say of the concentration. States are this driver's proposal after NAMUR NE 107; a bit that is not in the table makes it
/// suspect.
fn verdict(flags: u32) -> (State, Qualifiers) {
    const INTENSITY: u32 = 0x0000_F000;
    const SERVICE: u32 = 0x2000_0000;
    const HIGH_ALARM: u32 = 0x8000_0000;
    /// Ozonator on and its temperature, compensations, low alarm: they say nothing against the value.
    const HARMLESS: u32 = 0x4C10_0030;
    let remarks = if flags & HIGH_ALARM == 0 { Qualifiers::NONE } else { Qualifier::AboveLimit.into() };
    let state = match flags & !HIGH_ALARM & !HARMLESS {
        0 => State::Valid,
        bits if bits & INTENSITY != 0 => State::Fault,
        bits if bits & SERVICE != 0 => State::Maintenance,
        _ => State::Suspect,
    };
    (state, remarks)
}

tutin_sdk::export!(Thermo49i);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_mantissa_with_an_exponent_and_its_unit() {
        assert_eq!(concentration("550E-2 ppb"), Some((5.5, Unit::Ppb)));
        assert_eq!(concentration("1.230000e+02 ppb"), Some((123.0, Unit::Ppb)));
        assert_eq!(concentration("1.5 ug/m3"), None);
        assert_eq!(concentration("12.5"), None);
    }

    #[test]
    fn the_worst_flag_decides() {
        let check = |flags: u32, state: State| assert_eq!(verdict(flags).0, state, "{flags:08x}");
        check(0x0C10_0000, State::Valid);
        check(0x0000_0040, State::Suspect);
        check(0x2000_0040, State::Maintenance);
        check(0x2000_1000, State::Fault);
        check(0x0001_0000, State::Suspect);
        assert!(verdict(0x8000_0000).1.contains(Qualifier::AboveLimit));
    }
}
