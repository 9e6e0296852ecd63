//! Wishes about masks at the carrier: written down before they are sent, claimed one by one.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Text, Timestamptz};
use uuid::Uuid;

use super::schema::{masks, operations};
use super::{Connection, DbError, hold_lock};
use crate::domain::ids::{MaskId, OperationId, UserId};
use crate::domain::phone::PhoneNumber;

/// Held while a number is chosen.
const CHOICE_LOCK: i64 = 7_263_414;

/// What is wished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To rent a number for the mask.
    Buy,
    /// To give its number back.
    Release,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Release => "release",
        }
    }

    pub(super) fn read(word: &str) -> Result<Self, DbError> {
        match word {
            "buy" => Ok(Self::Buy),
            "release" => Ok(Self::Release),
            _ => Err(DbError::Unreadable("operations.kind")),
        }
    }
}

/// What the carrier is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// This very number.
    Number(PhoneNumber),
    /// Any number that begins with the digits, where the carrier does not list what is free.
    Prefix(String),
}

impl Chosen {
    fn written(&self) -> String {
        match self {
            Self::Number(number) => number.e164(),
            Self::Prefix(prefix) => prefix.clone(),
        }
    }

    pub(super) fn read(text: &str) -> Self {
        PhoneNumber::from_e164(text).map_or_else(|| Self::Prefix(text.to_owned()), Self::Number)
    }
}

/// An operation that was claimed to be worked on. Whoever holds it is known by `attempts`: once another has claimed it,
/// nothing that this one writes about it counts.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its name.
    pub id: OperationId,
    /// The mask it is about.
    pub mask: MaskId,
    /// What is wished.
    pub kind: Kind,
    /// Whether nobody knows what came of the try before.
    pub unclear: bool,
    /// What was chosen before the carrier was asked for it.
    pub chosen: Option<Chosen>,
    /// How often it was tried, this time included.
    pub attempts: i32,
    /// How often it was looked for at the carrier in vain after an unclear answer.
    pub absences: i32,
    /// When it was wished.
    pub created_at: DateTime<Utc>,
}

/// Writes a wish, due at `next_at`. A wish of the same key is there already: nothing is written, and its mask is
/// told.
pub fn insert(
    conn: &mut Connection,
    id: OperationId,
    mask: MaskId,
    kind: Kind,
    key: &str,
    now: DateTime<Utc>,
    next_at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::insert_into(operations::table)
        .values((
            operations::id.eq(id.0),
            operations::mask_id.eq(mask.0),
            operations::kind.eq(kind.word()),
            operations::key.eq(key),
            operations::state.eq("intended"),
            operations::next_at.eq(next_at),
            operations::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// The mask that the wish of that key made.
pub fn mask_of_key(conn: &mut Connection, key: &str) -> Result<Option<MaskId>, DbError> {
    let row: Option<Uuid> = operations::table
        .filter(operations::key.eq(key))
        .select(operations::mask_id)
        .first(conn)
        .optional()?;
    Ok(row.map(MaskId))
}

/// The key of a user's wish to buy, from the token of the form they sent.
pub fn buy_key(user: UserId, token: &str) -> String {
    format!("buy|{user}|{token}")
}

#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    mask_id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    was: String,
    #[diesel(sql_type = Nullable<Text>)]
    chosen: Option<String>,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Integer)]
    absences: i32,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
}

/// Claims the operation that is most overdue, under a lease of a minute by the database's clock. One whose lease ran
/// out was being worked on by a process that died: what came of it is unclear.
pub fn claim(conn: &mut Connection, now: DateTime<Utc>) -> Result<Option<Claimed>, DbError> {
    let row: Option<ClaimedRow> = diesel::sql_query(
        "WITH due AS ( \
             SELECT id, state AS was FROM operations \
             WHERE (state IN ('intended', 'unknown') AND next_at <= $1 \
                    AND (lease_until IS NULL OR lease_until < clock_timestamp())) \
                OR (state = 'in_flight' AND lease_until < clock_timestamp()) \
             ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) \
         UPDATE operations SET \
             state = CASE WHEN due.was = 'intended' THEN 'in_flight' ELSE 'unknown' END, \
             attempts = attempts + 1, lease_until = clock_timestamp() + interval '60 seconds' \
         FROM due WHERE operations.id = due.id \
         RETURNING operations.id, mask_id, kind, due.was, chosen, attempts, absences, created_at",
    )
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .optional()?;
    row.as_ref().map(claimed).transpose()
}

