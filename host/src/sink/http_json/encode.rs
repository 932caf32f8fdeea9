//! Request bodies, and the idempotency keys that go with them.

use std::fmt::Write;

use crate::sink::Record;
use crate::sink::payload::{Encoder, Item};

/// One object.
pub(super) fn object_body(encoder: &Encoder, item: &Item<'_>) -> Vec<u8> {
    let mut body = Vec::with_capacity(512);
    encoder.write_json(item, &mut body);
    body
}

/// The objects of all records as one array; `None` when there is not one.
pub(super) fn array_body(encoder: &Encoder, records: &[Record]) -> Option<Vec<u8>> {
    let mut body = Vec::with_capacity(512 * records.len());
    for item in records.iter().flat_map(|record| encoder.items(record)) {
        body.push(if body.is_empty() { b'[' } else { b',' });
        encoder.write_json(&item, &mut body);
    }
    if body.is_empty() {
        return None;
    }
    body.push(b']');
    Some(body)
}

/// The key of an array: that of its only record, else those of the first and last and the number of records. The same
/// records tried again have the same key.
pub(super) fn array_key(records: &[Record]) -> String {
    match records {
        [] => String::new(),
        [only] => only.key.to_string(),
        [first, .., last] => format!("{}..{} ({})", first.key, last.key, records.len()),
    }
}

/// The text with everything percent-encoded that a header value cannot hold: names may be in any script.
pub(super) fn header_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (0x20..0x7f).contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples::poll_record;

    #[test]
    fn the_key_of_an_array_says_which_records() {
        let records = [poll_record(1), poll_record(2), poll_record(3)];
        assert_eq!(array_key(&records), "poll-1..poll-3 (3)");
        assert_eq!(array_key(&records[..1]), "poll-1");
        assert_ne!(array_key(&records[..2]), array_key(&records));
    }

    #[test]
    fn a_key_in_any_script_fits_a_header() {
        assert_eq!(header_text("stack 1/NO2"), "stack 1/NO2");
        assert_eq!(header_text("түтін"), "%D1%82%D2%AF%D1%82%D1%96%D0%BD");
        assert_eq!(header_text("a%\r\nb"), "a%25%0D%0Ab");
    }
}
