//! Alarms and what became of them: raised, acknowledged, cleared.
//!
//! ```text
//! raise ──> raised ── acknowledge ──> acknowledged
//!             └────── clear ──────────────┴──> cleared: it stands no more, and the next raise is a new alarm
//! ```
//!
//! Every change is a value for the journal; gone through again in their order, the changes lead back to the alarms that stand.
//!
//! Invariant: at most one alarm stands under a name, and it is raised or acknowledged.

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use super::key::AlarmKey;
use crate::alarm::{AlarmState, Change};
use crate::time::Timestamp;

/// An alarm that is not cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Raised or acknowledged.
    pub state: AlarmState,
    /// When it was raised.
    pub since: Timestamp,
    /// The latest of it in words.
    pub detail: String,
    /// Who acknowledged it.
    pub by: Option<String>,
}

/// The answer to an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledgement {
    /// It counts.
    Given(Change),
    /// Somebody had acknowledged the alarm before; nothing changed.
    GivenBefore {
        /// Who.
        by: String,
    },
}

/// No alarm of this name stands: there is none, or it was cleared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no alarm stands under the name {0:?}")]
pub struct NoSuchAlarm(pub String);

/// The alarms that stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alarms {
    standing: BTreeMap<String, Standing>,
}

impl Alarms {
    /// The condition of an alarm holds. `None`: it stood already, and has the new detail now.
    pub fn raise(&mut self, key: &AlarmKey, at: Timestamp, detail: String) -> Option<Change> {
        let name = key.to_string();
        if let Some(alarm) = self.standing.get_mut(&name) {
            alarm.detail = detail;
            return None;
        }
        let change = Change { name, state: AlarmState::Raised, at, detail, by: None };
        self.restore(&change);
        Some(change)
    }

    /// The condition of an alarm has ended. `None`: it did not stand.
    pub fn clear(&mut self, key: &AlarmKey, at: Timestamp, detail: String) -> Option<Change> {
        self.forget(&key.to_string(), at, detail)
    }

    /// What the alarm of this name was about is not looked at any more. `None`: it did not stand.
    pub fn forget(&mut self, name: &str, at: Timestamp, detail: String) -> Option<Change> {
        let Standing { name, .. } = self.standing.remove(name)?;
        Some(Change { name, state: AlarmState::Cleared, at, detail, by: None })
    }

    /// Somebody has seen the alarm.
    pub fn acknowledge(&mut self, name: &str, by: &str, at: Timestamp) -> Result<Acknowledgement, NoSuchAlarm> {
        let alarm = self.standing.get_mut(name).ok_or_else(|| NoSuchAlarm(name.to_owned()))?;
        if let Some(by) = &alarm.by {
            return Ok(Acknowledgement::GivenBefore { by: by.clone() });
        }
        alarm.state = AlarmState::Acknowledged;
        alarm.by = Some(by.to_owned());
        let (name, detail) = (name.to_owned(), alarm.detail.clone());
        Ok(Acknowledgement::Given(Change { name, state: alarm.state, at, detail, by: alarm.by.clone() }))
    }

    /// The alarms that are not cleared, by name.
    pub fn standing(&self) -> impl Iterator<Item = &Standing> {
        self.standing.values()
    }

