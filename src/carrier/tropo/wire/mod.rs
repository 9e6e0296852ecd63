//! The JSON of Tropo's webhook, both ways: sessions and results in, documents out.
//!
//! Knows no HTTP, no users and no masks; whatever is unknown, missing or broken in what comes in reads as
//! absent.

mod document;
mod ending;
mod mend;
mod read;
mod result;
mod session;

pub use document::{
    FollowUp, KEY, document, hangup_document, message_document, question_document, say_document,
};
pub use ending::{CallEvent, UnknownEvent, ending, ring_left, undelivered};
pub use read::{Event, Unreadable, read};
pub use result::{Action, CallResult};
pub use session::{Party, Session};
