//! What the station's logger remembers, page by page.
//!
//! The host asks for a kind of average between two times; the station answers that it will (9011), sends one data message after
//! the other, and says when it is done (9012). Where a message asks for an acknowledgement the station waits for it, so a page ends there:
//! its acknowledgements are sent when the next page is asked for, which is when the page is with the host. What is live
//! among the messages goes to the next poll.
//!
//! Source: HJ 212-2017, 5.3 and table 9 (2031, 2051, 2061 with BeginTime and EndTime).

use serde::{Deserialize, Serialize};
use tutin_sdk::clock::SECOND;
use tutin_sdk::stream::{Error, Frame, Stream};
use tutin_sdk::{Failure, History, Samples, Timestamp};

use crate::packet::Packet;
use crate::pollutants::Period;
use crate::settings::Average;
use crate::status::Answer;
use crate::{Hj212Station, clock, content, frame, message};

/// Most messages that are waited for at once.
const MESSAGES: u32 = 1000;
/// A page with so many samples takes no further message; one has fewer than 1,000 within its 9,999 bytes.
const FULL: usize = 8000;
/// How often a station that fell silent is asked for the same part again.
const TRIES: u8 = 3;

/// Where the reading of history stands. It survives the instance as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Position in the averages of the settings.
    average: usize,
    /// Beginning of the part that is asked for, nanoseconds.
    from: i64,
    /// End of what has come of it.
    come: i64,
    /// Name of the request; none: not asked yet.
    qn: Option<String>,
    /// Acknowledgements of the last page, and names of their messages.
    due: Vec<Due>,
    /// The station has said that it is done.
    is_done: bool,
    tries: u8,
}

/// An acknowledgement that is sent when the page is with the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Due {
    key: String,
    /// None when the station does not wait for one.
    answer: Option<String>,
}

impl Average {
    fn cn(self) -> u16 {
        match self {
            Average::Minute => 2051,
            Average::Hour => 2061,
            Average::Day => 2031,
        }
    }

    /// What is asked for at once: a few hundred messages.
    fn part(self) -> i64 {
        let hours = match self {
            Average::Minute => 6,
            Average::Hour => 14 * 24,
            Average::Day => 366 * 24,
        };
        hours * 3600 * SECOND
    }
}

/// The part of history that is asked for.
struct Part {
    average: Average,
    from: i64,
    to: i64,
}

impl<L: Stream> Hj212Station<L> {
    /// The next page.
    pub(crate) fn page(&mut self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        let mut place = if next.is_empty() {
            Place { average: 0, from: begin.0, come: begin.0, qn: None, due: Vec::new(), is_done: false, tries: 0 }
        } else {
            serde_json::from_str(next).map_err(|err| Failure::internal(format!("place in the history: {err}")))?
        };
        if place.is_done {
            self.settle(&mut place)?;
            self.advance(&mut place, begin, end);
        }
        let Some(part) = self.part(&place, end) else {
            return Ok(History { samples: Samples::default(), next: String::new() });
        };
        let frames = match self.messages(&mut place, &part, end) {
            Err(Error::Timeout) if place.qn.is_some() && place.tries < TRIES => {
                place = Place { qn: None, from: place.come, due: Vec::new(), tries: place.tries + 1, ..place };
                Vec::new()
            }
            frames => frames.map_err(|err| err.during(format_args!("history, command {}", part.average.cn())))?,
        };
        let mut samples = Samples::default();
        let at = self.now.unwrap_or(end);
        let mut frames = frames.into_iter();
        while samples.len() < FULL
            && let Some(bytes) = frames.next()
        {
            self.take_history(Frame { bytes, at }, &part, &mut place, &mut samples)?;
        }
        self.left_over = frames.collect();
        self.mark_changed(&mut samples);
        let next = serde_json::to_string(&place).map_err(|err| Failure::internal(err.to_string()))?;
        Ok(History { samples, next })
    }

    fn part(&self, place: &Place, end: Timestamp) -> Option<Part> {
        let average = *self.settings.averages.get(place.average)?;
        let to = place.from.saturating_add(average.part()).min(end.0);
        (place.from < end.0).then_some(Part { average, from: place.from, to })
    }

    /// To the next part, or to the next average from the beginning.
    fn advance(&self, place: &mut Place, begin: Timestamp, end: Timestamp) {
        let to = self.part(place, end).map_or(end.0, |part| part.to);
        let (average, from) = if to < end.0 { (place.average, to) } else { (place.average + 1, begin.0) };
        *place = Place { average, from, come: from, qn: None, due: Vec::new(), is_done: false, tries: 0 };
    }

