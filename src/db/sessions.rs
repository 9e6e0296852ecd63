//! Signed-in browsers. The key in the cookie is known here by its digest alone.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::sessions;
use super::{Connection, DbError};
use crate::domain::ids::{SessionId, UserId};

/// A session as it is written.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// SHA-256 of the key in the cookie.
    pub key_digest: [u8; 32],
    /// Its name, for its owner's list.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// What the browser's session holds, as JSON.
    pub state: String,
    /// What the browser says it is.
    pub device: String,
}

/// A session as its owner sees it.
#[derive(Debug, Clone)]
pub struct ListedSession {
    /// Its name.
    pub id: SessionId,
    /// What the browser says it is.
    pub device: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub seen_at: DateTime<Utc>,
}

/// Writes a session.
pub fn insert(
    conn: &mut Connection,
    session: &NewSession,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::insert_into(sessions::table)
        .values((
            sessions::key_digest.eq(session.key_digest.as_slice()),
            sessions::id.eq(session.id.0),
            sessions::user_id.eq(session.user.0),
            sessions::state.eq(&session.state),
            sessions::device.eq(&session.device),
            sessions::created_at.eq(now),
            sessions::seen_at.eq(now),
            sessions::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// What a live session holds.
pub fn find(conn: &mut Connection, digest: [u8; 32], now: DateTime<Utc>) -> Result<Option<String>, DbError> {
    Ok(sessions::table
        .find(digest.as_slice())
        .filter(sessions::expires_at.gt(now))
        .select(sessions::state)
        .first(conn)
        .optional()?)
}

/// Whose a session is, and its times.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last noted as used.
    pub seen_at: DateTime<Utc>,
}

/// Whose the session is, and its times.
pub fn seen(conn: &mut Connection, digest: [u8; 32]) -> Result<Option<Seen>, DbError> {
    let row: Option<(Uuid, DateTime<Utc>, DateTime<Utc>)> = sessions::table
        .find(digest.as_slice())
        .select((sessions::user_id, sessions::created_at, sessions::seen_at))
        .first(conn)
        .optional()?;
    Ok(row.map(|(user, created_at, seen_at)| Seen { user: UserId(user), created_at, seen_at }))
}

/// Changes what a session holds.
pub fn set_state(conn: &mut Connection, digest: [u8; 32], state: &str) -> Result<bool, DbError> {
    let changed = diesel::update(sessions::table.find(digest.as_slice()))
        .set(sessions::state.eq(state))
        .execute(conn)?;
    Ok(changed > 0)
}

/// Notes that a session was used, and until when it may rest.
pub fn touch(
    conn: &mut Connection,
    digest: [u8; 32],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::update(sessions::table.find(digest.as_slice()))
        .set((sessions::seen_at.eq(now), sessions::expires_at.eq(expires_at)))
        .execute(conn)?;
    Ok(())
}

/// Ends the session of that key.
pub fn delete(conn: &mut Connection, digest: [u8; 32]) -> Result<(), DbError> {
    diesel::delete(sessions::table.find(digest.as_slice())).execute(conn)?;
    Ok(())
}

/// The user's live sessions, the last used first.
pub fn list(conn: &mut Connection, user: UserId, now: DateTime<Utc>) -> Result<Vec<ListedSession>, DbError> {
    let rows: Vec<(Uuid, String, DateTime<Utc>, DateTime<Utc>)> = sessions::table
        .filter(sessions::user_id.eq(user.0).and(sessions::expires_at.gt(now)))
        .order((sessions::seen_at.desc(), sessions::id))
        .select((sessions::id, sessions::device, sessions::created_at, sessions::seen_at))
        .load(conn)?;
    let listed =
        |(id, device, created_at, seen_at)| ListedSession { id: SessionId(id), device, created_at, seen_at };
    Ok(rows.into_iter().map(listed).collect())
}

/// Ends one of the user's sessions; tells whether there was one.
pub fn end(conn: &mut Connection, user: UserId, id: SessionId) -> Result<bool, DbError> {
    let ended =
        diesel::delete(sessions::table.filter(sessions::user_id.eq(user.0).and(sessions::id.eq(id.0))))
            .execute(conn)?;
    Ok(ended > 0)
}

/// Ends all of the user's sessions but the one to keep.
pub fn end_others(conn: &mut Connection, user: UserId, keep: Option<SessionId>) -> Result<usize, DbError> {
    let keep = keep.map_or(Uuid::nil(), |keep| keep.0);
    Ok(diesel::delete(sessions::table.filter(sessions::user_id.eq(user.0).and(sessions::id.ne(keep))))
        .execute(conn)?)
}

/// Ends all of the user's sessions but the `most` that were used last.
pub fn end_oldest(conn: &mut Connection, user: UserId, most: i64) -> Result<(), DbError> {
    let surplus: Vec<Uuid> = sessions::table
        .filter(sessions::user_id.eq(user.0))
        .order((sessions::seen_at.desc(), sessions::created_at.desc(), sessions::id))
        .select(sessions::id)
        .offset(most)
        .load(conn)?;
    diesel::delete(sessions::table.filter(sessions::id.eq_any(surplus))).execute(conn)?;
    Ok(())
}

/// Forgets sessions that are over, a batch at most.
pub fn forget(conn: &mut Connection, now: DateTime<Utc>) -> Result<usize, DbError> {
    super::forget(conn, "sessions", "expires_at", now)
}
