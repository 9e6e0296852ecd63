//! What went wrong with a request to Tropo, told apart so that the caller knows whether it took effect.
//!
//! No text of an error holds a secret, a phone number or an address; Tropo's own words come in only as far as
//! [`super::words::remark`] lets them.

use std::error::Error as _;

use serde_json::Value;

use crate::carrier::CarrierError;
use crate::secrets::Secret;

use super::words::remark;

/// What Tropo writes when it has no free number of the kind; without it a 503 is an outage.
const NONE_FREE: &str = "no numbers available";

/// Whether a request may change something at Tropo.
///
/// When one that changes something goes wrong half-way, nobody knows whether it took effect. One that only reads
/// took none, so it may always be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    Reading,
    Changing,
}

impl Nature {
    /// Something broke after the request may have arrived.
    pub(super) fn broken(self, what: impl Into<String>) -> CarrierError {
        match self {
            Self::Reading => CarrierError::Unavailable(what.into()),
            Self::Changing => CarrierError::Unclear(what.into()),
        }
    }

    /// No answer came, or not all of it.
    pub(super) fn failed(self, error: &reqwest::Error) -> CarrierError {
        if error.is_connect() {
            return CarrierError::Unavailable(format!("no connection: {}", remark(&innermost(error))));
        }
        if error.is_builder() {
            return CarrierError::Refused("the request cannot be written".to_owned());
        }
        self.broken(if error.is_timeout() { "no answer in time" } else { "the connection broke" })
    }

    /// An answer came with a status that is no success.
    pub(super) fn refused(self, status: u16, body: &[u8], secrets: &[&Secret]) -> CarrierError {
        let said = without(&said(body), secrets);
        let remark = remark(&said);
        let told = if remark.is_empty() { String::new() } else { format!(": {remark}") };
        match status {
            503 if said.to_ascii_lowercase().contains(NONE_FREE) => CarrierError::NoneFree,
            404 | 410 => CarrierError::NotFound,
            401 => CarrierError::Refused("user name or password is not accepted (status 401)".to_owned()),
            301 | 302 | 307 | 308 => {
                CarrierError::Refused(format!("it sends us elsewhere (status {status}); check TROPO_URL"))
            }
            429 => CarrierError::Unavailable(format!("too many requests (status 429){told}")),
            408 => self.broken("no answer in time (status 408)"),
            400..500 => CarrierError::Refused(format!("status {status}{told}")),
            _ => self.broken(format!("status {status}{told}")),
        }
    }
}

/// The text of a reply like `{"error": "…"}` or `{"errors": ["…"]}`; empty for any other.
fn said(body: &[u8]) -> String {
    let Ok(reply) = serde_json::from_slice::<Value>(body) else { return String::new() };
    match (&reply["error"], &reply["errors"]) {
        (Value::String(text), _) => text.clone(),
        (_, Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    }
}

fn without(text: &str, secrets: &[&Secret]) -> String {
    secrets
        .iter()
        .filter(|secret| !secret.expose().is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "…"))
}

/// The cause at the bottom, such as "Connection refused"; the error itself would tell the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map(ToString::to_string).unwrap_or_default()
}
