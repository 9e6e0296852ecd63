//! What Maskline is about, as plain types and functions.
//!
//! Nothing here does I/O, reads a clock, draws a random number or knows a framework: whatever the outside
//! decides comes in as an argument.

pub mod agreement;
pub mod call;
pub mod call_book;
pub mod ids;
pub mod limits;
pub mod mask;
pub mod money;
pub mod password;
pub mod phone;
pub mod stop;
pub mod time_zone;
pub mod typed;
pub mod user;
pub mod verification;
