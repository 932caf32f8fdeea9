//! Bytes for people.

use std::fmt::Write as _;

/// The first bytes in hexadecimal, at most so many: "02 4D 44 … (37 bytes)". For errors and the log.
pub fn hex(bytes: &[u8], most: usize) -> String {
    let mut shown = String::new();
    for byte in bytes.iter().take(most) {
        let gap = if shown.is_empty() { "" } else { " " };
        // Writing into a text cannot fail.
        let _ = write!(shown, "{gap}{byte:02X}");
    }
    if bytes.len() > most {
        let _ = write!(shown, " … ({} bytes)", bytes.len());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_cut_to_a_length_that_people_read() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(hex(bytes, 3), expected);
        check(&[], "");
        check(&[0x02, 0x4D], "02 4D");
        check(&[0x02, 0x4D, 0xFF], "02 4D FF");
        check(&[0x02, 0x4D, 0xFF, 0x00], "02 4D FF … (4 bytes)");
    }
}
