//! What the status bytes say, as data: one table of flags for each dialect.
//!
//! A flag is looked for in the status word, operation byte × 256 + error byte. The states are a proposal after NAMUR NE 107, no maker's word.
//!
//! Sources: Ecotech Serinus 30 manual 3.3, table 36, and 44 manual 3.0, appendix C; Teledyne 360E manual 05232, table 6-31, T200H/M manual
//! 07270D, table 4-37, and 400E manual 04315, table 8-8, which agree on calibration modes and units; for the F-701-20 a collector in service
//! (karateboy/DataLogger, VerewaF701Collector). That the upper half of Teledyne's word is the operation byte is unproven; its calibration
//! bits fall on those of the Serinus that way.

use tutin_sdk::State;

use crate::settings::Dialect;

/// What some bits mean while any of them is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flag {
    pub name: &'static str,
    pub mask: u16,
    pub state: State,
}

/// Bits that tell the unit of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitBits {
    None,
    /// Operation bit 6: 1 volumetric, 0 gravimetric.
    Serinus,
    /// Two bits of the word: one of four units.
    Teledyne,
}

const fn operation(bit: u8, name: &'static str, state: State) -> Flag {
    Flag { name, mask: 0x0100 << bit, state }
}

const fn error(bit: u8, name: &'static str, state: State) -> Flag {
    Flag { name, mask: 1 << bit, state }
}

const SERINUS: &[Flag] = &[
    operation(1, "out_of_service", State::Maintenance),
    operation(2, "zero", State::Calibration),
    operation(3, "span", State::Calibration),
    operation(7, "background", State::Calibration),
    error(0, "flow", State::Fault),
    error(1, "instrument", State::Fault),
    error(3, "lamp", State::Fault),
    error(5, "cell_heater", State::Fault),
];

const DURAG_F701_20: &[Flag] = &[
    operation(0, "standby", State::Maintenance),
    operation(1, "film_measurement", State::Suspect),
    operation(2, "zero_point_measurement", State::Calibration),
    operation(3, "reference_check", State::Calibration),
    operation(7, "measuring", State::Valid),
    error(0, "volume_error", State::Fault),
    error(1, "vacuum_break", State::Fault),
    error(2, "low_sample_volume", State::Suspect),
    error(4, "volume_below_25_litre", State::Fault),
    error(5, "battery", State::Suspect),
    error(6, "filter_crack", State::Fault),
];

const TELEDYNE: &[Flag] = &[
    Flag { name: "manual_calibration", mask: 0x0200, state: State::Calibration },
    Flag { name: "zero_calibration", mask: 0x0400, state: State::Calibration },
    Flag { name: "span_calibration", mask: 0x0800, state: State::Calibration },
];

const TELEDYNE_T360: &[Flag] = &[
    Flag { name: "sample_flow", mask: 0x0001, state: State::Suspect },
    Flag { name: "bench_temperature", mask: 0x0002, state: State::Suspect },
    Flag { name: "source", mask: 0x0004, state: State::Fault },
    Flag { name: "box_temperature", mask: 0x0008, state: State::Suspect },
    Flag { name: "wheel_temperature", mask: 0x0010, state: State::Suspect },
    Flag { name: "sample_temperature", mask: 0x0020, state: State::Suspect },
    Flag { name: "sample_pressure", mask: 0x0040, state: State::Suspect },
    Flag { name: "invalid_concentration", mask: 0x0080, state: State::Fault },
    Flag { name: "instrument_off", mask: 0x0100, state: State::Fault },
    Flag { name: "manual_calibration", mask: 0x0200, state: State::Calibration },
    Flag { name: "zero_calibration", mask: 0x0400, state: State::Calibration },
    Flag { name: "span_calibration", mask: 0x0800, state: State::Calibration },
];

impl Dialect {
    /// The dialect's own table.
    pub(crate) fn flags(self) -> &'static [Flag] {
        match self {
            Dialect::Serinus => SERINUS,
            Dialect::DuragF70120 => DURAG_F701_20,
            Dialect::Teledyne => TELEDYNE,
            Dialect::TeledyneT360 => TELEDYNE_T360,
            Dialect::Own => &[],
        }
    }

    /// Which bits tell the unit.
    pub(crate) fn unit_bits(self) -> UnitBits {
        match self {
            Dialect::Serinus => UnitBits::Serinus,
            Dialect::Teledyne | Dialect::TeledyneT360 => UnitBits::Teledyne,
            Dialect::DuragF70120 | Dialect::Own => UnitBits::None,
        }
    }
}

impl UnitBits {
    /// The bits in the status word.
    pub fn mask(self) -> u16 {
        match self {
            UnitBits::None => 0,
            UnitBits::Serinus => 0x4000,
            UnitBits::Teledyne => 0x6000,
        }
    }

    /// The unit that the status names, when it is not this one. A unit that is none of those that the bits can name is not judged.
    pub fn contradiction(self, status: u16, unit: &str) -> Option<&'static str> {
        let told = match (self, status & self.mask()) {
            (UnitBits::None, _) => return None,
            (UnitBits::Serinus, 0) => "a mass per volume",
            (UnitBits::Serinus, _) => "a volume fraction",
            (UnitBits::Teledyne, 0) => "ug/m3",
            (UnitBits::Teledyne, 0x2000) => "mg/m3",
            (UnitBits::Teledyne, 0x4000) => "[ppb]",
            (UnitBits::Teledyne, _) => "[ppm]",
        };
        let meant = match (self, unit) {
            (UnitBits::Serinus, "[ppb]" | "[ppm]" | "[ppth]" | "%") => "a volume fraction",
            (UnitBits::Serinus, "ng/m3" | "ug/m3" | "mg/m3" | "g/m3") => "a mass per volume",
            (UnitBits::Teledyne, "ug/m3" | "mg/m3" | "[ppb]" | "[ppm]") => unit,
            _ => return None,
        };
        if meant == told { None } else { Some(told) }
    }
}
