//! The rules by which codes are read and written, and the tables that come with the program.

use std::collections::BTreeMap;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    status_tables: BTreeMap<String, FileTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTable {
    source: String,
    #[serde(default)]
    bits: bool,
    codes: BTreeMap<String, FileCode>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCode {
    state: Option<InstrumentState>,
    plant: Option<PlantState>,
    #[serde(default)]
    qualifiers: Vec<String>,
    #[serde(default)]
    direction: Direction,
    label: Option<String>,
}

fn qualifier(name: &str) -> Qualifiers {
    Qualifiers::NAMES.into_iter().find(|(_, known)| *known == name).expect(name).0
}

fn parse(text: &str) -> (String, StatusTable) {
    let mut file: File = toml::from_str(text).unwrap();
    let (name, FileTable { source, bits, codes }) = file.status_tables.pop_first().unwrap();
    assert_eq!(file.status_tables.len(), 0, "one table in each file");
    let code = |(code, FileCode { state, plant, qualifiers, direction, label })| {
        let qualifiers = qualifiers.iter().fold(Qualifiers::NONE, |all, name: &String| all.with(qualifier(name)));
        StatusCode { code, state, plant, qualifiers, direction, label }
    };
    (name, StatusTable { source, bits, codes: codes.into_iter().map(code).collect() })
}

fn tables() -> BTreeMap<String, StatusTable> {
    let files = [
        include_str!("../../configs/status-tables/germany-mws1.toml"),
        include_str!("../../configs/status-tables/germany-plant.toml"),
        include_str!("../../configs/status-tables/gm32-component.toml"),
        include_str!("../../configs/status-tables/hj212-equipment.toml"),
        include_str!("../../configs/status-tables/hj212.toml"),
        include_str!("../../configs/status-tables/india-rtdms.toml"),
        include_str!("../../configs/status-tables/ne107.toml"),
        include_str!("../../configs/status-tables/serinus-error.toml"),
        include_str!("../../configs/status-tables/serinus-operation.toml"),
        include_str!("../../configs/status-tables/taiwan.toml"),
        include_str!("../../configs/status-tables/us-modc.toml"),
    ];
    files.into_iter().map(parse).collect()
}

fn table(codes: &str) -> StatusTable {
    parse(&format!("[status_tables.t]\nsource = \"a test\"\n{codes}")).1
}

fn axes(state: InstrumentState, plant: PlantState, qualifiers: Qualifiers) -> Axes {
    Axes { state, plant, qualifiers }
}

fn combinations() -> impl Iterator<Item = Axes> {
    let remarks: Vec<Qualifiers> =
        std::iter::once(Qualifiers::NONE).chain(Qualifiers::NAMES.map(|(remark, _)| remark)).collect();
    InstrumentState::ALL.into_iter().flat_map(move |state| {
        let remarks = remarks.clone();
        PlantState::ALL
            .into_iter()
            .flat_map(move |plant| remarks.clone().into_iter().map(move |remark| axes(state, plant, remark)))
    })
}

#[test]
fn every_code_leads_back_to_itself_or_is_listed_as_one_way() {
    let one_way = [
        ("germany-mws1", ""),
        ("germany-plant", ""),
        ("gm32-component", "0 1 2 3 5 6 7 8"),
        ("hj212", ""),
        ("hj212-equipment", ""),
        ("india-rtdms", "D Z"),
        ("ne107", "M"),
        ("serinus-error", "0 1 3 5"),
        ("serinus-operation", "1 2 3 6 7"),
        ("taiwan", "012 020 021 022 026"),
        ("us-modc", "02 03 04 05 06 07 08 09 10 11 12 13 14 17 19 20 21"),
    ];
    let mut listed = BTreeMap::from(one_way);
    for (name, table) in tables() {
        assert_eq!(table.problems(), Vec::<String>::new(), "{name}");
        let (both, one_way): (Vec<_>, Vec<_>) = table.codes.iter().partition(|code| code.direction == Direction::Both);
        for code in &both {
            assert_eq!(table.code(&code.axes()), Some(*code), "{name}");
            assert_eq!(table.read(&code.code), Some(code.meaning()), "{name}");
        }
        println!("{name}: {} both ways, {} one way", both.len(), one_way.len());
        let one_way: Vec<&str> = one_way.iter().map(|code| code.code.as_str()).collect();
        assert_eq!(listed.remove(name.as_str()).expect(&name), one_way.join(" "), "{name}");
    }
    assert!(listed.is_empty(), "no such tables: {listed:?}");
}

/// What the published vectors say in words, with the names that the axes have for it.
const WORDS: [(&str, &str); 10] = [
    ("valid+above preset high", "valid above_limit"),
    ("valid+below preset low", "valid"),
    ("unknown", "suspect"),
    ("alarm", "fault"),
    ("parametric", "substituted derived"),
    ("like-kind replacement analyzer", "valid"),
    ("200 % of full scale, over range", "over_range substituted"),
    ("negative value replaced by zero", "valid corrected"),
    ("calibration deviation", "calibration"),
    ("calibration recovery", "calibration"),
];

fn meaning(regime: &str, text: &str) -> Meaning {
    let text = text.strip_prefix("m: ").unwrap_or(text).split(" (").next().unwrap();
    let monitors = ["certified primary monitor", "certified backup", "approved alternative", "reference method"];
    let known = WORDS.into_iter().find(|(words, _)| *words == text).map(|(_, axes)| axes);
    let axes = match (regime, text) {
        _ if known.is_some() => known.unwrap(),
        ("us_modc", text) if monitors.contains(&text) => "valid",
        ("us_modc", _) => "substituted",
        ("hj212_equipment_rs", "stopped") => "plant:stopped",
        ("hj212_equipment_rs", "operating") => "plant:operating",
        _ => text,
    };
    axes.split(' ').fold(Meaning::default(), |said, word| {
        let state = InstrumentState::ALL.into_iter().find(|state| state.name() == word);
        let plant = PlantState::ALL.into_iter().find(|plant| word.strip_prefix("plant:") == Some(plant.name()));
        match (state, plant) {
            (Some(_), _) => Meaning { state, ..said },
            (_, Some(_)) => Meaning { plant, ..said },
            _ => Meaning { qualifiers: said.qualifiers.with(qualifier(word)), ..said },
        }
    })
}

/// Every code of the published vectors, `statuses.json`, and no other.
#[test]
fn published_codes_are_read_with_the_published_meaning() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("pipeline/vectors/statuses.json")).unwrap();
    let tables = tables();
    for regime in ["hj212", "hj212_equipment_rs", "india_rtdms", "taiwan", "us_modc"] {
        let table = &tables[regime.trim_end_matches("_rs").replace('_', "-").as_str()];
        let published = vectors[regime]["map"].as_object().unwrap();
        assert_eq!(table.codes.len(), published.len(), "{regime}");
        for (code, text) in published {
            let expected = meaning(regime, text.as_str().unwrap());
            assert_eq!(table.read(code), Some(expected), "{regime} {code}: {text}");
        }
    }
    let precedence: Vec<&str> = vectors["precedence"].as_array().unwrap().iter().flat_map(|v| v.as_str()).collect();
    let ours = InstrumentState::PRECEDENCE.map(InstrumentState::name);
    assert_eq!(precedence, ours.into_iter().filter(|name| precedence.contains(name)).collect::<Vec<_>>());
}

