//! Lines that are the same or not, and frames as people write them.

use serde_json::json;

use super::*;

#[test]
fn all_members_are_compared_when_they_shall_be() {
    let check = |expected: &str, members: Members, is_same: bool| {
        let found = [json!({"value": 1.0, "status": 9_007_199_254_740_993_u64})];
        assert_eq!(compare(expected, &found, members).is_ok(), is_same, "{expected}");
    };
    check(r#"{"value": 1}"#, Members::Listed, true);
    check(r#"{"value": 1}"#, Members::All, false);
    check(r#"{"value": 1, "status": 9007199254740993}"#, Members::All, true);
    check(r#"{"value": 1, "status": 9007199254740992}"#, Members::All, false);
    check(r#"{"value": 1, "status": 9007199254740993, "late": true}"#, Members::All, false);
    check(r#"{"value": "1"}"#, Members::Listed, false);
    check(r#"{"late": null}"#, Members::Listed, false);
}

#[test]
fn a_name_in_brackets_is_a_byte_when_it_is_one() {
    let check = |text: &str, expected: &[u8]| assert_eq!(bytes(text), expected, "{text}");
    check("<STX>DA<ETX>04", b"\x02DA\x0304");
    check("<B1>o3<CR><LF>", b"\xB1o3\r\n");
    check("a<b>é<", "a<b>é<".as_bytes());
    check("<<0D>", b"<\r");
}
