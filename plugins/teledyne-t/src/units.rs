//! UCUM codes of the units that the maps use.

pub(crate) const PPB: &str = "[ppb]";
pub(crate) const PPM: &str = "[ppm]";
pub(crate) const PERCENT: &str = "%";
pub(crate) const MILLIVOLT: &str = "mV";
pub(crate) const VOLT: &str = "V";
pub(crate) const CELSIUS: &str = "Cel";
/// Inches of mercury.
pub(crate) const INCH_HG: &str = "[in_i'Hg]";
/// Pounds per square inch; the label says whether absolute or gauge.
pub(crate) const PSI: &str = "[psi]";
pub(crate) const FLOW: &str = "cm3/min";
/// A pure number.
pub(crate) const ONE: &str = "1";
/// No source gives the unit.
pub(crate) const UNKNOWN: &str = "";