fn check_loss(name: &str, said: usize, silent: &str) {
    let table = &tables()[name];
    let with_code: Vec<Axes> = combinations().filter(|axes| table.code(axes).is_some()).collect();
    println!("{name}: {} of {} combinations have a code", with_code.len(), combinations().count());
    let is_silent =
        |state: &InstrumentState| !with_code.contains(&axes(*state, PlantState::Operating, Qualifiers::NONE));
    let states: Vec<&str> = InstrumentState::ALL.into_iter().filter(is_silent).map(InstrumentState::name).collect();
    let states = if states.len() == InstrumentState::ALL.len() { "all".to_owned() } else { states.join(" ") };
    assert_eq!((with_code.len(), states.as_str()), (said, silent), "{name}");
}

/// Each table with the number of combinations that it has a code for, and the states that it cannot tell while the plant
/// operates and nothing else is to be said.
#[test]
fn what_a_regime_cannot_say_is_known() {
    check_loss("germany-mws1", 7, "all");
    check_loss("germany-plant", 108, "");
    check_loss("gm32-component", 0, "all");
    check_loss("hj212", 474, "purge warm_up under_range suspect missing");
    check_loss("hj212-equipment", 331, "warm_up comm_error over_range under_range suspect manual missing");
    check_loss("india-rtdms", 238, "purge warm_up comm_error over_range under_range suspect manual missing");
    check_loss("ne107", 238, "calibration purge warm_up comm_error over_range under_range manual missing");
    check_loss("serinus-error", 0, "all");
    check_loss("serinus-operation", 0, "all");
    check_loss("taiwan", 238, "calibration purge warm_up fault comm_error under_range manual missing");
    let all_but_valid =
        "calibration maintenance purge warm_up fault comm_error over_range under_range suspect manual missing";
    check_loss("us-modc", 133, all_but_valid);
}

