//! Keeps the directory up to date: loaded at the start, from the file and from the database, then followed change by
//! change.
//!
//! A server says that it knows a change only when the change is in the file too, so that no restart forgets it; and it is on
//! the list of servers before it reads the first number, so that no change is confirmed without it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::file::{Edition, File, Unusable};
use super::map::Map;
use super::{Directory, Standing};
use crate::app::App;
use crate::app::slots::Slot;
use crate::db::directory::{self, Change, Cursor};
use crate::db::{Db, DbError, servers, stops};
use crate::domain::stop::Stop;

/// How often the version is asked for, whether or not anybody tells of a change.
const POLL: Duration = Duration::from_secs(2);
/// How long a start waits for the database where there is no file to route by.
const FIRST_LOAD: Duration = Duration::from_mins(1);
/// How old a directory may be that is routed by without having been compared with the database.
const OLDEST: TimeDelta = TimeDelta::days(1);
/// How often it is written down that the directory is still as it was, and told to the others that we are there.
const HEARTBEAT: TimeDelta = TimeDelta::seconds(30);
/// What the database calls changes of the directory.
const CHANNEL: &str = "directory";

/// A server cannot keep its state.
#[derive(Debug, thiserror::Error)]
#[error("the state folder {folder} cannot be used: {source}")]
pub struct OpenError {
    folder: PathBuf,
    source: io::Error,
}

impl OpenError {
    /// What the disk said of that folder.
    pub(in crate::app) fn new(folder: &Path, source: io::Error) -> Self {
        Self { folder: folder.to_owned(), source }
    }
}

/// Who keeps the directory of a server.
pub struct Keeper {
    app: Arc<App>,
    slot: Slot,
    name: String,
    file: Option<File>,
    /// What the map in memory is a copy of, and how far changes were read.
    edition: Option<Edition>,
    cursor: Cursor,
    /// What the file is a copy of.
    written: Option<Edition>,
    is_registered: bool,
    /// What the list of servers says of us.
    acknowledged: Option<(i64, DateTime<Utc>)>,
    is_away: bool,
}

impl Keeper {
    /// Loads the directory: from the file and the database, or from one of them alone. Where there is a file, the database is
    /// waited for as long as `patience`.
    pub(in crate::app) async fn open(app: &Arc<App>, slot: Slot, name: String, patience: Duration) -> Self {
        let mut keeper = Self {
            app: app.clone(),
            slot,
            name,
            file: None,
            edition: None,
            cursor: Cursor::default(),
            written: None,
            is_registered: false,
            acknowledged: None,
            is_away: false,
        };
        keeper.load();
        let is_waited_for = keeper.edition.is_none() && !patience.is_zero();
        let patience = if is_waited_for { FIRST_LOAD } else { patience };
        // A step that is cut short is begun anew by the next one.
        if tokio::time::timeout(patience, keeper.step()).await.is_err() {
            tracing::warn!("the database did not answer in time: calls are routed by what was known before");
        }
        keeper
    }

    /// Follows the database until `shutdown` turns true.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let app = self.app.clone();
        let _listening = app.calls_db.listen(CHANNEL, {
            let app = app.clone();
            move || app.directory.wake()
        });
        while !*shutdown.borrow() {
            tokio::select! {
                _ = shutdown.changed() => {}
                () = app.directory.wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
            self.step().await;
        }
    }

    /// Routes by the file, if it can be believed.
    fn load(&mut self) {
        let found = match File::read(&self.slot.folder, &self.app.file_keys) {
            Ok(found) => found,
            Err(Unusable::Missing) => return,
            Err(error) => {
                tracing::error!(%error, "the directory on disk cannot be used");
                return;
            }
        };
        // One from the future would never become too old.
        if (self.app.now() - found.edition.confirmed_at).abs() > OLDEST {
            tracing::error!("the directory on disk was not confirmed within a day, and nobody routes by it");
            return;
        }
        self.cursor = Cursor::after(found.edition.version);
        (self.edition, self.written) = (Some(found.edition), Some(found.edition));
        self.file = Some(found.file);
        self.directory().change(|map| *map = found.map);
        self.stands();
    }

    /// Learns what has changed, writes it down and says so; what fails is tried again by the next step.
    async fn step(&mut self) {
        match self.follow().await {
            Ok(()) if self.is_away => {
                self.is_away = false;
                tracing::info!("the directory follows the database again");
            }
            Ok(()) => {}
            Err(error) if self.is_away => tracing::debug!(%error, "the directory cannot follow the database"),
            Err(error) => {
                self.is_away = true;
                tracing::error!(%error, "the directory cannot follow the database; calls are routed by what is known");
            }
        }
    }

    async fn follow(&mut self) -> Result<(), DbError> {
        if !self.is_registered {
            self.register().await?;
        }
        let (era, version) = self.calls_db().transaction(directory::version).await?;
        let is_known = self.edition.is_some_and(|edition| edition.era == era && edition.version <= version);
        let now = self.app.now();
        if is_known {
            self.catch_up(Edition { era, version, confirmed_at: now }).await?;
        } else {
            self.read_all(Edition { era, version, confirmed_at: now }).await?;
        }
        self.acknowledge().await?;
        self.clear_away().await
    }

