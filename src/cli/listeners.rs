//! The listening sockets: those that systemd hands over (`LISTEN_FDS`), so that they outlast this process, or our own.
//!
//! The first is everybody's. The second, where there is one, is the carrier's.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use listenfd::ListenFd;

use super::error::CliError;
use crate::config::{Listen, Serve};
use crate::web::{Listener, Listeners};

/// Whoever may write to the file of a Unix socket may connect: its owner, and its group for the proxy.
const MODE: u32 = 0o660;

/// Sockets that were handed over, none or two at most.
pub(super) struct Inherited(Vec<Listener>);

impl Inherited {
    /// A start that nobody hands anything to.
    pub(super) fn none() -> Self {
        Self(vec![])
    }

    /// Takes them out of the environment, so that no program that we start believes them to be its own.
    pub(super) fn take() -> Result<Self, CliError> {
        let mut sockets = ListenFd::from_env();
        let count = sockets.len();
        if count > 2 {
            return Err(CliError::Inherited(format!("there are {count} of them, and we want one or two")));
        }
        let taken = (0..count).map(|place| taken(&mut sockets, place));
        let taken: io::Result<Vec<Listener>> = taken.collect();
        taken.map(Self).map_err(|error| CliError::Inherited(error.to_string()))
    }
}

fn taken(sockets: &mut ListenFd, place: usize) -> io::Result<Listener> {
    if let Ok(Some(socket)) = sockets.take_unix_listener(place) {
        return Ok(socket.into());
    }
    let socket = sockets.take_tcp_listener(place)?;
    socket.map(Listener::from).ok_or_else(|| ErrorKind::NotFound.into())
}

/// Where the settings say, where nothing was handed over.
pub(super) fn open(config: &Serve, inherited: Inherited) -> Result<Listeners, CliError> {
    let mut inherited = inherited.0.into_iter();
    let pages = match inherited.next() {
        Some(listener) => allowed(listener, |port| config.site.may_listen(port))?,
        None => listen("MASKLINE_LISTEN", &config.site.listen)?,
    };
    let webhook = match (inherited.next(), &config.webhook_listen) {
        (Some(listener), _) => Some(allowed(listener, |port| config.site.may_take_calls(port))?),
        (None, Some(at)) => Some(listen("MASKLINE_WEBHOOK_LISTEN", at)?),
        (None, None) => None,
    };
    Ok(Listeners { pages, webhook })
}

/// The socket that was handed over, if we may listen there: what holds for `MASKLINE_LISTEN` holds for it.
fn allowed(
    listener: Listener,
    may_listen: impl Fn(Option<SocketAddr>) -> bool,
) -> Result<Listener, CliError> {
    if may_listen(listener.port()?) {
        return Ok(listener);
    }
    let why =
        format!("it listens on {listener}: set MASKLINE_PUBLIC_URL to https://… where it is not on loopback");
    Err(CliError::Inherited(why))
}

fn listen(setting: &'static str, at: &Listen) -> Result<Listener, CliError> {
    let bound = match at {
        Listen::Port(address) => TcpListener::bind(address).map(Listener::from),
        Listen::Socket(path) => socket(path).map(Listener::from),
    };
    bound.map_err(|source| CliError::Listen { setting, at: at.clone(), source })
}

/// Makes a Unix socket, in the place of one that a server before us has left behind.
fn socket(path: &Path) -> io::Result<UnixListener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    Ok(listener)
}
