//! How a call ended, from the event that Tropo fired and its result.
//!
//! Tropo's words in, the story's words out; keeps nothing and knows no URL.

use std::fmt;
use std::str::FromStr;

use crate::domain::call::Ending;
use crate::domain::verification::Undelivered;

use super::result::CallResult;

/// What happens to a call that Tropo tells us of, where a document asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallEvent {
    /// The called party has picked up.
    Connect,
    /// All that the document asked for is done.
    Continue,
    /// What was asked for did not come about.
    Incomplete,
    /// Tropo itself failed.
    Error,
    /// The caller hung up.
    Hangup,
    /// A caller who was kept waiting has pressed a key, or waited for as long as a phone rings.
    Ringing,
}

impl CallEvent {
    /// The events that end what a document asks for.
    pub(super) const FINAL: [Self; 4] = [Self::Continue, Self::Incomplete, Self::Error, Self::Hangup];

    /// Tropo's name for it, which also stands in the addresses that we give.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Continue => "continue",
            Self::Incomplete => "incomplete",
            Self::Error => "error",
            Self::Hangup => "hangup",
            Self::Ringing => "ringing",
        }
    }
}

impl fmt::Display for CallEvent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The text is no name of a call's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event of a call")]
pub struct UnknownEvent;

impl FromStr for CallEvent {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        let mut known = [Self::Connect, Self::Ringing].into_iter().chain(Self::FINAL);
        known.find(|event| event.name() == text).ok_or(UnknownEvent)
    }
}

/// How the call ended; `None` while it goes on. `answer` is the result that came when the called party picked up,
/// if one came.
///
/// Talk time is Tropo's figure or unknown. What Tropo's documents leave open counts as not connected.
pub fn ending(event: CallEvent, result: &CallResult, answer: Option<&CallResult>) -> Option<Ending> {
    let talked = answer.is_some() || result.connected_seconds().is_some_and(|seconds| seconds > 0);
    let ending = match (event, result.disposition()) {
        (CallEvent::Connect, _) => return None,
        (CallEvent::Ringing, _) => Ending::NoAnswer,
        _ if talked => Ending::Answered { seconds: result.talk_seconds(answer) },
        (CallEvent::Continue | CallEvent::Hangup, Some("SUCCESS")) => {
            Ending::Answered { seconds: result.talk_seconds(None) }
        }
        (_, Some("TIMEOUT")) => Ending::NoAnswer,
        (_, Some("BUSY")) => Ending::Busy,
        (_, Some("REJECTED")) => Ending::Refused,
        (CallEvent::Hangup, _) => Ending::CallerHungUp,
        _ => Ending::DidNotConnect,
    };
    Some(ending)
}

/// How much longer a caller is kept waiting who pressed a key that means nothing, in seconds; `None` where a phone would
/// ring no longer, or Tropo does not say how long the session has lasted.
pub fn ring_left(result: &CallResult, ring_seconds: u32) -> Option<u32> {
    let is_over = result.disposition() == Some("TIMEOUT");
    let lasted = result.session_duration.filter(|_| !is_over)?;
    ring_seconds.checked_sub(lasted).filter(|left| *left > 0)
}

/// Why a call that asks for a key, or a text, did not reach anybody; `None` where all that was asked for is done.
pub fn undelivered(event: CallEvent, result: &CallResult) -> Option<Undelivered> {
    let is_asked = result.actions.iter().any(|action| action.name.as_deref() == Some("key"));
    Some(match (event, result.disposition()) {
        _ if result.is_machine() => Undelivered::Machine,
        (CallEvent::Connect | CallEvent::Continue | CallEvent::Ringing, _) => return None,
        (CallEvent::Hangup, _) => Undelivered::HungUp,
        (CallEvent::Incomplete, _) if is_asked => Undelivered::NoKey,
        (_, Some("BUSY")) => Undelivered::Busy,
        (_, Some("TIMEOUT")) => Undelivered::NoAnswer,
        _ => Undelivered::NotReached,
    })
}

#[cfg(test)]
mod tests {
    use super::super::result::Action;
    use super::*;

    fn result(disposition: Option<&str>, connected: Option<u32>, session: Option<u32>) -> CallResult {
        let actions = disposition
            .map(|word| Action {
                disposition: Some(word.to_owned()),
                connected_duration: connected,
                ..Action::default()
            })
            .into_iter()
            .collect();
        CallResult { session_duration: session, actions, ..CallResult::default() }
    }

