//! The directory on disk: a snapshot of all of it, and behind it, in the same file, a journal of every change since.
//!
//! A restart without the database routes by it. It is sealed like everything that leads to a real number; what is in it is
//! believed only if all of it opens, and if it was compared with the database within a day.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::map::Map;
use crate::app::slots::DIRECTORY;
use crate::db::directory::{Change, Leading};
use crate::disk::{End, FrameFile};
use crate::domain::ids::{MaskId, NumberId, UserId};
use crate::domain::mask::Standing;
use crate::domain::phone::{Country, PhoneNumber};
use crate::domain::stop::{Scope, Stop};
use crate::seal::frames::FrameKeys;

/// How many numbers a frame of the snapshot holds.
const IN_A_FRAME: usize = 1_000;
/// By how much the journal may outgrow the snapshot until a new one is written: by a quarter, and at least by so many bytes.
const LEAST_JOURNAL: u64 = 256 * 1024;

/// What the directory is a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Edition {
    /// Which database.
    pub(super) era: Uuid,
    /// Up to which of its changes.
    pub(super) version: i64,
    /// When it was compared with it last.
    pub(super) confirmed_at: DateTime<Utc>,
}

/// A number as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    phone: String,
    /// Nothing where no mask holds it any more.
    leads: Option<Leads>,
}

#[derive(Serialize, Deserialize)]
struct Leads {
    mask: Uuid,
    user: Uuid,
    country: String,
    standing: u8,
    real: Option<(Uuid, Vec<u8>)>,
}

/// A switch as it is written.
type WrittenStop = (String, String, bool);

/// What a frame says.
#[derive(Serialize, Deserialize)]
enum Frame {
    /// So many numbers follow.
    Snapshot { count: u64 },
    /// Numbers: those of the snapshot, and behind it those that changed.
    Numbers(Vec<Written>),
    /// All switches that are thrown now.
    Stops(Vec<WrittenStop>),
    /// All that was written until here is of this edition.
    Edition(Edition),
}

/// The file, open for more.
pub(super) struct File {
    file: FrameFile,
    snapshot_bytes: u64,
}