fn claimed(row: &ClaimedRow) -> Result<Claimed, DbError> {
    Ok(Claimed {
        id: OperationId(row.id),
        mask: MaskId(row.mask_id),
        kind: Kind::read(&row.kind)?,
        unclear: row.was != "intended",
        chosen: row.chosen.as_deref().map(Chosen::read),
        attempts: row.attempts,
        absences: row.absences,
        created_at: row.created_at,
    })
}

/// Writes down what the carrier will be asked for, under a lease that begins anew; `false` if the lease ran out, and
/// nothing may be asked for any more.
pub fn set_chosen(conn: &mut Connection, claimed: &Claimed, chosen: &Chosen) -> Result<bool, DbError> {
    let written = diesel::sql_query(
        "UPDATE operations SET chosen = $3, lease_until = clock_timestamp() + interval '60 seconds' \
         WHERE id = $1 AND attempts = $2 AND state = 'in_flight' AND lease_until > clock_timestamp()",
    )
    .bind::<diesel::sql_types::Uuid, _>(claimed.id.0)
    .bind::<Integer, _>(claimed.attempts)
    .bind::<Text, _>(chosen.written())
    .execute(conn)?;
    Ok(written > 0)
}

/// Holds the operation until the end of the transaction, if it is still with whoever claimed it.
pub fn hold(conn: &mut Connection, claimed: &Claimed) -> Result<bool, DbError> {
    let held: Option<Uuid> = operations::table
        .find(claimed.id.0)
        .filter(
            operations::attempts.eq(claimed.attempts).and(operations::state.eq_any(["in_flight", "unknown"])),
        )
        .select(operations::id)
        .for_update()
        .first(conn)
        .optional()?;
    Ok(held.is_some())
}

/// What other open operations have chosen; nobody else chooses until the end of the transaction.
pub fn chosen_by_others(conn: &mut Connection, id: OperationId) -> Result<Vec<Chosen>, DbError> {
    hold_lock(conn, CHOICE_LOCK)?;
    let rows: Vec<Option<String>> = operations::table
        .filter(operations::finished_at.is_null().and(operations::id.ne(id.0)))
        .select(operations::chosen)
        .load(conn)?;
    Ok(rows.iter().flatten().map(|chosen| Chosen::read(chosen)).collect())
}

/// Whether a purchase that is not settled asked for the number, or for any that begins like it; nobody chooses until
/// the end of the transaction.
pub fn is_asked_for(conn: &mut Connection, number: PhoneNumber) -> Result<bool, DbError> {
    let chosen = chosen_by_others(conn, OperationId(Uuid::nil()))?;
    Ok(chosen.iter().any(|chosen| match chosen {
        Chosen::Number(chosen) => *chosen == number,
        Chosen::Prefix(prefix) => number.digits().starts_with(prefix),
    }))
}

/// The newest wish that failed after it had asked for this very number: its mask has none, its owner's number is still
/// registered, it failed after `since`, and nobody gave it up.
pub fn failed_wish_for(
    conn: &mut Connection,
    number: PhoneNumber,
    since: DateTime<Utc>,
) -> Result<Option<MaskId>, DbError> {
    let found: Option<Uuid> = operations::table
        .inner_join(masks::table)
        .filter(operations::kind.eq("buy").and(operations::state.eq("failed")))
        .filter(operations::chosen.eq(number.e164()).and(operations::finished_at.gt(since)))
        .filter(operations::given_up_at.is_null())
        .filter(masks::state.eq("failed").and(masks::e164.is_null()).and(masks::number_id.is_not_null()))
        .order(operations::finished_at.desc())
        .select(masks::id)
        .first(conn)
        .optional()?;
    Ok(found.map(MaskId))
}

/// Lets purchases that wait for a person because the carrier's list could not be read be looked for again.
pub fn read_back_again(conn: &mut Connection, now: DateTime<Utc>) -> Result<usize, DbError> {
    let waiting = operations::kind.eq("buy").and(operations::state.eq("needs_person"));
    let again = diesel::update(operations::table.filter(waiting))
        .set((operations::state.eq("unknown"), operations::next_at.eq(now)))
        .execute(conn)?;
    Ok(again)
}

/// Lets the operation go on if it waits for a person; what came of it before is unclear.
pub fn resume(conn: &mut Connection, id: OperationId, now: DateTime<Utc>) -> Result<bool, DbError> {
    let waiting = operations::table.find(id.0).filter(operations::state.eq("needs_person"));
    let resumed = diesel::update(waiting)
        .set((operations::state.eq("unknown"), operations::next_at.eq(now)))
        .execute(conn)?;
    Ok(resumed > 0)
}

/// Whether anything is wished about the mask that is not settled.
pub fn is_open(conn: &mut Connection, mask: MaskId) -> Result<bool, DbError> {
    let open = operations::mask_id.eq(mask.0).and(operations::finished_at.is_null());
    Ok(diesel::select(exists(operations::table.filter(open))).get_result(conn)?)
}

