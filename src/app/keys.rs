//! The change of root keys: what was written under other keys is opened, and written again under those of today.
//!
//! One batch is one unit of work. Nothing is kept between batches, so whoever is killed begins again from the first row
//! and finds most of it done.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::App;
use crate::db::keys::{self, Resealed, SealedCaller, SealedLetter};
use crate::db::numbers::StoredNumber;
use crate::db::{Connection, DbError};
use crate::seal::{Place, Sealer, key_of};

/// How many numbers a start looks at to see whether its keys are the right ones.
const SAMPLE: usize = 20;

/// What is kept sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// Users' real numbers.
    Numbers,
    /// The callers of calls.
    Callers,
    /// Mail that is not sent yet.
    Letters,
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Batch {
    /// The last row that was looked at, from which the next batch goes on; `None` at the end of the table.
    pub last: Option<Uuid>,
    /// How many rows were looked at.
    pub looked_at: usize,
    /// How many of them were written again.
    pub changed: usize,
    /// How many should have been, but somebody held or changed them.
    pub held: usize,
}

/// Which key a row cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// The key of that id, which need not be in the list.
    Key(u16),
    /// No key helps: the row is damaged, or was moved.
    Broken,
}

/// How many rows of a batch need which key.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// The last row that was looked at; `None` at the end of the table.
    pub last: Option<Uuid>,
    /// The rows by what they need.
    pub rows: BTreeMap<Needs, u64>,
}

impl App {
    /// The ids of the keys of today, the lowest first.
    pub fn key_ids(&self) -> Vec<u16> {
        self.sealer.ids().collect()
    }

    /// The id of the key that writes.
    pub fn writing_key(&self) -> u16 {
        self.sealer.writing()
    }

    /// Writes a batch of rows, those whose ids follow `after`, again under the keys of today, where they are not yet.
    pub async fn reseal(&self, sealed: Sealed, after: Uuid) -> Result<Batch, DbError> {
        let sealer = self.sealer.clone();
        let work = move |conn: &mut _| {
            let (last, looked_at, rows, changed) = match sealed {
                Sealed::Numbers => {
                    let stored = keys::numbers_after(conn, after)?;
                    let rows: Vec<_> = stored.iter().filter_map(|row| number_again(&sealer, row)).collect();
                    let changed = changed(conn, &rows, keys::reseal_numbers)?;
                    (stored.last().map(|row| row.id.0), stored.len(), rows, changed)
                }
                Sealed::Callers => {
                    let stored = keys::callers_after(conn, after)?;
                    let rows: Vec<_> = stored.iter().filter_map(|row| caller_again(&sealer, row)).collect();
                    let changed = changed(conn, &rows, keys::reseal_callers)?;
                    (stored.last().map(|row| row.call.0), stored.len(), rows, changed)
                }
                Sealed::Letters => {
                    let stored = keys::letters_after(conn, after)?;
                    let rows: Vec<_> = stored.iter().filter_map(|row| letter_again(&sealer, row)).collect();
                    let changed = changed(conn, &rows, keys::reseal_letters)?;
                    (stored.last().map(|row| row.id.0), stored.len(), rows, changed)
                }
            };
            Ok(Batch { last, looked_at, changed, held: rows.len() - changed })
        };
        self.db.transaction(work).await
    }

    /// Counts which keys a batch of rows, those whose ids follow `after`, cannot do without.
    pub async fn count_keys(&self, sealed: Sealed, after: Uuid) -> Result<Counted, DbError> {
        let sealer = self.sealer.clone();
        let work = move |conn: &mut _| {
            let mut counted = Counted::default();
            match sealed {
                Sealed::Numbers => {
                    for row in keys::numbers_after(conn, after)? {
                        counted.add(row.id.0, number_needs(&sealer, &row));
                    }
                }
                Sealed::Callers => {
                    for row in keys::callers_after(conn, after)? {
                        counted.add(row.call.0, caller_needs(&sealer, &row));
                    }
                }
                Sealed::Letters => {
                    for row in keys::letters_after(conn, after)? {
                        counted.add(row.id.0, letter_needs(&sealer, &row));
                    }
                }
            }
            Ok::<_, DbError>(counted)
        };
        self.db.transaction(work).await
    }