    /// Asks for the part, or goes on with it.
    fn messages(&mut self, place: &mut Place, part: &Part, end: Timestamp) -> Result<Vec<Vec<u8>>, Error> {
        let exchange = self.exchange().up_to(MESSAGES, self.settings.page_silence.saturating_mul(1000));
        if place.qn.is_none() {
            self.left_over.clear();
            let qn = self.next_qn(self.now.unwrap_or(end));
            let time = |at: i64| clock::write(Timestamp(at), self.settings.utc_offset);
            let content = format!("BeginTime={},EndTime={}", time(part.from), time(part.to));
            let request = self.request(&qn, part.average.cn(), &content);
            let frames = self.link.request(&request, &exchange)?;
            place.qn = Some(qn);
            return Ok(frames);
        }
        if !self.left_over.is_empty() {
            self.settle(place)?;
            return Ok(std::mem::take(&mut self.left_over));
        }
        let last = place.due.iter().rposition(|due| due.answer.is_some());
        let last = last.and_then(|at| place.due.get(at)?.answer.clone().map(|answer| (at, answer)));
        let Some((at, last)) = last else {
            let frames = self.link.receive(MESSAGES)?.frames;
            self.settle(place)?;
            return match frames.is_empty() {
                true => Err(Error::Timeout),
                false => Ok(frames.into_iter().map(|frame| frame.bytes).collect()),
            };
        };
        let earlier = place.due.iter().take(at);
        for answer in earlier.filter_map(|due| due.answer.as_ref()) {
            self.link.send(answer.as_bytes())?;
        }
        let frames = self.link.request(last.as_bytes(), &exchange)?;
        self.remember(place);
        Ok(frames)
    }

    /// Sends what is due when nothing is waited for.
    fn settle(&mut self, place: &mut Place) -> Result<(), Error> {
        for answer in place.due.iter().filter_map(|due| due.answer.as_ref()) {
            self.link.send(answer.as_bytes())?;
        }
        self.remember(place);
        Ok(())
    }

    /// What is with the host does not count again.
    fn remember(&mut self, place: &mut Place) {
        for due in place.due.drain(..) {
            self.seen.remember(due.key, Some(Timestamp(i64::MIN)));
        }
    }

    fn take_history(
        &mut self,
        frame: Frame,
        part: &Part,
        place: &mut Place,
        samples: &mut Samples,
    ) -> Result<(), Failure> {
        let packet = match frame::unwrap(&frame.bytes).and_then(Packet::read) {
            Ok(packet) => packet,
            Err(why) => {
                self.refuse(&frame.bytes, &why);
                return Ok(());
            }
        };
        if !self.is_ours(&packet, &frame.bytes) {
            return Ok(());
        }
        if place.qn.as_deref() == Some(packet.qn)
            && let Some(answer) = message::answer(&packet)
        {
            return self.take_progress(answer, place, part);
        }
        let times: Vec<i64> = content::groups(packet.content)
            .iter()
            .filter_map(|group| clock::read(group.time, self.settings.utc_offset))
            .map(|at| at.0)
            .collect();
        let is_asked_for = packet.cn == part.average.cn()
            && !times.is_empty()
            && times.iter().all(|time| (part.from..part.to).contains(time));
        if !is_asked_for {
            self.pending.push(frame);
            return Ok(());
        }
        let key = packet.key();
        let is_known = self.seen.is_repeated(&key, frame.at) || place.due.iter().any(|due| due.key == key);
        let period = Period::of(packet.cn).unwrap_or(Period::Moment);
        if !is_known && !self.publish(&packet, period, frame.at, samples) {
            return Ok(());
        }
        place.come = times.iter().fold(place.come, |come, time| come.max(time.saturating_add(SECOND)));
        let answer = packet.wants_answer().then(|| self.answer_to(&packet, 9014));
        let answer = answer.and_then(|answer| String::from_utf8(answer).ok());
        place.due.push(Due { key, answer });
        Ok(())
    }

    fn take_progress(&self, answer: Answer, place: &mut Place, part: &Part) -> Result<(), Failure> {
        let text = format!("history, command {}: {}", part.average.cn(), answer.words());
        match answer {
            answer if answer.is_busy() => Err(Failure::busy(text)),
            answer if !answer.is_good() => Err(Failure::device(text)),
            Answer::Execution(_) => {
                place.is_done = true;
                Ok(())
            }
            Answer::Request(_) => Ok(()),
        }
    }
}
