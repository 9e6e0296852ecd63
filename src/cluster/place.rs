//! Where the data, the socket and the locks lie. Starts nothing.
//!
//! The directory itself stays ours; only `data` and `socket` in it belong to the user who runs PostgreSQL, so that
//! we never write, as root, where somebody with fewer rights could have laid a link.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process;

use super::account::Account;
use super::server::postmaster;
use super::turn::{Turn, unused};
use super::{ClusterError, Settings};

/// Sockets are named after a port, even where no port is opened.
pub(super) const PORT: u16 = 5432;
/// Longest path of a socket, in bytes, that the system takes.
const LONGEST_SOCKET: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// How directories begin that belong to one process alone.
const OF_A_PROCESS: &str = "process-";
/// The file in the directory that was asked for which says where the data lie instead.
const NOTE: &str = "elsewhere";

/// The directories and files of one cluster.
pub(super) struct Place {
    /// Where it all lies.
    pub(super) base: PathBuf,
    /// The lock that lets one process at a time start or stop.
    pub(super) turn: PathBuf,
    /// Where the socket lies.
    pub(super) socket: PathBuf,
    /// What differs from the place that was asked for.
    pub(super) notice: Option<String>,
}

impl Place {
    /// The directory that was asked for, or, where the account cannot work in it, another one; and the turn to start.
    pub(super) fn find(settings: &Settings, account: &Account) -> Result<(Self, Turn), ClusterError> {
        let wish = &settings.directory;
        if let Some(found) = Self::at(wish, settings, account)? {
            return Ok(found);
        }
        let _turn = Turn::take(&wish.join("lock"))?;
        for parent in elsewhere(wish, account)? {
            if let Some((mut place, turn)) = Self::at(&parent, settings, account)? {
                note(wish, &parent)?;
                place.add_notice(&format!(
                    "The database lies in {}, as the user {} cannot work in {}.",
                    parent.display(),
                    account.name,
                    wish.display()
                ));
                return Ok((place, turn));
            }
        }
        Err(ClusterError::NoPlace { user: account.name.clone(), directory: wish.clone() })
    }

    fn at(
        parent: &Path,
        settings: &Settings,
        account: &Account,
    ) -> Result<Option<(Self, Turn)>, ClusterError> {
        let lock = parent.join("lock");
        let turn = Turn::take(&lock)?;
        let base = if settings.tied_to_this_process {
            remove_leftovers(parent, account);
            of_this_process(parent, account)?
        } else {
            parent.to_owned()
        };
        let socket = base.join("socket");
        make_for(account, &socket).or_else(|error| if account.differs() { Ok(()) } else { Err(error) })?;
        if !account.may_write(&socket) {
            drop(fs::remove_dir(&socket));
            return Ok(None);
        }
        let mut place = Self { base, turn: lock, socket, notice: None };
        place.shorten_socket(account)?;
        Ok(Some((place, turn)))
    }

    fn shorten_socket(&mut self, account: &Account) -> Result<(), ClusterError> {
        let path = self.socket_file();
        // A comma would make libpq read two addresses.
        if path.as_os_str().len() <= LONGEST_SOCKET && !path.as_os_str().as_bytes().contains(&b',') {
            return Ok(());
        }
        let short = short_directory(&self.base, account);
        make_our_own(&short, account)?;
        self.socket = short.join("socket");
        make_for(account, &self.socket)?;
        self.add_notice(&format!(
            "The database's socket lies in {}, as its path would be too long, or hold a comma, otherwise.",
            self.socket.display()
        ));
        Ok(())
    }

    fn add_notice(&mut self, sentence: &str) {
        let rest = self.notice.take().map_or_else(String::new, |rest| format!(" {rest}"));
        self.notice = Some(format!("{sentence}{rest}"));
    }

    /// The data of PostgreSQL.
    pub(super) fn data(&self) -> PathBuf {
        self.base.join("data")
    }

    /// Data that are being made, and are worth nothing before they are renamed.
    pub(super) fn unfinished_data(&self) -> PathBuf {
        self.base.join("data.unfinished")
    }

    /// What PostgreSQL says.
    pub(super) fn log(&self) -> PathBuf {
        self.base.join("log")
    }

    /// Who may connect, and as whom.
    pub(super) fn access(&self) -> [PathBuf; 2] {
        [self.base.join("pg_hba.conf"), self.base.join("pg_ident.conf")]
    }

    /// The sign that somebody uses the database.
    pub(super) fn users(&self) -> PathBuf {
        self.base.join("users")
    }

    /// The socket itself.
    pub(super) fn socket_file(&self) -> PathBuf {
        self.socket.join(format!(".s.PGSQL.{PORT}"))
    }

    /// Takes files of ours out of the sight of others where an earlier version has left them there.
    pub(super) fn hide_files(&self, account: &Account) -> Result<(), ClusterError> {
        for file in fs::read_dir(&self.base).map_err(ClusterError::at(&self.base))?.flatten() {
            let found = file.metadata().map_err(ClusterError::at(file.path()))?;
            if found.is_file() && found.uid() == account.ours && found.mode() & 0o027 != 0 {
                account.share(&file.path()).map_err(ClusterError::at(file.path()))?;
            }
        }
        Ok(())
    }