#[test]
fn no_regime_is_told_that_a_value_stands_which_is_none() {
    let mut tables = tables();
    tables.remove("germany-plant").expect("speaks of the plant alone");
    for (name, table) in tables {
        for axes in combinations() {
            let bad_state = axes.state != InstrumentState::Valid;
            let bad_remark = [Qualifiers::SUBSTITUTED, Qualifiers::TEST].contains(&axes.qualifiers);
            let Some(code) = table.code(&axes).filter(|_| bad_state || bad_remark) else { continue };
            let warns = code.state.is_some_and(|state| state != InstrumentState::Valid)
                || code.plant == Some(PlantState::Stopped)
                || code.qualifiers.contains(Qualifiers::SUBSTITUTED);
            assert!(warns, "{name}: {axes:?} is written as {:?}", code.code);
        }
    }
}

#[test]
fn what_no_table_knows_never_becomes_valid() {
    for (name, table) in tables() {
        for code in ["", "X", "n", " N", "1000", "-1", "Gültig"] {
            assert_eq!(table.read(code), None, "{name}: {code:?}");
        }
        for bit in (0..64).filter(|bit| !table.codes.iter().any(|code| code.code.parse() == Ok(*bit))) {
            let word = if table.bits { 1 << bit } else { bit };
            assert_eq!(table.read_word(word), Meaning::UNKNOWN, "{name}: {word}");
        }
        assert_ne!(table.read_word(u64::MAX).state, Some(InstrumentState::Valid), "{name}");
    }
}

fn check_written(table: &str, axes: Axes, expected: Option<&str>) {
    let code = tables()[table].code(&axes).map(|code| code.code.clone());
    assert_eq!(code.as_deref(), expected, "{table}: {axes:?}");
}

#[test]
fn trouble_of_the_instrument_goes_before_the_plant_and_the_plant_before_valid() {
    use InstrumentState::*;
    use PlantState::*;

    check_written("hj212", axes(Valid, Operating, Qualifiers::NONE), Some("N"));
    check_written("hj212", axes(Valid, Stopped, Qualifiers::NONE), Some("F"));
    check_written("hj212", axes(Missing, Stopped, Qualifiers::NONE), Some("F"));
    check_written("hj212", axes(CommError, Stopped, Qualifiers::NONE), Some("B"));
    check_written("hj212", axes(Fault, Stopped, Qualifiers::SUBSTITUTED), Some("D"));
    check_written("hj212", axes(Missing, Operating, Qualifiers::NONE), None);
    check_written("hj212-equipment", axes(Calibration, Operating, Qualifiers::NONE), Some("2"));
    check_written("hj212-equipment", axes(CommError, Operating, Qualifiers::NONE), None);
    check_written("germany-plant", axes(CommError, Operating, Qualifiers::NONE), Some("G"));
}

