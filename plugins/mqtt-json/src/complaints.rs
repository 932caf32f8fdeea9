//! Lines in the log about what keeps being wrong: the first at once, then one in ten minutes with a count.

use std::collections::BTreeMap;

use tutin_sdk::{Timestamp, log};

const PAUSE: i64 = 600 * 1_000_000_000;
/// Most different complaints that are told apart; beyond, all others count as one.
const MOST: usize = 500;

/// Who complained when.
#[derive(Debug, Default)]
pub struct Complaints {
    said: BTreeMap<String, Said>,
}

#[derive(Debug)]
struct Said {
    at: Timestamp,
    since: u64,
}

impl Complaints {
    /// Says it, unless the same `about` was said within ten minutes.
    pub fn say(&mut self, now: Timestamp, about: &str, text: &str) {
        if let Some(line) = self.line(now, about, text) {
            log::warn(&line);
        }
    }

    fn line(&mut self, now: Timestamp, about: &str, text: &str) -> Option<String> {
        let about = if self.said.len() >= MOST && !self.said.contains_key(about) { "" } else { about };
        let Some(said) = self.said.get_mut(about) else {
            self.said.insert(about.to_owned(), Said { at: now, since: 0 });
            return Some(text.to_owned());
        };
        if now.0.saturating_sub(said.at.0) < PAUSE {
            said.since += 1;
            return None;
        }
        let unsaid = std::mem::take(&mut said.since);
        said.at = now;
        Some(if unsaid == 0 { text.to_owned() } else { format!("{text}; {unsaid} more of these since the last line") })
    }
}

/// A text from outside, cut to what a line of the log can bear.
pub fn cut(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_being_wrong_is_said_once_in_ten_minutes_with_a_count() {
        let mut complaints = Complaints::default();
        let mut say = |seconds: i64, about: &str| complaints.line(Timestamp(seconds * 1_000_000_000), about, "wrong");
        assert_eq!(say(0, "a").as_deref(), Some("wrong"));
        assert_eq!(say(1, "a"), None);
        assert_eq!(say(2, "b").as_deref(), Some("wrong"));
        assert_eq!(say(599, "a"), None);
        assert_eq!(say(600, "a").as_deref(), Some("wrong; 2 more of these since the last line"));
        assert_eq!(say(1_100, "a"), None);
        assert!(say(1_200, "a").is_some_and(|line| line.contains("1 more")));
        assert_eq!(say(1_900, "a").as_deref(), Some("wrong"));
    }

    #[test]
    fn ever_new_complaints_do_not_fill_the_memory() {
        let mut complaints = Complaints::default();
        for at in 0..2 * MOST {
            complaints.line(Timestamp(0), &at.to_string(), "wrong");
        }
        assert!(complaints.said.len() <= MOST + 1);
    }
}
