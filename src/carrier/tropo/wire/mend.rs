//! Mends JSON that careless senders write: texts in ISO-8859-1, halves of surrogate pairs.
//!
//! Off the hot path: asked only for what could not be read as it came.

use std::borrow::Cow;

/// The body as UTF-8, taken as ISO-8859-1 where it is none, with `\ufffd` for each surrogate that stands alone.
pub(super) fn mended(body: &[u8]) -> String {
    let text = match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(body.iter().copied().map(char::from).collect()),
    };
    let mut mended = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let (kept, length) = first_escape(escape);
        mended.push_str(kept);
        rest = &escape[length..];
    }
    mended.push_str(rest);
    mended
}

/// What to write for the escape that the text begins with, and how many bytes of the text it stands for.
fn first_escape(text: &str) -> (&str, usize) {
    match (code_unit(text), text.get(6..).and_then(code_unit)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (&text[..12], 12),
        (Some(0xd800..=0xdfff), _) => ("\\ufffd", 6),
        _ => {
            let length = text.chars().take(2).map(char::len_utf8).sum();
            (&text[..length], length)
        }
    }
}

/// The value of `\u` and four hexadecimal digits at the beginning of the text.
fn code_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}
