//! Numbers that the carrier has for us and that no row explains.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::orphans;
use super::{Connection, DbError, begins_with};
use crate::domain::agreement::{Orphan, OrphanState};
use crate::domain::ids::{MaskId, OrphanId};
use crate::domain::phone::PhoneNumber;

/// The states in which an orphan is not settled, in the words of the partial index.
pub(super) const OPEN: [&str; 4] = ["seen", "kept", "releasing", "needs_person"];

const STATES: [(OrphanState, &str); 4] = [
    (OrphanState::Seen, "seen"),
    (OrphanState::Kept, "kept"),
    (OrphanState::Releasing, "releasing"),
    (OrphanState::NeedsPerson, "needs_person"),
];

fn word(state: OrphanState) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("seen", |(_, word)| word)
}

/// How an orphan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Given back to the carrier.
    Released,
    /// Taken up by this mask.
    TakenUp(MaskId),
    /// A row of ours explains it after all.
    Explained,
    /// It left the carrier's list by itself.
    Gone,
}

impl Ended {
    fn word(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::TakenUp(_) => "taken_up",
            Self::Explained => "explained",
            Self::Gone => "gone",
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = orphans, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    e164: String,
    state: String,
    first_seen_at: DateTime<Utc>,
}

impl TryFrom<Row> for Orphan {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let state = STATES.iter().find(|(_, word)| *word == row.state).map(|(state, _)| *state);
        Ok(Self {
            id: OrphanId(row.id),
            number: PhoneNumber::from_e164(&row.e164).ok_or(DbError::Unreadable("orphans.e164"))?,
            state: state.ok_or(DbError::Unreadable("orphans.state"))?,
            first_seen: row.first_seen_at,
        })
    }
}

/// Notes a number that was seen for the first time.
pub fn insert(
    conn: &mut Connection,
    id: OrphanId,
    number: PhoneNumber,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::insert_into(orphans::table)
        .values((
            orphans::id.eq(id.0),
            orphans::e164.eq(number.e164()),
            orphans::state.eq("seen"),
            orphans::first_seen_at.eq(now),
            orphans::last_seen_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// All that are not settled, the oldest first.
pub fn open(conn: &mut Connection) -> Result<Vec<Orphan>, DbError> {
    let rows = orphans::table
        .filter(orphans::state.eq_any(OPEN))
        .order((orphans::first_seen_at, orphans::id))
        .select(Row::as_select())
        .load(conn)?;
    rows.into_iter().map(Orphan::try_from).collect()
}

/// One that is not settled, held until the end of the transaction.
pub fn hold(conn: &mut Connection, id: OrphanId) -> Result<Option<Orphan>, DbError> {
    let row = orphans::table
        .find(id.0)
        .filter(orphans::state.eq_any(OPEN))
        .select(Row::as_select())
        .for_update()
        .first(conn)
        .optional()?;
    row.map(Orphan::try_from).transpose()
}

/// Notes that they were seen once more.
pub fn see_again(conn: &mut Connection, ids: &[OrphanId], now: DateTime<Utc>) -> Result<(), DbError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    diesel::update(orphans::table.filter(orphans::id.eq_any(ids)))
        .set((orphans::sightings.eq(orphans::sightings + 1), orphans::last_seen_at.eq(now)))
        .execute(conn)?;
    Ok(())
}

/// Moves one that is not settled on, with a note for people.
pub fn set_state(
    conn: &mut Connection,
    id: OrphanId,
    state: OrphanState,
    note: Option<&str>,
) -> Result<(), DbError> {
    diesel::update(orphans::table.find(id.0))
        .set((orphans::state.eq(word(state)), orphans::note.eq(note)))
        .execute(conn)?;
    Ok(())
}

/// Settles one.
pub fn end(conn: &mut Connection, id: OrphanId, how: Ended, now: DateTime<Utc>) -> Result<(), DbError> {
    let mask = if let Ended::TakenUp(mask) = how { Some(mask.0) } else { None };
    diesel::update(orphans::table.find(id.0))
        .set((orphans::state.eq(how.word()), orphans::mask_id.eq(mask), orphans::settled_at.eq(now)))
        .execute(conn)?;
    Ok(())
}

/// Those of the numbers that are orphans which are not settled.
pub fn open_of(conn: &mut Connection, numbers: &[PhoneNumber]) -> Result<Vec<PhoneNumber>, DbError> {
    let texts: Vec<String> = numbers.iter().map(PhoneNumber::e164).collect();
    let rows: Vec<String> = orphans::table
        .filter(orphans::e164.eq_any(texts).and(orphans::state.eq_any(OPEN)))
        .select(orphans::e164)
        .load(conn)?;
    Ok(rows.iter().filter_map(|e164| PhoneNumber::from_e164(e164)).collect())
}

/// Those of the numbers that are orphans which are not settled, or were given back after `since`: another server may
/// still be about to give one back a second time.
pub fn known_of(
    conn: &mut Connection,
    numbers: &[PhoneNumber],
    since: DateTime<Utc>,
) -> Result<Vec<PhoneNumber>, DbError> {
    let texts: Vec<String> = numbers.iter().map(PhoneNumber::e164).collect();
    let given_back = orphans::state.eq("released").and(orphans::settled_at.gt(since).assume_not_null());
    let rows: Vec<String> = orphans::table
        .filter(orphans::e164.eq_any(texts).and(orphans::state.eq_any(OPEN).or(given_back)))
        .select(orphans::e164)
        .load(conn)?;
    Ok(rows.iter().filter_map(|e164| PhoneNumber::from_e164(e164)).collect())
}

/// Whether a number that begins so is on its way back to the carrier.
pub fn is_one_going_back(conn: &mut Connection, prefix: &str) -> Result<bool, DbError> {
    let going =
        orphans::table.filter(orphans::state.eq("releasing").and(orphans::e164.like(begins_with(prefix))));
    Ok(diesel::select(diesel::dsl::exists(going)).get_result(conn)?)
}
