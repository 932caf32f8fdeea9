//! The cutter alone: what it makes of bytes.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::framing::{Cut, Cutter};
use super::super::rule::{Framing, Length, Notation};
use super::ended_by;
use crate::time::Timestamp;

/// Frames as they are, thrown bytes as `~…`, broken frames as `!…`, silence in the input as `0xFE`.
fn cut(rule: &Framing, input: &[u8]) -> Vec<String> {
    let mut cutter = Cutter::new(Arc::new(rule.clone().checked().unwrap()));
    let mut cuts = Vec::new();
    for (moment, byte) in input.iter().enumerate() {
        if *byte == 0xfe {
            cutter.silence(&mut cuts);
        } else {
            cutter.push(*byte, Timestamp(i64::try_from(moment).unwrap()), &mut cuts);
        }
    }
    let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    cuts.iter()
        .map(|cut| match cut {
            Cut::Frame(frame) => text(&frame.bytes),
            Cut::Thrown(bytes) => format!("~{}", text(bytes)),
            Cut::Broken { bytes, .. } => format!("!{}", text(bytes)),
        })
        .collect()
}

fn measured(offset: usize, width: usize, notation: Notation, extra: usize) -> Framing {
    let length = Some(Length { offset, width, notation, extra });
    Framing { ends: Vec::new(), length, ..ended_by(&[]) }
}

fn begun_by(rule: Framing, starts: &[&[u8]]) -> Framing {
    Framing { starts: starts.iter().map(|start| start.to_vec()).collect(), ..rule }
}

#[test]
fn frames_end_where_their_rule_says() {
    let check = |rule: &Framing, input: &[u8], expected: &[&str]| assert_eq!(cut(rule, input), expected, "{input:?}");
    let stx = |rule: Framing| begun_by(rule, &[b"\x02"]);

    let line = ended_by(&[b"\r"]);
    check(&line, b"a\rbc\rd", &["a\r", "bc\r"]);
    check(&line, b"\r", &["\r"]);
    check(&ended_by(&[b"\r\n"]), b"a\rb\r\n", &["a\rb\r\n"]);
    check(&ended_by(&[b"\r", b"\x03"]), b"a\x03b\r", &["a\x03", "b\r"]);
    check(&stx(line.clone()), b"xx\x02a\ry\x02b\r", &["~xx", "\x02a\r", "~y", "\x02b\r"]);
    // A start of several bytes, the first of which also comes by itself.
    check(&begun_by(line.clone(), &[b"##", b"$"]), b"#x###1\r$2\r", &["~#x", "###1\r", "$2\r"]);
    check(&begun_by(line.clone(), &[b"aab"]), b"aaab\r", &["~a", "aab\r"]);
    // What begins a frame does not end it.
    check(&begun_by(line.clone(), &[b"\r"]), b"\ra\r", &["\ra\r"]);

    let checked = Framing { trailer: 2, ..ended_by(&[b"\x03"]) };
    check(&stx(checked.clone()), b"\x02a\x033Az\x02b\x03\x03\x03", &["\x02a\x033A", "~z", "\x02b\x03\x03\x03"]);

    let gap = Framing { gap: Some(Duration::from_millis(10)), ends: Vec::new(), ..ended_by(&[]) };
    check(&gap, b"ab\xfec\xfe\xfe", &["ab", "c"]);
    check(&stx(gap.clone()), b"x\xfe\x02a\xfe", &["~x", "\x02a"]);
    // The first that is met ends the frame.
    check(&Framing { gap: Some(Duration::from_millis(10)), ..line.clone() }, b"a\rb\xfec\r", &["a\r", "b", "c\r"]);
    let both = Framing { ends: vec![b"\r".to_vec()], ..measured(0, 1, Notation::Decimal, 0) };
    check(&both, b"4abc3\r2a", &["4abc", "3\r", "2a"]);
}

#[test]
fn a_length_is_read_in_each_notation() {
    let check = |notation, width, input: &[u8], rest: usize| {
        let rule = measured(1, width, notation, 1 + width);
        let mut bytes = input.to_vec();
        bytes.extend(std::iter::repeat_n(b'x', rest));
        let whole: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        bytes.extend_from_slice(b"next");
        assert_eq!(cut(&rule, &bytes).first(), Some(&whole), "{notation:?}");
    };
    check(Notation::BigEndian, 2, b"a\x01\x02", 258);
    check(Notation::LittleEndian, 2, b"a\x02\x01", 258);
    check(Notation::BigEndian, 8, b"a\0\0\0\0\0\0\0\x03", 3);
    check(Notation::Decimal, 4, b"#0101", 101);
    check(Notation::Hexadecimal, 2, b"a1f", 31);
    check(Notation::Hexadecimal, 2, b"a1F", 31);
    check(Notation::Decimal, 1, b"a0", 0);
}

