//! How our rows and the carrier's list compare: our side of it, what was missed, and how the last comparisons went.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use uuid::Uuid;

use super::operations::Chosen;
use super::schema::{absences, operations, reconciliation};
use super::{Connection, DbError, orphans};
use crate::domain::agreement::{AskedFor, Held, Ours};
use crate::domain::ids::MaskId;
use crate::domain::phone::PhoneNumber;

/// How the last comparisons went.
#[derive(Debug, Clone, Default, Queryable, Selectable)]
#[diesel(table_name = reconciliation, check_for_backend(diesel::pg::Pg))]
pub struct Standing {
    /// When the carrier's list was last asked for.
    pub tried_at: Option<DateTime<Utc>>,
    /// When the last list was read that was believed.
    pub good_at: Option<DateTime<Utc>>,
    /// How many numbers it had.
    pub good_size: Option<i32>,
    /// Why the newest list was not believed.
    pub alarm: Option<String>,
    /// Since when none was believed.
    pub alarm_since: Option<DateTime<Utc>>,
    /// How many numbers the newest list had that was not believed.
    pub doubted_size: Option<i32>,
    /// A person said that a list of so many numbers is right.
    pub believed_size: Option<i32>,
    /// What is not as it should be about our application at the carrier.
    pub settings_fault: Option<String>,
    /// Since when.
    pub settings_fault_since: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct Round {
    #[diesel(sql_type = BigInt)]
    round: i64,
}

/// Begins a comparison under a lease of two minutes by the database's clock; its number is the answer, or `None` while
/// another goes on.
pub fn begin(conn: &mut Connection, now: DateTime<Utc>) -> Result<Option<i64>, DbError> {
    let begun: Option<Round> = diesel::sql_query(
        "UPDATE reconciliation SET round = round + 1, tried_at = $1, \
         lease_until = clock_timestamp() + interval '120 seconds' \
         WHERE lease_until IS NULL OR lease_until < clock_timestamp() RETURNING round",
    )
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .optional()?;
    Ok(begun.map(|begun| begun.round))
}

/// Holds the comparison until the end of the transaction, if no other has begun meanwhile.
pub fn hold(conn: &mut Connection, round: i64) -> Result<bool, DbError> {
    let held = diesel::sql_query(
        "SELECT round FROM reconciliation WHERE round = $1 AND lease_until > clock_timestamp() FOR UPDATE",
    );
    let held: Option<Round> = held.bind::<BigInt, _>(round).get_result(conn).optional()?;
    Ok(held.is_some_and(|held| held.round == round))
}

/// Gives the lease back.
pub fn finish(conn: &mut Connection, round: i64) -> Result<(), DbError> {
    diesel::update(reconciliation::table.filter(reconciliation::round.eq(round)))
        .set(reconciliation::lease_until.eq(None::<DateTime<Utc>>))
        .execute(conn)?;
    Ok(())
}

/// How the last comparisons went.
pub fn standing(conn: &mut Connection) -> Result<Standing, DbError> {
    Ok(reconciliation::table.select(Standing::as_select()).first(conn)?)
}

/// Notes a list that was believed.
pub fn note_good(conn: &mut Connection, size: usize, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::update(reconciliation::table)
        .set((
            reconciliation::good_at.eq(now),
            reconciliation::good_size.eq(i32::try_from(size).unwrap_or(i32::MAX)),
            reconciliation::alarm.eq(None::<String>),
            reconciliation::alarm_since.eq(None::<DateTime<Utc>>),
            reconciliation::doubted_size.eq(None::<i32>),
            reconciliation::believed_size.eq(None::<i32>),
        ))
        .execute(conn)?;
    Ok(())
}

/// Notes a list that was not believed, or could not be read.
pub fn note_alarm(
    conn: &mut Connection,
    alarm: &str,
    size: Option<usize>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let size = size.map(|size| i32::try_from(size).unwrap_or(i32::MAX));
    if size.is_some() {
        // Another list than the one that a person said is right.
        diesel::update(reconciliation::table)
            .set(reconciliation::believed_size.eq(None::<i32>))
            .execute(conn)?;
    }
    diesel::update(reconciliation::table)
        .set((reconciliation::alarm.eq(alarm), reconciliation::doubted_size.eq(size)))
        .execute(conn)?;
    diesel::update(reconciliation::table.filter(reconciliation::alarm_since.is_null()))
        .set(reconciliation::alarm_since.eq(now))
        .execute(conn)?;
    Ok(())
}

/// Whether the carrier ever billed us, as far as a comparison saw.
pub fn was_billed(conn: &mut Connection) -> Result<bool, DbError> {
    let billed: Option<bool> = reconciliation::table.select(reconciliation::is_billed).first(conn)?;
    Ok(billed == Some(true))
}

/// Notes what is not as it should be about our application, and whether the carrier bills us: once it does, it goes on.
pub fn note_settings(
    conn: &mut Connection,
    fault: Option<&str>,
    is_billed: Option<bool>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE reconciliation SET settings_fault = $1, is_billed = is_billed IS TRUE OR $2, \
         settings_fault_since = CASE WHEN $1 IS NOT NULL THEN coalesce(settings_fault_since, $3) END",
    )
    .bind::<Nullable<Text>, _>(fault)
    .bind::<Nullable<Bool>, _>(is_billed)
    .bind::<Timestamptz, _>(now)
    .execute(conn)?;
    Ok(())
}

