//! The product as its users meet it: over real HTTP, with a real Postgres and the simulator as the carrier.

mod support;

mod access;
mod accounts;
mod forms;
mod privacy;
mod schema;
mod story;
