//! Rules for senders whose messages are known, as data in `presets/`.

use std::collections::BTreeMap;

use serde::Deserialize;
use tutin_sdk::settings::wrong;
use tutin_sdk::{Failure, State};

use crate::settings::{DeviceStateRule, MessageRule, Preset, Settings};

/// A file of `presets/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the facts stand.
    #[expect(dead_code, reason = "for people")]
    source: String,
    /// How far they are proven.
    #[expect(dead_code, reason = "for people")]
    proof: String,
    /// What topics begin with.
    base: String,
    messages: Vec<MessageRule>,
    #[serde(default)]
    device_states: Vec<DeviceStateRule>,
}

/// The rules of the preset, if one is named, and then those of the settings.
pub fn rules(settings: &Settings) -> Result<(Vec<MessageRule>, Vec<DeviceStateRule>), Failure> {
    let Some(preset) = settings.preset else {
        if settings.base.is_some() {
            return Err(wrong("base", "belongs to a preset, and none is named"));
        }
        return Ok((settings.messages.clone(), settings.device_states.clone()));
    };
    let mut file = file(preset, settings.base.as_deref())?;
    for rule in &mut file.device_states {
        check_words(&settings.state_words, &rule.states)?;
        rule.states.extend(settings.state_words.clone());
    }
    if file.device_states.is_empty() && !settings.state_words.is_empty() {
        return Err(wrong("state_words", "this preset has no device states"));
    }
    file.messages.extend(settings.messages.iter().cloned());
    file.device_states.extend(settings.device_states.iter().cloned());
    Ok((file.messages, file.device_states))
}

fn file(preset: Preset, base: Option<&str>) -> Result<File, Failure> {
    let text = match preset {
        Preset::Neuron => include_str!("../presets/neuron.json"),
        Preset::Thingsboard => include_str!("../presets/thingsboard.json"),
        Preset::Homie => include_str!("../presets/homie.json"),
    };
    let read = |text: &str| serde_json::from_str::<File>(text);
    let own = read(text).map_err(|err| Failure::internal(format!("preset {preset:?}: {err}")))?;
    let Some(base) = base else { return Ok(own) };
    if base.is_empty() || base.ends_with('/') || base.contains(['{', '+', '#', '"', '\\']) {
        return Err(wrong("base", "must be one or more whole levels of a topic, without / at the end"));
    }
    // Only topics begin so: `"topic": "homie/`.
    let text = text.replace(&format!("\"topic\": \"{}/", own.base), &format!("\"topic\": \"{base}/"));
    read(&text).map_err(|err| wrong("base", err))
}

fn check_words(words: &BTreeMap<String, State>, known: &BTreeMap<String, State>) -> Result<(), Failure> {
    match words.keys().find(|word| !known.contains_key(*word)) {
        None => Ok(()),
        Some(word) => {
            let known: Vec<&str> = known.keys().map(String::as_str).collect();
            Err(wrong(&format!("state_words.{word}"), format_args!("the preset knows {}", known.join(", "))))
        }
    }
}