/// Notes that a person said that the list of so many numbers is right which was not believed; `false` if the newest such
/// list has another size, or there is none.
pub fn believe(conn: &mut Connection, size: i32) -> Result<bool, DbError> {
    let doubted = reconciliation::table.filter(reconciliation::doubted_size.eq(size));
    Ok(diesel::update(doubted).set(reconciliation::believed_size.eq(size)).execute(conn)? > 0)
}

#[derive(QueryableByName)]
struct HeldRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    e164: String,
    #[diesel(sql_type = Bool)]
    is_lost: bool,
    #[diesel(sql_type = Bool)]
    goes_back: bool,
    #[diesel(sql_type = Bool)]
    is_bought_back: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    first_missed_at: Option<DateTime<Utc>>,
}

/// Our side: every mask that holds a number or lost it, what open purchases have asked for, and the orphans.
pub fn ours(conn: &mut Connection, now: DateTime<Utc>) -> Result<Ours, DbError> {
    let rows: Vec<HeldRow> = diesel::sql_query(
        "SELECT m.id, m.e164, m.state = 'lost' AS is_lost, \
             m.state = 'releasing' OR m.state = 'resting' AND m.rests_until <= $1 AS goes_back, \
             m.state = 'lost' AND EXISTS (SELECT 1 FROM operations o WHERE o.mask_id = m.id AND o.kind = 'buy' \
                 AND o.finished_at IS NULL) AS is_bought_back, \
             a.first_missed_at \
         FROM masks m LEFT JOIN absences a ON a.mask_id = m.id \
         WHERE m.state IN ('active', 'paused', 'resting', 'releasing', 'lost')",
    )
    .bind::<Timestamptz, _>(now)
    .load(conn)?;
    let mut ours = Ours { asked_for: asked_for(conn)?, orphans: orphans::open(conn)?, ..Ours::default() };
    for row in rows {
        let number = PhoneNumber::from_e164(&row.e164).ok_or(DbError::Unreadable("masks.e164"))?;
        let mask = MaskId(row.id);
        if row.is_bought_back {
            ours.asked_for.numbers.insert(number);
        } else if row.is_lost {
            ours.lost.push((mask, number));
        } else {
            let (goes_back, missed_since) = (row.goes_back, row.first_missed_at);
            ours.held.push(Held { mask, number, goes_back, missed_since });
        }
    }
    Ok(ours)
}

fn asked_for(conn: &mut Connection) -> Result<AskedFor, DbError> {
    let rows: Vec<Option<String>> = operations::table
        .filter(operations::finished_at.is_null().and(operations::kind.eq("buy")))
        .select(operations::chosen)
        .load(conn)?;
    let (mut numbers, mut prefixes) = (BTreeSet::new(), vec![]);
    for chosen in rows.iter().flatten() {
        match Chosen::read(chosen) {
            Chosen::Number(number) => drop(numbers.insert(number)),
            Chosen::Prefix(prefix) => prefixes.push(prefix),
        }
    }
    Ok(AskedFor { numbers, prefixes })
}

/// Notes that the masks' numbers are missing.
pub fn miss(conn: &mut Connection, masks: &[MaskId], now: DateTime<Utc>) -> Result<(), DbError> {
    for mask in masks {
        diesel::insert_into(absences::table)
            .values((
                absences::mask_id.eq(mask.0),
                absences::first_missed_at.eq(now),
                absences::last_missed_at.eq(now),
            ))
            .on_conflict(absences::mask_id)
            .do_update()
            .set((absences::last_missed_at.eq(now), absences::sightings.eq(absences::sightings + 1)))
            .execute(conn)?;
    }
    Ok(())
}

/// Forgets that the masks' numbers were missing.
pub fn forget_absence(conn: &mut Connection, masks: &[MaskId]) -> Result<(), DbError> {
    let ids: Vec<Uuid> = masks.iter().map(|mask| mask.0).collect();
    diesel::delete(absences::table.filter(absences::mask_id.eq_any(ids))).execute(conn)?;
    Ok(())
}
