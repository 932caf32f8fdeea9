//! A number as decimal text, rounded once.
//!
//! An authority compares decimals, and regimes differ in what half a digit becomes. Rounding an f64 by arithmetic rounds the
//! binary number, where 285.825 lies below the half; what a person reads as 285.825 must become 285.83.
//!
//! Invariant: rounding happens on the shortest decimal text that reads back as the same bits, and only once, at the edge.

use serde::{Deserialize, Serialize};

/// What becomes of exactly half a digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Away from zero: 2.5 is 3, -2.5 is -3.
    #[default]
    HalfUp,
    /// To the even digit: 2.5 is 2, 3.5 is 4.
    HalfEven,
}

/// The value with this many decimals, in plain notation without exponent.
///
/// A negative value keeps its sign, also when it is rounded to `-0`. What is not finite is `NaN`, `inf` or `-inf`.
pub fn rounded(value: f64, decimals: u8, rounding: Rounding) -> String {
    // `Display` of f64 writes the shortest digits that read back, never with an exponent.
    let text = value.to_string();
    if !value.is_finite() {
        return text;
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let decimals = usize::from(decimals);
    match fraction.split_at_checked(decimals) {
        Some((kept, rest)) => join(sign, &nearest(whole, kept, rest, rounding), decimals),
        None => join(sign, &format!("{whole}{fraction:0<decimals$}"), decimals),
    }
}

/// The digits that are kept, one more in the last place when the rest asks for it.
fn nearest(whole: &str, kept: &str, rest: &str, rounding: Rounding) -> String {
    let digits = format!("{whole}{kept}");
    let odd = digits.bytes().next_back().is_some_and(|digit| digit % 2 == 1);
    let (first, below) = rest.split_at_checked(1).unwrap_or(("0", ""));
    let more_than_half = first > "5" || (first == "5" && below.bytes().any(|digit| digit != b'0'));
    let up = more_than_half || (first == "5" && (rounding == Rounding::HalfUp || odd));
    if up { increased(&digits) } else { digits }
}

/// The decimal digits of the number that is one more.
fn increased(digits: &str) -> String {
    let kept = digits.trim_end_matches('9');
    let zeros = "0".repeat(digits.len() - kept.len());
    match kept.char_indices().next_back() {
        Some((place, digit)) => {
            let (before, _) = kept.split_at_checked(place).unwrap_or((kept, ""));
            let digit = digit.to_digit(10).map_or(0, |digit| digit + 1);
            format!("{before}{digit}{zeros}")
        }
        None => format!("1{zeros}"),
    }
}

fn join(sign: &str, digits: &str, decimals: usize) -> String {
    match digits.split_at_checked(digits.len().saturating_sub(decimals)) {
        Some((whole, fraction)) if decimals > 0 => format!("{sign}{whole}.{fraction}"),
        _ => format!("{sign}{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, decimals: u8, half_up: &str, half_even: &str) {
        assert_eq!(rounded(value, decimals, Rounding::HalfUp), half_up, "{value} half up");
        assert_eq!(rounded(value, decimals, Rounding::HalfEven), half_even, "{value} half even");
    }

    #[test]
    fn the_published_rows_hold() {
        let file: serde_json::Value = serde_json::from_str(include_str!("pipeline/vectors/averaging.json")).unwrap();
        let rows = file["rounding"].as_array().unwrap();
        assert!(!rows.is_empty());

        for row in rows {
            let text = |name: &str| row[name].as_str().unwrap();
            let digits = u8::try_from(row["digits"].as_u64().unwrap()).unwrap();
            check(text("value").parse().unwrap(), digits, text("half_up"), text("half_even"));
        }
    }

    #[test]
    fn what_a_person_reads_as_half_is_half() {
        check(1.005, 2, "1.01", "1.00");
        check(-285.825, 2, "-285.83", "-285.82");
        check(0.5, 0, "1", "0");
        check(1.5, 0, "2", "2");
        check(0.500_000_000_1, 0, "1", "1");
        check(0.05, 1, "0.1", "0.0");
    }

    #[test]
    fn a_carry_runs_through_to_a_new_digit() {
        check(9.995, 2, "10.00", "10.00");
        check(999.96, 1, "1000.0", "1000.0");
        check(0.999, 0, "1", "1");
        check(99.5, 0, "100", "100");
    }

    #[test]
    fn missing_decimals_are_zeros() {
        check(3.0, 2, "3.00", "3.00");
        check(0.1, 3, "0.100", "0.100");
        check(0.0, 0, "0", "0");
        check(0.0, 255, &format!("0.{}", "0".repeat(255)), &format!("0.{}", "0".repeat(255)));
    }

    #[test]
    fn very_large_and_very_small_numbers_have_no_exponent() {
        let large = format!("1{}", "0".repeat(300));
        check(1e300, 0, &large, &large);
        check(1e300, 1, &format!("{large}.0"), &format!("{large}.0"));
        check(1e-300, 2, "0.00", "0.00");
        check(5e-324, 255, &format!("0.{}", "0".repeat(255)), &format!("0.{}", "0".repeat(255)));
        check(f64::MAX, 0, &f64::MAX.to_string(), &f64::MAX.to_string());
    }

    #[test]
    fn what_is_no_number_says_so() {
        check(f64::NAN, 2, "NaN", "NaN");
        check(f64::INFINITY, 2, "inf", "inf");
        check(f64::NEG_INFINITY, 2, "-inf", "-inf");
    }

    #[test]
    fn a_negative_value_keeps_its_sign() {
        check(-0.4, 0, "-0", "-0");
        check(-0.0, 1, "-0.0", "-0.0");
    }

    #[test]
    fn the_names_of_the_settings_are_snake_case() {
        assert_eq!(serde_json::to_string(&Rounding::HalfEven).unwrap(), r#""half_even""#);
        assert_eq!(serde_json::from_str::<Rounding>(r#""half_up""#).unwrap(), Rounding::default());
    }
}
