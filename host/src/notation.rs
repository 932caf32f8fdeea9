//! How numbers and texts are written as JSON and as CSV: once, for whatever leaves the hub as text.
//!
//! Invariant: a finite number reads back as the same bits.

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits, which may stand between blanks.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// A number of things, for people: `1 case`, `2 cases`. Of nouns whose plural is theirs and an s.
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Appends the shortest digits that read back as the same bits; `null` for what JSON cannot say.
pub fn write_json_number(number: f64, out: &mut Vec<u8>) {
    // Neither writing to memory nor a number can fail; a NaN or an infinity is written as `null`.
    let _ = serde_json::to_writer(out, &number);
}

/// Appends the text in quotes, escaped.
pub fn write_json_text(text: &str, out: &mut Vec<u8>) {
    // Neither writing to memory nor a text can fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends the text as a CSV field (RFC 4180, section 2, rules 5 to 7), in quotes when it has to be.
pub fn write_csv_text(text: &str, out: &mut Vec<u8>) {
    if !text.contains(['"', ',', '\r', '\n']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
