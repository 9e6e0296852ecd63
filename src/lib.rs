//! Maskline: phone numbers to hand out instead of one's own.
//!
//! The modules in reading order; `ARCHITECTURE.md` tells who may import whom, and `tests/architecture.rs`
//! enforces it.

pub mod domain;

pub mod failpoint;

pub mod clock;
pub mod seal;
pub mod secrets;

pub mod carrier;
pub mod cluster;
pub mod db;
pub mod disk;
pub mod mail;
pub mod metrics;
pub mod telemetry;

pub mod app;
pub mod web;
pub mod worker;

pub mod simulator;

pub mod config;

pub mod cli;