#[test]
fn a_broken_frame_costs_itself_and_not_the_next() {
    let check = |rule: &Framing, input: &[u8], expected: &[&str]| assert_eq!(cut(rule, input), expected, "{input:?}");
    let short = Framing { longest: 4, ..ended_by(&[b"\r\n"]) };
    check(&short, b"ab\r\n", &["ab\r\n"]);
    // Without a start what follows an end is the next frame, even where the end stands across the place where it broke.
    check(&short, b"abcdefgh\r\nij\r\n", &["!abcd", "~efgh\r\n", "ij\r\n"]);
    check(&short, b"abc\r\nij\r\n", &["!abc\r", "~\n", "ij\r\n"]);
    check(&Framing { trailer: 1, ..short.clone() }, b"abcdef\r\nXi\r\nY", &["!abcd", "~ef\r\nX", "i\r\nY"]);
    check(&begun_by(short.clone(), &[b">"]), b">bcdef>\r\n", &["!>bcd", "~ef", ">\r\n"]);
    // A length that is none, is too large, or has passed already.
    let counted = Framing { longest: 9, ..measured(1, 2, Notation::Decimal, 3) };
    let started = begun_by(counted.clone(), &[b">"]);
    check(&started, b">0x>02ab", &["!>0x", ">02ab"]);
    check(&started, b">07>02ab", &["!>07", ">02ab"]);
    check(&Framing { length: started.length.map(|l| Length { extra: 1, ..l }), ..started }, b">01", &["!>01"]);
    // Where no start is given only silence tells where the next one begins.
    check(&counted, b">0xab>02ab\xfe>02cd", &["!>0x", "~ab>02ab", ">02cd"]);
}

#[test]
fn a_frame_that_breaks_off_is_thrown_away() {
    assert_eq!(cut(&ended_by(&[b"\r"]), b"ab\xfec\r"), ["~ab", "c\r"]);
    assert_eq!(cut(&begun_by(ended_by(&[b"\r"]), &[b"##"]), b"#\xfe##c\r"), ["~#", "##c\r"]);
}

#[test]
fn after_missed_bytes_the_rest_of_a_frame_is_no_frame() {
    let mut cutter = Cutter::new(Arc::new(ended_by(&[b"\r"])));
    let mut cuts = Vec::new();
    cutter.missed(&mut cuts);
    b"rest\rwhole\r".iter().for_each(|byte| cutter.push(*byte, Timestamp(1), &mut cuts));
    let frames: Vec<_> =
        cuts.iter().filter(|cut| matches!(cut, Cut::Frame(frame) if frame.bytes == b"whole\r")).collect();
    assert_eq!((frames.len(), cuts.len()), (1, 2), "{cuts:?}");
}

#[test]
fn a_frame_has_the_moment_of_its_last_byte() {
    let rule = Framing { gap: Some(Duration::from_millis(10)), ..ended_by(&[b"\r"]) };
    let mut cutter = Cutter::new(Arc::new(rule));
    let mut cuts = Vec::new();
    for (byte, at) in [(b'a', 5), (b'\r', 7), (b'b', 9)] {
        cutter.push(byte, Timestamp(at), &mut cuts);
    }
    cutter.silence(&mut cuts);
    let at = |cut: &Cut| match cut {
        Cut::Frame(frame) => frame.at.0,
        other => panic!("{other:?}"),
    };
    assert_eq!(cuts.iter().map(at).collect::<Vec<_>>(), [7, 9]);
}

fn any_mark() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0u8..4, 1..4)
}

prop_compose! {
    fn any_rule()(
        starts in prop::collection::vec(any_mark(), 0..3),
        ends in prop::collection::vec(any_mark(), 0..3),
        trailer in 0usize..4,
        length in prop::option::of((0usize..4, 1usize..3, 0u8..4, 0usize..8)),
        gap in any::<bool>(),
        longest in 6usize..20,
    ) -> Framing {
        let length = length.map(|(offset, width, notation, extra)| {
            Length { offset, width, notation: Notation::of(notation).unwrap(), extra }
        });
        let gap = (gap || (ends.is_empty() && length.is_none())).then_some(Duration::from_millis(5));
        Framing { starts, ends, trailer, length, gap, longest }.checked().unwrap()
    }
}

/// Few different bytes, so that marks and lengths are met by chance; `0xFE` is silence.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => 0u8..4, 2 => 0u8..=255, 2 => b'0'..=b'9', 1 => Just(0xfe)];
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn every_byte_goes_one_way_in_order(rule in any_rule(), input in any_input()) {
        let longest = rule.longest;
        let mut cutter = Cutter::new(Arc::new(rule));
        let mut cuts = Vec::new();
        for byte in &input {
            if *byte == 0xfe { cutter.silence(&mut cuts) } else { cutter.push(*byte, Timestamp(0), &mut cuts) }
        }
        cutter.break_off(&mut cuts);
        prop_assert!(cutter.is_between());
        let mut out = Vec::new();
        for cut in cuts {
            match cut {
                Cut::Frame(frame) => {
                    prop_assert!(!frame.bytes.is_empty() && frame.bytes.len() <= longest);
                    out.extend(frame.bytes);
                }
                Cut::Thrown(bytes) | Cut::Broken { bytes, .. } => out.extend(bytes),
            }
        }
        let input: Vec<u8> = input.into_iter().filter(|byte| *byte != 0xfe).collect();
        prop_assert_eq!(out, input);
    }

    #[test]
    fn whole_frames_come_out_whatever_stands_between_them(
        bodies in prop::collection::vec(("[a-z]{0,12}", "[A-Z]{0,5}"), 1..8),
    ) {
        let rule = begun_by(Framing { trailer: 2, ..ended_by(&[b"\x03"]) }, &[b"\x02"]);
        let frames: Vec<String> = bodies.iter().map(|(body, _)| format!("\x02{body}\x03xy")).collect();
        let input: String = frames.iter().zip(&bodies).map(|(frame, (_, noise))| format!("{noise}{frame}")).collect();
        let found: Vec<String> = cut(&rule, input.as_bytes()).into_iter().filter(|cut| !cut.starts_with('~')).collect();
        prop_assert_eq!(found, frames);
    }
}
