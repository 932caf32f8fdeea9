//! The formulas against the published vectors; a vector or a number that nobody checks is a failure.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

use super::signal::{LoopState, loop_state, scaled};
use super::{Constants, flow, mass, nitrogen, oxygen, standard, statistics, water};
use crate::pipeline::units::{Conversion, Gas};

/// One vector, and which of its expected numbers were compared.
struct Vector<'a> {
    vector: &'a Value,
    compared: RefCell<BTreeSet<String>>,
}

impl Vector<'_> {
    fn id(&self) -> &str {
        self.vector["id"].as_str().unwrap()
    }

    fn input(&self, name: &str) -> f64 {
        self.vector["input"][name].as_f64().unwrap_or_else(|| panic!("{}: no input {name}", self.id()))
    }

    fn inputs(&self, name: &str) -> Vec<f64> {
        self.vector["input"][name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    }

    fn expected(&self, name: &str) -> &Value {
        self.compared.borrow_mut().insert(name.to_owned());
        &self.vector["expected"][name]
    }

    #[track_caller]
    fn check(&self, name: &str, computed: f64) {
        let expected =
            self.expected(name).as_f64().unwrap_or_else(|| panic!("{}: nothing expected as {name}", self.id()));
        let tolerance = self.vector["tolerance_relative"].as_f64().unwrap();
        let error = (computed - expected).abs();
        assert!(error <= tolerance * expected.abs(), "{}: {name} is {computed}, expected {expected}", self.id());
    }

    fn pressure(&self) -> f64 {
        self.input("Ba_Pa") + self.input("Ps_Pa")
    }
}

fn to_mass_concentration(v: &Vector) {
    let gas = Gas { molar_mass: v.input("M_g_mol"), molar_volume: v.input("Vm_L_mol") };
    let conversion = Conversion::between("[ppm]", "mg/m3", Some(gas)).unwrap();
    v.check("C_mg_m3", conversion.apply(v.input("C_ppm")));
}

fn nitrogen_sum(v: &Vector) {
    let sum = |no, no2| nitrogen::nox_as_no2(no, no2, v.input("M_NO"), v.input("M_NO2"));
    v.check("C_NOx_mg_m3", sum(v.input("C_NO_mg_m3"), v.input("C_NO2_mg_m3")));
    // The note of the vector: NO 100 ppm and NO2 5 ppm.
    let from_ppm = |ppm, molar_mass| {
        let gas = Gas { molar_mass, molar_volume: Constants::default().molar_volume };
        Conversion::between("[ppm]", "mg/m3", Some(gas)).unwrap().apply(ppm)
    };
    v.check("check_from_ppm", sum(from_ppm(100.0, v.input("M_NO")), from_ppm(5.0, v.input("M_NO2"))));
}

fn nitrogen_split(v: &Vector) {
    let (nox, share) = (v.input("C_NOx_as_NO2"), v.input("f_NO2"));
    v.check("C_NO", nitrogen::no_of_nox(nox, share, v.input("M_NO"), v.input("M_NO2")));
    v.check("C_NO2", nitrogen::no2_of_nox(nox, share));
}

fn oxygen_reference(v: &Vector) {
    v.check("C_ref", oxygen::to_reference(v.input("C_dry"), v.input("O2_ref"), v.input("O2_dry"), 20.0).unwrap());
}

fn oxygen_guard(v: &Vector) {
    let converted = |most| oxygen::to_reference(v.input("C_dry"), v.input("O2_ref"), v.input("O2_dry"), most);
    assert_eq!(v.expected("status"), "not_computable");
    assert_eq!(converted(v.input("max_O2_for_conversion")), None);
    v.check("naive_value", converted(21.0).unwrap());
}

fn stack_flow(v: &Vector) {
    let area = flow::circle_area(v.input("diameter_m"));
    let actual = flow::volume_flow(v.input("v_m_s"), area);
    let normal = standard::flow_to_standard(actual, v.input("t_C"), v.pressure(), &Constants::default()).unwrap();
    v.check("A_m2", area);
    v.check("Q_act_m3_h", actual);
    v.check("Q_n_dry_m3_h", standard::flow_to_dry(normal, v.input("H_percent_vol")).unwrap());
}

fn mass_rate(v: &Vector) {
    let kg_h = mass::rate_kg_h(v.input("C_n_dry_mg_m3"), v.input("Q_n_dry_m3_h"));
    v.check("G_kg_h", kg_h);
    v.check("G_g_s", mass::rate_g_s(kg_h));
}

fn loop_states(v: &Vector) {
    let named = |current| match loop_state(current) {
        LoopState::Good => "good",
        LoopState::Suspect => "suspect",
        LoopState::Failure => "failure",
    };
    let states: Vec<&str> = v.inputs("I_mA").into_iter().map(named).collect();
    assert_eq!(*v.expected("cls"), serde_json::json!(states));
}

fn substitute(v: &Vector) {
    let values = v.inputs("values");
    let (mean, deviation) = statistics::mean_and_deviation(&values).unwrap();
    v.check("mean", mean);
    v.check("s", deviation);
    v.check("C_sub", statistics::substitute_by_spread(&values).unwrap());
}

