//! The product as its users meet it: over real HTTP, with a real Postgres and the simulator as the carrier.

mod support;

#[path = "../browser/mod.rs"]
mod browser;

mod access;
mod accounts;
mod admin;
mod answers;
mod calls;
mod cancelling;
mod chaos;
mod code_delivery;
mod command_line;
mod devices;
mod dump;
mod foreign;
mod forms;
mod handover;
mod keys;
mod kills;
mod letters;
mod masks;
mod metrics;
mod numbers;
mod operations;
mod outages;
mod privacy;
mod reasons;
mod reconciliation;
mod requests;
mod schema;
mod servers;
mod settings_there;
mod sizes;
mod spending;
mod storms;
mod story;
mod waiting;
mod watching;
mod webhook;
