//! Every mask as an admin looks for it, and how much masks are called.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamptz};
use uuid::Uuid;

use super::masks::Row;
use super::schema::{masks, operations, users};
use super::{Connection, DbError, contains};
use crate::domain::ids::{MaskId, UserId};
use crate::domain::mask::Mask;
use crate::domain::typed;

/// What an admin looks for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// A part of the owner's address, or of the mask's digits.
    pub text: String,
    /// A state's word.
    pub state: Option<String>,
    /// Where in the list, from 0.
    pub page: i64,
}

/// How many masks a page of an admin's list holds.
pub const PAGE: i64 = 20;

/// A mask as an admin sees it.
#[derive(Debug, Clone)]
pub struct AdminMask {
    /// The mask.
    pub mask: Mask,
    /// Its owner's address.
    pub owner: String,
    /// When it was last called.
    pub last_call: Option<DateTime<Utc>>,
    /// Calls of the last 30 days.
    pub calls: i64,
    /// What the carrier said, where the mask was not set up.
    pub trouble: Option<String>,
}

#[derive(QueryableByName)]
struct CallsOfMask {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    mask_id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Nullable<Timestamptz>)]
    last_call: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    calls: i64,
}

/// One page of the masks that an admin looks for, the newest first, and how many there are in all.
pub fn search(
    conn: &mut Connection,
    search: &Search,
    now: DateTime<Utc>,
) -> Result<(Vec<AdminMask>, i64), DbError> {
    let filtered = || {
        let mut query = masks::table.inner_join(users::table).into_boxed();
        let text = search.text.trim().to_lowercase();
        if !text.is_empty() {
            let owner = users::email.like(contains(&text));
            let plain = typed::plain(&text);
            let digits: String = plain.chars().filter(char::is_ascii_digit).collect();
            let about_numbers =
                plain.chars().all(|character| !character.is_alphabetic()) && !digits.is_empty();
            query = if about_numbers {
                query.filter(owner.or(masks::e164.like(contains(&digits)).is_not_distinct_from(true)))
            } else {
                query.filter(owner)
            };
        }
        if let Some(state) = &search.state {
            query = query.filter(masks::state.eq(state.clone()));
        }
        query
    };
    let total = filtered().select(count_star()).first(conn)?;
    let rows: Vec<(Row, String)> = filtered()
        .order((masks::requested_at.desc(), masks::id))
        .offset(super::start_of(search.page, PAGE, total))
        .limit(PAGE)
        .select((Row::as_select(), users::email))
        .load(conn)?;
    let ids: Vec<Uuid> = rows.iter().map(|(row, _)| row.id).collect();
    let calls = calls_of(conn, &ids, now - TimeDelta::days(30))?;
    let failed = rows.iter().filter(|(row, _)| row.state == "failed").map(|(row, _)| row.id);
    let troubles: Vec<(Uuid, Option<String>)> = operations::table
        .filter(operations::mask_id.eq_any(failed).and(operations::state.eq("failed")))
        .order(operations::created_at.desc())
        .select((operations::mask_id, operations::last_error))
        .load(conn)?;
    let listed = |(row, owner): (Row, String)| {
        let of_mask = calls.iter().find(|calls| calls.mask_id == row.id);
        Ok(AdminMask {
            owner,
            last_call: of_mask.and_then(|calls| calls.last_call),
            calls: of_mask.map_or(0, |calls| calls.calls),
            trouble: troubles.iter().find(|(mask, _)| *mask == row.id).and_then(|(_, why)| why.clone()),
            mask: row.try_into()?,
        })
    };
    Ok((rows.into_iter().map(listed).collect::<Result<_, DbError>>()?, total))
}

fn calls_of(conn: &mut Connection, ids: &[Uuid], since: DateTime<Utc>) -> Result<Vec<CallsOfMask>, DbError> {
    Ok(diesel::sql_query(
        "SELECT mask_id, max(received_at) AS last_call, count(*) FILTER (WHERE received_at > $2) AS calls \
         FROM calls WHERE mask_id = ANY($1) GROUP BY mask_id",
    )
    .bind::<diesel::sql_types::Array<diesel::sql_types::Uuid>, _>(ids)
    .bind::<Timestamptz, _>(since)
    .load(conn)?)
}

/// When each of the masks was last called.
pub fn last_calls(conn: &mut Connection, ids: &[MaskId]) -> Result<Vec<(MaskId, DateTime<Utc>)>, DbError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = calls_of(conn, &ids, DateTime::UNIX_EPOCH)?;
    Ok(rows.into_iter().filter_map(|row| Some((MaskId(row.mask_id), row.last_call?))).collect())
}

/// When the `n`th newest mask was asked for, by that user or by anybody; those that never came to be are left out.
pub fn nth_newest_wish(
    conn: &mut Connection,
    user: Option<UserId>,
    n: u32,
) -> Result<Option<DateTime<Utc>>, DbError> {
    let mut wishes = masks::table.filter(masks::state.ne("failed")).into_boxed();
    if let Some(user) = user {
        wishes = wishes.filter(masks::user_id.eq(user.0));
    }
    let newest = wishes.order(masks::requested_at.desc()).offset(i64::from(n.max(1)) - 1);
    Ok(newest.select(masks::requested_at).first(conn).optional()?)
}

#[derive(QueryableByName)]
struct StateCount {
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many masks there are in each state.
pub fn count_by_state(conn: &mut Connection) -> Result<Vec<(String, i64)>, DbError> {
    let rows: Vec<StateCount> =
        diesel::sql_query("SELECT state, count(*) AS count FROM masks GROUP BY state").load(conn)?;
    Ok(rows.into_iter().map(|row| (row.state, row.count)).collect())
}
