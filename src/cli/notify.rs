//! Tells systemd how far we are, where it has started us and wants to know (`Type=notify`).

use std::os::unix::net::UnixDatagram;

use crate::config::environment;

/// All is up: from now on requests are answered.
pub(super) fn ready() {
    tell("READY=1");
}

/// The end has begun.
pub(super) fn stopping() {
    tell("STOPPING=1");
}

/// Nobody answers, and without systemd nobody listens; a word that does not arrive is only logged.
fn tell(word: &str) {
    let Some(socket) = environment::notify_socket() else { return };
    let told = UnixDatagram::unbound().and_then(|sender| sender.send_to(word.as_bytes(), socket));
    if let Err(error) = told {
        tracing::warn!(%error, word, "systemd was not told");
    }
}
