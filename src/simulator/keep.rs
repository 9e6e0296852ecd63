//! A value kept in a JSON file, so that it survives restarts.
//!
//! It must not know what it keeps. A change is on disk (by atomic rename) before anybody learns of it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a file of the simulator's state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The disk refused.
    #[error("cannot read or write {path}: {source}", path = path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there but is not what this version writes.
    #[error("{path} is not readable as the simulator's state ({source}); move it away to start afresh", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it went wrong.
        source: serde_json::Error,
    },
}

/// One value and its file.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    value: Mutex<T>,
    path: PathBuf,
}

impl<T: Clone + Default + Serialize + DeserializeOwned> Kept<T> {
    /// Reads the file, or starts with the default where there is none.
    pub(crate) fn open(path: PathBuf) -> Result<Self, KeepError> {
        let value = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| KeepError::Damaged { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => T::default(),
            Err(source) => return Err(KeepError::Disk { path, source }),
        };
        Ok(Self { value: Mutex::new(value), path })
    }

    /// Looks at the value.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the value; a refused change and one that cannot be written leave it as it was.
    pub(crate) fn change<R, E: From<KeepError>>(
        &self,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draft = value.clone();
        let result = change(&mut draft)?;
        self.write(&draft)?;
        *value = draft;
        Ok(result)
    }

    fn write(&self, value: &T) -> Result<(), KeepError> {
        let bytes = serde_json::to_vec(value)
            .map_err(|source| KeepError::Damaged { path: self.path.clone(), source })?;
        let fresh = self.path.with_extension("json.new");
        write_for_us_alone(&fresh, &bytes)
            .and_then(|()| fs::rename(&fresh, &self.path))
            .map_err(|source| KeepError::Disk { path: self.path.clone(), source })
    }
}

/// The state holds tokens and the webhook's key.
fn write_for_us_alone(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}
