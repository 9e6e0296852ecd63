//! Users' real numbers, sealed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::numbers;
use super::{Connection, DbError, hold_lock_of};
use crate::domain::ids::{NumberId, UserId};

/// A real number as stored: what it is, only the sealer can tell.
#[derive(Debug, Clone)]
pub struct StoredNumber {
    /// Its name.
    pub id: NumberId,
    /// Whose it is, or is said to be.
    pub user: UserId,
    /// The number, sealed.
    pub sealed: Vec<u8>,
    /// The digest by which it is found.
    pub lookup: [u8; 32],
    /// When it was proved.
    pub verified_at: Option<DateTime<Utc>>,
}

type Row = (Uuid, Uuid, Vec<u8>, Vec<u8>, Option<DateTime<Utc>>);
const COLUMNS: (numbers::id, numbers::user_id, numbers::sealed, numbers::lookup, numbers::verified_at) =
    (numbers::id, numbers::user_id, numbers::sealed, numbers::lookup, numbers::verified_at);

fn number((id, user, sealed, lookup, verified_at): Row) -> Result<StoredNumber, DbError> {
    let lookup = lookup.try_into().map_err(|_| DbError::Unreadable("numbers.lookup"))?;
    Ok(StoredNumber { id: NumberId(id), user: UserId(user), sealed, lookup, verified_at })
}

/// Writes a number that is yet to be proved.
pub fn insert(conn: &mut Connection, number: &StoredNumber, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::insert_into(numbers::table)
        .values((
            numbers::id.eq(number.id.0),
            numbers::user_id.eq(number.user.0),
            numbers::sealed.eq(&number.sealed),
            numbers::lookup.eq(number.lookup.as_slice()),
            numbers::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// One of the user's numbers.
pub fn find(conn: &mut Connection, user: UserId, id: NumberId) -> Result<Option<StoredNumber>, DbError> {
    let row: Option<Row> = numbers::table
        .find(id.0)
        .filter(numbers::user_id.eq(user.0))
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    row.map(number).transpose()
}

/// One of the user's numbers, which nobody removes until the end of the transaction.
pub fn find_to_use(
    conn: &mut Connection,
    user: UserId,
    id: NumberId,
) -> Result<Option<StoredNumber>, DbError> {
    let row: Option<Row> = numbers::table
        .find(id.0)
        .filter(numbers::user_id.eq(user.0))
        .select(COLUMNS)
        .for_share()
        .first(conn)
        .optional()?;
    row.map(number).transpose()
}

/// Holds the number until the end of the transaction: nobody lets a mask lead to it meanwhile.
pub fn hold(conn: &mut Connection, id: NumberId) -> Result<(), DbError> {
    numbers::table.find(id.0).select(numbers::id).for_update().first::<Uuid>(conn).optional()?;
    Ok(())
}

/// The number of that id, whosever it is; for calls and codes, never for pages.
pub fn find_any(conn: &mut Connection, id: NumberId) -> Result<Option<StoredNumber>, DbError> {
    let row: Option<Row> = numbers::table.find(id.0).select(COLUMNS).first(conn).optional()?;
    row.map(number).transpose()
}

/// The user's number with that digest.
pub fn find_by_lookup(
    conn: &mut Connection,
    user: UserId,
    lookup: [u8; 32],
) -> Result<Option<StoredNumber>, DbError> {
    let row: Option<Row> = numbers::table
        .filter(numbers::user_id.eq(user.0).and(numbers::lookup.eq(lookup.as_slice())))
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    row.map(number).transpose()
}

/// Who has proved the number of that digest; nobody else proves it until the end of the transaction.
pub fn holder(conn: &mut Connection, lookup: [u8; 32]) -> Result<Option<StoredNumber>, DbError> {
    hold_lock_of(conn, &lookup)?;
    let row: Option<Row> = numbers::table
        .filter(numbers::lookup.eq(lookup.as_slice()).and(numbers::verified_at.is_not_null()))
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    row.map(number).transpose()
}

/// The user's numbers, the oldest first.
pub fn list(conn: &mut Connection, user: UserId) -> Result<Vec<StoredNumber>, DbError> {
    let rows: Vec<Row> = numbers::table
        .filter(numbers::user_id.eq(user.0))
        .order((numbers::created_at, numbers::id))
        .select(COLUMNS)
        .load(conn)?;
    rows.into_iter().map(number).collect()
}

/// The numbers of those ids, whosever they are; for an admin's list, which shows two digits of each.
pub fn list_by_ids(conn: &mut Connection, ids: &[NumberId]) -> Result<Vec<StoredNumber>, DbError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = numbers::table.filter(numbers::id.eq_any(ids)).select(COLUMNS).load(conn)?;
    rows.into_iter().map(number).collect()
}

/// Whether any of those digests is somebody's number.
pub fn any_of(conn: &mut Connection, lookup: [u8; 32]) -> Result<bool, DbError> {
    Ok(diesel::select(diesel::dsl::exists(numbers::table.filter(numbers::lookup.eq(lookup.as_slice()))))
        .get_result(conn)?)
}

/// Marks the number as proved.
pub fn set_verified(conn: &mut Connection, id: NumberId, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::update(numbers::table.find(id.0)).set(numbers::verified_at.eq(now)).execute(conn)?;
    Ok(())
}

/// Erases the number.
pub fn delete(conn: &mut Connection, id: NumberId) -> Result<(), DbError> {
    diesel::delete(numbers::table.find(id.0)).execute(conn)?;
    Ok(())
}