    #[test]
    fn each_way_to_end_is_told_apart() {
        use CallEvent::{Connect, Continue, Error, Hangup, Incomplete};
        let answered = |seconds| Some(Ending::Answered { seconds });
        let picked_up = result(None, None, Some(13));
        let table = [
            (Continue, result(Some("SUCCESS"), Some(145), Some(158)), None, answered(Some(145))),
            (Continue, result(Some("SUCCESS"), None, Some(158)), None, answered(None)),
            (Continue, result(Some("SUCCESS"), None, Some(158)), Some(&picked_up), answered(Some(145))),
            (Continue, result(Some("EXTERNAL_EVENT"), Some(9), None), None, answered(Some(9))),
            (Continue, result(None, None, None), None, Some(Ending::DidNotConnect)),
            (Continue, result(Some("BUSY"), None, None), None, Some(Ending::Busy)),
            (Incomplete, result(Some("TIMEOUT"), Some(0), None), None, Some(Ending::NoAnswer)),
            (Incomplete, result(Some("BUSY"), None, None), None, Some(Ending::Busy)),
            (Incomplete, result(Some("REJECTED"), None, None), None, Some(Ending::Refused)),
            (Incomplete, result(Some("FAILED"), None, None), None, Some(Ending::DidNotConnect)),
            (Incomplete, result(Some("SUCCESS"), None, None), None, Some(Ending::DidNotConnect)),
            (Incomplete, result(Some("NEW WORD"), None, None), None, Some(Ending::DidNotConnect)),
            (Incomplete, result(None, None, None), None, Some(Ending::DidNotConnect)),
            (Error, result(None, None, None), None, Some(Ending::DidNotConnect)),
            (Hangup, result(None, None, Some(31)), None, Some(Ending::CallerHungUp)),
            (Hangup, result(None, None, Some(31)), Some(&picked_up), answered(Some(18))),
            (Hangup, result(None, None, None), Some(&picked_up), answered(None)),
            (Hangup, result(None, None, Some(7)), Some(&picked_up), answered(None)),
            (Connect, result(None, None, Some(13)), None, None),
        ];
        for (event, result, answer, expected) in table {
            assert_eq!(ending(event, &result, answer), expected, "{event} {result:?}");
        }
    }

    #[test]
    fn a_key_that_means_nothing_does_not_end_the_ringing() {
        let pressed = |seconds| result(Some("FAILED"), None, seconds);
        assert_eq!(ring_left(&pressed(Some(4)), 25), Some(21));
        assert_eq!(ring_left(&pressed(Some(25)), 25), None);
        assert_eq!(ring_left(&pressed(None), 25), None);
        assert_eq!(ring_left(&result(Some("TIMEOUT"), None, Some(24)), 25), None);
        assert_eq!(ending(CallEvent::Ringing, &pressed(Some(25)), None), Some(Ending::NoAnswer));
    }

    #[test]
    fn only_a_pressed_key_counts_as_one_and_each_failure_is_told_apart() {
        use CallEvent::{Continue, Error, Hangup, Incomplete};
        let of = |text: &str| match super::super::read(text.as_bytes()) {
            Ok(super::super::Event::Result(result)) => result,
            other => panic!("{other:?}"),
        };
        let key = r#"{"name":"key","attempts":1,"disposition":"SUCCESS","interpretation":"1","value":"1"}"#;
        let actions = |actions: &str| format!(r#"{{"result":{{"state":"ANSWERED","actions":{actions}}}}}"#);
        for (text, is_pressed) in [
            (actions(key), true),
            (actions(&format!("[{key}]")), true),
            (actions(&key.replace(r#""value":"1""#, r#""value":"2""#)), false),
            (actions(&key.replace("SUCCESS", "TIMEOUT")), false),
            (actions(&key.replace(r#""attempts":1"#, r#""userType":"MACHINE""#)), false),
            (actions(key).replace(r#""state":"ANSWERED""#, r#""userType":"machine""#), false),
            (actions(key).replace(r#""state":"ANSWERED""#, r#""userType":"HUMAN""#), true),
            (r#"{"result":{}}"#.to_owned(), false),
        ] {
            assert_eq!(of(&text).was_pressed("1"), is_pressed, "{text}");
        }
        let failed = |event, text: &str| undelivered(event, &of(text));
        let asked = |disposition: &str| actions(&key.replace("SUCCESS", disposition));
        let dialled = |disposition: &str| actions(&format!(r#"{{"disposition":"{disposition}"}}"#));
        assert_eq!(failed(Continue, &actions(key)), None);
        assert_eq!(failed(Incomplete, &asked("TIMEOUT")), Some(Undelivered::NoKey));
        assert_eq!(failed(Incomplete, &asked("FAILED")), Some(Undelivered::NoKey));
        assert_eq!(failed(Incomplete, &dialled("TIMEOUT")), Some(Undelivered::NoAnswer));
        assert_eq!(failed(Incomplete, &dialled("BUSY")), Some(Undelivered::Busy));
        assert_eq!(failed(Incomplete, r#"{"result":{"state":"FAILED"}}"#), Some(Undelivered::NotReached));
        assert_eq!(failed(Error, r#"{"result":{}}"#), Some(Undelivered::NotReached));
        assert_eq!(failed(Hangup, r#"{"result":{"state":"DISCONNECTED"}}"#), Some(Undelivered::HungUp));
        let machine = r#"{"result":{"userType":"FAX"}}"#;
        assert_eq!(failed(Continue, machine), Some(Undelivered::Machine));
    }

    #[test]
    fn an_events_name_in_an_address_is_read_back() {
        for event in [CallEvent::Connect, CallEvent::Continue, CallEvent::Hangup, CallEvent::Ringing] {
            assert_eq!(event.name().parse(), Ok(event));
        }
        assert_eq!("Continue".parse::<CallEvent>(), Err(UnknownEvent));
    }
}
