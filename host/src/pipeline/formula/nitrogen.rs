//! Nitrogen oxides: two gases, one sum.
//!
//! Rules speak of NOx as NO2, instruments measure NO, NO2 or both, and some authorities want them apart.
//!
//! Invariant: all concentrations are by mass (mg/m3) and have one basis; molar masses are in g/mol.

/// NOx counted as NO2, `C = C_NO * M_NO2 / M_NO + C_NO2`.
///
/// Source: HJ 212-2017 D.2.1 (21), (22).
pub fn nox_as_no2(no: f64, no2: f64, molar_no: f64, molar_no2: f64) -> f64 {
    no * molar_no2 / molar_no + no2
}

/// NO of NOx counted as NO2, `C_NO = (1 - f) * C_NOx * M_NO / M_NO2`; f is the share of NO2 in NOx, 0 to 1.
///
/// For an analyzer with a converter, which sees only the sum. The share is a constant of the site: mark the result as
/// derived. Source: mass balance.
pub fn no_of_nox(nox: f64, no2_share: f64, molar_no: f64, molar_no2: f64) -> f64 {
    (1.0 - no2_share) * nox * molar_no / molar_no2
}

/// NO2 of NOx counted as NO2, `C_NO2 = f * C_NOx`; f is the share of NO2 in NOx, 0 to 1.
///
/// The share is a constant of the site: mark the result as derived. Source: mass balance.
pub fn no2_of_nox(nox: f64, no2_share: f64) -> f64 {
    no2_share * nox
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_make_the_whole() {
        let (molar_no, molar_no2) = (30.006, 46.0055);

        let no = no_of_nox(200.0, 0.05, molar_no, molar_no2);
        let no2 = no2_of_nox(200.0, 0.05);

        assert!((nox_as_no2(no, no2, molar_no, molar_no2) - 200.0).abs() < 1e-12);
    }
}
