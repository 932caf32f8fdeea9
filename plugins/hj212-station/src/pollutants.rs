//! What a code stands for and which point its values become.
//!
//! Names are from HJ 212-2017, appendix B, as far as they were read. The table has no units: stations write the same code in
//! different ones (pressure in Pa or kPa, flow per second or per hour), so that the settings say them.

/// Codes with a name for people.
const NAMES: [(&str, &str); 18] = [
    ("a21026", "SO2"),
    ("a21002", "NOx"),
    ("a21003", "NO"),
    ("a21004", "NO2"),
    ("a21005", "CO"),
    ("a34013", "dust"),
    ("a19001", "O2"),
    ("a01011", "gas velocity"),
    ("a01012", "gas temperature"),
    ("a01013", "gas pressure"),
    ("a01014", "gas moisture"),
    ("a00000", "gas flow"),
    ("w01001", "pH"),
    ("w01010", "water temperature"),
    ("w01014", "conductivity"),
    ("w01018", "COD"),
    ("w21003", "NH3-N"),
    ("w00000", "water flow"),
];

/// The name of a code; the code itself when the table has none.
pub(crate) fn name(code: &str) -> &str {
    NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map_or(code, |(_, name)| name)
}

/// What a data message tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    /// The moment of sampling, or the state of equipment.
    Moment,
    Minutes,
    Hour,
    Day,
    /// A data message that this driver knows by its number only.
    Other(u16),
}

impl Period {
    /// The period of a command; nothing when it carries no data.
    pub fn of(cn: u16) -> Option<Period> {
        match cn {
            2011 | 2021 => Some(Period::Moment),
            2051 => Some(Period::Minutes),
            2061 => Some(Period::Hour),
            2031 | 2041 => Some(Period::Day),
            2081 => None,
            2000..=2999 => Some(Period::Other(cn)),
            _ => None,
        }
    }

    /// Seconds after its label at which a message of this kind may come without being late. A period of minutes has at most 30.
    pub fn longest(self) -> i64 {
        match self {
            Period::Moment => 0,
            Period::Minutes => 30 * 60,
            Period::Hour => 3600,
            Period::Day | Period::Other(_) => 86_400,
        }
    }

    fn in_id(self) -> String {
        match self {
            Period::Moment => String::new(),
            Period::Minutes => "_minute".into(),
            Period::Hour => "_hour".into(),
            Period::Day => "_day".into(),
            Period::Other(cn) => format!("_cn{cn}"),
        }
    }

    fn in_label(self) -> String {
        match self {
            Period::Moment => String::new(),
            Period::Minutes => ", minutes".into(),
            Period::Hour => ", hour".into(),
            Period::Day => ", day".into(),
            Period::Other(cn) => format!(", command {cn}"),
        }
    }
}

/// The id of a point: `a21026_rtd`, `a21026_minute_zs_avg`, `sb1_rs`. A code of 2005 that begins with a digit gets a `p` in front.
pub(crate) fn id(code: &str, period: Period, field: &str) -> String {
    let code = lower(code);
    let front = if code.starts_with(|first: char| first.is_ascii_lowercase()) { "" } else { "p" };
    let id = format!("{front}{code}{}_{}", period.in_id(), snake(field));
    id.chars().take(64).collect()
}

/// The label of a point.
pub(crate) fn label(code: &str, period: Period, field: &str) -> String {
    let name = name(code);
    let code = if name == code { String::new() } else { format!(" ({code})") };
    format!("{name}{code}{}, {field}", period.in_label())
}

fn lower(text: &str) -> String {
    let lower = |character: char| match character.to_ascii_lowercase() {
        kept @ ('a'..='z' | '0'..='9') => kept,
        _ => '_',
    };
    text.chars().map(lower).collect()
}

/// `ZsRtd` becomes `zs_rtd`.
fn snake(field: &str) -> String {
    let mut snake = String::with_capacity(field.len() + 2);
    let mut before = ' ';
    for character in field.chars() {
        if character.is_ascii_uppercase() && before.is_ascii_lowercase() {
            snake.push('_');
        }
        snake.push(character);
        before = character;
    }
    lower(&snake)
}

#[cfg(test)]
mod tests {
    use tutin_sdk::Point;

    use super::*;

    #[test]
    fn every_code_becomes_an_id_that_the_contract_allows() {
        let check = |code: &str, period: Period, field: &str, expected: &str| {
            assert_eq!(id(code, period, field), expected);
            assert!(Point::is_id(expected), "{expected}");
        };
        check("a21026", Period::Moment, "Rtd", "a21026_rtd");
        check("a21026", Period::Minutes, "ZsAvg", "a21026_minute_zs_avg");
        check("a21026", Period::Hour, "Cou", "a21026_hour_cou");
        check("a21026", Period::Day, "Max", "a21026_day_max");
        check("B01", Period::Moment, "Rtd", "b01_rtd");
        check("011", Period::Moment, "Rtd", "p011_rtd");
        check("SB1", Period::Moment, "RS", "sb1_rs");
        check("a01006", Period::Other(2062), "ValidNum", "a01006_cn2062_valid_num");
        check("烟", Period::Moment, "Rtd", "p__rtd");
        check(&"a".repeat(90), Period::Moment, "Rtd", &"a".repeat(64));
    }

    #[test]
    fn a_label_says_the_name_and_the_code() {
        assert_eq!(label("a21026", Period::Hour, "Avg"), "SO2 (a21026), hour, Avg");
        assert_eq!(label("a24088", Period::Moment, "Rtd"), "a24088, Rtd");
    }
}