/// How an operation goes on after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It surely had no effect and is tried again then, with another number.
    Again(DateTime<Utc>),
    /// Nobody knows; it is looked for then.
    LookFor(DateTime<Utc>),
    /// It was looked for in vain, and is looked for again then, though not before 30 s have passed by the database's
    /// clock: a server whose own is ahead would look twice at once.
    Absent(DateTime<Utc>),
    /// Done.
    Succeeded,
    /// Not to be had.
    Failed,
    /// Only a person can go on.
    NeedsPerson,
}

fn in_half_a_minute() -> SqlLiteral<Nullable<Timestamptz>> {
    sql("clock_timestamp() + interval '30 seconds'")
}

/// Settles a try, and gives the lease back.
pub fn settle(
    conn: &mut Connection,
    id: OperationId,
    next: &Next,
    error: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let target = operations::table.find(id.0);
    let common = (operations::last_error.eq(error), operations::lease_until.eq(None::<DateTime<Utc>>));
    match next {
        Next::Again(at) => diesel::update(target)
            .set((
                common,
                operations::state.eq("intended"),
                operations::next_at.eq(at),
                operations::chosen.eq(None::<String>),
                operations::absences.eq(0),
            ))
            .execute(conn)?,
        Next::LookFor(at) => diesel::update(target)
            .set((common, operations::state.eq("unknown"), operations::next_at.eq(at)))
            .execute(conn)?,
        Next::Absent(at) => diesel::update(target)
            .set((
                operations::last_error.eq(error),
                operations::lease_until.eq(in_half_a_minute()),
                operations::state.eq("unknown"),
                operations::next_at.eq(at),
                operations::absences.eq(operations::absences + 1),
            ))
            .execute(conn)?,
        Next::Succeeded => diesel::update(target)
            .set((common, operations::state.eq("succeeded"), operations::finished_at.eq(now)))
            .execute(conn)?,
        Next::Failed => diesel::update(target)
            .set((common, operations::state.eq("failed"), operations::finished_at.eq(now)))
            .execute(conn)?,
        Next::NeedsPerson => {
            diesel::update(target).set((common, operations::state.eq("needs_person"))).execute(conn)?
        }
    };
    Ok(())
}

/// Takes the wish to release a mask back; tells whether it had not begun.
pub fn withdraw_release(conn: &mut Connection, mask: MaskId, now: DateTime<Utc>) -> Result<bool, DbError> {
    let waiting = operations::mask_id
        .eq(mask.0)
        .and(operations::kind.eq("release"))
        .and(operations::state.eq("intended"));
    let withdrawn = diesel::update(operations::table.filter(waiting))
        .set((operations::state.eq("withdrawn"), operations::finished_at.eq(now)))
        .execute(conn)?;
    Ok(withdrawn > 0)
}

/// Gives the wish to buy the mask's number up; tells whether it was withdrawn. It is where nothing was asked for yet:
/// whoever works on it chooses nothing any more. Elsewhere it goes on until it is known what came of it.
pub fn give_up(conn: &mut Connection, mask: MaskId, now: DateTime<Utc>) -> Result<bool, DbError> {
    let wish = || {
        let of_mask = operations::mask_id.eq(mask.0).and(operations::kind.eq("buy"));
        operations::table.filter(of_mask.and(operations::finished_at.is_null()))
    };
    let withdrawn = diesel::update(wish().filter(operations::chosen.is_null()))
        .set((operations::state.eq("withdrawn"), operations::finished_at.eq(now)))
        .execute(conn)?;
    if withdrawn == 0 {
        diesel::update(wish().filter(operations::given_up_at.is_null()))
            .set(operations::given_up_at.eq(now))
            .execute(conn)?;
    }
    Ok(withdrawn > 0)
}

/// Whether the wish to buy the mask's number was given up and is not settled yet.
pub fn is_given_up(conn: &mut Connection, mask: MaskId) -> Result<bool, DbError> {
    Ok(!given_up_of(conn, &[mask])?.is_empty())
}

/// Those of the masks whose wish was given up and is not settled yet.
pub fn given_up_of(conn: &mut Connection, masks: &[MaskId]) -> Result<Vec<MaskId>, DbError> {
    let ids: Vec<Uuid> = masks.iter().map(|mask| mask.0).collect();
    let rows: Vec<Uuid> = operations::table
        .filter(operations::mask_id.eq_any(ids))
        .filter(operations::given_up_at.is_not_null().and(operations::finished_at.is_null()))
        .select(operations::mask_id)
        .load(conn)?;
    Ok(rows.into_iter().map(MaskId).collect())
}
