//! `[sinks.NAME]`.

use crate::config::kind::{
    Choice, Fields, FilePath, Flag, Headers, List, SecretReference, Size, Span, Text, Url, Whole,
};
use crate::config::mistake::Mistake;
use crate::config::model::{
    Acknowledge, Body, Delivery, File, FileFormat, HttpJson, HttpMethod, Mqtt, Shape, Sink, SinkKind,
};
use crate::config::read::link::min_and_max;
use crate::config::section::Section;

#[derive(Clone, Copy)]
enum SinkType {
    HttpJson,
    File,
    Mqtt,
}

const TYPES: Choice<SinkType> = Choice {
    what: "sink type",
    words: &[("http_json", SinkType::HttpJson), ("file", SinkType::File), ("mqtt", SinkType::Mqtt)],
};
const SHAPES: Choice<Shape> = Choice { what: "shape", words: &[("reading", Shape::Reading), ("poll", Shape::Poll)] };
const METHODS: Choice<HttpMethod> =
    Choice { what: "method", words: &[("POST", HttpMethod::Post), ("PUT", HttpMethod::Put)] };
const BODIES: Choice<Body> = Choice { what: "body", words: &[("array", Body::Array), ("object", Body::Object)] };
const FORMATS: Choice<FileFormat> =
    Choice { what: "format", words: &[("jsonl", FileFormat::JsonLines), ("csv", FileFormat::Csv)] };
const STATUSES: List<Whole<u16>> = List::of(Whole::from_to(100, 599));
const CA_FILE: FilePath = FilePath { what: "the path of a PEM file", except: None };

pub(super) fn sink(section: &mut Section<'_, '_>, hub: &str, name: &str) -> Option<Sink> {
    let delivery = delivery(section);
    let kind = match section.variant("type", &TYPES)? {
        SinkType::HttpJson => http_json(section).map(SinkKind::HttpJson),
        SinkType::File => file(section).map(SinkKind::File),
        SinkType::Mqtt => mqtt(section, &format!("tutin-{hub}-{name}")).map(SinkKind::Mqtt),
    };
    Some(Sink { delivery: delivery?, kind: kind? })
}

fn delivery(section: &mut Section<'_, '_>) -> Option<Delivery> {
    let batch = section.or("batch", &Whole::from_to(1, 10_000), "100");
    let timeout = section.or("timeout", &Span::millis(100, 600_000), "10s");
    let retry_min = section.or("retry_min", &Span::millis(10, 3_600_000), "1s");
    let retry_max = section.or("retry_max", &Span::millis(10, 86_400_000), "60s");
    let live_queue = section.or("live_queue", &Whole::from_to(1, 1_000_000), "1000");
    let late_after = section.or("late_after", &Span::millis(1_000, 86_400_000), "5min");
    let history_rate = section.or("history_rate", &Whole::from_to(1, 100_000), "100");
    let in_order = min_and_max(section, ("retry_min", retry_min), ("retry_max", retry_max));
    let (retry_min, retry_max) = in_order?;
    Some(Delivery {
        batch: batch?,
        timeout: timeout?,
        retry_min,
        retry_max,
        live_queue: live_queue?,
        late_after: late_after?,
        history_rate: history_rate?,
    })
}

fn http_json(section: &mut Section<'_, '_>) -> Option<HttpJson> {
    let url = section.required("url", &Url { schemes: &["http", "https"] });
    let method = section.or("method", &METHODS, "POST");
    let headers = section.or("headers", &Headers, "{}");
    let bearer = section.optional("bearer", &SecretReference);
    let ca_file = ca_file(section);
    let key_header = section.or("key_header", &Text::HEADER, "Idempotency-Key");
    let body = section.or("body", &BODIES, "array");
    let shape = section.or("shape", &SHAPES, "reading");
    let fields = section.or("fields", &Fields, "{}");
    let acknowledge = section.part("acknowledge", acknowledge);
    Some(HttpJson {
        url: url?,
        method: method?,
        headers: headers?,
        bearer: bearer?,
        ca_file: ca_file?,
        key_header: key_header?,
        body: body?,
        shape: shape?,
        fields: fields?,
        acknowledge: acknowledge?,
    })
}

fn acknowledge(section: &mut Section<'_, '_>) -> Option<Acknowledge> {
    let status = section.or("status", &List { least: 1, ..STATUSES }, "[200, 201, 202, 204]");
    let pointer = section.optional("pointer", &Text::POINTER);
    let equals = section.optional("equals", &Text::ANY);
    let reject = section.or("reject", &STATUSES, "[400, 409, 413, 422]");
    if matches!((&pointer, &equals), (Some(None), Some(Some(_)))) {
        section.note("equals", Mistake::EqualsWithoutPointer);
    }
    let (status, reject) = (status?, reject?);
    if let Some(status) = reject.iter().copied().find(|code| status.contains(code)) {
        section.note("reject", Mistake::StatusTwice { status });
    }
    Some(Acknowledge { status, pointer: pointer?, equals: equals?, reject })
}

fn file(section: &mut Section<'_, '_>) -> Option<File> {
    let path = section.required("path", &FilePath { what: "the path of a file, or \"-\"", except: Some("-") });
    let format = section.or("format", &FORMATS, "jsonl");
    let shape = section.or("shape", &SHAPES, "reading");
    let fields = section.or("fields", &Fields, "{}");
    let rotate_bytes = section.or("rotate_bytes", &Size { min: 1 << 10, max: 1 << 40 }, "100MiB");
    let keep = section.or("keep", &Whole::from_to(0, 1_000_000), "0");
    Some(File {
        path: path?,
        format: format?,
        shape: shape?,
        fields: fields?,
        rotate_bytes: rotate_bytes?,
        keep: keep?,
    })
}

fn mqtt(section: &mut Section<'_, '_>, client: &str) -> Option<Mqtt> {
    let url = section.required("url", &Url { schemes: &["mqtt", "mqtts"] });
    let client_id = section.or("client_id", &Text::ANY, client);
    let user = section.optional("user", &Text::ANY);
    let password = section.optional("password", &SecretReference);
    let ca_file = ca_file(section);
    let topic = section.optional("topic", &Text::TOPIC);
    let retain = section.or("retain", &Flag, "false");
    let keep_alive = section.or("keep_alive", &Span::millis(5_000, 600_000), "30s");
    let shape = section.or("shape", &SHAPES, "reading");
    let fields = section.or("fields", &Fields, "{}");
    Some(Mqtt {
        url: url?,
        client_id: client_id?,
        user: user?,
        password: password?,
        ca_file: ca_file?,
        topic: topic?,
        retain: retain?,
        keep_alive: keep_alive?,
        shape: shape?,
        fields: fields?,
    })
}

fn ca_file(section: &mut Section<'_, '_>) -> Option<Option<std::path::PathBuf>> {
    let file = section.optional("ca_file", &CA_FILE)?;
    if let Some(file) = &file {
        section.note_file("ca_file", file);
    }
    Some(file)
}
