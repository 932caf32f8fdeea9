//! The text of a reply with values.
//!
//! ```text
//! MD03 001 +2578+01 03 04 0000000000 002 +5681+00 03 04 0000000000 …      Thermo: 5 fields
//! MD01 097 +1234-01 10 00 003 000045                                        Serinus: 6 fields
//! MD01 097 +1234-01 10 00003 000045                                         Serinus 10, 30 and 50: a blank less
//! MD01 +1234-01 10 00 003 000045                                            no address
//! ```
//!
//! Blanks differ from maker to maker, so the text is split by blanks, and what a field is follows from its place around the value, whose
//! shape no other field has: sign, four digits, sign, two digits.

/// One value of a reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Group {
    /// Whose value it is, when the reply says.
    pub address: Option<u16>,
    /// The number.
    pub value: f64,
    /// The eight characters of the number.
    pub raw: u64,
    /// Operation byte and error byte.
    pub status: u16,
}

impl Group {
    /// True when it is exactly 0, which is also what some instruments send for a value that is not valid.
    pub fn is_zero(&self) -> bool {
        self.value == 0.0
    }
}

/// All values of a reply, or what cannot be read in it.
pub(crate) fn groups(text: &str) -> Result<Vec<Group>, String> {
    let rest = text.strip_prefix("MD").ok_or("does not begin with MD")?.trim_start_matches(' ');
    let (count, rest) = rest.split_at_checked(2).ok_or("no number of values")?;
    let count = digits(count).ok_or_else(|| format!("number of values {count:?}"))?;
    let fields: Vec<&str> = rest.split(' ').filter(|field| !field.is_empty()).collect();
    let values: Vec<usize> = fields.iter().enumerate().filter(|(_, field)| is_value(field)).map(|(at, _)| at).collect();
    if values.len() != usize::from(count) {
        return Err(format!("{count} values announced, {} came", values.len()));
    }
    let before = match values.first() {
        Some(first @ (0 | 1)) => *first,
        Some(_) => return Err("several fields before the first value".into()),
        None => return if fields.is_empty() { Ok(Vec::new()) } else { Err("fields without a value".into()) },
    };
    let ends = values.iter().skip(1).map(|next| next.saturating_sub(before)).chain([fields.len()]);
    let groups = values.iter().zip(ends).map(|(at, end)| {
        let begin = at.checked_sub(before)?;
        fields.get(begin..end)
    });
    let groups: Vec<Group> =
        groups.map(|fields| group(fields.unwrap_or_default(), before == 1)).collect::<Result<_, _>>()?;
    match groups.iter().enumerate().find(|(at, group)| is_repeated(group, groups.get(..*at).unwrap_or_default())) {
        Some((_, group)) => Err(format!("address {} twice", group.address.unwrap_or_default())),
        None => Ok(groups),
    }
}

fn is_repeated(group: &Group, earlier: &[Group]) -> bool {
    group.address.is_some() && earlier.iter().any(|other| other.address == group.address)
}

/// A value with what stands around it.
fn group(fields: &[&str], has_address: bool) -> Result<Group, String> {
    let (address, fields) = match fields.split_first() {
        Some((address, rest)) if has_address => (Some(address_of(address)?), rest),
        _ => (None, fields),
    };
    let [number, operation, error, further @ ..] = fields else {
        return Err(format!("value {:?} without status", fields.join(" ")));
    };
    // An error byte of five characters has the next field, which has three digits, glued to it.
    let (error, glued) = if error.len() == 5 { error.split_at_checked(2).unwrap_or((error, "")) } else { (*error, "") };
    let (operation, error) = (byte(operation)?, byte(error)?);
    let further = [glued].into_iter().filter(|field| !field.is_empty()).chain(further.iter().copied());
    if let Some(odd) = further.clone().find(|field| !field.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(format!("field {odd:?}"));
    }
    if further.count() > 2 {
        return Err(format!("more than six fields around {number}"));
    }
    let raw = number.bytes().fold(0, |raw, byte| raw << 8 | u64::from(byte));
    let value = number_of(number).ok_or_else(|| format!("value {number:?}"))?;
    Ok(Group { address, value, raw, status: u16::from_be_bytes([operation, error]) })
}

/// Sign, four digits with the point after the first, sign, two digits: "+2578+01" is 25.78.
fn number_of(field: &str) -> Option<f64> {
    let (mantissa, exponent) = field.split_at_checked(5)?;
    let (first, decimals) = mantissa.split_at_checked(2)?;
    format!("{first}.{decimals}e{exponent}").parse().ok()
}

fn is_value(field: &str) -> bool {
    let [sign, digits @ .., exponent_sign, tens, ones] = field.as_bytes() else { return false };
    let is_sign = |byte: &u8| matches!(byte, b'+' | b'-');
    digits.len() == 4
        && is_sign(sign)
        && is_sign(exponent_sign)
        && digits.iter().chain([tens, ones]).all(u8::is_ascii_digit)
}

fn address_of(field: &str) -> Result<u16, String> {
    let address = if field.len() <= 3 { digits(field) } else { None };
    address.ok_or_else(|| format!("address {field:?}"))
}

