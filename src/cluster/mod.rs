//! The private PostgreSQL: found on this machine, made on first use, started by whoever comes first and joined by the
//! rest, stopped by whoever leaves last.
//!
//! Knows nothing of what is stored. Three decisions:
//!
//! - *Who may connect.* There is a socket and no port. The socket lies in a directory that only the user who runs
//!   PostgreSQL (and root) may enter, and PostgreSQL asks the system who is at the other end; there is no password.
//! - *Who stops it.* Each process that uses it holds a shared lock on the file `users`; at its end it asks for the
//!   lock alone, and has it if nobody else is there. The system takes locks back when a process is killed, so a
//!   database that was left running is joined by the next process and stopped at that one's end.
//! - *Tests* have a cluster that nobody joins, in a directory of its own that the next test run removes if need be.
//!   It ends with the process, even with `kill -9`: a pipe tells its guardian.

mod account;
mod error;
mod place;
mod programs;
mod server;
#[cfg(test)]
mod tests;
mod turn;

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use error::ClusterError;

use account::Account;
use place::{PORT, Place};
use programs::Programs;
use server::{ROLE, Server, State};
use turn::{Turn, Use};

const PATIENCE_WITH_THE_DYING: Duration = Duration::from_secs(5);

/// What is wanted of the database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it lies; made if it is not there.
    pub directory: PathBuf,
    /// Whether what is committed outlasts a loss of power. Tests do without, and are faster.
    pub durable: bool,
    /// Whether it is for this process alone: made empty in a folder of its own in `directory`, gone with the process.
    pub tied_to_this_process: bool,
}

/// A database that runs for as long as this value lives.
pub struct Cluster {
    server: Server,
    sign: Use,
    started: bool,
    /// What we have started, to be asked after when it ends.
    child: Mutex<Option<Child>>,
}

/// Starts the private database, or joins it where it runs, and waits until it takes connections.
pub fn start(settings: &Settings) -> Result<Cluster, ClusterError> {
    let account = Account::find(&settings.directory.join("data"))?;
    let directory = place::directory(&settings.directory, &account)?;
    let settings = Settings { directory, ..settings.clone() };
    let (place, _turn) = Place::find(&settings, &account)?;
    place.hide_files(&account)?;
    let sign = Use::begin(&place.users())?;
    let programs = Programs::find(&place.data())?;
    let server = Server::new(account, programs, place, &settings);
    server.make_data()?;
    let child = server.bring_up()?;
    Ok(Cluster { server, sign, started: child.is_some(), child: Mutex::new(child) })
}

impl Cluster {
    /// The address of one of its databases (`postgres` is always there), for libpq.
    pub fn url(&self, database: &str) -> String {
        let socket = encoded(self.server.place.socket.as_os_str().as_bytes());
        format!("postgresql://{ROLE}@/{}?host={socket}&port={PORT}", encoded(database.as_bytes()))
    }

    /// What the user should know of where it lies, if that is not simply the directory of the settings.
    pub fn notice(&self) -> Option<&str> {
        self.server.place.notice.as_deref()
    }

    /// Where it lies, which need not be the directory of the settings.
    pub fn directory(&self) -> &Path {
        &self.server.place.base
    }

    /// Whether this process started it, and did not find it running.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Starts it again if it has died; whether that was so.
    pub fn ensure_running(&self) -> Result<bool, ClusterError> {
        if self.server.state() == State::Ready {
            return Ok(false);
        }
        let _turn = Turn::take(&self.server.place.turn)?;
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if self.server.state() == State::Absent {
            bury(child.take());
        }
        let again = self.server.bring_up()?;
        let started = again.is_some();
        *child = again.or(child.take());
        Ok(started)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Ok(_turn) = Turn::take(&self.server.place.turn) else { return };
        if !self.sign.end() {
            return;
        }
        match self.server.stop() {
            Ok(()) => bury(self.child.lock().unwrap_or_else(PoisonError::into_inner).take()),
            Err(error) => tracing::warn!(%error, "the private database could not be stopped"),
        }
        if self.server.tied {
            self.server.place.remove();
        }
    }
}

/// Asks after a process that has ended or is about to, as the system keeps it until somebody does.
fn bury(child: Option<Child>) {
    let Some(mut child) = child else { return };
    drop(child.stdin.take());
    let deadline = Instant::now() + PATIENCE_WITH_THE_DYING;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            // Its data are gone, or it would have ended when it was asked to.
            drop(child.kill());
        }
        sleep(Duration::from_millis(5));
    }
}

/// As a part of an address.
fn encoded(bytes: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    bytes.iter().map(encode).collect()
}
