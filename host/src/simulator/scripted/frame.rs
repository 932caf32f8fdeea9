//! How frames are written in files: characters as they are, the rest by name or in hexadecimal: `<STX>DA<ETX>3A`, `<FF>`.

/// The bytes of a text.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        if let Some((byte, after)) = named.and_then(|(name, after)| Some((byte(name)?, after))) {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.extend(first.to_string().bytes());
            rest = rest.strip_prefix(first).unwrap_or_default();
        }
    }
    bytes
}

/// A name in angle brackets that is none, as in `<CRR>`: it would stand for its characters, and whoever wrote it meant a byte.
pub fn unknown_name(text: &str) -> Option<&str> {
    let names = text.split('<').skip(1).filter_map(|rest| Some(rest.split_once('>')?.0));
    let is_like_one = |name: &&str| {
        (2..=4).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    names.filter(is_like_one).find(|name| byte(name).is_none())
}

fn byte(name: &str) -> Option<u8> {
    let named = crate::capability::wire::CONTROL.iter().position(|control| *control == name);
    match named {
        Some(code) => u8::try_from(code).ok(),
        None if name.len() == 2 => u8::from_str_radix(name, 16).ok(),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::wire::printable;

    #[test]
    fn what_a_trace_shows_reads_back_as_the_same_bytes() {
        for frame in [&b"\x02DA097\x033A\r\n"[..], b"\xff\x00\x80", "5 < 6 > 4".as_bytes()] {
            assert_eq!(bytes(&printable(frame)), frame);
        }
        assert_eq!(bytes("<nothing of the kind>"), b"<nothing of the kind>");
        assert_eq!(unknown_name("<B1>o3<CRR>"), Some("CRR"));
        assert_eq!(unknown_name("<B1>o3<CR><DC1>, 5 < 6 > 4 <nothing of the kind> <OVERFLOW>"), None);
    }
}