/// What a file held.
pub(super) struct Found {
    pub(super) map: Map,
    pub(super) edition: Edition,
    pub(super) file: File,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// There is none.
    #[error("there is none")]
    Missing,
    /// Damaged, or sealed under another key.
    #[error("it does not open")]
    Broken,
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl File {
    fn path(folder: &Path) -> PathBuf {
        folder.join(DIRECTORY)
    }

    /// Writes a snapshot, which takes the place of the file that is there.
    pub(super) fn write(folder: &Path, keys: &FrameKeys, map: &Map, edition: Edition) -> io::Result<Self> {
        let path = Self::path(folder);
        let mut file = FrameFile::begin(&path, keys)?;
        put(&mut file, &Frame::Snapshot { count: map.len() as u64 })?;
        let mut all = map.all().map(|leading| written(leading.phone, Some(leading)));
        loop {
            let numbers: Vec<Written> = all.by_ref().take(IN_A_FRAME).collect();
            if numbers.is_empty() {
                break;
            }
            put(&mut file, &Frame::Numbers(numbers))?;
        }
        put(&mut file, &Frame::Stops(written_stops(&map.stops())))?;
        put(&mut file, &Frame::Edition(edition))?;
        let file = file.take_place(&path)?;
        Ok(Self { snapshot_bytes: file.bytes(), file })
    }

    /// Writes what has changed since; it counts once an edition is settled.
    pub(super) fn note(&mut self, changes: &[Change], stops: Option<&[Stop]>) -> io::Result<()> {
        let numbers = changes.iter().filter_map(|change| match change {
            Change::Number(phone, leading) => Some(written(*phone, leading.clone())),
            Change::Stops => None,
        });
        let mut numbers = numbers.peekable();
        while numbers.peek().is_some() {
            put(&mut self.file, &Frame::Numbers(numbers.by_ref().take(IN_A_FRAME).collect()))?;
        }
        stops.map_or(Ok(()), |stops| put(&mut self.file, &Frame::Stops(written_stops(stops))))
    }

    /// All that was noted is of this edition: written down for good.
    pub(super) fn settle(&mut self, edition: Edition) -> io::Result<()> {
        put(&mut self.file, &Frame::Edition(edition))?;
        self.file.sync()
    }

    /// Whether it is time for a new snapshot: the journal has grown, or the key that writes is another.
    pub(super) fn is_stale(&self, keys: &FrameKeys) -> bool {
        let journal = self.file.bytes() - self.snapshot_bytes;
        journal > LEAST_JOURNAL.max(self.snapshot_bytes / 4) || !self.file.is_current(keys)
    }

    /// How long it is, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// Reads what is there.
    pub(super) fn read(folder: &Path, keys: &FrameKeys) -> Result<Found, Unusable> {
        let mut reading = Reading::default();
        let read = FrameFile::read(&Self::path(folder), keys, |frame| {
            postcard::from_bytes(frame).ok().and_then(|frame| reading.take(frame)).is_some()
        });
        let (file, end) = read?.ok_or(Unusable::Missing)?;
        let whole = file.filter(|_| end == End::Whole).zip(reading.settled);
        let (file, edition) = whole.ok_or(Unusable::Broken)?;
        // Whatever came behind the last edition was never confirmed, and it is asked for again.
        let snapshot_bytes = file.bytes();
        Ok(Found { map: reading.map, edition, file: Self { file, snapshot_bytes } })
    }
}

/// What was read until now.
#[derive(Default)]
struct Reading {
    map: Map,
    settled: Option<Edition>,
}

impl Reading {
    fn take(&mut self, frame: Frame) -> Option<()> {
        match frame {
            Frame::Snapshot { count } => self.map.reserve(usize::try_from(count).ok()?.min(1 << 24)),
            Frame::Numbers(numbers) => {
                for number in numbers {
                    self.map.follow(read_number(number)?);
                }
            }
            Frame::Stops(stops) => self.map.set_stops(read_stops(stops)?),
            Frame::Edition(edition) => self.settled = Some(edition),
        }
        Some(())
    }
}

fn put(file: &mut FrameFile, frame: &Frame) -> io::Result<()> {
    file.append(&postcard::to_stdvec(frame).map_err(io::Error::other)?)
}

const STANDINGS: [Standing; 4] = [Standing::Rings, Standing::Paused, Standing::Rests, Standing::Leaves];

fn written(phone: PhoneNumber, leading: Option<Leading>) -> Written {
    let leads = leading.map(|leading| Leads {
        mask: leading.mask.0,
        user: leading.user.0,
        country: leading.country.code().to_owned(),
        standing: leading.standing as u8,
        real: leading.real.map(|(number, sealed)| (number.0, sealed)),
    });
    Written { phone: phone.e164(), leads }
}

fn read_number(Written { phone, leads }: Written) -> Option<Change> {
    let phone = PhoneNumber::from_e164(&phone)?;
    let Some(leads) = leads else { return Some(Change::Number(phone, None)) };
    let leading = Leading {
        phone,
        mask: MaskId(leads.mask),
        user: UserId(leads.user),
        country: Country::of_code(&leads.country)?,
        standing: *STANDINGS.get(usize::from(leads.standing))?,
        real: leads.real.map(|(number, sealed)| (NumberId(number), sealed)),
    };
    Some(Change::Number(phone, Some(leading)))
}

fn written_stops(stops: &[Stop]) -> Vec<WrittenStop> {
    let written = stops.iter().map(|stop| (stop.scope.written(), stop.calls_too));
    written.map(|((kind, subject), calls_too)| (kind.to_owned(), subject, calls_too)).collect()
}

fn read_stops(stops: Vec<WrittenStop>) -> Option<Vec<Stop>> {
    let read = |(kind, subject, calls_too): WrittenStop| {
        Some(Stop { scope: Scope::read(&kind, &subject)?, calls_too })
    };
    stops.into_iter().map(read).collect()
}
