//! The words that labels may say: a closed list for each, so that no label can hold what somebody typed.

use crate::domain::call::{Decision, Reason, Unbelievable};

/// A label with all its words.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) label: &'static str,
    pub(super) words: &'static [&'static str],
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// The real phone rings.
    Connected,
    /// No mask of ours.
    NotInService,
    /// A mask at rest.
    Resting,
    /// Paused.
    Paused,
    /// The caller showed the owner's number, and heard ringing.
    OwnersNumber,
    /// The caller showed a mask's number, and heard ringing.
    MasksNumber,
    /// As many calls at once as a mask may have.
    Busy,
    /// The mask was called as often as it may be.
    OverLimit,
    /// The minutes of the month are used up.
    OutOfMinutes,
    /// A switch that stops spending.
    Stopped,
    /// This caller called it as often as they may.
    CallerOverLimit,
    /// This caller called it so fast that it may be a loop.
    Loop,
    /// The rules do not let it lead there any more.
    NotAllowed,
    /// Not even told why.
    Rejected,
    /// Decided to be told that we are not available.
    Unavailable,
    /// Nothing could be decided.
    Failed,
    /// The decision took longer than a caller waits.
    TooLate,
}

impl CallOutcome {
    pub(super) const LABEL: Words = Words {
        label: "outcome",
        words: &[
            "connected",
            "not_in_service",
            "resting",
            "paused",
            "owners_number",
            "masks_number",
            "busy",
            "over_limit",
            "out_of_minutes",
            "stopped",
            "caller_over_limit",
            "loop",
            "not_allowed",
            "rejected",
            "unavailable",
            "failed",
            "too_late",
        ],
    };

    /// What a decision comes to.
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Connect { .. } => Self::Connected,
            Decision::RingOut(Unbelievable::OwnersNumber) => Self::OwnersNumber,
            Decision::RingOut(Unbelievable::MasksNumber) => Self::MasksNumber,
            Decision::Reject => Self::Rejected,
            Decision::TurnAway(reason) => match reason {
                Reason::NotInService => Self::NotInService,
                Reason::Resting => Self::Resting,
                Reason::Paused => Self::Paused,
                Reason::Busy => Self::Busy,
                Reason::OverLimit => Self::OverLimit,
                Reason::OutOfMinutes => Self::OutOfMinutes,
                Reason::Stopped => Self::Stopped,
                Reason::CallerOverLimit => Self::CallerOverLimit,
                Reason::Loop => Self::Loop,
                Reason::NotAllowed => Self::NotAllowed,
                Reason::Unavailable => Self::Unavailable,
            },
        }
    }
}

/// Why somebody was not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInFailure {
    /// No such account, or another password.
    Wrong,
    /// So many wrong ones that a mailed link is needed.
    LinkNeeded,
    /// Too many wrong ones of late.
    TooMany,
}

impl SignInFailure {
    pub(super) const LABEL: Words = Words { label: "reason", words: &["wrong", "link_needed", "too_many"] };
}

/// What has a bounded number of turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Connections to the database for pages.
    Pages,
    /// Connections to the database for calls.
    Calls,
    /// Connections to the database for the worker, and for scrapes.
    Worker,
    /// Passwords that are hashed.
    Hashing,
}

impl Pool {
    pub(super) const LABEL: Words = Words { label: "pool", words: &["pages", "calls", "worker", "hashing"] };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_each_list_has_the_last_word() {
        assert_eq!(CallOutcome::LABEL.words[CallOutcome::TooLate as usize], "too_late");
        assert_eq!(CallOutcome::LABEL.words.len(), CallOutcome::TooLate as usize + 1);
        assert_eq!(CallOutcome::LABEL.words[CallOutcome::Rejected as usize], "rejected");
        assert_eq!(SignInFailure::LABEL.words.len(), SignInFailure::TooMany as usize + 1);
        assert_eq!(SignInFailure::LABEL.words[SignInFailure::LinkNeeded as usize], "link_needed");
        assert_eq!(Pool::LABEL.words.len(), Pool::Hashing as usize + 1);
        assert_eq!(Pool::LABEL.words[Pool::Worker as usize], "worker");
    }
}
