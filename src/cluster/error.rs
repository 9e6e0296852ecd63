//! What can go wrong with the private database, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no private database.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No PostgreSQL server on this machine.
    #[error("PostgreSQL is not installed on this machine: run script/bootstrap, or set DATABASE_URL")]
    NotInstalled,
    /// The stored data need a PostgreSQL that is not here.
    #[error(
        "the database in {directory} was made by PostgreSQL {made_by}, but this machine has {found}: \
         install PostgreSQL {made_by}, or move that directory away to begin with an empty database"
    )]
    OtherVersion {
        /// Where the data lie.
        directory: PathBuf,
        /// The major version that made them.
        made_by: String,
        /// The major versions that were found, with commas.
        found: String,
    },
    /// PostgreSQL refuses to run as root, and nobody else is there to run it.
    #[error("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody")]
    NobodyToRunIt,
    /// We run under a number to which the machine has no name.
    #[error("we run as a user without a name on this machine (`id -un` fails), and PostgreSQL needs one")]
    Nameless,
    /// A directory in a public place belongs to somebody else.
    #[error("{0} is not a directory of our own: remove it, or run as the user who owns it")]
    NotOurs(PathBuf),
    /// No place that the user who runs PostgreSQL can reach.
    #[error(
        "found no directory that the user {user} can enter to keep the database in, instead of {directory}"
    )]
    NoPlace {
        /// Who runs PostgreSQL.
        user: String,
        /// Where the data should have been.
        directory: PathBuf,
    },
    /// Another process has been starting or stopping the database for too long.
    #[error("another process has been starting or stopping the database in {0} for too long")]
    Occupied(PathBuf),
    /// A program of PostgreSQL ended with an error.
    #[error("{program} failed:\n{output}")]
    Failed {
        /// Which program.
        program: &'static str,
        /// The end of what it said.
        output: String,
    },
    /// PostgreSQL still does not take connections.
    #[error("PostgreSQL does not take connections after {seconds} seconds (its log: {log}):\n{output}")]
    Slow {
        /// How long we waited.
        seconds: u64,
        /// Where it writes what it does.
        log: PathBuf,
        /// The end of that log.
        output: String,
    },
    /// A file or a program could not be used.
    #[error("cannot use {path}: {source}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ClusterError {
    /// Names the file or program that an error of the system was about.
    pub(super) fn at(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unusable { path: path.as_ref().to_owned(), source }
    }
}
