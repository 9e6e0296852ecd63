//! Locks on files, which the system takes back when a process dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::ClusterError;

/// Longer than a start may take, so that who waits for another's start sees it end.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);

/// The right to start or stop the database, which one process has at a time; it ends with this value.
pub(super) struct Turn {
    _file: File,
}

impl Turn {
    /// Waits for the right.
    pub(super) fn take(path: &Path) -> Result<Self, ClusterError> {
        let file = open(path)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(ClusterError::Occupied(path.to_owned())),
                Err(TryLockError::Error(error)) => return Err(ClusterError::at(path)(error)),
            }
        }
    }
}

/// A sign, held as long as a process uses the database, which any number may hold.
pub(super) struct Use {
    file: File,
}

impl Use {
    /// Holds up the sign.
    pub(super) fn begin(path: &Path) -> Result<Self, ClusterError> {
        let file = open(path)?;
        file.lock_shared().map_err(ClusterError::at(path))?;
        Ok(Self { file })
    }

    /// Takes down the sign and says whether it was the last. Needs the [`Turn`], so that nobody comes meanwhile.
    pub(super) fn end(&self) -> bool {
        // Asked for outright: a lock that is turned from shared to exclusive is given up first anyway.
        self.file.unlock().is_ok() && self.file.try_lock().is_ok()
    }
}

/// Whether nobody holds up the sign at this path.
pub(super) fn unused(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Opens for reading alone, which is enough to lock and lets one user join what another made.
fn open(path: &Path) -> Result<File, ClusterError> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)
        }
        opened => opened,
    }
    .map_err(ClusterError::at(path))
}
