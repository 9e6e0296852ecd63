//! The directory: where every rented number leads, kept in memory so that a call is routed without asking anybody.
//!
//! Here is what calls and pages ask it; [`keeper`] keeps it up to date, [`file`] has it on disk. Nobody waits for its lock
//! on the way of a call: [`Directory::map`] says so if it cannot be had at once.

mod file;
mod keeper;
mod map;

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, TryLockError};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

pub use keeper::{Keeper, OpenError};
pub(super) use map::{Entry, Map};

/// The directory of one server.
pub(super) struct Directory {
    map: RwLock<Map>,
    standing: Mutex<Standing>,
    /// Rings when it may be behind the database.
    wake: Notify,
}

/// How the directory stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Up to which version it is known, and in the file; `None` where calls cannot be routed by it yet.
    pub version: Option<i64>,
    /// When it was compared with the database last.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// How many numbers it has.
    pub numbers: usize,
    /// How long the file is, in bytes; nothing where it cannot be written.
    pub file_bytes: Option<u64>,
}

impl Directory {
    /// One that knows nothing yet.
    pub(super) fn empty() -> Self {
        Self { map: RwLock::default(), standing: Mutex::default(), wake: Notify::new() }
    }

    /// The map, for a short look; `None` while somebody changes it.
    pub(super) fn map(&self) -> Option<RwLockReadGuard<'_, Map>> {
        match self.map.try_read() {
            Ok(map) => Some(map),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// How it stands.
    pub(super) fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks soon whether it is behind.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    fn change<T>(&self, change: impl FnOnce(&mut Map) -> T) -> T {
        change(&mut self.map.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn look<T>(&self, look: impl FnOnce(&Map) -> T) -> T {
        look(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn stands(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}
