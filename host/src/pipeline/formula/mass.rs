//! From concentration and flow to mass.
//!
//! Fees and yearly limits count mass, not concentration.
//!
//! Invariant: concentration and flow have the same basis (standard or actual, wet or dry), and the concentration is not
//! converted to reference oxygen, for the flow is not either.

/// Mass flow in kg/h, `G = C * Q * 1e-6`; C in mg/m3, Q in m3/h.
///
/// Source: HJ 212-2017 D.2.5 (33).
pub fn rate_kg_h(concentration_mg_m3: f64, flow_m3_h: f64) -> f64 {
    concentration_mg_m3 * flow_m3_h * 1e-6
}

/// Mass flow in g/s from one in kg/h: `G / 3.6`.
pub fn rate_g_s(kg_h: f64) -> f64 {
    kg_h / 3.6
}

/// Mass in kg that a flow in kg/h makes in a block of this many seconds: `G * seconds / 3600`.
pub fn block_kg(kg_h: f64, seconds: f64) -> f64 {
    kg_h * seconds / 3600.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked number of the rule collection: 90.9091 mg/m3 and 232832.1 m3/h make 7.055520 kg in 20 minutes.
    #[test]
    fn twenty_minutes_make_a_third_of_an_hour() {
        let kg = block_kg(rate_kg_h(90.909_090_909_090_9, 232_832.144_843_595_07), 1200.0);

        assert!((kg - 7.055_520).abs() < 1e-6, "{kg}");
    }
}
