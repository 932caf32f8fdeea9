//! The body of a message: fields in front, content behind.
//!
//! ```text
//! QN=20261101080000123;ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&content&&
//! ```
//!
//! `QN` names the exchange and is repeated in the answer. `Flag` has six bits of edition, then one that says that packets are
//! numbered, then one that asks for an answer. Source: HJ 212-2017, table 2.

/// Asks for an answer.
const ANSWER: u8 = 1;
/// Bits of `Flag` that say the edition.
const EDITION: u8 = 0b1111_1100;

/// What a message says before its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    /// Name of the exchange; empty when the station gave none.
    pub qn: &'a str,
    pub st: &'a str,
    pub cn: u16,
    pub pw: &'a str,
    pub mn: &'a str,
    /// Nothing when there is none, as in stations of 2005.
    pub flag: Option<u8>,
    /// Number of packets and number of this one.
    pub part: Option<(u16, u16)>,
    /// Between the double ampersands.
    pub content: &'a str,
}

impl<'a> Packet<'a> {
    /// The message of a body, or what is wrong with it.
    pub fn read(body: &'a str) -> Result<Self, String> {
        let (head, content) = body.split_once("CP=&&").ok_or("no CP=&&")?;
        let content = content.strip_suffix("&&").ok_or("no && at the end")?;
        let field =
            |name: &str| head.split(';').find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).map(str::trim);
        let cn = field("CN").ok_or("no CN")?;
        let cn = cn.parse().map_err(|_| format!("CN {cn:?} is no number"))?;
        let flag = match field("Flag") {
            Some(flag) => Some(flag.parse().map_err(|_| format!("Flag {flag:?} is no number"))?),
            None => None,
        };
        let count = |name| field(name).and_then(|number| number.parse().ok());
        Ok(Packet {
            qn: field("QN").unwrap_or_default(),
            st: field("ST").unwrap_or_default(),
            cn,
            pw: field("PW").unwrap_or_default(),
            mn: field("MN").unwrap_or_default(),
            flag,
            part: count("PNUM").zip(count("PNO")),
            content,
        })
    }

    /// True when the station waits for an answer.
    pub fn wants_answer(&self) -> bool {
        self.flag.is_some_and(|flag| flag & ANSWER != 0)
    }

    /// `Flag` of an answer: the same edition, nothing else.
    pub fn answer_flag(&self) -> u8 {
        self.flag.unwrap_or_default() & EDITION
    }

    /// What tells this message from every other: a message that comes again has the same.
    pub fn key(&self) -> String {
        format!("{} {} {}", self.qn, self.cn, self.part.map_or(0, |(_, number)| number))
    }
}

/// The body of a message from the host.
pub(crate) fn body(qn: &str, st: &str, cn: u16, identity: (&str, &str), flag: u8, content: &str) -> String {
    let (pw, mn) = identity;
    format!("QN={qn};ST={st};CN={cn};PW={pw};MN={mn};Flag={flag};CP=&&{content}&&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_its_parts_is_named() {
        let check = |body: &str, expected: &str| assert_eq!(Packet::read(body).unwrap_err(), expected);
        check("QN=1;CN=2011", "no CP=&&");
        check("QN=1;CN=2011;CP=&&DataTime=1", "no && at the end");
        check("QN=1;CP=&&&&", "no CN");
        check("CN=x;CP=&&&&", "CN \"x\" is no number");
        check("CN=2011;Flag=;CP=&&&&", "Flag \"\" is no number");
    }

    #[test]
    fn a_fields_name_is_not_found_in_another() {
        let packet = Packet::read("QN=1;ST=31;CN=2051;PNUM=12;PNO=3;Flag=7;CP=&&MN=no&&").unwrap();

        assert_eq!((packet.mn, packet.part, packet.content), ("", Some((12, 3)), "MN=no"));
        assert!(packet.wants_answer());
        assert_eq!((packet.answer_flag(), packet.key().as_str()), (4, "1 2051 3"));
    }
}