    /// Whether the keys are those that the numbers were sealed with: of some of them, one at least must open. That others
    /// do not is told in the log.
    pub async fn has_the_right_keys(&self) -> Result<bool, DbError> {
        let stored = self.db.transaction(|conn| keys::numbers_after(conn, Uuid::nil())).await?;
        let sample = &stored[..stored.len().min(SAMPLE)];
        let opens = |row: &&StoredNumber| self.sealer.peek(&row.sealed, Place::number(row.id.0)).is_some();
        let open = sample.iter().filter(opens).count();
        if open > 0 && open < sample.len() {
            tracing::error!(
                looked_at = sample.len(),
                open,
                "some numbers do not open: `maskline keys status` says why"
            );
        }
        Ok(sample.is_empty() || open > 0)
    }
}

impl Counted {
    fn add(&mut self, row: Uuid, needs: Needs) {
        self.last = Some(row);
        *self.rows.entry(needs).or_default() += 1;
    }
}

fn changed(
    conn: &mut Connection,
    rows: &[Resealed],
    change: impl FnOnce(&mut Connection, &[Resealed]) -> Result<usize, DbError>,
) -> Result<usize, DbError> {
    if rows.is_empty() { Ok(0) } else { change(conn, rows) }
}

/// What a number's row is to hold; `None` where it is as it should be, or cannot be opened.
fn number_again(sealer: &Sealer, row: &StoredNumber) -> Option<Resealed> {
    let place = Place::number(row.id.0);
    let number = sealer.peek(&row.sealed, place)?;
    let digests = sealer.number_lookups(number);
    let (lookup, lookup_next) = (*digests.first()?, *digests.last()?);
    let is_under_writing = key_of(&row.sealed) == Some(sealer.writing());
    if is_under_writing && row.lookups == [lookup, lookup_next] {
        return None;
    }
    let sealed = if is_under_writing { row.sealed.clone() } else { sealer.seal(number, place) };
    Some(Resealed { id: row.id.0, was: row.sealed.clone(), sealed, lookup, lookup_next })
}

/// What a call's row is to hold. Its digest is always under the key that seals it.
fn caller_again(sealer: &Sealer, row: &SealedCaller) -> Option<Resealed> {
    if key_of(&row.sealed) == Some(sealer.writing()) {
        return None;
    }
    let place = Place::caller(row.call.0);
    let caller = sealer.peek(&row.sealed, place)?;
    let lookup = sealer.caller_lookup(row.mask.0, caller);
    let sealed = sealer.seal(caller, place);
    Some(Resealed { id: row.call.0, was: row.sealed.clone(), sealed, lookup, lookup_next: lookup })
}

/// What a letter's row is to hold.
fn letter_again(sealer: &Sealer, row: &SealedLetter) -> Option<Resealed> {
    if key_of(&row.sealed) == Some(sealer.writing()) {
        return None;
    }
    let place = Place::letter(row.id.0);
    let sealed = sealer.seal_text(&sealer.peek_text(&row.sealed, place)?, place);
    Some(Resealed { id: row.id.0, was: row.sealed.clone(), sealed, lookup: [0; 32], lookup_next: [0; 32] })
}

/// The key that the number is sealed under; or, where that one writes already, the one by which it is found, if it is not
/// found by the key that writes.
fn number_needs(sealer: &Sealer, row: &StoredNumber) -> Needs {
    let Some(id) = key_of(&row.sealed) else { return Needs::Broken };
    let Some(number) = sealer.peek(&row.sealed, Place::number(row.id.0)) else {
        return unopened(sealer, id);
    };
    if id != sealer.writing() {
        return Needs::Key(id);
    }
    let digests = sealer.ids().zip(sealer.number_lookups(number));
    let found_by: Vec<u16> =
        digests.filter(|(_, digest)| row.lookups.contains(digest)).map(|(id, _)| id).collect();
    match *found_by {
        [] => Needs::Broken,
        _ if found_by.contains(&id) => Needs::Key(id),
        [other, ..] => Needs::Key(other),
    }
}

fn caller_needs(sealer: &Sealer, row: &SealedCaller) -> Needs {
    match key_of(&row.sealed) {
        Some(id) if sealer.peek(&row.sealed, Place::caller(row.call.0)).is_some() => Needs::Key(id),
        Some(id) => unopened(sealer, id),
        None => Needs::Broken,
    }
}

fn letter_needs(sealer: &Sealer, row: &SealedLetter) -> Needs {
    match key_of(&row.sealed) {
        Some(id) if sealer.peek_text(&row.sealed, Place::letter(row.id.0)).is_some() => Needs::Key(id),
        Some(id) => unopened(sealer, id),
        None => Needs::Broken,
    }
}

fn unopened(sealer: &Sealer, id: u16) -> Needs {
    if sealer.ids().any(|known| known == id) { Needs::Broken } else { Needs::Key(id) }
}
