//! Analyzers that speak the Bayern-Hessen protocol, also called Gesytec, Geysitech, Bavarian or Hessen.
//!
//! A request `DA` is answered by all values of an instrument, each with its address and two status bytes. What the bytes mean is data
//! (`dialect`); what a reply says is read by pure functions (`frame`, `reply`).
//!
//! Invariant: a value is published under the point whose address stands before it, or not at all; and it is never valid when it is exactly 0.

mod commands;
mod dialect;
mod frame;
mod reply;
pub mod settings;
mod status;

use tutin_sdk::settings::{check_id, wrong};
use tutin_sdk::stream::{Error, Exchange, Stream, Unasked};
use tutin_sdk::{Description, Driver, Failure, Point, Sample, Samples, State, Timestamp, hex, log};

use crate::reply::Group;
use crate::settings::{Channel, ReplyForm, Settings, Unlisted};
use crate::status::Flags;

/// The driver.
#[derive(Debug)]
pub struct BayernHessen<L> {
    link: L,
    settings: Settings,
    form: ReplyForm,
    flags: Flags,
    /// Those of the settings, then those that answered besides.
    channels: Vec<Channel>,
    /// What was wrong in the last poll, so that each trouble is logged once.
    troubles: Vec<String>,
}

/// What one poll brought.
#[derive(Debug, Default)]
struct Heard {
    /// By channel.
    groups: Vec<Option<Group>>,
    /// Requests that brought nothing, with the address that was asked.
    failures: Vec<(Option<u16>, Failure)>,
    troubles: Vec<String>,
    points_changed: bool,
}

impl<L: Stream> BayernHessen<L> {
    /// Checks the settings. Sends nothing.
    pub fn new(link: L, settings: Settings) -> Result<Self, Failure> {
        check(&settings)?;
        let flags = Flags::new(&settings)?;
        let form = settings.reply_form();
        link.frames(&frame::framing(form), Unasked::Waits)?;
        let channels = settings.channels.clone();
        Ok(BayernHessen { link, settings, form, flags, channels, troubles: Vec::new() })
    }

    /// True when another instrument's reply brought this address along.
    fn has_answered(&self, address: Option<u16>, heard: &Heard) -> bool {
        let at = self.channels.iter().position(|channel| Some(channel.address) == address);
        at.and_then(|at| heard.groups.get(at)).is_some_and(Option::is_some)
    }

    fn ask(&self, address: Option<u16>) -> Result<Vec<Group>, (Error, Failure)> {
        let text = format!("DA{}", address.map_or(String::new(), |address| self.settings.padding.pad(address)));
        let reply = Exchange::begins_with(&[frame::reply_begin(self.form)]);
        let frame = self
            .link
            .ask(&frame::request(&text, self.settings.request), &reply)
            .map_err(|err| (err.clone(), self.explain(err, &text)))?;
        let groups =
            frame::text(&frame, self.form).and_then(reply::groups).and_then(|groups| self.attribute(address, groups));
        groups.map_err(|why| {
            let failure = Failure::device(format!("{text}: {why}; the reply was {}", hex(&frame, frame::SHOWN)));
            (Error::BadResponse(why), failure)
        })
    }

    /// When something else came in place of values, the instrument is there but does not make sense.
    fn explain(&self, err: Error, text: &str) -> Failure {
        let instead = match &err {
            Error::Timeout => self.link.receive(8).unwrap_or_default().frames,
            _ => Vec::new(),
        };
        match instead.last() {
            Some(frame) => {
                Failure::device(format!("{text}: no values; what came was {}", hex(&frame.bytes, frame::SHOWN)))
            }
            None => err.during(text),
        }
    }

    /// Gives values without an address theirs, where it is certain.
    fn attribute(&self, asked: Option<u16>, mut groups: Vec<Group>) -> Result<Vec<Group>, String> {
        if groups.iter().all(|group| group.address.is_some()) {
            return Ok(groups);
        }
        let listed: Vec<u16> = self.settings.channels.iter().map(|channel| channel.address).collect();
        let addresses = match (asked, groups.len()) {
            (_, count) if self.settings.by_position => {
                if count != listed.len() {
                    return Err(format!("{count} values without addresses for {} channels", listed.len()));
                }
                listed
            }
            (Some(asked), 1) => vec![asked],
            (None, 1) if listed.len() == 1 => listed,
            (_, count) => return Err(format!("whose are {count} values without addresses? by_position may say so")),
        };
        for (group, address) in groups.iter_mut().zip(addresses) {
            group.address = Some(address);
        }
        Ok(groups)
    }

    /// Puts values to their channels, and makes channels for those that have none.
    fn take(&mut self, asked: Option<u16>, groups: Vec<Group>, heard: &mut Heard) {
        for group in groups {
            let Some(address) = group.address.or(asked) else { continue };
            let known = self.channels.iter().position(|channel| channel.address == address);
            let at = match (known, self.settings.unlisted) {
                (Some(at), _) => at,
                (None, Unlisted::Ignore) => continue,
                (None, Unlisted::Publish) => {
                    log::info(&format!("address {address} is not in the settings: published as address_{address}"));
                    self.channels.push(unlisted(address));
                    heard.groups.push(None);
                    heard.points_changed = true;
                    self.channels.len() - 1
                }
            };
            if let Some(place) = heard.groups.get_mut(at) {
                *place = Some(group);
            }
        }
    }

