//! The named values of a request's body, whatever it is written in.
//!
//! JSON, XML and forms are read; names are compared without regard to case, as Tropo's documents spell them in
//! several ways. It must not know what the names mean.

use actix_web::HttpRequest;
use serde_json::Value;
use url::form_urlencoded;

use super::account::Refusal;
use super::xml;

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    Json,
    Form,
    Xml,
}

/// Names and values in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a body; an empty one has no fields.
    pub(crate) fn read(request: &HttpRequest, body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        match writing(request) {
            Some(Writing::Form) => Ok(Self::from_form(body)),
            Some(Writing::Json) => Self::from_json(body),
            Some(Writing::Xml) => Self::from_xml(body),
            None => Err(Refusal::Unsupported),
        }
    }

    /// Reads a query or a form-encoded body.
    pub(crate) fn from_form(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        let malformed = || Refusal::Invalid("the body is not a JSON object".into());
        let Value::Object(object) = serde_json::from_slice(body).map_err(|_| malformed())? else {
            return Err(malformed());
        };
        let written = object.into_iter().filter(|(_, value)| !value.is_null());
        Ok(Self(written.map(|(name, value)| (name, as_text(value))).collect()))
    }

    fn from_xml(body: &[u8]) -> Result<Self, Refusal> {
        xml::read(body).map(Self).ok_or_else(|| Refusal::Invalid("the body is not an XML document".into()))
    }

    /// The value of a name, where there is one that is not blank.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The value of a name that must be there.
    pub(crate) fn require(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::Invalid(format!("{name} is a required parameter")))
    }

    /// All names, as written, and values.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The fields of both.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }
}

/// What the request's body is written in, if it is something that is read here.
pub(crate) fn writing(request: &HttpRequest) -> Option<Writing> {
    match request.headers().get("content-type")?.to_str().ok()?.split(';').next()?.trim() {
        "application/json" | "text/json" => Some(Writing::Json),
        "application/x-www-form-urlencoded" => Some(Writing::Form),
        "text/xml" | "application/xml" => Some(Writing::Xml),
        _ => None,
    }
}

/// A JSON value as the text that a form would hold.
pub(crate) fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
