//! A call to a mask: what is decided about it, and how it is told afterwards.
//!
//! The heart of the product, as a pure function over facts; it must not know where the facts come from.

use super::phone::PhoneNumber;

/// What a carrier is told to do with a call, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Ring `to` and join the caller to it, showing `shown` as caller ID, for at most `ring_seconds`.
    Connect {
        /// The real number that rings.
        to: PhoneNumber,
        /// The caller ID that it shows.
        shown: PhoneNumber,
        /// How long it rings, in seconds.
        ring_seconds: u32,
    },
    /// Answer, say the sentence and hang up.
    Say(String),
    /// Do not answer at all.
    Reject,
}

/// How a call that was handed over ended, as its story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The two talked; for how long, where the carrier says so.
    Answered {
        /// Talk time in seconds by the carrier's count.
        seconds: Option<u32>,
    },
    /// It rang and nobody picked up.
    NoAnswer,
    /// The real phone was busy.
    Busy,
    /// The real phone's owner declined.
    Refused,
    /// The caller gave up before anybody answered.
    CallerHungUp,
    /// No connection came about, and the carrier leaves open why.
    DidNotConnect,
}
