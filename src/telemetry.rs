//! Logs: one line per event on the standard error, as JSON or as text, with times in UTC.
//!
//! Fields that mean the same everywhere: `request` (the id that an error page shows too; on the line of the answer, and
//! in the `span` of every line that was logged on the way to it), `method`, `route` (the pattern of the path, never the
//! path itself), `status`, `milliseconds`, `network` (a /24 or /64, never a whole address), `number`, `mask`, `operation`, `call`
//! (ids of rows), `error` (why, in our words).
//!
//! Never logged: a phone number, real or a mask's caller; an e-mail address; a password, token, key, cookie or code; a
//! query string (the webhook's key stands in one); a body of a request or an answer. This module cannot enforce it:
//! the types do, whose `Debug` and `Display` hide what they hold.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What others say too much, unless the filter names them: among it an error for each request that is no HTTP, which
/// strangers send as they like.
const QUIET: &str = "actix_server=warn,actix_http::h1=off";

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Levels by target, such as `info` or `warn,maskline=debug`.
    pub filter: String,
    /// How a line looks.
    pub format: Format,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines: one object per line.
    Json,
}

impl Settings {
    /// What a command says beside its answer: warnings, for people.
    pub fn of_a_command() -> Self {
        Self { filter: "warn".into(), format: Format::Text }
    }
}

/// Whether the text is a filter: a level, or `target=level`. A lone word that is no level would name a target, so that
/// nothing else is logged; nobody who writes one means that.
pub fn is_filter(text: &str) -> bool {
    let is_meant = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    text.split(',').all(is_meant) && EnvFilter::try_new(text).is_ok()
}

/// Starts to log. Where something logs already, as in tests, that goes on.
pub fn start(settings: &Settings) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{QUIET},{}", settings.filter)))
        .with_writer(io::stderr);
    let started = match settings.format {
        Format::Text => lines.with_ansi(false).finish().try_init(),
        Format::Json => lines.json().flatten_event(true).with_span_list(false).finish().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging goes on as it was started");
    }
}
