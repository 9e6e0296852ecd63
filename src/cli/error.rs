//! What ends a command, in words that say what to do.

use std::io;
use std::path::PathBuf;

use crate::app::directory::OpenError;
use crate::carrier::CarrierError;
use crate::cluster::ClusterError;
use crate::config::environment::FileError;
use crate::config::{Listen, Problems};
use crate::db::DbError;
use crate::domain::user::EmailAddress;
use crate::mail::MailError;
use crate::simulator::StartError;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] Problems),
    /// A file of settings.
    #[error(transparent)]
    File(#[from] FileError),
    /// The private database.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Somebody else's database.
    #[error("the database that DATABASE_URL names cannot be used: {0}")]
    Foreign(String),
    /// Somebody else's database, which we do not change unasked.
    #[error("the database that DATABASE_URL names lacks this version's tables: run `maskline migrate` first")]
    Behind,
    /// There is nothing here yet.
    #[error(
        "there is no database in {0}: run this in the folder where the server runs, or set MASKLINE_STATE or \
         DATABASE_URL as it has them"
    )]
    NoDatabase(PathBuf),
    /// The database, once it was there.
    #[error("{}", one_line(.0))]
    Database(#[from] DbError),
    /// The socket that was handed over.
    #[error("the socket that systemd handed over cannot be used: {0}")]
    Inherited(String),
    /// The server's address.
    #[error("cannot listen on {at} ({}): set {setting} to another address, port or file", reason(.source))]
    Listen {
        /// Which setting says so.
        setting: &'static str,
        /// Where we wanted to listen.
        at: Listen,
        /// What the system said.
        source: io::Error,
    },
    /// The simulator's address.
    #[error("{} (the setting MASKLINE_SIMULATOR_LISTEN says where it listens)", one_line(.0))]
    Simulator(#[from] StartError),
    /// The mailer.
    #[error("MASKLINE_MAIL or MASKLINE_MAIL_FROM: {0}")]
    Mail(#[from] MailError),
    /// Tropo.
    #[error("Tropo at {url}: {} ({hint})", one_line(.source))]
    Tropo {
        /// Where.
        url: String,
        /// What it said.
        source: CarrierError,
        /// What to look at.
        hint: &'static str,
    },
    /// The application that the settings name is not there.
    #[error("Tropo has no application {0}: correct TROPO_MASKING_APP_ID, or remove it to have one made")]
    NoApplication(String),
    /// It cannot be told which application is ours.
    #[error(
        "Tropo has several applications named Maskline ({0}): set TROPO_MASKING_APP_ID to one of these ids"
    )]
    SeveralApplications(String),
    /// There is no number to send codes from.
    #[error(
        "no number was rented to send codes from, as none is free in MASKLINE_COUNTRY: until TROPO_CALLER_ID names one, no \
         codes are sent"
    )]
    NoCodeSender,
    /// The keys are none that the numbers were sealed with.
    #[error(
        "the numbers in the database were sealed with another key than MASKLINE_SECRET_KEY (or the file that \
         MASKLINE_SECRET_KEY_FILE names) holds: put that key back, as nothing can be read without it"
    )]
    OtherKeys,
    /// Values are left under other keys than the one that writes.
    #[error(
        "not everything is under the key that writes ({0} left, as the lines above say): keep the other keys; where rows \
         need one that is in the list, a server may still write under it, so run this again"
    )]
    UnderOtherKeys(u64),
    /// Nobody has that address.
    #[error("no account has the address {0}: `maskline user create {0} --admin` makes one")]
    NoAccount(EmailAddress),
    /// The system.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    /// What a server keeps on disk.
    #[error(transparent)]
    Keeping(#[from] OpenError),
    /// A part that should go on for ever.
    #[error("the {0} ended by itself; its reason stands in the log")]
    Ended(&'static str),
}

/// What others say may have several lines.
pub(super) fn one_line(error: &impl ToString) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there".into(),
        _ => error.to_string(),
    }
}