    /// Takes a change from the journal, where they stand in order. An acknowledgement whose alarm was raised before the first change
    /// that is left counts as both.
    pub fn restore(&mut self, change: &Change) {
        let Change { name, state, at, detail, by } = change.clone();
        if state == AlarmState::Cleared {
            self.standing.remove(&name);
            return;
        }
        let since = self.standing.get(&name).map_or(at, |alarm| alarm.since);
        self.standing.insert(name.clone(), Standing { name, state, since, detail, by });
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::AlarmKind;
    use super::*;

    const NAME: &str = "limit/stack-1/NO2/kz-20min";

    fn key(kind: AlarmKind, qualifier: &str) -> AlarmKey {
        AlarmKey { kind, source: "stack-1".into(), parameter: "NO2".into(), qualifier: qualifier.into() }
    }

    fn limit() -> AlarmKey {
        key(AlarmKind::Limit, "kz-20min")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn only(alarms: &Alarms) -> &Standing {
        let mut standing = alarms.standing();
        let alarm = standing.next().unwrap();
        assert!(standing.next().is_none());
        alarm
    }

    #[test]
    fn states_have_the_names_of_the_journal() {
        for state in [AlarmState::Raised, AlarmState::Acknowledged, AlarmState::Cleared] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }

    #[test]
    fn a_second_raise_changes_the_detail_and_nothing_else() {
        let mut alarms = Alarms::default();
        alarms.raise(&limit(), at(1), "210".into()).unwrap();

        assert_eq!(alarms.raise(&limit(), at(2), "220".into()), None);

        let alarm = only(&alarms);
        assert_eq!((alarm.state, alarm.since, alarm.detail.as_str()), (AlarmState::Raised, at(1), "220"));
    }

    #[test]
    fn an_acknowledged_alarm_stays_acknowledged_while_its_condition_holds() {
        let mut alarms = Alarms::default();
        alarms.raise(&limit(), at(1), "210".into()).unwrap();
        alarms.acknowledge(NAME, "aigul", at(2)).unwrap();

        assert_eq!(alarms.raise(&limit(), at(3), "220".into()), None);

        let alarm = only(&alarms);
        assert_eq!((alarm.state, alarm.by.as_deref()), (AlarmState::Acknowledged, Some("aigul")));
    }

    #[test]
    fn a_raise_after_the_clearing_is_a_new_alarm() {
        let mut alarms = Alarms::default();
        alarms.raise(&limit(), at(1), "210".into()).unwrap();
        alarms.acknowledge(NAME, "aigul", at(2)).unwrap();
        let cleared = alarms.clear(&limit(), at(3), "190".into()).unwrap();
        assert_eq!((cleared.name.as_str(), cleared.state), (NAME, AlarmState::Cleared));

        assert!(alarms.raise(&limit(), at(4), "230".into()).is_some());

        let alarm = only(&alarms);
        assert_eq!((alarm.state, alarm.since, &alarm.by), (AlarmState::Raised, at(4), &None));
    }

    #[test]
    fn what_does_not_stand_cannot_be_cleared_or_acknowledged() {
        let mut alarms = Alarms::default();
        assert_eq!(alarms.clear(&limit(), at(1), String::new()), None);
        let err = alarms.acknowledge(NAME, "aigul", at(1)).unwrap_err();
        assert_eq!(err.to_string(), format!("no alarm stands under the name {NAME:?}"));
    }

    #[test]
    fn the_first_acknowledgement_counts() {
        let mut alarms = Alarms::default();
        alarms.raise(&limit(), at(1), "210".into()).unwrap();
        let first = alarms.acknowledge(NAME, "aigul", at(2)).unwrap();
        assert!(matches!(first, Acknowledgement::Given(Change { state: AlarmState::Acknowledged, .. })));

        let second = alarms.acknowledge(NAME, "berik", at(3)).unwrap();

        assert_eq!(second, Acknowledgement::GivenBefore { by: "aigul".into() });
        assert_eq!(only(&alarms).by.as_deref(), Some("aigul"));
    }

    #[test]
    fn changes_from_the_journal_lead_back_to_the_alarms_that_stand() {
        let mut alarms = Alarms::default();
        let mut journal = Vec::new();
        journal.extend(alarms.raise(&limit(), at(1), "210".into()));
        journal.extend(alarms.raise(&key(AlarmKind::Stale, ""), at(2), "nothing for 10 min".into()));
        let Ok(Acknowledgement::Given(change)) = alarms.acknowledge(NAME, "aigul", at(3)) else { panic!() };
        journal.push(change);
        journal.extend(alarms.clear(&key(AlarmKind::Stale, ""), at(4), "a valid sample came".into()));

        let mut restored = Alarms::default();
        for change in &journal {
            let text = serde_json::to_string(change).unwrap();
            restored.restore(&serde_json::from_str(&text).unwrap());
        }

        assert_eq!(restored, alarms);
        assert_eq!(only(&restored).since, at(1));
    }

    #[test]
    fn an_acknowledgement_without_its_raise_still_stands_for_the_alarm() {
        let by = Some("aigul".to_owned());
        let mut alarms = Alarms::default();
        alarms.restore(&Change {
            name: NAME.into(),
            state: AlarmState::Acknowledged,
            at: at(3),
            detail: "210".into(),
            by,
        });
        assert_eq!((only(&alarms).state, only(&alarms).since), (AlarmState::Acknowledged, at(3)));
    }
}
