//! The database of a command: somebody else's, or the private one, which is started, joined, migrated and watched.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::{CliError, one_line};
use crate::cluster::{self, Cluster};
use crate::config::{self, environment};
use crate::db::{self, Db, DbError};
use crate::telemetry;

/// The name of the database in the private cluster.
const NAME: &str = "maskline";
/// How often the private database is looked after.
const ROUND: Duration = Duration::from_secs(3);
/// How long a start waits for a database that somebody else runs.
const ANSWER: Duration = Duration::from_secs(2);

/// A database, which stays for as long as this value lives. Dropping it may take a second: not in a task.
pub(super) struct Database {
    url: String,
    private: Option<Arc<Cluster>>,
}

/// Brings the database to this version's tables and says what was done.
pub(super) fn migrate() -> Result<(), CliError> {
    telemetry::start(&telemetry::Settings::of_a_command());
    let database = Database::open(&config::database(&environment::read()?)?)?;
    let ran = database.migrated().map_err(|error| database.fault(error))?;
    for migration in &ran {
        println!("{migration}");
    }
    if ran.is_empty() {
        println!("The database has this version's tables already.");
    }
    Ok(())
}

impl Database {
    /// Finds or starts the database; looks at no table.
    pub(super) fn open(settings: &config::Database) -> Result<Self, CliError> {
        if let Some(url) = &settings.url {
            return Ok(Self { url: url.expose().to_owned(), private: None });
        }
        let cluster = cluster::start(&cluster::Settings {
            directory: settings.private.clone(),
            durable: true,
            tied_to_this_process: false,
        })?;
        if let Some(notice) = cluster.notice() {
            tracing::warn!("{notice}");
        }
        make_database(&cluster)?;
        Ok(Self { url: cluster.url(NAME), private: Some(Arc::new(cluster)) })
    }

    /// The same, for commands that only make sense where a server has run before.
    pub(super) fn open_existing(settings: &config::Database) -> Result<Self, CliError> {
        if settings.url.is_none() && !fs::exists(&settings.private)? {
            return Err(CliError::NoDatabase(settings.private.clone()));
        }
        Self::open(settings)
    }

    fn migrated(&self) -> Result<Vec<String>, DbError> {
        if self.private.is_none() {
            db::examine(&self.url)?;
        }
        db::migrate(&self.url)
    }

    /// Makes sure of this version's tables: migrates our own, and asks that somebody else's be migrated. Tells whether it
    /// answers: one that is away for a while is no reason not to take calls.
    pub(super) fn prepare(&self) -> Result<bool, CliError> {
        if self.private.is_some() {
            for migration in db::migrate(&self.url)? {
                tracing::info!(%migration, "migrated");
            }
            return Ok(true);
        }
        let (tell, told) = mpsc::channel();
        let url = self.url.clone();
        // Nobody waits for an answer that came too late.
        let look = move || db::examine(&url).and_then(|()| db::is_behind(&url));
        thread::spawn(move || drop(tell.send(look())));
        match told.recv_timeout(ANSWER) {
            Ok(Ok(true)) => Err(CliError::Behind),
            Ok(Ok(false)) => Ok(true),
            Ok(Err(error @ DbError::Unavailable(_))) => {
                tracing::error!(%error, "the database is away: calls are routed by what was known before");
                Ok(false)
            }
            Ok(Err(error)) => Err(self.fault(error)),
            Err(_) => {
                tracing::error!("the database does not answer: calls are routed by what was known before");
                Ok(false)
            }
        }
    }

    /// Where the private one lies.
    pub(super) fn directory(&self) -> Option<&Path> {
        Some(self.private.as_ref()?.directory())
    }

    /// Connections to it.
    pub(super) fn pool(&self, width: u32) -> Db {
        Db::new(&self.url, width)
    }

    /// Starts the private database again should it die, until the watch is dropped.
    pub(super) fn watch(&self) -> Option<Watch> {
        let cluster = self.private.clone()?;
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(ROUND) == Err(RecvTimeoutError::Timeout) {
                match cluster.ensure_running() {
                    Ok(false) => {}
                    Ok(true) => tracing::warn!("the private database had died and was started again"),
                    Err(error) => tracing::error!(%error, "the private database is away"),
                }
            }
        });
        Some(Watch { stop: Some(stop), thread: Some(thread) })
    }

    fn fault(&self, error: DbError) -> CliError {
        if self.private.is_some() { error.into() } else { CliError::Foreign(one_line(&error)) }
    }
}

/// Two processes may come here at once, so that it is there in the end is what counts.
fn make_database(cluster: &Cluster) -> Result<(), DbError> {
    let is_there = || db::execute(&cluster.url(NAME), "SELECT 1");
    if is_there().is_ok() {
        return Ok(());
    }
    let made = db::execute(&cluster.url("postgres"), &format!("CREATE DATABASE {NAME}"));
    made.or_else(|error| is_there().map_err(|_| error))
}

/// Somebody who looks after the private database.
pub(super) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, the panic was told; the database is stopped all the same.
            drop(thread.join());
        }
    }
}
