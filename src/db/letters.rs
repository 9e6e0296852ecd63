//! The queue of mail: written in the transaction that wants it, claimed under a lease, gone once it is sent.
//!
//! Knows nothing of what is sealed in it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bytea, Integer, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::schema::letters;
use super::{Connection, DbError};
use crate::domain::ids::LetterId;

/// A letter that was claimed to be sent.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its name.
    pub id: LetterId,
    /// What it says, and to whom.
    pub sealed: Vec<u8>,
    /// How often it was tried, this time included. What is noted about an earlier try does not count any more.
    pub attempts: i32,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Until when it is tried.
    pub expires_at: DateTime<Utc>,
}

/// Why a letter is not tried any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The mail server refused it for good.
    Refused,
    /// Its time ran out.
    Expired,
}

impl Failure {
    fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }
}

/// Where a letter is that is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is being tried for the first time, or will be in a moment.
    New,
    /// A try failed, and others follow until then.
    Delayed(DateTime<Utc>),
    /// It is not tried any more.
    Failed(Failure),
}

#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Bytea)]
    sealed: Vec<u8>,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
}

/// Puts a letter into the queue, due at once.
pub fn insert(
    conn: &mut Connection,
    id: LetterId,
    sealed: &[u8],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::insert_into(letters::table)
        .values((
            letters::id.eq(id.0),
            letters::sealed.eq(sealed),
            letters::created_at.eq(now),
            letters::next_at.eq(now),
            letters::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// Claims so many letters that are due, under a lease of a minute by the database's clock. One whose lease ran out was
/// being sent by a process that died, and is sent again.
pub fn claim(conn: &mut Connection, now: DateTime<Utc>, count: i64) -> Result<Vec<Claimed>, DbError> {
    let rows: Vec<ClaimedRow> = diesel::sql_query(
        "WITH due AS ( \
             SELECT id FROM letters WHERE state = 'waiting' AND next_at <= $1 \
                 AND (lease_until IS NULL OR lease_until < clock_timestamp()) \
             ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
         UPDATE letters SET attempts = attempts + 1, lease_until = clock_timestamp() + interval '60 seconds' \
         FROM due WHERE letters.id = due.id \
         RETURNING letters.id, sealed, attempts, created_at, expires_at",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(count)
    .load(conn)?;
    let claimed = |row: ClaimedRow| Claimed {
        id: LetterId(row.id),
        sealed: row.sealed,
        attempts: row.attempts,
        created_at: row.created_at,
        expires_at: row.expires_at,
    };
    Ok(rows.into_iter().map(claimed).collect())
}

/// Whether a letter is due, or is being sent.
pub fn is_any_due(conn: &mut Connection, now: DateTime<Utc>) -> Result<bool, DbError> {
    let due = letters::table.filter(letters::state.eq("waiting").and(letters::next_at.le(now)));
    Ok(diesel::select(diesel::dsl::exists(due)).get_result(conn)?)
}

/// Erases a letter that was sent, whoever else tries it by now: no copy is to follow.
pub fn erase(conn: &mut Connection, id: LetterId) -> Result<(), DbError> {
    diesel::delete(letters::table.find(id.0)).execute(conn)?;
    Ok(())
}

/// Gives the claim back, for another try at that time.
pub fn try_again(conn: &mut Connection, claimed: &Claimed, next_at: DateTime<Utc>) -> Result<(), DbError> {
    let this = letters::table.find(claimed.id.0).filter(letters::attempts.eq(claimed.attempts));
    diesel::update(this)
        .set((letters::next_at.eq(next_at), letters::lease_until.eq(None::<DateTime<Utc>>)))
        .execute(conn)?;
    Ok(())
}

/// Ends the tries, and erases what the letter said.
pub fn fail(conn: &mut Connection, claimed: &Claimed, failure: Failure) -> Result<(), DbError> {
    let this = letters::table.find(claimed.id.0).filter(letters::attempts.eq(claimed.attempts));
    diesel::update(this)
        .set((letters::state.eq(failure.word()), letters::sealed.eq(None::<Vec<u8>>)))
        .execute(conn)?;
    Ok(())
}

/// Ends the tries of all letters whose time ran out while nobody tried; returns how many.
pub fn expire(conn: &mut Connection, now: DateTime<Utc>) -> Result<usize, DbError> {
    let over = letters::state.eq("waiting").and(letters::expires_at.le(now));
    Ok(diesel::update(letters::table.filter(over))
        .set((letters::state.eq(Failure::Expired.word()), letters::sealed.eq(None::<Vec<u8>>)))
        .execute(conn)?)
}

/// Where a letter is; `None` once it was sent.
pub fn find(conn: &mut Connection, id: LetterId) -> Result<Option<State>, DbError> {
    type Row = (String, i32, Option<DateTime<Utc>>, DateTime<Utc>);
    let row: Option<Row> = letters::table
        .find(id.0)
        .select((letters::state, letters::attempts, letters::lease_until, letters::expires_at))
        .first(conn)
        .optional()?;
    row.map(|(state, attempts, lease, expires_at)| match state.as_str() {
        "waiting" if attempts == 0 || attempts == 1 && lease.is_some() => Ok(State::New),
        "waiting" => Ok(State::Delayed(expires_at)),
        "refused" => Ok(State::Failed(Failure::Refused)),
        "expired" => Ok(State::Failed(Failure::Expired)),
        _ => Err(DbError::Unreadable("letters.state")),
    })
    .transpose()
}

/// Forgets letters that have been over since before `before`, a batch at most.
pub fn forget(conn: &mut Connection, before: DateTime<Utc>) -> Result<usize, DbError> {
    super::forget(conn, "letters", "expires_at", before)
}
