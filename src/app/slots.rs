//! The folders in which servers of one machine keep what they know: one for each that runs at the same time.
//!
//! A version that is started beside the one before takes a folder of its own; once that one has ended, its folder is
//! cleared away by whoever runs on. The name of a folder is the name of its server, which it keeps through restarts.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::domain::ids::ServerId;
use crate::secrets;

/// What a server's directory on disk is called.
pub(super) const DIRECTORY: &str = "directory";
/// What the folder of records that wait is called.
pub(super) const SPOOL: &str = "spool";

/// A folder that belongs to this process for as long as this value lives.
pub(super) struct Slot {
    pub(super) server: ServerId,
    pub(super) folder: PathBuf,
    _lock: File,
}

impl Slot {
    /// Takes the folder that was used last and that nobody uses now, or else a new one.
    pub(super) fn take(all: &Path) -> io::Result<Self> {
        fs::create_dir_all(all)?;
        let mut known = folders(all)?;
        known.sort_by_key(|(_, folder)| {
            fs::metadata(folder.join(DIRECTORY)).and_then(|file| file.modified()).ok()
        });
        for (server, folder) in known.into_iter().rev() {
            if let Some(slot) = Self::of(server, folder)? {
                return Ok(slot);
            }
        }
        let server = ServerId(secrets::random_uuid());
        let slot = Self::of(server, all.join(server.to_string()))?;
        slot.ok_or_else(|| io::Error::other("a new folder is somebody else's"))
    }

    fn of(server: ServerId, folder: PathBuf) -> io::Result<Option<Self>> {
        Ok(disk::take_folder(&folder)?.map(|lock| Self { server, folder, _lock: lock }))
    }

    /// Those beside this one whose servers have ended.
    pub(super) fn abandoned(&self) -> io::Result<Vec<Self>> {
        let all = self.folder.parent().unwrap_or(&self.folder);
        let others = folders(all)?.into_iter().filter(|(server, _)| *server != self.server);
        let taken = others.map(|(server, folder)| Self::of(server, folder));
        Ok(taken.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Takes the records that still wait in another's folder over, and makes its directory useless. It is to be taken off
    /// the list of servers then, and [`Slot::clear`] removes what is left.
    pub(super) fn inherit(&self, other: &Self) -> io::Result<()> {
        match fs::remove_file(other.folder.join(DIRECTORY)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let waiting = match fs::read_dir(other.folder.join(SPOOL)) {
            Ok(waiting) => waiting,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in waiting {
            let (path, name) = {
                let entry = entry?;
                (entry.path(), entry.file_name())
            };
            let name = format!("{}-{}", other.server, name.to_string_lossy());
            fs::rename(path, self.folder.join(SPOOL).join(name))?;
        }
        Ok(())
    }

    /// Removes the folder.
    pub(super) fn clear(self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)
    }
}

fn folders(all: &Path) -> io::Result<Vec<(ServerId, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(all)? {
        let path = entry?.path();
        let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        found.extend(id.map(|id| (ServerId(id), path)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_at_the_same_time_have_folders_of_their_own_and_a_restart_finds_its_own() {
        let all = tempfile::tempdir().unwrap();
        let first = Slot::take(all.path()).unwrap();
        let second = Slot::take(all.path()).unwrap();
        assert_ne!(first.server, second.server);
        assert!(second.abandoned().unwrap().is_empty(), "the first one runs");
        let id = first.server;
        fs::write(first.folder.join(DIRECTORY), "").unwrap();
        drop(first);
        let again = Slot::take(all.path()).unwrap();
        assert_eq!(again.server, id);
    }

    #[test]
    fn what_an_ended_server_left_is_inherited_and_cleared_away() {
        let all = tempfile::tempdir().unwrap();
        let first = Slot::take(all.path()).unwrap();
        let second = Slot::take(all.path()).unwrap();
        for (slot, file) in [(&first, "00000003"), (&second, "00000003")] {
            fs::create_dir_all(slot.folder.join(SPOOL)).unwrap();
            fs::write(slot.folder.join(SPOOL).join(file), "").unwrap();
            fs::write(slot.folder.join(DIRECTORY), "").unwrap();
        }
        drop(first);
        let mut abandoned = second.abandoned().unwrap();
        assert_eq!(abandoned.len(), 1);
        let first = abandoned.remove(0);
        second.inherit(&first).unwrap();
        assert!(!first.folder.join(DIRECTORY).exists(), "nobody routes by it any more");
        let folder = first.folder.clone();
        first.clear().unwrap();
        assert!(!folder.exists());
        assert_eq!(fs::read_dir(second.folder.join(SPOOL)).unwrap().count(), 2);
    }
}
