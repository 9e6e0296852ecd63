//! Rows with sealed values, as a change of keys walks over them: in the order of their ids, a batch at a time.
//!
//! Knows no keys: what a row is to hold instead, it is told.

use diesel::prelude::*;
use diesel::sql_types::{Array, Bytea, Uuid as SqlUuid};
use uuid::Uuid;

use super::numbers::{self, StoredNumber};
use super::schema::{calls, letters};
use super::{Connection, DbError};
use crate::domain::ids::{CallId, LetterId, MaskId};

/// How many rows are looked at in one transaction, so that nobody waits for it long.
const BATCH: i64 = 500;

/// A caller as stored, with what seals and finds them.
#[derive(Debug, Clone)]
pub struct SealedCaller {
    /// The call.
    pub call: CallId,
    /// The mask that they called.
    pub mask: MaskId,
    /// The caller, sealed.
    pub sealed: Vec<u8>,
}

/// What a row is to hold in the place of what it holds.
#[derive(Debug, Clone)]
pub struct Resealed {
    /// The row.
    pub id: Uuid,
    /// The sealed value that it held: a row that changed meanwhile stays as it is.
    pub was: Vec<u8>,
    /// The same value, sealed again.
    pub sealed: Vec<u8>,
    /// The digest by which it is found; letters have none.
    pub lookup: [u8; 32],
    /// The other digest by which it is found; callers have none.
    pub lookup_next: [u8; 32],
}

/// The batch of numbers whose ids follow `after`.
pub fn numbers_after(conn: &mut Connection, after: Uuid) -> Result<Vec<StoredNumber>, DbError> {
    numbers::list_after(conn, after, BATCH)
}

/// The batch of callers whose calls' ids follow `after`.
pub fn callers_after(conn: &mut Connection, after: Uuid) -> Result<Vec<SealedCaller>, DbError> {
    let rows: Vec<(Uuid, Uuid, Vec<u8>)> = calls::table
        .filter(calls::id.gt(after).and(calls::caller_sealed.is_not_null()))
        .order(calls::id)
        .limit(BATCH)
        .select((calls::id, calls::mask_id, calls::caller_sealed.assume_not_null()))
        .load(conn)?;
    let caller = |(id, mask, sealed)| SealedCaller { call: CallId(id), mask: MaskId(mask), sealed };
    Ok(rows.into_iter().map(caller).collect())
}

/// A letter of the queue as stored.
#[derive(Debug, Clone)]
pub struct SealedLetter {
    /// The letter.
    pub id: LetterId,
    /// What it says, and to whom, sealed.
    pub sealed: Vec<u8>,
}

/// The batch of letters whose ids follow `after`.
pub fn letters_after(conn: &mut Connection, after: Uuid) -> Result<Vec<SealedLetter>, DbError> {
    let rows: Vec<(Uuid, Vec<u8>)> = letters::table
        .filter(letters::id.gt(after).and(letters::sealed.is_not_null()))
        .order(letters::id)
        .limit(BATCH)
        .select((letters::id, letters::sealed.assume_not_null()))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, sealed)| SealedLetter { id: LetterId(id), sealed }).collect())
}

/// Changes those of the letters that nobody holds at the moment; tells how many.
pub fn reseal_letters(conn: &mut Connection, rows: &[Resealed]) -> Result<usize, DbError> {
    let update = "WITH free AS (SELECT id FROM letters WHERE id = ANY($1) FOR UPDATE SKIP LOCKED) \
                  UPDATE letters SET sealed = new.sealed \
                  FROM free, unnest($1, $2, $3, $4, $5) AS new (id, was, sealed, lookup, lookup_next) \
                  WHERE letters.id = free.id AND new.id = free.id AND letters.sealed = new.was";
    reseal(conn, update, rows)
}

/// Changes those of the numbers that nobody holds at the moment; tells how many.
pub fn reseal_numbers(conn: &mut Connection, rows: &[Resealed]) -> Result<usize, DbError> {
    let update = "WITH free AS (SELECT id FROM numbers WHERE id = ANY($1) FOR UPDATE SKIP LOCKED) \
                  UPDATE numbers SET sealed = new.sealed, lookup = new.lookup, lookup_next = new.lookup_next \
                  FROM free, unnest($1, $2, $3, $4, $5) AS new (id, was, sealed, lookup, lookup_next) \
                  WHERE numbers.id = free.id AND new.id = free.id AND numbers.sealed = new.was";
    reseal(conn, update, rows)
}

/// Changes those of the callers whose calls nobody holds at the moment; tells how many.
pub fn reseal_callers(conn: &mut Connection, rows: &[Resealed]) -> Result<usize, DbError> {
    let update = "WITH free AS (SELECT id FROM calls WHERE id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED) \
                  UPDATE calls SET caller_sealed = new.sealed, caller_lookup = new.lookup \
                  FROM free, unnest($1, $2, $3, $4, $5) AS new (id, was, sealed, lookup, lookup_next) \
                  WHERE calls.id = free.id AND new.id = free.id AND calls.caller_sealed = new.was";
    reseal(conn, update, rows)
}

fn reseal(conn: &mut Connection, update: &str, rows: &[Resealed]) -> Result<usize, DbError> {
    let bytes = |of: fn(&Resealed) -> &[u8]| rows.iter().map(of).collect::<Vec<_>>();
    let changed = diesel::sql_query(update)
        .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind::<Array<Bytea>, _>(bytes(|row| &row.was))
        .bind::<Array<Bytea>, _>(bytes(|row| &row.sealed))
        .bind::<Array<Bytea>, _>(bytes(|row| &row.lookup))
        .bind::<Array<Bytea>, _>(bytes(|row| &row.lookup_next))
        .execute(conn)?;
    Ok(changed)
}
