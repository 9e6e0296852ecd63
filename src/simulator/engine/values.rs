//! The plain values of a document, in every form in which the published libraries write them.

use serde_json::Value;

use crate::simulator::fields::as_text;

/// The entries of a list, or the one thing that stands where a list could; nothing for null.
pub(super) fn items(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(list) => Box::new(list.iter()),
        Value::Null => Box::new(std::iter::empty()),
        one => Box::new(std::iter::once(one)),
    }
}

/// A text, or a number where a text belongs; nothing when empty or anything else.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if text.is_empty() => None,
        plain @ (Value::String(_) | Value::Number(_)) => Some(as_text(plain.clone())),
        _ => None,
    }
}

pub(super) fn number(value: Option<&Value>) -> Option<f64> {
    let number = match value? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// A number of seconds, tries or milliseconds as a whole one, at most a day of milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a small positive range"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.clamp(0.0, 86_400_000.0).round() as u64
}

/// Whether it is said to be false, as a Boolean or as a text.
pub(super) fn is_false(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(value)) => !value,
        Some(Value::String(value)) => value.eq_ignore_ascii_case("false"),
        _ => false,
    }
}
