//! Records of the instrument's logger, as it sends them by itself or when asked.
//!
//! Verbose, one value a line with its name; compact, a line number and up to five values, the names being known from the settings:
//!
//! ```text
//! D 31:10:06 0412 CONC : AVG COCNC1=6.8 PPM
//! D 31:10:06 0412 PNUMTC: 1 800.0 29.7
//! ```
//!
//! Source: Teledyne 300M manual, 7.1, p.68; 200AU p.68.

use std::collections::BTreeMap;

use crate::line;

/// Values of a compact line.
const IN_LINE: usize = 5;

/// One value of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value<'a> {
    pub channel: &'a str,
    pub name: String,
    /// Nothing when it is no number.
    pub value: Option<f64>,
    /// Nothing in compact lines.
    pub unit: Option<&'a str>,
}

/// The values in the message of a line; none when it is no record.
pub(crate) fn values<'a>(message: &'a str, channels: &BTreeMap<String, Vec<String>>) -> Vec<Value<'a>> {
    let Some((channel, rest)) = message.split_once(':') else { return Vec::new() };
    let (channel, rest) = (channel.trim(), rest.trim());
    if let Some((front, value, unit)) = line::assignment(rest) {
        let name = match front.split_once(' ') {
            Some((kind, name)) => format!("{} {kind}", name.trim()),
            None => front.to_owned(),
        };
        return vec![Value { channel, name, value: line::number(value), unit: Some(unit) }];
    }
    let mut words = rest.split_whitespace();
    let Some(number) = words.next().and_then(|word| word.parse::<usize>().ok()) else { return Vec::new() };
    let Some(first) = number.checked_sub(1).and_then(|before| before.checked_mul(IN_LINE)) else { return Vec::new() };
    let names = channels.get(channel);
    let name = |at: usize| names.and_then(|names| names.get(at)).cloned().unwrap_or_else(|| (at + 1).to_string());
    let value = |(at, word)| Value { channel, name: name(first + at), value: line::number(word), unit: None };
    words.take(IN_LINE).enumerate().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_in_both_forms() {
        let channels = BTreeMap::from([("PNUMTC".to_owned(), vec!["SMPPRS AVG".to_owned()])]);
        let check = |message: &str, expected: &[(&str, &str, Option<f64>, Option<&str>)]| {
            let values = values(message, &channels);
            let read: Vec<_> =
                values.iter().map(|value| (value.channel, value.name.as_str(), value.value, value.unit)).collect();
            assert_eq!(read, expected, "{message}");
        };
        check("CONC : AVG COCNC1=6.8 PPM", &[("CONC", "COCNC1 AVG", Some(6.8), Some("PPM"))]);
        check("CONC: COCNC1=XXXX", &[("CONC", "COCNC1", None, Some(""))]);
        check(
            "PNUMTC: 1 800.0 29.7",
            &[("PNUMTC", "SMPPRS AVG", Some(800.0), None), ("PNUMTC", "2", Some(29.7), None)],
        );
        check("PNUMTC: 2 1.0 XXXX", &[("PNUMTC", "6", Some(1.0), None), ("PNUMTC", "7", None, None)]);
        check("PNUMTC: 0 1.0", &[]);
        check("PNUMTC: 18446744073709551615 1.0", &[]);
        check("no record", &[]);
        check("CONC: nothing", &[]);
    }
}
