//! The limits of the whole deployment: how many masks there are, and which limits the admins were told of.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;

use super::schema::{cap_notices as notices, masks};
use super::{Connection, DbError};

/// All masks: alive, and requested in the last hour.
pub fn masks_in_all(conn: &mut Connection, now: DateTime<Utc>) -> Result<(u32, u32), DbError> {
    let lately = masks::requested_at.gt(now - TimeDelta::hours(1)).and(masks::state.ne("failed"));
    let alive: i64 = masks::table.filter(super::masks::counts()).count().get_result(conn)?;
    let lately: i64 = masks::table.filter(lately).count().get_result(conn)?;
    Ok((u32::try_from(alive).unwrap_or(u32::MAX), u32::try_from(lately).unwrap_or(u32::MAX)))
}

/// Notes that the admins are told of a limit; `false` if they were told before.
pub fn note(conn: &mut Connection, cap: &str, now: DateTime<Utc>) -> Result<bool, DbError> {
    let row = (notices::cap.eq(cap), notices::told_at.eq(now));
    Ok(diesel::insert_into(notices::table).values(row).on_conflict_do_nothing().execute(conn)? > 0)
}

/// Forgets that the admins were told of a limit, where that was before `before`.
pub fn forget(conn: &mut Connection, cap: &str, before: DateTime<Utc>) -> Result<(), DbError> {
    let old = notices::table.filter(notices::cap.eq(cap).and(notices::told_at.lt(before)));
    diesel::delete(old).execute(conn)?;
    Ok(())
}