    /// Makes what has been renamed or made in the directory last through a loss of power.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        fs::File::open(&self.base)?.sync_all()
    }

    /// Removes it all.
    pub(super) fn remove(&self) {
        remove(&self.base);
        if let Some(short) = self.socket.parent().filter(|parent| *parent != self.base) {
            remove(short);
        }
    }
}

/// The directory as an absolute path without links; made if it is not there.
pub(super) fn directory(wish: &Path, account: &Account) -> Result<PathBuf, ClusterError> {
    fs::create_dir_all(wish).map_err(ClusterError::at(wish))?;
    let directory = fs::canonicalize(wish).map_err(ClusterError::at(wish))?;
    let owner = fs::metadata(&directory).map_err(ClusterError::at(&directory))?.uid();
    if owner == account.ours {
        fs::set_permissions(&directory, ours_to_pass(account)).map_err(ClusterError::at(&directory))?;
    }
    Ok(directory)
}

/// A directory that the account owns and nobody else enters.
pub(super) fn make_for(account: &Account, directory: &Path) -> Result<(), ClusterError> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => account.give(directory),
    }
    .map_err(ClusterError::at(directory))
}

/// Ours alone, and where PostgreSQL runs as somebody else, open to pass through.
fn ours_to_pass(account: &Account) -> Permissions {
    Permissions::from_mode(if account.differs() { 0o711 } else { 0o700 })
}

/// Where root keeps the data that somebody else cannot reach: where the note says that lies in the directory that was
/// asked for. Without a note that directory is new, so the data are too, even if there was one of its name before: what
/// lay beside that one, such as the key to the data, is gone.
fn elsewhere(wish: &Path, account: &Account) -> Result<impl Iterator<Item = PathBuf>, ClusterError> {
    let noted = fs::read(wish.join(NOTE)).ok().map(|path| PathBuf::from(OsString::from_vec(path)));
    if let Some(directory) = &noted {
        make_our_own(directory, account)?;
    }
    let places = if noted.is_none() && account.differs() { new_places(wish, account) } else { [None, None] };
    let made = places.into_iter().flatten().filter_map(|place| new_directory(&place, account));
    Ok(noted.into_iter().chain(made))
}

/// How directories elsewhere begin.
fn new_places(wish: &Path, account: &Account) -> [Option<PathBuf>; 2] {
    let name = name_for(wish);
    let state = Path::new("/var/lib/maskline");
    let public = PathBuf::from(format!("/var/tmp/maskline-{}-{name}", account.ours));
    [make_our_own(state, account).ok().map(|()| state.join(name)), Some(public)]
}

fn note(wish: &Path, elsewhere: &Path) -> Result<(), ClusterError> {
    let note = wish.join(NOTE);
    let written = fs::write(&note, elsewhere.as_os_str().as_bytes())
        .and_then(|()| fs::set_permissions(&note, Permissions::from_mode(0o640)));
    written.map_err(ClusterError::at(&note))
}

/// A directory that was not there before: the first number after its name that is free.
fn new_directory(name: &Path, account: &Account) -> Option<PathBuf> {
    let numbered = |number: u32| PathBuf::from(format!("{}-{number}", name.display()));
    let first_free = |directory: PathBuf| match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => None,
        made => Some(made.ok().map(|()| directory)),
    };
    let made = (1..).map(numbered).find_map(first_free).flatten();
    made.filter(|directory| make_our_own(directory, account).is_ok())
}

/// A directory in a place where others may write too, so what is there already may be a trap.
fn make_our_own(directory: &Path, account: &Account) -> Result<(), ClusterError> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(ClusterError::at(directory)(error));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(directory).map_err(ClusterError::at(directory))?;
    if !found.is_dir() || found.uid() != account.ours {
        return Err(ClusterError::NotOurs(directory.to_owned()));
    }
    fs::set_permissions(directory, ours_to_pass(account)).map_err(ClusterError::at(directory))
}

/// Where the socket lies if its path would be too long.
fn short_directory(base: &Path, account: &Account) -> PathBuf {
    PathBuf::from(format!("/tmp/maskline-{}-{}", account.ours, name_for(base)))
}

/// A short name for a path, the same each time (FNV-1a; nothing secret hangs on it).
fn name_for(path: &Path) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step))
}

fn of_this_process(parent: &Path, account: &Account) -> Result<PathBuf, ClusterError> {
    let mut number = 1;
    loop {
        let base = parent.join(format!("{OF_A_PROCESS}{}-{number}", process::id()));
        match fs::create_dir(&base) {
            Ok(()) => {
                fs::set_permissions(&base, ours_to_pass(account)).map_err(ClusterError::at(&base))?;
                return Ok(base);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(ClusterError::at(&base)(error)),
        }
    }
}

/// Removes what processes have left that ended without a chance to do so.
fn remove_leftovers(parent: &Path, account: &Account) {
    for base in fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let of_a_process =
            base.file_name().is_some_and(|name| name.as_bytes().starts_with(OF_A_PROCESS.as_bytes()));
        if of_a_process && unused(&base.join("users")) && postmaster(&base.join("data")).is_none() {
            remove(&base);
            remove(&short_directory(&base, account));
        }
    }
}

/// A leftover that stays is in nobody's way, so a failure is not worth a word.
fn remove(directory: &Path) {
    drop(fs::remove_dir_all(directory));
}
