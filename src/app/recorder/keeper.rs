//! Writes records down, on a thread of its own: into the database, or on disk while that does not take them.
//!
//! What is on disk goes first once the database is back, and what is told meanwhile queues behind it there. The book of
//! calls in memory is filled before the first record is written, and hears from here what other servers recorded.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::aside::Aside;
use super::hearing::{fill, hear};
use super::spool::Spool;
use crate::app::App;
use crate::db::records::{self, Record};
use crate::db::{Db, DbError};
use crate::domain::ids::{CallId, ServerId};

/// For how long records are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(40);
/// How long it sleeps when nothing wakes it.
const NAP: Duration = Duration::from_millis(250);
/// How many records are written in one transaction.
const TOGETHER: usize = 2_000;
/// How many may wait for the database in memory until they go to the disk.
const WAITING: usize = 8_192;
/// How many records a second are too many for a database that may run on the same machine: calls come first, and what
/// happens to them goes to the disk until fewer come.
const BUSY: f64 = 8_000.0;
/// Over how long they are counted: many that come at once after a hitch are not yet too many.
const COUNTING: Duration = Duration::from_millis(250);
/// How long it counts as busy then.
const CALMING: Duration = Duration::from_millis(500);
/// How long the database is left alone after it has failed.
const REST: Duration = Duration::from_secs(1);
/// How often other servers' records are asked for.
const HEAR: Duration = Duration::from_secs(1);
/// How often some of the records are tried that wait for the call that they are about.
const TRY: Duration = Duration::from_secs(5);
/// How long records on disk that cannot be read hold up no others.
const SKIP: Duration = Duration::from_mins(1);
/// How often what counts no more is looked for.
const SWEEP: Duration = Duration::from_mins(10);
/// How long the last records may take at the end.
const LAST: Duration = Duration::from_secs(4);

/// What the database is asked for at the moment; one thing at a time.
enum Job {
    /// What was recorded in the last day, for the book.
    Fill,
    /// What other servers recorded.
    Hear,
    /// To take records.
    Write(Arc<Vec<Record>>),
    /// To take some that were put aside.
    TryAgain(Vec<(Record, Instant)>),
    /// To take those of a file.
    Replay(PathBuf, Arc<Vec<Record>>),
}

/// What came of it: the calls that records are about and that are not there.
type Done = Result<Vec<CallId>, DbError>;

/// Who writes the records of a server down.
pub struct RecordKeeper {
    app: Arc<App>,
    server: ServerId,
    spool: Spool,
    waiting: Vec<Record>,
    aside: Aside,
    job: Option<(Job, Instant, JoinHandle<Done>)>,
    is_filled: bool,
    /// Up to which record others were heard.
    heard: Arc<AtomicI64>,
    rests_until: Instant,
    busy_until: Instant,
    skips_spool_until: Instant,
    /// How many records came since when.
    came: (usize, Instant),
    hears_at: Instant,
    tries_at: Instant,
    sweeps_at: Instant,
}

impl RecordKeeper {
    /// Finds what was left on disk.
    pub(in crate::app) fn open(app: &Arc<App>, folder: &Path, server: ServerId) -> io::Result<Self> {
        let now = Instant::now();
        let keeper = Self {
            app: app.clone(),
            server,
            spool: Spool::open(folder, app.spool_keys.clone())?,
            waiting: Vec::new(),
            aside: Aside::default(),
            job: None,
            is_filled: false,
            heard: Arc::default(),
            rests_until: now,
            busy_until: now,
            skips_spool_until: now,
            came: (0, now),
            hears_at: now,
            tries_at: now,
            sweeps_at: now + SWEEP,
        };
        // What was left counts as under way from the first moment on.
        keeper.tell_standing();
        Ok(keeper)
    }

