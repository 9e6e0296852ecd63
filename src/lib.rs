//! Maskline: phone numbers to hand out instead of one's own.
//!
//! The modules in reading order; `ARCHITECTURE.md` tells who may import whom, and `tests/architecture.rs`
//! enforces it.

pub mod domain;

pub mod clock;
pub mod secrets;

pub mod simulator;