    /// Takes servers of this machine that have ended off the list, such as the version before, and what they left over.
    async fn clear_away(&mut self) -> Result<(), DbError> {
        let abandoned = self.slot.abandoned().unwrap_or_else(|error| {
            tracing::warn!(%error, "the folders of other servers cannot be looked at");
            Vec::new()
        });
        for other in abandoned {
            if let Err(error) = self.slot.inherit(&other) {
                tracing::warn!(%error, "what a server left that has ended cannot be taken over");
                continue;
            }
            let id = other.server;
            self.calls_db().transaction(move |conn| servers::strike_off(conn, id)).await?;
            if let Err(error) = other.clear() {
                tracing::warn!(%error, "the folder of a server that has ended cannot be removed");
            }
        }
        Ok(())
    }

    async fn register(&mut self) -> Result<(), DbError> {
        let (id, name, now) = (self.slot.server, self.name.clone(), self.app.now());
        self.calls_db().transaction(move |conn| servers::register(conn, id, &name, now)).await?;
        (self.is_registered, self.acknowledged) = (true, None);
        Ok(())
    }

    /// Reads everything anew: what is in memory is of another database, or there is nothing.
    async fn read_all(&mut self, edition: Edition) -> Result<(), DbError> {
        let mut map = Map::default();
        let mut after = None;
        loop {
            let page = self.calls_db().transaction(move |conn| directory::page(conn, after)).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.phone);
            for leading in page {
                map.insert(leading);
            }
        }
        map.set_stops(self.calls_db().transaction(stops::all).await?);
        self.directory().change(|old| *old = map);
        (self.cursor, self.edition) = (Cursor::after(edition.version), Some(edition));
        (self.file, self.written) = (None, None);
        // Pages were read one after the other: what changed meanwhile comes behind the version.
        self.catch_up(edition).await
    }

    /// Reads change after change up to the newest.
    async fn catch_up(&mut self, mut edition: Edition) -> Result<(), DbError> {
        loop {
            let cursor = self.cursor.clone();
            let (changes, next) =
                self.calls_db().transaction(move |conn| directory::changes_after(conn, &cursor)).await?;
            if changes.is_empty() {
                break;
            }
            let stops = if changes.contains(&Change::Stops) {
                Some(self.calls_db().transaction(stops::all).await?)
            } else {
                None
            };
            if let Some(Err(error)) = self.file.as_mut().map(|file| file.note(&changes, stops.as_deref())) {
                self.give_up_file(&error);
            }
            self.apply(changes, stops);
            self.cursor = next;
        }
        edition.version = edition.version.max(self.cursor.version());
        self.cursor = self.cursor.clone().max(Cursor::after(edition.version));
        self.edition = Some(edition);
        self.settle(edition);
        self.stands();
        Ok(())
    }

    fn apply(&self, changes: Vec<Change>, stops: Option<Vec<Stop>>) {
        self.directory().change(|map| {
            for change in changes {
                map.follow(change);
            }
            if let Some(stops) = stops {
                map.set_stops(stops);
            }
        });
    }

    /// Writes down that all is as in this edition, where that is news.
    fn settle(&mut self, edition: Edition) {
        let is_known = |written: Edition| {
            let since = edition.confirmed_at - written.confirmed_at;
            (written.era, written.version) == (edition.era, edition.version) && since < HEARTBEAT
        };
        let is_fresh = self.file.as_ref().is_some_and(|file| !file.is_stale(&self.app.file_keys));
        if is_fresh && self.written.is_some_and(is_known) {
            return;
        }
        let written = match self.file.as_mut().filter(|_| is_fresh) {
            Some(file) => file.settle(edition),
            None => self.write_anew(edition),
        };
        match written {
            Ok(()) => self.written = Some(edition),
            Err(error) => self.give_up_file(&error),
        }
    }

    fn write_anew(&mut self, edition: Edition) -> io::Result<()> {
        let (folder, keys) = (&self.slot.folder, &self.app.file_keys);
        self.file = Some(self.app.directory.look(|map| File::write(folder, keys, map, edition))?);
        Ok(())
    }

    /// What cannot be written is not said to be known; it is tried again with a new file.
    fn give_up_file(&mut self, error: &io::Error) {
        tracing::error!(%error, "the directory cannot be written down, so that no change is confirmed");
        (self.file, self.written) = (None, None);
    }

    /// Tells the others up to where this server knows the directory for good.
    async fn acknowledge(&mut self) -> Result<(), DbError> {
        let Some(Edition { era, version, confirmed_at }) = self.written else { return Ok(()) };
        if self.acknowledged == Some((version, confirmed_at)) {
            return Ok(());
        }
        let (id, now) = (self.slot.server, self.app.now());
        let is_listed = self
            .calls_db()
            .transaction(move |conn| servers::acknowledge(conn, id, (era, version), now))
            .await?;
        self.is_registered = is_listed;
        if is_listed {
            self.acknowledged = Some((version, confirmed_at));
        } else {
            // Somebody took us off the list: the next step puts us on it again, and then reads what is new.
            self.directory().wake();
        }
        Ok(())
    }

    fn stands(&self) {
        let numbers = self.directory().look(Map::len);
        self.directory().stands(Standing {
            version: self.edition.map(|edition| edition.version),
            confirmed_at: self.edition.map(|edition| edition.confirmed_at),
            numbers,
            file_bytes: self.file.as_ref().map(File::bytes),
        });
    }

    fn directory(&self) -> &Directory {
        &self.app.directory
    }

    fn calls_db(&self) -> &Db {
        &self.app.calls_db
    }
}
