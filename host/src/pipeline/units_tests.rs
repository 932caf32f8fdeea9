//! Which units convert, to what, and in which words the others are refused.

use super::*;

fn check(value: f64, from: &str, to: &str, gas: Option<Gas>, expected: f64) {
    let converted = Conversion::between(from, to, gas).unwrap().apply(value);
    let error = (converted - expected).abs() / expected.abs();
    assert!(error < 1e-9, "{value} {from} = {converted} {to}, expected {expected}");
}

/// Rows of the published vectors, `formulas.json`, `ppm_to_mgm3_*`.
#[test]
fn a_volume_fraction_becomes_a_mass_concentration() {
    let gas = |molar_mass, molar_volume| Some(Gas { molar_mass, molar_volume });
    check(100.0, "[ppm]", "mg/m3", gas(64.066, 22.414), 285.830_284_643_526_34);
    check(100.0, "[ppm]", "mg/m3", gas(30.006, 22.414), 133.871_687_338_270_7);
    check(100.0, "[ppm]", "mg/m3", gas(46.0055, 22.414), 205.253_413_045_418_03);
    check(100.0, "[ppm]", "mg/m3", gas(28.01, 22.414), 124.966_538_770_411_35);
    check(5.0, "[ppm]", "mg/m3", gas(34.081, 22.414), 7.602_614_437_405_194);
    check(50.0, "[ppm]", "mg/m3", gas(16.043, 22.414), 35.787_900_419_380_74);
    check(100.0, "[ppm]", "mg/m3", gas(64.0, 22.4), 285.714_285_714_285_7);
    check(100_000.0, "[ppb]", "mg/m3", gas(64.066, 22.414), 285.830_284_643_526_34);
    check(285.830_284_643_526_34, "mg/m3", "[ppm]", gas(64.066, 22.414), 100.0);
}

#[test]
fn units_of_one_dimension_convert() {
    check(1.0, "bar", "kPa", None, 100.0);
    check(29.92, "[in_i'Hg]", "kPa", None, 101.320_453_696);
    check(212.0, "[degF]", "Cel", None, 100.0);
    check(25.0, "Cel", "K", None, 298.15);
    check(3600.0, "m3/h", "m3/s", None, 1.0);
    check(7.5, "%", "[ppm]", None, 75_000.0);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let refused = |from, to| Conversion::between(from, to, None).unwrap_err().to_string();
    assert_eq!(refused("kPa", "Cel"), "kPa (a pressure) does not convert to Cel (a temperature)");
    assert_eq!(refused("[ppm]", "mg/m3"), "[ppm] converts to mg/m3 only with a molar mass: set molar_mass in g/mol");
    assert_eq!(refused("furlong", "m"), "unit \"furlong\" is not known");
    assert_eq!(Conversion::between("furlong", "furlong", None), Ok(Conversion::NONE));
}

#[test]
fn units_of_water_draught_and_boilers_convert() {
    check(797.072_222_2, "L/s", "m3/h", None, 2_869.459_999_92);
    check(24.0, "m3/d", "m3/h", None, 1.0);
    check(1.0, "m3/min", "L/s", None, 1000.0 / 60.0);
    check(1.0, "kg/d", "g/h", None, 1000.0 / 24.0);
    check(1.0, "t/a", "g/s", None, 1e6 / 31_557_600.0);
    check(60.0, "mg/min", "ug/s", None, 1000.0);
    check(10.0, "mm[H2O]", "Pa", None, 98.066_5);
    check(1.0, "kgf/cm2", "kPa", None, 98.066_5);
    check(1.0, "mg/dm3", "mg/L", None, 1.0);
    check(5.0, "mg/L", "g/m3", None, 5.0);
    check(1.0, "GJ", "kW.h", None, 1e6 / 3600.0);
    check(350.0, "umol/mol", "[ppm]", None, 350.0);
    check(50.0, "[degF]", "K", None, 283.15);
    check(1_013.25, "mbar", "kPa", None, 101.325);
    check(1.0, "mS/cm", "uS/cm", None, 1000.0);
}

#[test]
fn what_looks_alike_does_not_convert() {
    let refused = |from, to| Conversion::between(from, to, None).unwrap_err().to_string();
    assert_eq!(Conversion::between("[NTU]", "[NTU]", None), Ok(Conversion::NONE));
    assert_eq!(
        refused("[NTU]", "mg/L"),
        "[NTU] (a turbidity by white light) does not convert to mg/L (a mass concentration)"
    );
    for (from, to) in [
        ("[NTU]", "[FNU]"),
        ("[NTU]", "%"),
        ("[pH]", "1"),
        ("mg/kg", "[ppm]"),
        ("m3/h", "kg/h"),
        ("uS/cm", "mA"),
        ("W", "J"),
    ] {
        assert!(matches!(Conversion::between(from, to, None), Err(UnitError::Dimension { .. })), "{from} to {to}");
    }
}

#[test]
fn a_mass_fraction_is_no_volume_fraction_even_of_a_known_gas() {
    let gas = Some(Gas { molar_mass: 64.066, molar_volume: 22.414 });
    assert!(Conversion::between("mg/kg", "mg/m3", gas).is_err());
}

#[test]
fn an_annotation_could_hide_a_basis_and_is_not_known() {
    assert_eq!(Conversion::between("m3{norm}/h", "m3/h", None), Err(UnitError::Unknown("m3{norm}/h".into())));
    assert_eq!(kind("m3{norm}/h"), None);
}

#[test]
fn the_kind_says_what_a_parameter_is() {
    for (code, expected) in [
        ("[ppm]", Kind::Fraction),
        ("mmol/mol", Kind::Fraction),
        ("mg/m3", Kind::MassConcentration),
        ("Cel", Kind::Temperature),
        ("mm[Hg]", Kind::Pressure),
        ("L/s", Kind::VolumeFlow),
        ("t/a", Kind::MassFlow),
        ("m/s", Kind::Velocity),
        ("mA", Kind::Current),
        ("uS/cm", Kind::Conductivity),
        ("[NTU]", Kind::Turbidity),
        ("[FNU]", Kind::Turbidity),
        ("[pH]", Kind::Acidity),
        ("mg/kg", Kind::Other),
        ("MW", Kind::Other),
    ] {
        assert_eq!(kind(code), Some(expected), "{code}");
    }
    assert_eq!(kind("furlong"), None);
}

#[test]
fn any_code_of_the_standard_is_known() {
    check(1.0, "[cft_i]/min", "L/s", None, 0.471_947_443_2);
    check(1.0, "[lb_av]/h", "g/s", None, 0.125_997_880_555_555_55);
    check(1.0, "[in_i'H2O]", "Pa", None, 249.088_91);
    check(1.0, "mg.m-3", "mg/m3", None, 1.0);
    check(1.0, "mg/l", "mg/L", None, 1.0);
    check(1.0, "uL/L", "[ppm]", None, 1.0);
}

#[test]
fn what_converts_by_no_factor_is_not_known() {
    for code in ["dB", "[iU]", "mCel", "", "10*400.m", "Ym99", "m/", "мг/м3"] {
        assert!(Conversion::between(code, "m", None).is_err(), "{code}");
    }
}

#[test]
fn a_code_without_end_costs_nothing() {
    for part in ["m.", "(", "/", "m/", "[", "9"] {
        let code = part.repeat(1_000_000);
        assert_eq!(kind(&code), None, "{part}");
    }
}