fn byte(field: &str) -> Result<u8, String> {
    let is_hex = field.len() == 2 && field.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = if is_hex { u8::from_str_radix(field, 16).ok() } else { None };
    byte.ok_or_else(|| format!("status byte {field:?}"))
}

fn digits(field: &str) -> Option<u16> {
    if field.bytes().all(|byte| byte.is_ascii_digit()) { field.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../tests/vectors/bayern_hessen.json")).unwrap()
    }

    #[test]
    fn numbers_are_the_published_ones() {
        let vectors = vectors();
        let examples = vectors["number_format"]["examples"].as_array().unwrap();
        assert_eq!(examples.len(), 6);
        for example in examples {
            let raw = example["raw"].as_str().unwrap();
            assert!(is_value(raw), "{raw}");
            assert_eq!(number_of(raw), example["value"].as_f64(), "{raw}");
        }
        assert_eq!(number_of("-5384+06"), Some(-5_384_000.0));
        assert_eq!(number_of("+4567-02"), Some(0.04567));
    }

    #[test]
    fn the_published_reply_is_read() {
        let vectors = vectors();
        let text = vectors["reply_example"]["reply"].as_str().unwrap();
        let text = text.trim_start_matches("<STX>").trim_end_matches("<CR>");

        let groups = groups(text).unwrap();

        let parsed = vectors["reply_example"]["parsed"].as_array().unwrap();
        assert_eq!(groups.len(), parsed.len());
        for (group, expected) in groups.iter().zip(parsed) {
            assert_eq!(format!("{:03}", group.address.unwrap()), expected["address"]);
            assert_eq!(group.value, expected["value"]);
            assert_eq!(group.raw.to_be_bytes(), expected["raw"].as_str().unwrap().as_bytes());
            assert_eq!(group.status, 0x0304);
        }
    }

    #[test]
    fn five_and_six_fields_and_missing_blanks_and_addresses_are_one_value() {
        let check = |text: &str, address: Option<u16>| {
            let raw = u64::from_be_bytes(*b"+1234-01");
            assert_eq!(groups(text), Ok(vec![Group { address, value: 0.1234, raw, status: 0x1001 }]), "{text}");
        };
        check("MD01 097 +1234-01 10 01 003 000045 ", Some(97));
        check("MD01 097 +1234-01 10 01 003 000045", Some(97));
        check("MD01 097 +1234-01 10 01003 000045 ", Some(97));
        check("MD01 097 +1234-01 10 01 0000000000 ", Some(97));
        check("MD01 097 +1234-01 10  01", Some(97));
        check("MD01  97 +1234-01  10 01 003 000045", Some(97));
        check("MD01097 +1234-01 10 01 003 000045", Some(97));
        check("MD 01 097 +1234-01 10 01 003 000045", Some(97));
        check("MD01 +1234-01 10 01 003 000045", None);
        check("MD01 +1234-01 10 01003 000045", None);
        check("MD01 +1234-01 10 01 0000000000", None);
    }

    #[test]
    fn several_values_keep_their_own_address_and_status() {
        let check = |text: &str, expected: &[(Option<u16>, f64, u16)]| {
            let groups = groups(text).unwrap();
            let came: Vec<_> = groups.iter().map(|group| (group.address, group.value, group.status)).collect();
            assert_eq!(came, expected, "{text}");
        };
        check(
            "MD02 001 +1000+01 04 00 003 000045 002 +2000+01 00 20 003 000045 ",
            &[(Some(1), 10.0, 0x0400), (Some(2), 20.0, 0x0020)],
        );
        check(
            "MD02 001 +1000+01 04 00003 000045 002 +2000+01 00 20",
            &[(Some(1), 10.0, 0x0400), (Some(2), 20.0, 0x0020)],
        );
        check(
            "MD02 +1000+01 04 00 003 000045 +2000+01 00 20 003 000045",
            &[(None, 10.0, 0x0400), (None, 20.0, 0x0020)],
        );
        check("MD00", &[]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let check = |text: &str, expected: &str| assert_eq!(groups(text), Err(expected.to_owned()), "{text}");
        check("DA005", "does not begin with MD");
        check("MD1", "no number of values");
        check("MDx1 005 +1234-01 10 01", "number of values \"x1\"");
        check("MD02 005 +1234-01 10 01 003 000045", "2 values announced, 1 came");
        check("MD01 005 +1234-01 10", "value \"+1234-01 10\" without status");
        check("MD01 005 +1234-01 10 1", "status byte \"1\"");
        check("MD01 005 +1234-01 1G 01", "status byte \"1G\"");
        check("MD01 005 +1234-01 +1 01", "status byte \"+1\"");
        check("MD01 1005 +1234-01 10 01", "address \"1005\"");
        check("MD01 0 5 +1234-01 10 01", "several fields before the first value");
        check("MD01 005 +12.4-01 10 01", "1 values announced, 0 came");
        check("MD01 005 +1234-01 10 01 0x3", "field \"0x3\"");
        check("MD01 005 +1234-01 10 01 003 000045 1", "more than six fields around +1234-01");
        check("MD02 005 +1234-01 10 01 005 +1234-01 10 01", "address 5 twice");
        check("MD02 005 +1234-01 +1234-01 10 01", "value \"\" without status");
        check("MD00 005", "fields without a value");
    }
}
