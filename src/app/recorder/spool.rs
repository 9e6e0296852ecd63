//! Records on disk, for as long as the database does not take them: sealed, in files of some megabytes, the oldest first.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::slots::SPOOL;
use crate::db::calls::{decision_of, ending_of, word_of_decision, word_of_ending};
use crate::db::records::{NewCall, Record};
use crate::disk::{End, FrameFile};
use crate::domain::call::PickedUp;
use crate::domain::ids::{CallId, MaskId};
use crate::seal::frames::FrameKeys;

/// How long a file grows, in bytes.
const FILE: u64 = 2 * 1024 * 1024;

/// A record as it is written.
#[derive(Serialize, Deserialize)]
enum Written {
    Called {
        id: Uuid,
        mask: Uuid,
        event_key: String,
        caller_sealed: Option<Vec<u8>>,
        caller_lookup: Option<[u8; 32]>,
        decision: String,
        at: DateTime<Utc>,
    },
    PickedUp {
        call: Uuid,
        seconds: Option<u32>,
        at: DateTime<Utc>,
    },
    Ended {
        call: Uuid,
        ending: String,
        seconds: Option<i32>,
        at: DateTime<Utc>,
    },
    Refused {
        mask: Uuid,
        hour: DateTime<Utc>,
        run: Uuid,
        calls: u32,
    },
}

/// The spool of one server.
pub(super) struct Spool {
    folder: PathBuf,
    keys: FrameKeys,
    /// The file that is written to, with its name.
    open: Option<(PathBuf, FrameFile)>,
    /// Files that are whole, the oldest first.
    waiting: VecDeque<PathBuf>,
    next: u64,
}

impl Spool {
    /// The spool of that folder, with what was left there.
    pub(super) fn open(folder: &Path, keys: FrameKeys) -> io::Result<Self> {
        let folder = folder.join(SPOOL);
        fs::create_dir_all(&folder)?;
        let mut spool = Self { folder, keys, open: None, waiting: VecDeque::new(), next: 0 };
        spool.look()?;
        let numbers = spool.waiting.iter().filter_map(|path| path.file_name()?.to_str()?.parse::<u64>().ok());
        spool.next = numbers.max().map_or(0, |last| last + 1);
        Ok(spool)
    }

    /// Looks for files that somebody else laid there.
    pub(super) fn look(&mut self) -> io::Result<()> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_open = self.open.as_ref().is_some_and(|(open, _)| *open == path);
            // What has an ending is put aside, or not whole yet.
            if path.extension().is_none() && !is_open && !self.waiting.contains(&path) {
                found.push(path);
            }
        }
        found.sort();
        self.waiting.extend(found);
        Ok(())
    }

    /// Whether nothing waits here.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none() && self.waiting.is_empty()
    }

    /// How much waits here, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let closed = self.waiting.iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len());
        closed.sum::<u64>() + self.open.as_ref().map_or(0, |(_, file)| file.bytes())
    }

    /// Writes records down for good.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        if self.open.is_none() {
            let path = self.folder.join(format!("{:08}", self.next));
            let file = FrameFile::begin(&path, &self.keys)?.take_place(&path)?;
            self.next += 1;
            self.open = Some((path, file));
        }
        let written: Vec<Written> = records.iter().map(written).collect();
        let frame = postcard::to_stdvec(&written).map_err(io::Error::other)?;
        let Some((path, file)) = &mut self.open else { unreachable!("it was opened above") };
        let done = file.append(&frame).and_then(|()| file.sync());
        if done.is_err() || file.bytes() > FILE {
            self.waiting.push_back(std::mem::take(path));
            self.open = None;
        }
        done
    }

    /// The oldest file; nothing is written to it any more.
    pub(super) fn oldest(&mut self) -> Option<PathBuf> {
        if self.waiting.is_empty()
            && let Some((path, _)) = self.open.take()
        {
            self.waiting.push_back(path);
        }
        self.waiting.front().cloned()
    }

    /// The oldest file is to be read after all others that wait.
    pub(super) fn put_last(&mut self) {
        if !self.waiting.is_empty() {
            self.waiting.rotate_left(1);
        }
    }

    /// What the file holds. One that does not open is kept, under a name by which nobody reads it.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        let read = FrameFile::read(path, &self.keys, |frame| {
            let frame: Option<Vec<Written>> = postcard::from_bytes(frame).ok();
            let read: Option<Vec<Record>> =
                frame.and_then(|written| written.into_iter().map(record).collect());
            read.map(|read| records.extend(read)).is_some()
        })?;
        if matches!(read, Some((_, End::Broken))) {
            tracing::error!(file = %path.display(), "records on disk do not open; the file is put aside");
            fs::rename(path, path.with_extension("broken"))?;
        }
        Ok(records)
    }

    /// The oldest file is in the database.
    pub(super) fn done(&mut self, path: &Path) -> io::Result<()> {
        self.waiting.retain(|waiting| waiting != path);
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn written(record: &Record) -> Written {
    match record {
        Record::Called(new) => Written::Called {
            id: new.id.0,
            mask: new.mask.0,
            event_key: new.event_key.clone(),
            caller_sealed: new.caller_sealed.clone(),
            caller_lookup: new.caller_lookup,
            decision: word_of_decision(new.decided).to_owned(),
            at: new.at,
        },
        Record::PickedUp { call, picked_up, at } => {
            Written::PickedUp { call: call.0, seconds: picked_up.session_seconds, at: *at }
        }
        Record::Ended { call, ending, at } => {
            let (word, seconds) = word_of_ending(*ending);
            Written::Ended { call: call.0, ending: word.to_owned(), seconds, at: *at }
        }
        Record::Refused { mask, hour, run, calls } => {
            Written::Refused { mask: mask.0, hour: *hour, run: *run, calls: *calls }
        }
    }
}

fn record(written: Written) -> Option<Record> {
    Some(match written {
        Written::Called { id, mask, event_key, caller_sealed, caller_lookup, decision, at } => {
            Record::Called(NewCall {
                id: CallId(id),
                mask: MaskId(mask),
                event_key,
                caller_sealed,
                caller_lookup,
                decided: decision_of(&decision)?,
                at,
            })
        }
        Written::PickedUp { call, seconds, at } => {
            Record::PickedUp { call: CallId(call), picked_up: PickedUp { session_seconds: seconds }, at }
        }
        Written::Ended { call, ending, seconds, at } => {
            Record::Ended { call: CallId(call), ending: ending_of(&ending, seconds)?, at }
        }
        Written::Refused { mask, hour, run, calls } => {
            Record::Refused { mask: MaskId(mask), hour, run, calls }
        }
    })
}
