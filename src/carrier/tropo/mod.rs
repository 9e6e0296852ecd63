//! Tropo: numbers and launches by its REST API ([`client`], [`setup`]), calls by its webhook ([`wire`],
//! [`webhook`]).
//!
//! Knows Tropo's protocols of every age, and nothing of users, masks or our own web server.

pub mod arrangement;
pub mod client;
mod errors;
mod lenient;
mod numbers;
mod replies;
pub mod setup;
mod transport;
pub mod webhook;
pub mod wire;
mod words;

#[cfg(test)]
mod tests;