    fn samples(&mut self, mut heard: Heard) -> Samples {
        let mut samples = Samples::with_capacity(self.channels.len());
        let groups = std::mem::take(&mut heard.groups);
        for ((point, channel), group) in (0..).zip(&self.channels).zip(groups) {
            samples.push(match group {
                Some(group) => self.sample(point, channel, group, &mut heard.troubles),
                None => unheard(point, channel, &mut heard),
            });
        }
        if heard.points_changed {
            samples.points_changed();
        }
        let told = |failure: &(Option<u16>, Failure)| failure.1.to_string();
        heard.troubles.extend(heard.failures.iter().map(told));
        for trouble in heard.troubles.iter().filter(|trouble| !self.troubles.contains(trouble)) {
            log::warn(trouble);
        }
        self.troubles = heard.troubles;
        samples
    }

    fn sample(&self, point: u16, channel: &Channel, group: Group, troubles: &mut Vec<String>) -> Sample {
        let mut state = self.flags.state(group.status);
        if group.is_zero() {
            state = state.or_worse(self.settings.exact_zero);
        }
        if let Some(unit) = self.flags.other_unit(group.status, &channel.unit) {
            troubles.push(format!("{}: the status says {unit}, the settings say {}", channel.id, channel.unit));
            state = state.or_worse(State::Fault);
        }
        Sample::new(point, group.value).raw(group.raw).state(state).status(group.status.into())
    }
}

/// A channel of which no reply spoke: because its request failed, or because the instrument left it out.
fn unheard(point: u16, channel: &Channel, heard: &mut Heard) -> Sample {
    let own = heard.failures.iter().find(|(asked, _)| *asked == Some(channel.address));
    let state = match own.or(heard.failures.first()) {
        Some((_, failure)) if failure.code() == Failure::communication("").code() => State::CommError,
        Some(_) => State::Fault,
        None => {
            heard.troubles.push(format!("{}: no value of address {} in the reply", channel.id, channel.address));
            State::Missing
        }
    };
    Sample::new(point, f64::NAN).raw(0).state(state).status(0)
}

fn unlisted(address: u16) -> Channel {
    let label = Some(format!("Address {address}"));
    Channel { address, id: format!("address_{address}"), label, unit: String::new() }
}

fn check(settings: &Settings) -> Result<(), Failure> {
    if settings.channels.is_empty() {
        return Err(wrong("channels", "at least one"));
    }
    for (index, channel) in settings.channels.iter().enumerate() {
        let at = format!("channels[{index}]");
        let earlier = settings.channels.get(..index).unwrap_or_default();
        if channel.address > 999 {
            return Err(wrong(&format!("{at}.address"), "must be 0 to 999"));
        }
        if earlier.iter().any(|other| other.address == channel.address) {
            return Err(wrong(&format!("{at}.address"), format_args!("{} is taken", channel.address)));
        }
        check_id(&format!("{at}.id"), &channel.id)?;
        if channel.id.starts_with("address_") && channel.id != unlisted(channel.address).id {
            return Err(wrong(&format!("{at}.id"), "address_N is kept for addresses that no channel has"));
        }
        if earlier.iter().any(|other| other.id == channel.id) {
            return Err(wrong(&format!("{at}.id"), format_args!("{:?} is taken", channel.id)));
        }
    }
    for (index, address) in settings.ask.iter().enumerate() {
        let at = format!("ask[{index}]");
        if *address > 999 {
            return Err(wrong(&at, "must be 0 to 999"));
        }
        if settings.ask.get(..index).unwrap_or_default().contains(address) {
            return Err(wrong(&at, format_args!("{address} is there twice")));
        }
    }
    if settings.by_position && settings.ask.len() > 1 {
        return Err(wrong("by_position", "replies of several instruments have no common order"));
    }
    if settings.exact_zero == State::Valid {
        return Err(wrong("exact_zero", "0.0 is also sent for a value that is not valid, so it cannot be `valid`"));
    }
    Ok(())
}

impl<L: Stream + 'static> Driver for BayernHessen<L> {
    type Settings = Settings;

    fn description() -> Description {
        let models = ["Serinus 10, 30, 40, 44, 50", "F-701-20", "T360", "T and E series", "42i", "49i", "5030i"];
        let description = Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .instruments("Ecotech, Durag, Teledyne API, Thermo", &models)
            .stream("the instrument, or the line that several share");
        commands::describe(description)
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        BayernHessen::new(L::open("main")?, settings)
    }

    fn points(&self) -> Vec<Point> {
        let point = |channel: &Channel| {
            Point::number(&channel.id, channel.label.as_ref().unwrap_or(&channel.id), &channel.unit)
        };
        self.channels.iter().map(point).collect()
    }

    fn poll(&mut self, _now: Timestamp) -> Result<Samples, Failure> {
        // Asks every instrument once. One that does not answer costs its own points; when none does, the poll is lost.
        let mut heard = Heard { groups: vec![None; self.channels.len()], ..Heard::default() };
        let everyone = [None];
        let asked: Vec<Option<u16>> = self.settings.ask.iter().copied().map(Some).collect();
        for address in if asked.is_empty() { everyone.as_slice() } else { &asked } {
            if self.has_answered(*address, &heard) {
                continue;
            }
            match self.ask(*address) {
                Ok(groups) => self.take(*address, groups, &mut heard),
                Err((Error::Closed(_), failure)) => return Err(failure),
                Err((_, failure)) => heard.failures.push((*address, failure)),
            }
        }
        let has_nothing = heard.groups.iter().all(Option::is_none);
        if let (true, Some((_, failure))) = (has_nothing, heard.failures.first()) {
            return Err(failure.clone());
        }
        Ok(self.samples(heard))
    }

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        commands::run(&self.link, &self.settings, name, arguments)
    }
}

tutin_sdk::export!(BayernHessen<tutin_sdk::stream::Link>);

#[cfg(test)]
mod tests;
