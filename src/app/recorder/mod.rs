//! What happens to calls, on its way to the database: told in passing, written down behind.
//!
//! Whoever tells waits for nothing. What is told is held in memory for some hundredths of a second, in a queue that is
//! bounded; [`keeper`] writes it to the database, or, where that is away or too slow, into the [`spool`] on disk, from
//! where it is written later.

mod aside;
mod hearing;
mod keeper;
mod spool;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, watch};

pub use keeper::RecordKeeper;

use crate::db::records::{NewCall, Record};
use crate::domain::call::{Decided, Ending, PickedUp};
use crate::domain::call_book::CallerDigest;
use crate::domain::ids::{CallId, MaskId};
use crate::domain::phone::PhoneNumber;
use crate::seal::{Place, Sealer};
use crate::secrets;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// How much may be on its way in memory. A house that is called a thousand times a second fills it in a minute in which
/// neither the database nor the disk takes anything.
const QUEUE: usize = 65_536;

/// What is told of a call.
pub(super) enum Told {
    /// It came in.
    Called {
        id: CallId,
        mask: MaskId,
        /// The carrier's name of it.
        event: Option<String>,
        caller: Option<(PhoneNumber, CallerDigest)>,
        decided: Decided,
        at: DateTime<Utc>,
    },
    PickedUp {
        call: CallId,
        picked_up: PickedUp,
        at: DateTime<Utc>,
    },
    Ended {
        call: CallId,
        ending: Ending,
        at: DateTime<Utc>,
    },
}

/// What stands before the carrier's name of a call where it is kept.
pub(super) const EVENT_PREFIX: &str = "carrier|";

impl Told {
    /// As it is written down: with the caller sealed.
    fn record(self, sealer: &Sealer) -> Record {
        match self {
            Self::Called { id, mask, event, caller, decided, at } => Record::Called(NewCall {
                id,
                mask,
                event_key: match event {
                    Some(event) => format!("{EVENT_PREFIX}{event}"),
                    None => format!("nameless|{id}"),
                },
                caller_sealed: caller.map(|(number, _)| sealer.seal(number, Place::caller(id.0))),
                caller_lookup: caller.map(|(_, digest)| digest),
                decided,
                at,
            }),
            Self::PickedUp { call, picked_up, at } => Record::PickedUp { call, picked_up, at },
            Self::Ended { call, ending, at } => Record::Ended { call, ending, at },
        }
    }
}

/// The way of records out of the hands of whoever answers calls.
pub(super) struct Recorder {
    queue: Mutex<Vec<Told>>,
    /// Refused calls that are only counted: how many until now, of each mask and hour.
    refused: Mutex<HashMap<(MaskId, DateTime<Utc>), u32>>,
    /// This start of the server, whose counts begin at nothing.
    run: Uuid,
    /// Rings when something is told after a while of nothing.
    ring: Notify,
    /// How many records are on their way.
    under_way: watch::Sender<usize>,
    standing: Mutex<Standing>,
}

/// How the records stand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// How many are in memory.
    pub queued: usize,
    /// How long the spool on disk is, in bytes.
    pub spool_bytes: u64,
    /// Records that were lost: neither the database nor the disk took them.
    pub lost: u64,
    /// Whether the database takes them.
    pub is_written: bool,
    /// Up to which record it was heard what other servers recorded.
    pub heard: i64,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            refused: Mutex::default(),
            run: secrets::random_uuid(),
            ring: Notify::new(),
            under_way: watch::Sender::new(0),
            standing: Mutex::default(),
        }
    }

    /// Takes what is told; past the bound it is lost, and counted.
    pub(super) fn tell(&self, told: Told) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= QUEUE {
            drop(queue);
            self.lose(1);
            return;
        }
        queue.push(told);
        let is_first = queue.len() == 1;
        drop(queue);
        if is_first {
            self.ring.notify_one();
        }
    }

    /// Takes it that so many refused calls to the mask in the hour that began then are only counted, until now.
    pub(super) fn count_refused(&self, mask: MaskId, hour: DateTime<Utc>, calls: u32) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = refused.is_empty();
        refused.insert((mask, hour), calls);
        drop(refused);
        if is_first {
            self.ring.notify_one();
        }
    }

    /// Waits until everything that was told is in the database.
    pub(super) async fn all_written(&self) {
        let mut under_way = self.under_way.subscribe();
        while self.queued() > 0 || *under_way.borrow_and_update() > 0 {
            // The sender lives as long as we do; the queue is looked at again in any case.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(10), under_way.changed()).await;
        }
    }

    /// How the records stand.
    pub(super) fn standing(&self) -> Standing {
        let standing = *self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        Standing { queued: self.queued() + *self.under_way.borrow(), ..standing }
    }

    fn queued(&self) -> usize {
        let counts = self.refused.lock().unwrap_or_else(PoisonError::into_inner).len();
        counts + self.queue.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes what was told; it counts as under way before it is out of the queue.
    fn take(&self, sealer: &Sealer) -> Vec<Record> {
        let told = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            self.under_way.send_modify(|under_way| *under_way += queue.len());
            std::mem::take(&mut *queue)
        };
        let counts = {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            self.under_way.send_modify(|under_way| *under_way += refused.len());
            std::mem::take(&mut *refused)
        };
        let counted = |((mask, hour), calls)| Record::Refused { mask, hour, run: self.run, calls };
        told.into_iter().map(|told| told.record(sealer)).chain(counts.into_iter().map(counted)).collect()
    }

    fn stands(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn lose(&self, records: u64) {
        self.stands(|standing| standing.lost += records);
        tracing::error!(records, "records of calls are lost: neither the database nor the disk takes them");
    }
}
