//! A listening socket that systemd hands over (`LISTEN_FDS`), so that it outlasts this process.

use std::net::TcpListener;

use listenfd::ListenFd;

use super::error::CliError;
use crate::config::Site;

/// The socket that was handed over, if one was. Takes it out of the environment, so that no program that we start
/// believes it to be its own.
pub(super) fn take() -> Result<Option<TcpListener>, CliError> {
    let mut sockets = ListenFd::from_env();
    match sockets.len() {
        0 => Ok(None),
        1 => sockets.take_tcp_listener(0).map_err(|error| CliError::Inherited(error.to_string())),
        count => Err(CliError::Inherited(format!("there are {count} of them, and we want one"))),
    }
}

/// The same socket, if we may listen where it does: what holds for `MASKLINE_LISTEN` holds for it.
pub(super) fn proved(listener: TcpListener, site: &Site) -> Result<TcpListener, CliError> {
    let address = listener.local_addr()?;
    if site.may_listen(address) {
        return Ok(listener);
    }
    let why =
        format!("it listens on {address}: set MASKLINE_PUBLIC_URL to https://… where it is not on loopback");
    Err(CliError::Inherited(why))
}
