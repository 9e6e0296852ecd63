//! How the people in a simulated call behave.

use serde::{Deserialize, Serialize};

/// What the other side does when it rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// Picks up, talks, hangs up.
    Answered,
    /// Is busy.
    Busy,
    /// Lets it ring.
    #[serde(rename = "no-answer")]
    Unanswered,
    /// Declines.
    Rejected,
    /// Lets it ring, and the caller gives up.
    CallerHangsUp,
    /// Picks up, and after the talk it is the caller who hangs up.
    AnsweredCallerHangsUp,
}

impl Answer {
    /// All of them, in the order in which the page offers them, with what it calls them.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Answered, "answered", "Answers"),
        (Self::AnsweredCallerHangsUp, "answered-caller-hangs-up", "Answers, then the caller hangs up"),
        (Self::Unanswered, "no-answer", "Lets it ring"),
        (Self::Busy, "busy", "Is busy"),
        (Self::Rejected, "rejected", "Declines"),
        (Self::CallerHangsUp, "caller-hangs-up", "Lets it ring; the caller gives up"),
    ];

    /// The one that scripts call so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == name).map(|(answer, ..)| answer)
    }

    /// How long the phone rings before its owner does that; nothing where it would ring for ever.
    pub(crate) fn after_milliseconds(self) -> Option<u64> {
        match self {
            Self::Answered | Self::AnsweredCallerHangsUp => Some(4_000),
            Self::Busy => Some(1_000),
            Self::Rejected => Some(3_000),
            Self::CallerHangsUp => Some(6_000),
            Self::Unanswered => None,
        }
    }
}

/// How one call goes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// What whoever is dialled does; else each phone behaves as it was told.
    pub(crate) answer: Option<Answer>,
    /// How long they talk; else as each phone was told.
    pub(crate) seconds: Option<u32>,
    /// What the caller presses, one entry for each question.
    pub(crate) caller_presses: Vec<String>,
    /// The key that the caller presses once a transfer rings for two seconds, or a recording or conference goes on for
    /// as long.
    pub(crate) caller_key: Option<char>,
    /// What the other side presses; else as each phone was told.
    pub(crate) callee_presses: Vec<String>,
    /// Whether to take the time that things take, because somebody watches.
    pub(crate) live: bool,
}
