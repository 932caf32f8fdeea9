//! Records as messages: the topic, the payload, and the key as a user property.

use rumqttc::mqttbytes::v5::{Publish, PublishProperties};
use rumqttc::mqttbytes::{QoS, valid_topic};

use crate::config::model::{Mqtt, Shape};
use crate::sink::payload::{Encoder, FieldMapError, Item, Subject};
use crate::sink::{BuildError, Outcome, Record};

const AVERAGES: &str = "tutin/{hub}/averages/{source}/{parameter}";
const ALARMS: &str = "tutin/{hub}/alarms/{source}/{parameter}";
const READINGS: &str = "tutin/{hub}/readings/{device}";

/// A part of a topic that is filled in from the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Placeholder {
    Hub,
    Device,
    Point,
    Source,
    Parameter,
    RuleSet,
}

impl Placeholder {
    /// All of them.
    pub const ALL: [Placeholder; 6] = {
        use Placeholder::*;
        [Hub, Device, Point, Source, Parameter, RuleSet]
    };

    /// As written between braces.
    pub fn name(self) -> &'static str {
        match self {
            Placeholder::Hub => "hub",
            Placeholder::Device => "device",
            Placeholder::Point => "point",
            Placeholder::Source => "source",
            Placeholder::Parameter => "parameter",
            Placeholder::RuleSet => "rule_set",
        }
    }

    /// True when averages can fill it in.
    pub fn is_of_averages(self) -> bool {
        matches!(self, Placeholder::Hub | Placeholder::Source | Placeholder::Parameter | Placeholder::RuleSet)
    }

    /// True when readings in this shape can fill it in: a poll object has no single point.
    pub fn is_of_readings(self, shape: Shape) -> bool {
        match self {
            Placeholder::Hub | Placeholder::Device => true,
            Placeholder::Point => shape == Shape::Reading,
            Placeholder::Source | Placeholder::Parameter | Placeholder::RuleSet => false,
        }
    }
}

/// A topic template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// There is no such thing to fill in.
    #[error("unknown placeholder {{{name}}}")]
    UnknownPlaceholder {
        /// What stands between the braces.
        name: String,
    },
    /// A brace has no partner.
    #[error("a brace without its partner")]
    OpenBrace,
    /// MQTT 5.0, 4.7.1.1 and 4.7.3: at least one character, no wildcard, no NUL.
    #[error("not a topic to publish to: {text:?}")]
    NotATopic {
        /// The template's own text.
        text: String,
    },
}

/// What a topic template asks for.
pub fn placeholders(template: &str) -> Result<Vec<Placeholder>, TopicError> {
    let template = Template::parse(template)?;
    Ok(template.parts.into_iter().filter_map(|part| part.placeholder()).collect())
}

#[derive(Debug)]
pub(super) struct MessageForm {
    encoder: Encoder,
    hub: String,
    averages: Template,
    alarms: Template,
    readings: Template,
    retain: bool,
}

/// One message, ready to be sent.
#[derive(Debug)]
pub(super) struct Message {
    pub publish: Publish,
    pub topic: String,
}

impl MessageForm {
    pub(super) fn new(hub: &str, config: &Mqtt) -> Result<Self, BuildError> {
        let topic = |default| Template::parse(config.topic.as_deref().unwrap_or(default));
        let encoder =
            Encoder::new(hub, config.shape, &config.fields).map_err(|err: FieldMapError| BuildError::Fields(err))?;
        Ok(MessageForm {
            encoder,
            hub: hub.to_owned(),
            averages: topic(AVERAGES)?,
            alarms: topic(ALARMS)?,
            readings: topic(READINGS)?,
            retain: config.retain,
        })
    }

    /// The messages of a record, each ready or with the reason why there is none.
    pub(super) fn messages(&self, record: &Record) -> Vec<Result<Message, Outcome>> {
        self.encoder.items(record).iter().map(|item| self.message(item)).collect()
    }

    fn message(&self, item: &Item<'_>) -> Result<Message, Outcome> {
        let template = match &item.subject {
            Subject::Average(_) => &self.averages,
            Subject::Alarm(_) => &self.alarms,
            Subject::Reading { .. } | Subject::Poll { .. } => &self.readings,
        };
        let topic = template.fill(&self.hub, item).map_err(|placeholder| Outcome::Retry {
            // A mistake in the configuration: nothing has to be lost over it.
            reason: format!("the topic asks for {{{}}}, which this record does not have", placeholder.name()),
        })?;
        let mut payload = Vec::with_capacity(512);
        self.encoder.write_json(item, &mut payload);
        let properties = PublishProperties {
            user_properties: vec![("key".into(), item.key().into_owned())],
            content_type: Some("application/json".into()),
            payload_format_indicator: Some(1),
            ..PublishProperties::default()
        };
        let mut publish = Publish::new(topic.clone(), QoS::AtLeastOnce, payload, Some(properties));
        publish.retain = self.retain;
        Ok(Message { publish, topic })
    }
}

#[derive(Debug, PartialEq)]
struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    FilledIn(Placeholder),
}

impl Part {
    fn placeholder(self) -> Option<Placeholder> {
        match self {
            Part::Text(_) => None,
            Part::FilledIn(placeholder) => Some(placeholder),
        }
    }
}

