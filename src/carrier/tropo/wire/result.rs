//! A result: what became of something that a document of ours asked for.
//!
//! Reads the results of every age; what they mean for a call, [`super::ending`] says.

use serde::de::MapAccess;

use super::super::lenient::{Fields, Scalar, Standing, skip};
use super::super::words::remark;

/// What Tropo tells of a call at the end of a verb, as far as it is of use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallResult {
    /// The session it belongs to.
    pub session_id: Option<String>,
    /// The call in it.
    pub call_id: Option<String>,
    /// `ANSWERED`, `DISCONNECTED`, `FAILED` and so on, in capitals.
    pub state: Option<String>,
    /// Seconds since the session began.
    pub session_duration: Option<u32>,
    /// Which result of the session this is, from 1.
    pub sequence: Option<u32>,
    /// What went wrong in Tropo's words, without anything that may be a number or an address.
    pub error: Option<String>,
    /// `HUMAN`, `MACHINE` or `FAX` in capitals, where a document asked to tell them apart.
    pub user_type: Option<String>,
    /// What was done: mostly one action, none after a hang-up.
    pub actions: Vec<Action>,
}

/// One thing that was done in a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Action {
    /// Its name, where the document gave one.
    pub name: Option<String>,
    /// How it ended, in capitals: `SUCCESS`, `TIMEOUT`, `BUSY`, `REJECTED`, `FAILED`, `EXTERNAL_EVENT`.
    pub disposition: Option<String>,
    /// Seconds since dialling.
    pub duration: Option<u32>,
    /// Seconds since the answer.
    pub connected_duration: Option<u32>,
    /// What was pressed or said in answer to a question.
    pub value: Option<String>,
    /// As [`CallResult::user_type`].
    pub user_type: Option<String>,
}

impl CallResult {
    /// How it ended in Tropo's word, in capitals.
    pub fn disposition(&self) -> Option<&str> {
        self.actions.iter().find_map(|action| action.disposition.as_deref())
    }

    /// Whether a question was answered with that key, by no machine.
    pub fn was_pressed(&self, key: &str) -> bool {
        let pressed = |action: &Action| {
            action.disposition.as_deref() == Some("SUCCESS") && action.value.as_deref() == Some(key)
        };
        self.actions.iter().any(pressed) && !self.is_machine()
    }

    /// Whether Tropo heard a machine.
    pub fn is_machine(&self) -> bool {
        let types = self.actions.iter().map(|action| &action.user_type).chain([&self.user_type]);
        types.flatten().any(|kind| matches!(kind.as_str(), "MACHINE" | "FAX"))
    }

    /// Talk time in seconds: the carrier's own figure, else the session's age less its age when the call was
    /// answered, which the result of that moment tells.
    pub fn talk_seconds(&self, answer: Option<&Self>) -> Option<u32> {
        self.connected_seconds().or_else(|| {
            let answered_at = answer?.session_duration?;
            self.session_duration?.checked_sub(answered_at)
        })
    }

    /// The carrier's own figure of the talk time.
    pub(super) fn connected_seconds(&self) -> Option<u32> {
        self.actions.iter().find_map(|action| action.connected_duration)
    }
}

impl Fields for CallResult {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, value: &mut A) -> Result<(), A::Error> {
        match key {
            "sessionId" => self.session_id = value.next_value::<Scalar>()?.identifier(),
            "callId" => self.call_id = value.next_value::<Scalar>()?.identifier(),
            "state" | "callState" => {
                self.state = capitals(value.next_value()?).or_else(|| self.state.take());
            }
            "sessionDuration" => self.session_duration = value.next_value::<Scalar>()?.count(),
            "userType" => self.user_type = capitals(value.next_value()?),
            "sequence" => self.sequence = value.next_value::<Scalar>()?.count(),
            "error" => self.error = value.next_value::<Scalar>()?.text().map(|text| remark(&text)),
            "actions" => self.actions = value.next_value::<Standing<Action>>()?.all(),
            _ => skip(value)?,
        }
        Ok(())
    }
}

impl Fields for Action {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, value: &mut A) -> Result<(), A::Error> {
        match key {
            "name" => self.name = value.next_value::<Scalar>()?.identifier(),
            "disposition" => self.disposition = capitals(value.next_value()?),
            "duration" => self.duration = value.next_value::<Scalar>()?.count(),
            "value" => self.value = value.next_value::<Scalar>()?.identifier(),
            "userType" => self.user_type = capitals(value.next_value()?),
            "connectedDuration" => self.connected_duration = value.next_value::<Scalar>()?.count(),
            _ => skip(value)?,
        }
        Ok(())
    }
}

fn capitals(word: Scalar) -> Option<String> {
    Scalar::Text(word.text()?).identifier().map(|name| name.to_ascii_uppercase())
}
