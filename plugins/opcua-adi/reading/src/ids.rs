//! From browse names to ids of points.

use std::collections::BTreeSet;

const LONGEST: usize = 64;

/// The id of a path of browse names: lower case, everything but letters and digits as `_`. Where it is too long or `taken`, its end is eight digits
/// that depend on the path alone.
pub fn id_of(path: &[String], taken: &BTreeSet<String>) -> String {
    let text = path.join("_");
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    let mut id: String = text.chars().map(letter).collect();
    if !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        id.insert_str(0, "p_");
    }
    if id.len() <= LONGEST && !taken.contains(&id) {
        return id;
    }
    // The end of a path tells more than its beginning.
    let start = id.len().saturating_sub(LONGEST - 11);
    let end = id.get(start..).unwrap_or_default().to_owned();
    let mut digits = fnv(&text);
    loop {
        let id = format!("p_{end}_{digits:08x}");
        if !taken.contains(&id) {
            return id;
        }
        digits = digits.wrapping_add(1);
    }
}

/// True when the id is one of the patterns, or there is none.
pub fn is_wanted(id: &str, patterns: &[String]) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(id, pattern))
}

/// `*` stands for any part.
fn matches(text: &str, pattern: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return text == pattern };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|skip| rest.get(skip..).is_some_and(|rest| matches(rest, after)))
}

/// FNV-1a, 32 bits.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use tutin_sdk::Point;

    use super::*;

    #[test]
    fn a_path_becomes_an_id_that_the_contract_allows_and_no_other_has() {
        let mut taken = BTreeSet::new();
        let mut id = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            let id = id_of(&path, &taken);
            assert!(Point::is_id(&id), "{id}");
            assert!(taken.insert(id.clone()), "{id} twice");
            id
        };
        assert_eq!(id(&["Gas 1", "ScaledData"]), "gas_1_scaleddata");
        assert!(id(&["Gas_1", "ScaledData"]).starts_with("p_gas_1_scaleddata_"));
        assert_eq!(id(&["2nd"]), "p_2nd");
        let long = "x".repeat(100);
        assert_ne!(id(&[&long, "a"]), id(&[&long, "b"]));
    }

    #[test]
    fn a_pattern_stands_for_any_part() {
        let check =
            |id: &str, pattern: &str, expected: bool| assert_eq!(matches(id, pattern), expected, "{id} {pattern}");
        check("a_b_c", "a_b_c", true);
        check("a_b_c", "a_b", false);
        check("a_b_c", "*_c", true);
        check("a_b_c", "a*c", true);
        check("a_b_c", "a*b", false);
        check("a_b_c", "*", true);
        assert!(is_wanted("x", &[]));
    }
}
