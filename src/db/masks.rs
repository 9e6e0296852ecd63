//! Masks: rented numbers with their whole life.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{count_star, exists, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use uuid::Uuid;

use super::schema::masks;
use super::{Connection, DbError, begins_with, hold_lock};
use crate::domain::ids::{MaskId, NumberId, UserId};
use crate::domain::mask::{Mask, MaskState, StoppedBy};
use crate::domain::phone::PhoneNumber;

/// Whether a mask counts towards limits: it is alive, or its lost number is being bought back.
pub(super) fn counts() -> SqlLiteral<Bool> {
    sql(
        "(state IN ('requested', 'active', 'paused') OR state = 'lost' AND EXISTS (SELECT 1 FROM operations o \
         WHERE o.mask_id = masks.id AND o.kind = 'buy' AND o.finished_at IS NULL))",
    )
}
/// Whether a mask holds its number; in the very words of the partial index, so that a kept plan can use it.
fn holding() -> SqlLiteral<Bool> {
    sql("state IN ('active', 'paused', 'resting', 'releasing')")
}

/// Held while masks are counted in all.
const COUNT_LOCK: i64 = 7_263_413;

#[derive(Queryable, Selectable)]
#[diesel(table_name = masks, check_for_backend(diesel::pg::Pg))]
pub(super) struct Row {
    pub(super) id: Uuid,
    user_id: Uuid,
    number_id: Option<Uuid>,
    country: String,
    wanted_prefix: Option<String>,
    e164: Option<String>,
    elsewhere: bool,
    label: String,
    pub(super) state: String,
    requested_at: DateTime<Utc>,
    paused_by: Option<String>,
    revoked_by: Option<String>,
    rests_until: Option<DateTime<Utc>>,
    failure: Option<String>,
}

impl TryFrom<Row> for Mask {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let phone = row
            .e164
            .as_deref()
            .map(|e164| PhoneNumber::from_e164(e164).ok_or(DbError::Unreadable("masks.e164")));
        Ok(Self {
            id: MaskId(row.id),
            user: UserId(row.user_id),
            number: row.number_id.map(NumberId),
            country: row.country.parse().map_err(|_| DbError::Unreadable("masks.country"))?,
            phone: phone.transpose()?,
            elsewhere: row.elsewhere,
            state: state(&row)?,
            requested_at: row.requested_at,
            wanted_prefix: row.wanted_prefix,
            label: row.label,
        })
    }
}

fn state(row: &Row) -> Result<MaskState, DbError> {
    let broken = DbError::Unreadable("masks.state");
    Ok(match row.state.as_str() {
        "requested" => MaskState::Requested,
        "active" => MaskState::Active,
        "paused" => MaskState::Paused { by: stopped_by(row.paused_by.as_deref())? },
        "resting" => MaskState::Resting {
            until: row.rests_until.ok_or(broken)?,
            by: stopped_by(row.revoked_by.as_deref())?,
        },
        "releasing" => MaskState::Releasing,
        "released" => MaskState::Released,
        "failed" => MaskState::Failed { reason: row.failure.clone().unwrap_or_default() },
        "lost" => MaskState::Lost,
        _ => return Err(broken),
    })
}

const STOPPED_BY: [(StoppedBy, &str); 3] =
    [(StoppedBy::Owner, "owner"), (StoppedBy::Admin, "admin"), (StoppedBy::System, "system")];

fn stopped_by(word: Option<&str>) -> Result<StoppedBy, DbError> {
    let known = STOPPED_BY.iter().find(|(_, known)| Some(*known) == word);
    known.map(|(by, _)| *by).ok_or(DbError::Unreadable("masks.paused_by or masks.revoked_by"))
}

fn stopped_by_word(by: StoppedBy) -> &'static str {
    STOPPED_BY.iter().find(|(known, _)| *known == by).map_or("system", |(_, word)| word)
}

