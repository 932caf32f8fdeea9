//! Back-fill from the server's history, node after node.
//!
//! A token is `POINT@NANOSECONDS`: the point to go on with, and from when. It holds no continuation point of the server, which would die with the session.
//! A page that the server cuts ends before its last moment, and the next begins with that moment, so that values of one moment are never torn apart.

use tutin_sdk::opcua::{Client, DataValue, Error};
use tutin_sdk::{Failure, History, Samples, Timestamp, log};

use crate::OpcuaAdi;

/// Most values of one page.
const PAGE: usize = 10_000;
/// Most values of one request.
const AT_ONCE: u32 = 2_000;

impl<L: Client> OpcuaAdi<L> {
    /// A page of what the server remembers.
    pub fn remembered(&self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        let items = &self.items().all;
        if items.is_empty() {
            return Err(Failure::busy("the server was not browsed yet"));
        }
        let (mut at, mut from) = match next {
            "" => (0, begin),
            token => self.resume(token)?,
        };
        while let Some(item) = items.get(at) {
            let (values, is_cut) = match self.values(&item.node, from.max(begin), end) {
                Ok(page) => page,
                Err(Error::Status(status)) => {
                    log::debug(|| format!("{}: no history: {}", item.point.id, Error::Status(status)));
                    (Vec::new(), false)
                }
                Err(err) => return Err(err.during(format_args!("history of {}", item.point.id))),
            };
            if values.is_empty() && !is_cut {
                (at, from) = (at + 1, begin);
                continue;
            }
            let (values, from) = if is_cut { whole_moments(values) } else { (values, end) };
            let following = if is_cut { Some(item) } else { items.get(at + 1) };
            let from = if is_cut { from } else { begin };
            let next = following.map_or_else(String::new, |item| format!("{}@{}", item.point.id, from.0));
            let mut samples = Samples::with_capacity(values.len());
            for value in &values {
                self.push(at, value, value.source_time.or(value.server_time).unwrap_or(begin), false, &mut samples);
            }
            return Ok(History { samples, next });
        }
        Ok(History { samples: Samples::default(), next: String::new() })
    }

    fn resume(&self, token: &str) -> Result<(usize, Timestamp), Failure> {
        let wrong = || Failure::device(format!("no point of this server to go on with in the token {token:?}"));
        let (id, from) = token.split_once('@').ok_or_else(wrong)?;
        let at = self.items().all.iter().position(|item| item.point.id == id).ok_or_else(wrong)?;
        Ok((at, Timestamp(from.parse().map_err(|_| wrong())?)))
    }

    /// Values of one node, and whether there are more.
    fn values(
        &self,
        node: &tutin_sdk::opcua::Node,
        begin: Timestamp,
        end: Timestamp,
    ) -> Result<(Vec<DataValue>, bool), Error> {
        let (mut values, mut next) = (Vec::new(), Vec::new());
        while values.len() + usize::try_from(AT_ONCE).unwrap_or(PAGE) <= PAGE {
            let page = self.link().history(node, begin, end, AT_ONCE, &next)?;
            let is_stuck = page.values.is_empty();
            values.extend(page.values);
            next = page.next;
            if next.is_empty() || is_stuck {
                return Ok((values, false));
            }
        }
        Ok((values, true))
    }
}

/// All but the last moment, and that moment. A page of one moment is taken whole, and the next begins behind it.
fn whole_moments(mut values: Vec<DataValue>) -> (Vec<DataValue>, Timestamp) {
    let time = |value: &DataValue| value.source_time.or(value.server_time);
    let Some(last) = values.last().and_then(time) else { return (values, Timestamp(i64::MAX)) };
    match values.iter().position(|value| time(value) == Some(last)) {
        Some(first) if first > 0 => {
            values.truncate(first);
            (values, last)
        }
        _ => {
            log::warn(&format!(
                "{} values of one moment in the history: the rest of that moment is left out",
                values.len()
            ));
            (values, Timestamp(last.0.saturating_add(1)))
        }
    }
}
