//! What happened, as it stands in the chain beside what was measured: a JSON object with a member `event`.

use serde::{Deserialize, Serialize};

use crate::alarm::{AlarmState, Change};
use crate::time::Timestamp;

/// Something that happened to the hub, its devices or its journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first entry of a journal.
    Begin {
        /// Of this file.
        format: i64,
        /// Checks the signatures, 64 hexadecimal digits.
        public_key: String,
    },
    /// From here on another key signs.
    Key {
        /// Checks the signatures, 64 hexadecimal digits.
        public_key: String,
    },
    /// The entries before this one were written under a format without a chain; what they were when it was converted is covered.
    Converted {
        /// Their format.
        from: i64,
        /// The last of them.
        through: u64,
    },
    /// Entries that had been committed were not there any more when the journal was opened.
    Lost {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
        /// What is known of it.
        what: String,
    },
    /// The end of the journal was not what the last commit had left.
    Altered {
        /// Which entry.
        entry: u64,
        /// What does not hold.
        what: String,
    },
    /// The file of the journal could not be read any more and was renamed; this journal goes on in its place.
    SetAside {
        /// Where the other one is now.
        file: String,
        /// What was wrong with it.
        what: String,
    },
    /// A hub started.
    Start {
        /// Its name.
        hub: String,
        /// Its version.
        version: String,
        /// How the one before it had ended.
        after: Ending,
        /// When that one wrote its last entry.
        last: Option<Timestamp>,
    },
    /// A hub ended as it should.
    Stop {
        /// Its name.
        hub: String,
    },
    /// A configuration took effect.
    Configuration {
        /// SHA-256 of its text.
        digest: String,
        /// The whole of it, secrets as references.
        text: String,
        /// What it touched.
        applied: Vec<String>,
    },
    /// How the averages of each source are made under a configuration: what a recomputation needs.
    Streams {
        /// Digest of the configuration.
        configuration: String,
        /// One object for each parameter of each source under each rule set.
        streams: serde_json::Value,
    },
    /// A plugin was loaded.
    Plugin {
        /// Its name in the configuration.
        plugin: String,
        /// Its file.
        file: String,
        /// SHA-256 of the file.
        digest: String,
        /// What it calls itself; none where it could not be asked, and in journals from before this was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its version, by its own word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// Whose signature it ran with; none: nobody's whom the configuration trusted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signer: Option<SignedBy>,
    },
    /// A device went over to another driver, or to the same one with other settings, while it ran; or that was tried.
    Swap {
        /// Which device.
        device: String,
        /// Since when. The entry may be later: it waits for the disk.
        since: Timestamp,
        /// How far it came.
        step: SwapStep,
        /// SHA-256 of the plugin that ran before.
        before: String,
        /// SHA-256 of the plugin that was to run. After `rolled_back` and `refused` the one before runs.
        after: String,
        /// Why the one before runs again or still.
        reason: String,
    },
    /// A device began to do something else.
    Device {
        /// Which.
        device: String,
        /// Since when. The entry may be later: it waits for the disk.
        since: Timestamp,
        /// What it does now.
        phase: DevicePhase,
        /// Why.
        reason: String,
    },
    /// A connection was made or lost.
    Link {
        /// Which.
        link: String,
        /// Since when. The entry may be later: it waits for the disk.
        since: Timestamp,
        /// How it is now.
        state: LinkState,
        /// Why.
        reason: String,
    },
    /// A parameter of a source cannot be taken from its device any more.
    Problem {
        /// What, in words.
        what: String,
    },
    /// An instrument was told to do something.
    Command {
        /// Which device.
        device: String,
        /// What.
        command: String,
        /// How.
        arguments: String,
        /// What it said.
        answer: Option<String>,
        /// Why it did not.
        refusal: Option<String>,
    },
    /// The wall clock jumped against the monotonic one.
    ClockStep {
        /// By so much; less than zero: backwards.
        seconds: f64,
        /// What the wall clock would have shown.
        expected: Timestamp,
    },
    /// Nothing could be stored for a while.
    Storage {
        /// Since when.
        from: Timestamp,
        /// Until when.
        to: Timestamp,
        /// What the disk said.
        error: String,
        /// Whether it was full.
        full: bool,
        /// Readings that did not fit into memory meanwhile.
        lost: Vec<LostReadings>,
    },
    /// An alarm was raised or cleared.
    Alarm {
        /// Its name.
        alarm: String,
        /// Raised or not.
        raised: bool,
        /// More of it in words.
        detail: String,
        /// When, where that is not the time of the entry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
        /// Somebody has seen it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A zero or span reading was found among the readings of a parameter.
    ZeroSpan {
        /// The source.
        source: String,
        /// The parameter.
        parameter: String,
        /// `zero` or `span`.
        kind: String,
        /// When.
        at: Timestamp,
        /// What was read, in the instrument's unit.
        value: f64,
        /// What the control charts say of it.
        verdict: String,
    },
    /// The plausibility gate did not let a value count; the first of its kind in a while.
    Implausible {
        /// The source.
        source: String,
        /// The parameter.
        parameter: String,
        /// The rule set whose block it was for.
        rule_set: String,
        /// What is wrong with it.
        code: String,
        /// When it was measured, as the device says.
        at: Timestamp,
        /// The value, as the instrument gave it; none when it was no number.
        value: Option<f64>,
    },
    /// Readings came after their block had closed: it is derived again with them.
    LateReadings {
        /// The source.
        source: String,
        /// The rule set.
        rule_set: String,
        /// Start of the block.
        start: Timestamp,
        /// When the first of them was received.
        since: Timestamp,
    },
    /// Averages that had been held were let go to their sinks.
    Release {
        /// Start of the period.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
        /// How many deliveries were queued.
        deliveries: u64,
        /// Why.
        reason: String,
        /// On whose behalf.
        author: String,
    },
    /// A period is delivered to a sink again.
    Resend {
        /// The sink.
        sink: String,
        /// Start of the period.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
        /// How many deliveries were queued.
        deliveries: u64,
    },
    /// A period was derived again.
    Recompute {
        /// Start of the period.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
        /// Averages that came out as they stood.
        identical: u64,
        /// Averages that got another revision.
        revised: u64,
        /// Why.
        reason: String,
        /// On whose behalf.
        author: String,
    },
    /// Entries whose time was over, or for which there was no more room, were taken away.
    Pruned {
        /// Class of the entries.
        class: String,
        /// Why: `age` or `bytes`.
        reason: String,
        /// How many.
        entries: u64,
        /// What is missing from the chain around them, first, last and the hash of the last: the rest goes on behind it.
        runs: Vec<(u64, u64, String)>,
    },
    /// Written by a later version.
    #[serde(other)]
    Unknown,
}

