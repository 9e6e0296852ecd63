//! Tells what Tropo's webhook sends us: a session that begins, or the result of what we asked for.
//!
//! Refuses only what is no such thing at all; its fields are read by [`super::session`] and
//! [`super::result`].

use serde::de::MapAccess;

use super::super::lenient::{Fields, Standing, skip};
use super::mend::mended;
use super::result::CallResult;
use super::session::Session;

/// The most levels of objects and lists within each other; real sessions have three.
const DEEPEST: usize = 20;

/// What some senders put before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One request of Tropo's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A call or text has come in, or a launch of ours begins.
    Session(Session),
    /// Something that a document of ours asked for is done.
    Result(CallResult),
}

/// Why a body is no request of Tropo's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON.
    #[error("not JSON")]
    NotJson,
    /// Objects and lists lie more than 20 levels within each other.
    #[error("more than 20 levels deep")]
    TooDeep,
    /// It holds neither a session nor a result.
    #[error("neither a session nor a result")]
    Neither,
}

/// Reads one request; the caller has bounded its length.
///
/// The hot path of a call: one quick pass that tells whether the depth has to be measured, one to read the few fields of
/// use, no tree of values.
pub fn read(body: &[u8]) -> Result<Event, Unreadable> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if may_be_deep(body) && depth(body) > DEEPEST {
        return Err(Unreadable::TooDeep);
    }
    let envelope: Envelope = match parse(body) {
        Ok(envelope) => envelope,
        Err(_) => parse(mended(body).as_bytes()).or_else(|_| parse(body).map(Names::bare))?,
    };
    envelope.event()
}

fn parse<T: Fields>(body: &[u8]) -> Result<T, Unreadable> {
    let standing: Standing<T> = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
    standing.one().ok_or(Unreadable::Neither)
}

/// Whether enough brackets are opened for a body that is too deep, wherever they stand.
fn may_be_deep(body: &[u8]) -> bool {
    body.iter().map(|byte| usize::from(matches!(byte, b'{' | b'['))).sum::<usize>() > DEEPEST
}

/// How many objects and lists lie within each other at the deepest place. Of what is no JSON, any figure.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The outermost object. A field that is there without being an object still says what this is.
#[derive(Default)]
struct Envelope {
    session: Option<Standing<Session>>,
    result: Option<Standing<CallResult>>,
}

impl Envelope {
    fn event(self) -> Result<Event, Unreadable> {
        match (self.session, self.result) {
            (Some(Standing::One(session)), _) => Ok(Event::Session(session)),
            (_, Some(Standing::One(result))) => Ok(Event::Result(result)),
            (Some(_), _) => Ok(Event::Session(Session::default())),
            (_, Some(_)) => Ok(Event::Result(CallResult::default())),
            (None, None) => Err(Unreadable::Neither),
        }
    }
}

impl Fields for Envelope {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, value: &mut A) -> Result<(), A::Error> {
        match key {
            "session" => self.session = Some(value.next_value()?),
            "result" => self.result = Some(value.next_value()?),
            _ => skip(value)?,
        }
        Ok(())
    }
}

/// Only which fields are there: for JSON with a value that cannot be held, such as `1e999`.
#[derive(Default)]
struct Names {
    session: bool,
    result: bool,
}

impl Names {
    fn bare(self) -> Envelope {
        Envelope {
            session: self.session.then_some(Standing::Nothing),
            result: self.result.then_some(Standing::Nothing),
        }
    }
}

impl Fields for Names {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, value: &mut A) -> Result<(), A::Error> {
        self.session |= key == "session";
        self.result |= key == "result";
        skip(value)
    }
}