    /// Writes until `shutdown` turns true; then all that is left is written, or lies on disk.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let app = self.app.clone();
        while !*shutdown.borrow() {
            self.turn();
            tokio::select! {
                _ = shutdown.changed() => {}
                done = done(&mut self.job) => self.settle(done),
                () = app.recorder.ring.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(NAP) => {}
            }
        }
        self.finish().await;
    }

    /// Takes what was told, and begins what can be done about it.
    fn turn(&mut self) {
        self.take();
        let now = Instant::now();
        if self.job.is_none() && now >= self.rests_until.max(self.busy_until) {
            self.begin(now);
        }
        let is_taken = self.is_filled && now >= self.rests_until.max(self.busy_until);
        let is_behind = !self.spool.is_empty() && now >= self.skips_spool_until;
        let goes_to_disk = is_behind || !is_taken;
        if goes_to_disk && !self.waiting.is_empty() || self.waiting.len() > WAITING {
            let waiting = std::mem::take(&mut self.waiting);
            self.lay_down(&waiting);
        }
        if now >= self.sweeps_at {
            self.sweeps_at = now + SWEEP;
            self.app.book().sweep(self.app.now());
        }
        self.tell_standing();
    }

    fn take(&mut self) {
        let (told, now) = (self.app.recorder.take(&self.app.sealer), Instant::now());
        let (came, since) = (self.came.0 + told.len(), self.came.1);
        self.came = (came, since);
        if now - since >= COUNTING {
            if f64::from(u32::try_from(came).unwrap_or(u32::MAX)) > BUSY * (now - since).as_secs_f64() {
                self.busy_until = now + CALMING;
            }
            self.came = (0, now);
        }
        self.waiting.extend(told);
    }

    /// Begins what is most urgent.
    fn begin(&mut self, now: Instant) {
        if !self.is_filled {
            return self.start(Job::Fill);
        }
        if now >= self.hears_at {
            self.hears_at = now + HEAR;
            if let Err(error) = self.spool.look() {
                tracing::warn!(%error, "the folder of records cannot be looked at");
            }
            return self.start(Job::Hear);
        }
        if !self.aside.is_empty() && now >= self.tries_at {
            self.tries_at = now + TRY;
            let some = self.aside.take(TOGETHER);
            return self.start(Job::TryAgain(some));
        }
        let oldest = if now < self.skips_spool_until { None } else { self.spool.oldest() };
        if let Some(path) = oldest {
            match self.spool.read(&path) {
                Ok(records) => self.start(Job::Replay(path, Arc::new(records))),
                Err(error) => {
                    tracing::error!(%error, file = %path.display(), "records on disk cannot be read");
                    self.spool.put_last();
                    self.skips_spool_until = now + SKIP;
                }
            }
        } else if !self.waiting.is_empty() {
            let some = self.waiting.drain(..self.waiting.len().min(TOGETHER)).collect();
            self.start(Job::Write(Arc::new(some)));
        }
    }

    fn start(&mut self, job: Job) {
        let (app, server, heard) = (self.app.clone(), self.server, self.heard.clone());
        let work: JoinHandle<Done> = match &job {
            Job::Fill => tokio::spawn(async move { fill(&app, &heard).await.map(|()| Vec::new()) }),
            Job::Hear => tokio::spawn(async move { hear(&app, server, &heard).await.map(|()| Vec::new()) }),
            Job::Write(records) => tokio::spawn(write(app, Some(server), records.clone())),
            // Older than what this server knows by itself, perhaps: it hears them like the others.
            Job::Replay(_, records) => tokio::spawn(write(app, None, records.clone())),
            Job::TryAgain(aside) => {
                let records: Vec<Record> = aside.iter().map(|(record, _)| record.clone()).collect();
                tokio::spawn(write(app, None, Arc::new(records)))
            }
        };
        self.job = Some((job, Instant::now(), work));
    }

    /// What came of what was begun.
    fn settle(&mut self, done: Done) {
        let Some((job, begun, _)) = self.job.take() else { return };
        let missing = match done {
            Ok(missing) => missing,
            Err(error) => return self.failed(job, &error),
        };
        match job {
            Job::Fill => self.is_filled = true,
            Job::Hear => {}
            Job::Write(records) => self.put_aside(newly(&records), &missing),
            Job::TryAgain(aside) => self.put_aside(aside.into_iter(), &missing),
            Job::Replay(path, records) => {
                self.put_aside(newly(&records), &missing);
                if let Err(error) = self.spool.done(&path) {
                    tracing::error!(%error, "records on disk that are written cannot be removed");
                }
                // Calls come first: whatever else the machine does while it is called a lot may take half of the time.
                if !self.waiting.is_empty() || self.app.recorder.queued() > 0 {
                    self.rests_until = Instant::now() + begun.elapsed();
                }
            }
        }
        self.app.recorder.stands(|standing| standing.is_written = true);
    }

    fn failed(&mut self, job: Job, error: &DbError) {
        self.rests_until = Instant::now() + REST;
        self.app.recorder.stands(|standing| {
            if standing.is_written {
                tracing::error!(%error, "records of calls are not written to the database; they go to the disk");
            }
            standing.is_written = false;
        });
        match job {
            Job::Write(records) => self.lay_down(&records),
            Job::TryAgain(aside) => self.aside.put_back(aside),
            Job::Fill | Job::Hear | Job::Replay(..) => {}
        }
    }

    fn put_aside(&mut self, records: impl Iterator<Item = (Record, Instant)>, missing: &[CallId]) {
        let given_up = self.aside.keep(records, missing);
        if given_up > 0 {
            self.app.recorder.lose(given_up as u64);
        }
    }

    fn lay_down(&mut self, records: &[Record]) {
        if let Err(error) = self.spool.append(records) {
            tracing::error!(%error, "records cannot be laid down on disk");
            // They wait in memory as long as there is room.
            let room = super::QUEUE.saturating_sub(self.waiting.len()).min(records.len());
            self.waiting.extend_from_slice(&records[..room]);
            if room < records.len() {
                self.app.recorder.lose((records.len() - room) as u64);
            }
        }
    }

    fn tell_standing(&self) {
        let in_hand = match &self.job {
            Some((Job::Write(records) | Job::Replay(_, records), ..)) => records.len(),
            _ => 0,
        };
        let on_disk = usize::from(!self.spool.is_empty());
        self.app.recorder.under_way.send_replace(self.waiting.len() + in_hand + on_disk);
        let (spool_bytes, heard) = (self.spool.bytes(), self.heard.load(Relaxed));
        self.app.recorder.stands(|standing| {
            (standing.spool_bytes, standing.heard) = (spool_bytes, heard);
        });
    }

    /// Writes the last records, or lays them down.
    async fn finish(&mut self) {
        let until = tokio::time::Instant::now() + LAST;
        loop {
            self.turn();
            let is_done = self.job.is_none() && self.waiting.is_empty();
            if is_done || Instant::now() < self.rests_until.max(self.busy_until) {
                break;
            }
            match tokio::time::timeout_at(until, done(&mut self.job)).await {
                Ok(done) => self.settle(done),
                Err(_) => break,
            }
        }
        match self.job.take() {
            Some((Job::Write(records), ..)) => self.lay_down(&records),
            Some((Job::TryAgain(aside), ..)) => self.aside.put_back(aside),
            _ => {}
        }
        let mut left = std::mem::take(&mut self.waiting);
        left.extend(self.aside.take(usize::MAX).into_iter().map(|(record, _)| record));
        if !left.is_empty() {
            self.lay_down(&left);
        }
        self.tell_standing();
    }
}

