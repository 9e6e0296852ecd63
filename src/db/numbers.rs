//! Users' real numbers, sealed.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};
use uuid::Uuid;

use super::schema::{masks, numbers};
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
    /// The digests by which it is found: of those that are made, one for each key, the first and the last are kept.
    pub lookups: Vec<[u8; 32]>,
    /// When it was proved.
    pub verified_at: Option<DateTime<Utc>>,
}

type Row = (Uuid, Uuid, Vec<u8>, Vec<u8>, Option<Vec<u8>>, Option<DateTime<Utc>>);
const COLUMNS: (
    numbers::id,
    numbers::user_id,
    numbers::sealed,
    numbers::lookup,
    numbers::lookup_next,
    numbers::verified_at,
) = (
    numbers::id,
    numbers::user_id,
    numbers::sealed,
    numbers::lookup,
    numbers::lookup_next,
    numbers::verified_at,
);

fn number((id, user, sealed, lookup, next, verified_at): Row) -> Result<StoredNumber, DbError> {
    let digest = |bytes: Vec<u8>| bytes.try_into().map_err(|_| DbError::Unreadable("numbers.lookup"));
    let lookups = [Some(lookup), next].into_iter().flatten().map(digest).collect::<Result<_, _>>()?;
    Ok(StoredNumber { id: NumberId(id), user: UserId(user), sealed, lookups, verified_at })
}

/// Holds of the numbers that one of the digests finds: which key a number was written under, nobody knows.
type Found<'a> = Box<dyn BoxableExpression<numbers::table, Pg, SqlType = Nullable<Bool>> + 'a>;

fn found_by(lookups: &[[u8; 32]]) -> Found<'_> {
    let digests = || lookups.iter().map(<[u8; 32]>::as_slice);
    Box::new(numbers::lookup.eq_any(digests()).or(numbers::lookup_next.eq_any(digests())))
}

/// Writes a number that is yet to be proved.
pub fn insert(conn: &mut Connection, number: &StoredNumber, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::insert_into(numbers::table)
        .values((
            numbers::id.eq(number.id.0),
            numbers::user_id.eq(number.user.0),
            numbers::sealed.eq(&number.sealed),
            numbers::lookup.eq(number.lookups.first().map(<[u8; 32]>::as_slice).unwrap_or_default()),
            numbers::lookup_next.eq(number.lookups.last().map(<[u8; 32]>::as_slice)),
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

/// The user's number with one of those digests.
pub fn find_by_lookups(
    conn: &mut Connection,
    user: UserId,
    lookups: &[[u8; 32]],
) -> Result<Option<StoredNumber>, DbError> {
    let row: Option<Row> = numbers::table
        .filter(numbers::user_id.eq(user.0))
        .filter(found_by(lookups))
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    row.map(number).transpose()
}

/// Who has proved the number of those digests, the one of the lowest key first; nobody else proves it until the end of
/// the transaction.
pub fn holder(conn: &mut Connection, lookups: &[[u8; 32]]) -> Result<Option<StoredNumber>, DbError> {
    // One lock for each key, in their order: servers that know another key share one of them.
    for lookup in lookups {
        hold_lock_of(conn, lookup)?;
    }
    let row: Option<Row> = numbers::table
        .filter(found_by(lookups))
        .filter(numbers::verified_at.is_not_null())
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

/// At most `limit` numbers whose ids follow `after`, in the order of their ids, whosever they are.
pub(super) fn list_after(
    conn: &mut Connection,
    after: Uuid,
    limit: i64,
) -> Result<Vec<StoredNumber>, DbError> {
    let rows: Vec<Row> = numbers::table
        .filter(numbers::id.gt(after))
        .order(numbers::id)
        .limit(limit)
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
pub fn any_of(conn: &mut Connection, lookups: &[[u8; 32]]) -> Result<bool, DbError> {
    Ok(diesel::select(exists(numbers::table.filter(found_by(lookups)))).get_result(conn)?)
}

/// Whether the user has verified a number at some time: they have one now, or asked for a mask, which only such users can.
pub fn has_ever_verified(conn: &mut Connection, user: UserId) -> Result<bool, DbError> {
    let verified = numbers::table.filter(numbers::user_id.eq(user.0).and(numbers::verified_at.is_not_null()));
    let masked = masks::table.filter(masks::user_id.eq(user.0));
    Ok(diesel::select(exists(verified).or(exists(masked))).get_result(conn)?)
}

/// Puts another sealed value in the place of the number's.
pub fn set_sealed(conn: &mut Connection, id: NumberId, sealed: &[u8]) -> Result<(), DbError> {
    diesel::update(numbers::table.find(id.0)).set(numbers::sealed.eq(sealed)).execute(conn)?;
    Ok(())
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