/// Who answered for a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedBy {
    /// The name that the configuration gave the key.
    pub name: String,
    /// Id of the key, 16 hexadecimal digits.
    pub key: String,
}

/// How a hub ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// There was none before.
    First,
    /// As it should.
    Clean,
    /// Without a stop: it was killed, fell, or lost its power.
    Unclean,
}

/// What a device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the device's task")]
pub enum DevicePhase {
    Starting,
    Running,
    Failing,
    Restarting,
    Parked,
    Stopped,
}

/// How far a device came on its way to another driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapStep {
    /// The other one polls, and is on probation.
    TookOver,
    /// Its first polls went well: it stays.
    Proven,
    /// They did not: the one before is back.
    RolledBack,
    /// It never polled.
    Refused,
    /// Another change came before it was proven.
    Superseded,
}

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Something came over it.
    Connected,
    /// It is not there, and is tried again.
    Waiting,
}

/// Readings of one device that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostReadings {
    /// The device.
    pub device: String,
    /// When the first of them was received.
    pub from: Timestamp,
    /// When the last of them was.
    pub to: Timestamp,
    /// How many.
    pub readings: u64,
}

impl Event {
    /// What became of an alarm.
    pub fn of_alarm(change: &Change) -> Self {
        Event::Alarm {
            alarm: change.name.clone(),
            raised: change.state != AlarmState::Cleared,
            detail: change.detail.clone(),
            at: Some(change.at),
            by: change.by.clone(),
        }
    }

    /// What became of an alarm, if the event is about one. `committed`: the time of its entry.
    pub fn as_alarm(&self, committed: Timestamp) -> Option<Change> {
        let Event::Alarm { alarm, raised, detail, at, by } = self else { return None };
        let state = match (raised, by) {
            (false, _) => AlarmState::Cleared,
            (true, None) => AlarmState::Raised,
            (true, Some(_)) => AlarmState::Acknowledged,
        };
        let (name, detail, by) = (alarm.clone(), detail.clone(), by.clone());
        Some(Change { name, state, at: at.unwrap_or(committed), detail, by })
    }

    /// As it stands in the journal.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_of_an_older_journal_reads_and_is_written_as_it_was() {
        let old = r#"{"event":"plugin","plugin":"t200","file":"t.wasm","digest":"1ef1"}"#;
        let event: Event = serde_json::from_str(old).unwrap();
        let Event::Plugin { name, version, signer, .. } = &event else { panic!("{event:?}") };
        assert_eq!((name, version, signer), (&None, &None, &None));
        assert_eq!(event.to_json(), old);
    }

    #[test]
    fn a_plugin_s_signer_comes_back() {
        let event = Event::Plugin {
            plugin: "t200".to_owned(),
            file: "t.wasm".to_owned(),
            digest: "1ef1".to_owned(),
            name: Some("teledyne-t".to_owned()),
            version: Some("0.3.1".to_owned()),
            signer: Some(SignedBy { name: "vendor".to_owned(), key: "c4f80419fd4dcd02".to_owned() }),
        };
        assert_eq!(serde_json::from_str::<Event>(&event.to_json()).unwrap(), event);
    }
}
