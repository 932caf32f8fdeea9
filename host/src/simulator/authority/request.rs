//! From the bytes of a request to objects with keys, or the refusal that says what is wrong with them.

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};

use super::check::Requirement;
use super::ledger::Stream;
use super::options::Options;

/// An object that holds, and the key that it is known by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keyed {
    pub(super) key: String,
    pub(super) object: Map<String, Value>,
}

/// A request that is not taken, as it is answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// Checks the token, then the text, then every object; the first that does not hold refuses the whole request.
pub(super) fn read(stream: Stream, options: &Options, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Keyed>, Refusal> {
    if let Some(token) = &options.token {
        let given = text(headers, header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        if given != Some(token) {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "wrong or missing bearer token"));
        }
    }
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("not JSON: {error}")))?;
    let values = match body {
        Value::Array(values) if values.is_empty() => return Err(Refusal::unprocessable("the array is empty")),
        Value::Array(values) => values,
        single => vec![single],
    };
    let required: &[Requirement] = match stream {
        Stream::Averages => &options.required,
        Stream::Readings => &[],
    };
    let only = values.len() == 1;
    let key = text(headers, "idempotency-key");
    let keys = (0..).map(|index| key.map(|key| if only { key.to_owned() } else { format!("{key}#{index}") }));
    let keyed = |((index, value), key)| {
        object(value, required, key).map_err(|(member, message)| Refusal::of_object(index, member, &message))
    };
    values.into_iter().enumerate().zip(keys).map(keyed).collect()
}

/// One object, or the member that does not hold and why.
fn object(
    value: Value,
    required: &[Requirement],
    key_of_header: Option<String>,
) -> Result<Keyed, (Option<String>, String)> {
    let Value::Object(object) = value else { return Err((None, "is no object".into())) };
    for requirement in required {
        requirement.check(&object).map_err(|problem| (Some(problem.member), problem.message))?;
    }
    let wrong_key = |message: &str| Err((Some("key".to_owned()), message.to_owned()));
    let key = match (object.get("key"), key_of_header) {
        (Some(Value::String(key)), _) if !key.is_empty() => key.clone(),
        (Some(_), _) => return wrong_key("member key must be a text that is not empty"),
        (None, Some(key)) => key,
        (None, None) => return wrong_key("member key is missing, and there is no Idempotency-Key header"),
    };
    Ok(Keyed { key, object })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Refusal { status, body: json!({ "error": error.into() }) }
    }

    pub(super) fn unprocessable(error: impl Into<String>) -> Self {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    fn of_object(index: usize, member: Option<String>, message: &str) -> Self {
        let body = json!({ "error": format!("object {index}: {message}"), "index": index, "member": member });
        Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, body }
    }
}