#[test]
fn a_code_that_names_the_remark_goes_before_one_that_does_not() {
    use InstrumentState::*;
    let plant = PlantState::Operating;

    check_written("taiwan", axes(Valid, plant, Qualifiers::ABOVE_LIMIT), Some("011"));
    check_written("taiwan", axes(Valid, plant, Qualifiers::LATE), Some("010"));
    check_written("us-modc", axes(Valid, plant, Qualifiers::SUBSTITUTED.with(Qualifiers::LATE)), Some("55"));
    check_written("us-modc", axes(Fault, plant, Qualifiers::SUBSTITUTED), Some("55"));
    check_written("us-modc", axes(Fault, plant, Qualifiers::NONE), None);
    check_written("germany-mws1", axes(Fault, plant, Qualifiers::OUTSIDE_CALIBRATION_RANGE), None);
}

#[test]
fn the_order_of_the_codes_does_not_matter() {
    for (name, table) in tables() {
        let mut turned = table.clone();
        turned.codes.reverse();
        for axes in combinations() {
            assert_eq!(turned.code(&axes), table.code(&axes), "{name}");
        }
    }
}

#[test]
fn of_the_bits_of_a_word_the_first_in_precedence_is_read() {
    let component = &tables()["gm32-component"];
    let check = |word: u64, expected: &str| {
        assert_eq!(component.read_word(word).state.map(InstrumentState::name), Some(expected), "{word:#b}");
    };
    check(0, "valid");
    check(0b10, "valid");
    check(0b1_0000_0000, "calibration");
    check(0b1_1000_0010, "maintenance");
    check(0b1_1100_0010, "over_range");
    check(0b1_1110_1111, "fault");
    check(0b1_0000, "suspect");
    check(1 << 63 | 1, "fault");
}

#[test]
fn bits_join_their_remarks_and_plant_states_that_disagree_are_unknown() {
    let joined = table(
        r#"
        bits = true
        codes.0 = { plant = "stopped" }
        codes.1 = { plant = "startup", qualifiers = ["late"] }
        codes.2 = { plant = "stopped", qualifiers = ["test"] }
        "#,
    );
    let check = |word, plant, qualifiers| {
        assert_eq!(joined.read_word(word), Meaning { state: None, plant, qualifiers }, "{word:#b}");
    };
    check(0, None, Qualifiers::NONE);
    check(0b101, Some(PlantState::Stopped), Qualifiers::TEST);
    check(0b111, Some(PlantState::Unknown), Qualifiers::TEST.with(Qualifiers::LATE));
}

#[test]
fn a_number_is_read_whatever_its_leading_zeros() {
    assert_eq!(tables()["taiwan"].read_word(31).state, Some(InstrumentState::Maintenance));
    assert_eq!(tables()["hj212-equipment"].read_word(0).plant, Some(PlantState::Stopped));
}

#[test]
fn a_code_that_is_only_written_is_not_read() {
    let table = table(r#"codes.7 = { state = "fault", direction = "out" }"#);

    assert_eq!(table.problems(), Vec::<String>::new());
    assert_eq!(table.read("7"), None);
    assert_eq!(table.read_word(7), Meaning::UNKNOWN);
}

#[test]
fn what_is_wrong_with_a_table_is_named() {
    let check = |codes: &str, expected: &str| assert_eq!(table(codes).problems(), [expected], "{codes}");

    check("codes.A = { label = \"spare\", direction = \"in\" }", "code \"A\" says nothing");
    check("codes.1 = { state = \"fault\" }\ncodes.01 = { state = \"purge\" }", "codes \"01\" and \"1\" are the same");
    check(
        "codes.B = { state = \"fault\" }\ncodes.A = { state = \"fault\" }",
        "code \"B\" does not round-trip: what it says is written as \"A\"",
    );
    for code in ["64", "x", "+3"] {
        let codes = format!("bits = true\ncodes.\"{code}\" = {{ state = \"fault\" }}");
        check(&codes, &format!("code {code:?} is no bit number, which is 0 to 63"));
    }
}