/// Writes a mask that is wished for.
pub fn insert(conn: &mut Connection, mask: &Mask) -> Result<(), DbError> {
    diesel::insert_into(masks::table)
        .values((
            masks::id.eq(mask.id.0),
            masks::user_id.eq(mask.user.0),
            masks::number_id.eq(mask.number.map(|number| number.0)),
            masks::country.eq(mask.country.code()),
            masks::wanted_prefix.eq(&mask.wanted_prefix),
            masks::label.eq(&mask.label),
            masks::state.eq(mask.state.word()),
            masks::requested_at.eq(mask.requested_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// One of the user's masks.
pub fn find(conn: &mut Connection, user: UserId, id: MaskId) -> Result<Option<Mask>, DbError> {
    let row = masks::table
        .find(id.0)
        .filter(masks::user_id.eq(user.0))
        .select(Row::as_select())
        .first(conn)
        .optional()?;
    row.map(Mask::try_from).transpose()
}

/// One of the user's masks, held until the end of the transaction.
pub fn find_to_change(conn: &mut Connection, user: UserId, id: MaskId) -> Result<Option<Mask>, DbError> {
    let mask = hold(conn, id)?;
    Ok(mask.filter(|mask| mask.user == user))
}

/// The mask of that id, whosever it is.
pub fn find_any(conn: &mut Connection, id: MaskId) -> Result<Option<Mask>, DbError> {
    let row = masks::table.find(id.0).select(Row::as_select()).first(conn).optional()?;
    row.map(Mask::try_from).transpose()
}

/// The mask of that id, whosever it is, held until the end of the transaction.
pub fn hold(conn: &mut Connection, id: MaskId) -> Result<Option<Mask>, DbError> {
    let row = masks::table.find(id.0).select(Row::as_select()).for_no_key_update().first(conn).optional()?;
    row.map(Mask::try_from).transpose()
}

/// What a lost mask was before its number went missing: losing it keeps the facts of that state.
pub fn state_before_loss(conn: &mut Connection, id: MaskId) -> Result<MaskState, DbError> {
    let row = masks::table.find(id.0).select(Row::as_select()).first(conn)?;
    let (revoked, paused) = (row.revoked_by.is_some(), row.paused_by.is_some());
    let word = if revoked {
        "resting"
    } else if paused {
        "paused"
    } else {
        "active"
    };
    state(&Row { state: word.to_owned(), ..row })
}

/// Whether the number is a mask of ours, living or at rest.
pub fn is_mask(conn: &mut Connection, number: PhoneNumber) -> Result<bool, DbError> {
    let held = masks::table.filter(masks::e164.eq(number.e164()).and(holding()));
    Ok(diesel::select(exists(held)).get_result(conn)?)
}

/// Those of the numbers that a mask of ours holds or has lost, or held and gave back after `since`.
pub fn known_of(
    conn: &mut Connection,
    numbers: &[PhoneNumber],
    since: DateTime<Utc>,
) -> Result<Vec<PhoneNumber>, DbError> {
    let texts: Vec<String> = numbers.iter().map(PhoneNumber::e164).collect();
    let rows: Vec<Option<String>> = masks::table
        .filter(masks::e164.eq_any(texts))
        .filter(holding().or(masks::state.eq("lost")).or(masks::released_at.gt(since)))
        .select(masks::e164)
        .load(conn)?;
    Ok(rows.iter().flatten().filter_map(|e164| PhoneNumber::from_e164(e164)).collect())
}

/// Whether a number that begins so is being given back.
pub fn is_one_leaving(conn: &mut Connection, prefix: &str) -> Result<bool, DbError> {
    let leaving =
        masks::table.filter(masks::state.eq("releasing").and(masks::e164.like(begins_with(prefix))));
    Ok(diesel::select(diesel::dsl::exists(leaving)).get_result(conn)?)
}

/// The mask that holds the number, living or at rest.
pub fn find_held(conn: &mut Connection, number: PhoneNumber) -> Result<Option<Mask>, DbError> {
    let held = masks::table.filter(masks::e164.eq(number.e164()).and(holding()));
    let row = held.select(Row::as_select()).first(conn).optional()?;
    row.map(Mask::try_from).transpose()
}

/// How many of the user's masks are alive.
pub fn count_alive(conn: &mut Connection, user: UserId) -> Result<u32, DbError> {
    let alive = masks::table.filter(masks::user_id.eq(user.0).and(counts()));
    Ok(u32::try_from(alive.count().get_result::<i64>(conn)?).unwrap_or(u32::MAX))
}

/// A page of the user's masks that still mean something to them, the newest first, and how many there are in all: those
/// that are held, wished for or lost, and those that failed after `failed_since`.
pub fn list(
    conn: &mut Connection,
    user: UserId,
    failed_since: DateTime<Utc>,
    (page, size): (i64, i64),
) -> Result<(Vec<Mask>, i64), DbError> {
    let listed = || {
        let meaningful = masks::state
            .ne_all(["releasing", "released", "failed"])
            .or(masks::state.eq("failed").and(masks::requested_at.gt(failed_since)));
        masks::table.filter(masks::user_id.eq(user.0).and(meaningful))
    };
    let total = listed().count().get_result(conn)?;
    let rows = listed()
        .order((masks::requested_at.desc(), masks::id))
        .offset(super::start_of(page, size, total))
        .limit(size)
        .select(Row::as_select())
        .load(conn)?;
    Ok((rows.into_iter().map(Mask::try_from).collect::<Result<_, _>>()?, total))
}

/// One of the user's masks that has a number, where there is one: the newest.
pub fn newest_with_number(conn: &mut Connection, user: UserId) -> Result<Option<MaskId>, DbError> {
    let with_number = masks::table.filter(masks::user_id.eq(user.0).and(holding()));
    let newest = with_number.order(masks::requested_at.desc()).select(masks::id);
    Ok(newest.first(conn).optional()?.map(MaskId))
}

/// The masks that lead to the number, living or at rest.
pub fn list_of_number(conn: &mut Connection, number: NumberId) -> Result<Vec<Mask>, DbError> {
    let rows = masks::table
        .filter(masks::number_id.eq(number.0).and(masks::state.eq_any([
            "requested",
            "active",
            "paused",
            "resting",
        ])))
        .order((masks::requested_at, masks::id))
        .select(Row::as_select())
        .for_no_key_update()
        .load(conn)?;
    rows.into_iter().map(Mask::try_from).collect()
}

/// Moves the mask to another state, with the facts of the change.
pub fn set_state(
    conn: &mut Connection,
    id: MaskId,
    state: &MaskState,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let target = masks::table.find(id.0);
    let word = masks::state.eq(state.word());
    match state {
        MaskState::Active => diesel::update(target)
            .set((
                word,
                masks::paused_by.eq(None::<String>),
                masks::revoked_at.eq(None::<DateTime<Utc>>),
                masks::revoked_by.eq(None::<String>),
                masks::rests_until.eq(None::<DateTime<Utc>>),
            ))
            .execute(conn)?,
        MaskState::Paused { by } => {
            diesel::update(target).set((word, masks::paused_by.eq(stopped_by_word(*by)))).execute(conn)?
        }
        MaskState::Resting { until, by } => diesel::update(target)
            .set((
                word,
                masks::revoked_at.eq(now),
                masks::revoked_by.eq(stopped_by_word(*by)),
                masks::rests_until.eq(until),
            ))
            .execute(conn)?,
        MaskState::Released => {
            diesel::update(target).set((word, masks::released_at.eq(now))).execute(conn)?
        }
        MaskState::Failed { reason } => {
            diesel::update(target).set((word, masks::failure.eq(reason))).execute(conn)?
        }
        MaskState::Requested | MaskState::Releasing | MaskState::Lost => {
            diesel::update(target).set(word).execute(conn)?
        }
    };
    Ok(())
}

/// Gives the mask its rented number.
pub fn set_phone(
    conn: &mut Connection,
    id: MaskId,
    phone: PhoneNumber,
    elsewhere: bool,
) -> Result<(), DbError> {
    diesel::update(masks::table.find(id.0))
        .set((masks::e164.eq(phone.e164()), masks::elsewhere.eq(elsewhere)))
        .execute(conn)?;
    Ok(())
}

/// Changes what its owner calls the mask.
pub fn set_label(conn: &mut Connection, user: UserId, id: MaskId, label: &str) -> Result<bool, DbError> {
    let changed = diesel::update(masks::table.find(id.0).filter(masks::user_id.eq(user.0)))
        .set(masks::label.eq(label))
        .execute(conn)?;
    Ok(changed > 0)
}

/// Lets the mask lead to another of its owner's numbers.
pub fn set_number(conn: &mut Connection, id: MaskId, number: NumberId) -> Result<(), DbError> {
    diesel::update(masks::table.find(id.0)).set(masks::number_id.eq(number.0)).execute(conn)?;
    Ok(())
}

/// How many masks there are, by what limits count.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// The user's, alive.
    pub user_alive: i64,
    /// The user's wishes of the last day that did not fail.
    pub user_day: i64,
    /// The user's wishes of the last 30 days that did not fail.
    pub user_month: i64,
    /// The user's wishes of the last hour that failed or were cancelled.
    pub user_in_vain: i64,
    /// Everybody's, alive.
    pub all_alive: i64,
    /// Everybody's wishes of the last hour that did not fail.
    pub all_hour: i64,
}

/// Waits until nobody else counts masks or money; nobody does until the end of the transaction.
pub fn hold_counts(conn: &mut Connection) -> Result<(), DbError> {
    hold_lock(conn, COUNT_LOCK)
}

/// Counts masks; nobody else counts until the end of the transaction.
pub fn count(conn: &mut Connection, user: UserId, now: DateTime<Utc>) -> Result<Counts, DbError> {
    hold_counts(conn)?;
    let of_user = masks::user_id.eq(user.0).and(masks::requested_at.gt(now - TimeDelta::hours(1)));
    let user_in_vain =
        masks::table.filter(of_user.and(masks::state.eq("failed"))).count().get_result(conn)?;
    let mut since = |of: Option<UserId>, time: Option<DateTime<Utc>>| -> Result<i64, DbError> {
        let mut query = masks::table.select(count_star()).into_boxed();
        if let Some(of) = of {
            query = query.filter(masks::user_id.eq(of.0));
        }
        query = match time {
            Some(time) => query.filter(masks::requested_at.gt(time).and(masks::state.ne("failed"))),
            None => query.filter(counts()),
        };
        Ok(query.first(conn)?)
    };
    Ok(Counts {
        user_alive: since(Some(user), None)?,
        user_day: since(Some(user), Some(now - TimeDelta::days(1)))?,
        user_month: since(Some(user), Some(now - TimeDelta::days(30)))?,
        user_in_vain,
        all_alive: since(None, None)?,
        all_hour: since(None, Some(now - TimeDelta::hours(1)))?,
    })
}
