//! The servers that route calls by a directory of their own, and how much of it each knows for good.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::servers;
use super::{Connection, DbError, directory};
use crate::domain::ids::ServerId;

/// A server of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name for us.
    pub id: ServerId,
    /// Its name for people: the machine's.
    pub name: String,
    /// When it was started last.
    pub started_at: DateTime<Utc>,
    /// When it was heard of last.
    pub seen_at: DateTime<Utc>,
    /// Up to which change of the database's present history it knows the directory, on disk too; 0 where what it knows
    /// is of another history.
    pub version: i64,
}

/// Puts a server on the list, as one that may not know anything yet. Whatever changes from the commit on waits for it.
pub fn register(conn: &mut Connection, id: ServerId, name: &str, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::insert_into(servers::table)
        .values((
            servers::id.eq(id.0),
            servers::name.eq(name),
            servers::started_at.eq(now),
            servers::seen_at.eq(now),
            servers::version.eq(0),
        ))
        .on_conflict(servers::id)
        .do_update()
        .set((servers::name.eq(name), servers::started_at.eq(now), servers::seen_at.eq(now)))
        .execute(conn)?;
    Ok(())
}

/// Notes that the server knows the directory up to the version of that history of the database; `false` if it is not on
/// the list any more.
pub fn acknowledge(
    conn: &mut Connection,
    id: ServerId,
    (era, version): (Uuid, i64),
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let noted = diesel::update(servers::table.find(id.0))
        .set((servers::version.eq(version), servers::edition.eq(era), servers::seen_at.eq(now)))
        .execute(conn)?;
    Ok(noted > 0)
}

/// Up to which version every server of the list knows the directory; `None` where there is no server.
pub fn known_by_all(conn: &mut Connection) -> Result<Option<i64>, DbError> {
    Ok(list(conn)?.iter().map(|server| server.version).min())
}

/// All of them, whoever was heard of last first.
pub fn list(conn: &mut Connection) -> Result<Vec<Server>, DbError> {
    type Row = (Uuid, String, DateTime<Utc>, DateTime<Utc>, i64, Option<Uuid>);
    let (era, _) = directory::version(conn)?;
    let rows: Vec<Row> = servers::table.order((servers::seen_at.desc(), servers::id)).load(conn)?;
    let server = |(id, name, started_at, seen_at, version, edition): Row| Server {
        id: ServerId(id),
        name,
        started_at,
        seen_at,
        version: if edition.is_none_or(|edition| edition == era) { version } else { 0 },
    };
    Ok(rows.into_iter().map(server).collect())
}

/// Takes a server off the list; `false` if it is not there.
pub fn strike_off(conn: &mut Connection, id: ServerId) -> Result<bool, DbError> {
    Ok(diesel::delete(servers::table.find(id.0)).execute(conn)? > 0)
}