fn flow_weighted(v: &Vector) {
    let parts: Vec<(f64, f64)> = v.inputs("C_mg_L").into_iter().zip(v.inputs("D_m3")).collect();
    v.check("C_weighted", water::flow_weighted(&parts).unwrap());
    v.check("C_arith", parts.iter().map(|(concentration, _)| concentration).sum::<f64>() / parts.len() as f64);
    v.check("load_kg", parts.iter().map(|(concentration, volume)| water::load_kg(*concentration, *volume)).sum());
}

fn check(v: &Vector) {
    let constants = Constants::default();
    let (i, standard_state) = (|name| v.input(name), || (v.input("t_C"), v.pressure()));
    match v.id() {
        id if id.starts_with("ppm_to_mgm3_") => to_mass_concentration(v),
        "nox_as_no2" => nitrogen_sum(v),
        "no_no2_split" => nitrogen_split(v),
        "wet_to_dry" => {
            v.check("C_dry", standard::concentration_to_dry(i("C_wet"), i("H_percent_vol")).unwrap());
        }
        "o2_reference" => oxygen_reference(v),
        "o2_guard" => oxygen_guard(v),
        "alpha" => v.check("alpha", oxygen::excess_air(i("O2_dry")).unwrap()),
        "alpha_conversion" => v.check("C_conv", oxygen::by_excess_air(i("C_dry"), i("alpha"), i("alpha_s"))),
        "pt_to_standard" => {
            let (t, p) = standard_state();
            v.check("C_n", standard::concentration_to_standard(i("C_act"), t, p, &constants).unwrap());
        }
        "gas_density_actual" => {
            let (t, p) = standard_state();
            v.check("rho", standard::gas_density(i("rho_n_kg_m3"), t, p, &constants).unwrap());
        }
        "pitot_velocity" => v.check("v_m_s", flow::pitot_velocity(i("K"), i("dP_Pa"), i("rho")).unwrap()),
        "stack_flow" => stack_flow(v),
        "mass_rate" => mass_rate(v),
        "mA_scaling" => v.check("x", scaled(i("I_mA"), i("lo"), i("hi"))),
        "namur_ne43" => loop_states(v),
        "qal2_calibration" => {
            let calibration = crate::method::Calibration { offset: i("a"), slope: i("b"), from: None, to: None };
            v.check("y", calibration.apply(i("x")));
        }
        id if id.starts_with("confidence_subtract_") => {
            v.check("C_val", statistics::subtract_confidence(i("C_ref"), i("p"), i("ELV")));
        }
        "eu_mrr_substitute" => substitute(v),
        "water_flow_weighted" => flow_weighted(v),
        "water_flow_units" => {
            v.check("Q_m3_h", Conversion::between("L/s", "m3/h", None).unwrap().apply(i("Q_L_s")));
        }
        other => panic!("vector {other} is not checked"),
    }
}

#[test]
fn every_published_vector_holds() {
    let file: Value = serde_json::from_str(include_str!("../vectors/formulas.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();

    for vector in vectors {
        let vector = Vector { vector, compared: RefCell::default() };
        check(&vector);
        let expected: BTreeSet<String> = vector.vector["expected"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(vector.compared.take(), expected, "{}: not every number was compared", vector.id());
    }
    let ids: BTreeSet<&str> = vectors.iter().map(|vector| vector["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), vectors.len(), "two vectors have one id");
}

fn averaging() -> Value {
    serde_json::from_str(include_str!("../vectors/averaging.json")).unwrap()
}

#[track_caller]
fn assert_close(computed: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((computed - expected).abs() <= 1e-9 * expected.abs(), "{computed}, expected {expected}");
}

#[test]
fn velocities_are_averaged_and_not_pressure_differences() {
    let vector = &averaging()["sqrt_average"];
    let differences: Vec<f64> = vector["dP_Pa"].as_array().unwrap().iter().map(|dp| dp.as_f64().unwrap()).collect();
    // With K = 1 and a density of 2 kg/m3 the velocity is the root itself.
    let velocity = |dp| flow::pitot_velocity(1.0, dp, 2.0).unwrap();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;

    let velocities: Vec<f64> = differences.iter().map(|dp| velocity(*dp)).collect();

    assert_close(mean(&velocities), &vector["v_factor_mean_of_sqrt"]);
    assert_close(mean(&differences), &vector["mean_dP"]);
    assert_close(velocity(mean(&differences)), &vector["v_factor_from_mean_dP"]);
}

#[test]
fn acidity_is_averaged_as_it_is_or_through_the_activity() {
    let vector = &averaging()["ph_average"];
    let ph: Vec<f64> = vector["ph"].as_array().unwrap().iter().map(|ph| ph.as_f64().unwrap()).collect();
    let count = ph.len() as f64;

    let activity = ph.iter().map(|ph| water::hydrogen_activity(*ph)).sum::<f64>() / count;

    assert_close(ph.iter().sum::<f64>() / count, &vector["arithmetic"]);
    assert_close(water::ph_of_activity(activity), &vector["via_hydrogen_activity"]);
}

#[test]
fn constants_of_a_rule_set_may_name_only_what_differs() {
    let constants: Constants = serde_json::from_str(r#"{ "molar_volume": 22.4 }"#).unwrap();

    assert_eq!(constants, Constants { molar_volume: 22.4, ..Constants::default() });
}