/// Waits for what was begun; for ever where nothing was.
async fn done(job: &mut Option<(Job, Instant, JoinHandle<Done>)>) -> Done {
    match job {
        Some((_, _, work)) => {
            work.await.unwrap_or_else(|_| Err(DbError::Failed("writing records panicked".into())))
        }
        None => std::future::pending().await,
    }
}

/// Writes records, some thousand at a time. One that the rules of the tables forbid is left out, so that it holds up no
/// others; whatever else goes wrong, all of them are kept and tried again.
async fn write(app: Arc<App>, server: Option<ServerId>, records: Arc<Vec<Record>>) -> Done {
    let mut missing = Vec::new();
    for first in (0..records.len()).step_by(TOGETHER) {
        let some = first..records.len().min(first + TOGETHER);
        match write_together(&app.calls_db, server, records.clone(), some.clone()).await {
            Ok(more) => missing.extend(more),
            Err(DbError::Forbidden(_)) => {
                missing.extend(write_one_by_one(&app, server, &records, some).await?);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

async fn write_one_by_one(
    app: &App,
    server: Option<ServerId>,
    records: &Arc<Vec<Record>>,
    some: Range<usize>,
) -> Done {
    let mut missing = Vec::new();
    for one in some {
        match write_together(&app.calls_db, server, records.clone(), one..one + 1).await {
            Ok(more) => missing.extend(more),
            Err(error @ DbError::Forbidden(_)) => {
                tracing::error!(%error, record = ?records[one].call(), "the database does not take a record");
                app.recorder.lose(1);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

fn newly(records: &[Record]) -> impl Iterator<Item = (Record, Instant)> {
    let now = Instant::now();
    records.iter().map(move |record| (record.clone(), now))
}

async fn write_together(
    db: &Db,
    server: Option<ServerId>,
    records: Arc<Vec<Record>>,
    some: Range<usize>,
) -> Done {
    db.transaction(move |conn| records::write(conn, server, &records[some])).await
}