impl Template {
    fn parse(template: &str) -> Result<Self, TopicError> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(TopicError::OpenBrace)?;
            let placeholder = Placeholder::ALL.into_iter().find(|known| known.name() == name);
            let placeholder = placeholder.ok_or_else(|| TopicError::UnknownPlaceholder { name: name.to_owned() })?;
            push_text(&mut parts, text)?;
            parts.push(Part::FilledIn(placeholder));
            rest = after;
        }
        push_text(&mut parts, rest)?;
        if parts.is_empty() {
            return Err(TopicError::NotATopic { text: String::new() });
        }
        Ok(Template { parts })
    }

    /// The topic, or what the item cannot fill in.
    fn fill(&self, hub: &str, item: &Item<'_>) -> Result<String, Placeholder> {
        let mut topic = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => topic.push_str(text),
                Part::FilledIn(placeholder) => {
                    let name = name_of(*placeholder, hub, item).ok_or(*placeholder)?;
                    push_escaped(name, &mut topic);
                }
            }
        }
        Ok(topic)
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) -> Result<(), TopicError> {
    if text.contains('}') {
        return Err(TopicError::OpenBrace);
    }
    if !text.is_empty() && (!valid_topic(text) || text.contains('\0')) {
        return Err(TopicError::NotATopic { text: text.to_owned() });
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
    Ok(())
}

fn name_of<'a>(placeholder: Placeholder, hub: &'a str, item: &Item<'a>) -> Option<&'a str> {
    match (placeholder, &item.subject) {
        (Placeholder::Hub, _) => Some(hub),
        (Placeholder::Source, Subject::Average(average)) => Some(&average.key.source),
        (Placeholder::Parameter, Subject::Average(average)) => Some(&average.key.parameter),
        (Placeholder::RuleSet, Subject::Average(average)) => Some(&average.key.rule_set),
        (Placeholder::Source, Subject::Alarm(change)) => Some(change.source()),
        (Placeholder::Parameter, Subject::Alarm(change)) => Some(change.parameter()),
        (Placeholder::Device, Subject::Reading { reading, .. }) => Some(reading.device),
        (Placeholder::Device, Subject::Poll { selection, .. }) => Some(&selection.set.catalog.device),
        (Placeholder::Point, Subject::Reading { reading, .. }) => Some(&reading.point.id),
        _ => None,
    }
}

/// A name as one level of a topic: what has a meaning there is percent-encoded, and so is the percent sign, so that two
/// names never meet.
fn push_escaped(name: &str, topic: &mut String) {
    for letter in name.chars() {
        match letter {
            '%' => topic.push_str("%25"),
            '+' => topic.push_str("%2B"),
            '#' => topic.push_str("%23"),
            '/' => topic.push_str("%2F"),
            '\0' => topic.push_str("%00"),
            letter => topic.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples::{average_record, poll_record};

    fn topics(template: &str, shape: Shape, record: &Record) -> Vec<Result<String, Placeholder>> {
        let template = Template::parse(template).unwrap();
        Item::of(record, shape).iter().map(|item| template.fill("north", item)).collect()
    }

    #[test]
    fn a_topic_is_filled_in_from_the_record() {
        let average = average_record(0);
        assert_eq!(topics(AVERAGES, Shape::Poll, &average), [Ok("tutin/north/averages/stack-1/NO2".into())]);
        assert_eq!(topics("{rule_set}", Shape::Poll, &average), [Ok("kz-20min".into())]);
        let poll = poll_record(0);
        assert_eq!(topics(READINGS, Shape::Poll, &poll), [Ok("tutin/north/readings/no2-north".into())]);
        let per_point = topics("x/{device}/{point}", Shape::Reading, &poll);
        assert_eq!(per_point, [Ok("x/no2-north/a".into()), Ok("x/no2-north/b".into())]);
    }

    #[test]
    fn what_a_record_does_not_have_is_named() {
        assert_eq!(topics("{device}", Shape::Poll, &average_record(0)), [Err(Placeholder::Device)]);
        assert_eq!(topics("{point}", Shape::Poll, &poll_record(0)), [Err(Placeholder::Point)]);
        assert_eq!(topics("{source}", Shape::Poll, &poll_record(0)), [Err(Placeholder::Source)]);
        assert!(!Placeholder::Point.is_of_readings(Shape::Poll));
        assert!(Placeholder::Point.is_of_readings(Shape::Reading));
    }

    #[test]
    fn a_name_never_becomes_a_wildcard_or_a_level() {
        let check = |name: &str, expected: &str| {
            let mut topic = String::new();
            push_escaped(name, &mut topic);
            assert_eq!(topic, expected);
        };
        check("stack 1", "stack 1");
        check("a/b", "a%2Fb");
        check("+#", "%2B%23");
        check("50%", "50%25");
        check("труба", "труба");
    }

    #[test]
    fn a_template_that_cannot_be_used_is_refused() {
        let check = |template: &str, expected: TopicError| assert_eq!(placeholders(template).unwrap_err(), expected);
        check("x/{devise}", TopicError::UnknownPlaceholder { name: "devise".into() });
        check("x/{device", TopicError::OpenBrace);
        check("x/device}", TopicError::OpenBrace);
        check("", TopicError::NotATopic { text: String::new() });
        check("x/+/{device}", TopicError::NotATopic { text: "x/+/".into() });
        check("x/#", TopicError::NotATopic { text: "x/#".into() });
        assert_eq!(placeholders("a/{hub}/{point}").unwrap(), [Placeholder::Hub, Placeholder::Point]);
    }
}
