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
