//! What a map leaves to the site.

use super::*;

fn map(site: Value) -> Value {
    let mut map = json!({
        "ask": {"word_order": "look at the display", "variant": "the name plate"},
        "points": [{"id": "gas{n}", "table": "input", "address": 0, "type": "f32", "unit_key": "gas{n}", "repeat": {"count": 2, "first": 1}}],
        "variants": {
            "old": {"about": "up to 2010"},
            "new": {"points": [{"id": "flow", "table": "input", "address": 4, "type": "u16"}],
                    "status_rules": [{"table": "input", "address": 5, "bit": 0, "state": "fault", "points": ["flow"]}]},
        },
    });
    map.as_object_mut().unwrap().extend(site.as_object().unwrap().clone());
    map
}

fn complete() -> Value {
    map(json!({"word_order": "high_first", "variant": "new", "units": {"gas1": "[ppb]", "gas2": "[ppm]"}}))
}

#[test]
fn everything_that_is_asked_for_is_named_at_once_with_choices_and_how() {
    let refusal = refused(map(json!({})));
    let expected = "settings.variant: the map does not know it and asks the site: new, old (up to 2010); how to find out: the name plate; \
         settings.word_order: the map does not know it and asks the site: high_first, low_first, high_first_swapped, low_first_swapped; \
         how to find out: look at the display; the command probe-word-order, run with any of them set, reads once and says which one fits";
    assert_eq!(refusal, expected);
}

#[test]
fn a_unit_that_only_the_site_knows_is_asked_for_where_a_point_wants_it() {
    let site = json!({"word_order": "high_first", "variant": "old", "units": {"gas1": "[ppb]"}});
    let refusal = refused(map(site.clone()));
    assert_eq!(
        refusal,
        "settings.units.gas2: the map does not know it and asks the site: a UCUM code, as [ppb] or mg/m3"
    );
    let mut without = map(site);
    without["without"] = json!(["gas2"]);
    let driver = open(&Bank::new(), without).unwrap();
    assert_eq!(driver.points()[0].unit, "[ppb]");
}

#[test]
fn a_variant_adds_its_points_and_rules() {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &[0, 0, 0, 0, 7, 1]);
    let mut driver = open(&bank, complete()).unwrap();
    let samples = read(&mut driver);
    assert_eq!((samples[2].value, samples[2].state), (7.0, State::Fault));
    assert_eq!(samples[0].state, State::Valid);
}

#[test]
fn a_variant_that_is_not_there_is_named_with_those_that_are() {
    let refusal = refused(map(json!({"variant": "nee"})));
    assert_eq!(refusal, "settings.variant: there is no variant \"nee\", only new or old; did you mean \"new\"?");
}

#[test]
fn the_site_picks_points_and_what_nobody_wants_is_not_read() {
    let bank = Bank::new();
    bank.set(Table::Input, 2, &[0x4120, 0]);
    let mut settings = complete();
    settings["only"] = json!(["gas*"]);
    settings["without"] = json!(["gas1"]);
    let mut driver = open(&bank, settings).unwrap();

    let samples = read(&mut driver);

    assert_eq!((samples.len(), samples[0].value), (1, 10.0));
    let block = Block { table: Table::Input, address: 2, count: 2 };
    assert_eq!(bank.take_requests(), [Request::Read(0, block)]);
}

#[test]
fn the_site_names_and_scales_single_points() {
    let bank = Bank::new();
    bank.set(Table::Input, 0, &[0x4120, 0, 0, 0x4120, 7, 0]);
    let mut settings = complete();
    settings["units"] = json!({});
    settings["adjust"] = json!({
        "gas*": {"unit": "[ppm]", "range": [0, 1000]},
        "gas1": {"id": "co", "label": "CO", "scale": 2},
        "gas2": {"word_order": "low_first", "unit": "%"},
    });
    let mut driver = open(&bank, settings).unwrap();

    let values: Vec<f64> = read(&mut driver).iter().map(|sample| sample.value).collect();

    assert_eq!(values, [20.0, 10.0, 7.0]);
    let points: Vec<_> = driver.points().iter().map(|point| (point.id.as_str(), point.unit.as_str())).collect();
    assert_eq!(points, [("co", "[ppm]"), ("gas2", "%"), ("flow", "")]);
}

#[test]
fn patterns_that_match_nothing_are_named() {
    let check = |member: &str, value: Value, expected: &str| {
        let mut settings = complete();
        settings[member] = value;
        assert_eq!(refused(settings), expected);
    };
    check("only", json!(["gass1"]), "settings.only: no point is called \"gass1\"; did you mean \"gas1\"?");
    check("without", json!(["*"]), "settings.only: with only and without, no point is left");
    check(
        "adjust",
        json!({"flows": {"unit": "%"}}),
        "settings.adjust.flows: no point is called \"flows\"; did you mean \"flow\"?",
    );
    check(
        "ask",
        json!({"nan": ""}),
        "settings.ask.nan: cannot be asked for; word_order, address_base, variant, only, address_shift.TABLE, tables.NAME or units.KEY can",
    );
}

#[test]
fn a_table_that_is_numbered_otherwise_is_shifted() {
    let bank = Bank::new();
    bank.set(Table::Discrete, 5, &[1]).set(Table::Holding, 4, &[1]);
    let points = json!([{"id": "a", "table": "discrete", "address": 4}, {"id": "b", "table": "holding", "address": 4, "type": "u16"}]);
    let mut driver = open(&bank, json!({"address_shift": {"discrete": 1}, "points": points})).unwrap();
    let values: Vec<f64> = read(&mut driver).iter().map(|sample| sample.value).collect();
    assert_eq!(values, [1.0, 1.0]);
}

#[test]
fn levels_of_proof_are_checked() {
    let point = json!({"id": "a", "table": "coil", "address": 0, "proof": "sure"});
    assert_eq!(
        refused(json!({"points": [point]})),
        "settings.points[0].proof: \"sure\" is no level of proof: M, D, V or U, several with +"
    );
}
