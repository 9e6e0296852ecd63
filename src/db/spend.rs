//! What the carrier bills: seconds talked, codes sent, numbers held.
//!
//! Days and months are those of UTC. Counts only; what it costs, `app` knows.

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Timestamptz};

use super::schema::tallies;
use super::{Connection, DbError};
use crate::domain::ids::{MaskId, UserId};

/// What is counted by the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    /// Codes that were sent.
    Codes,
}

impl Tally {
    fn word(self) -> &'static str {
        match self {
            Self::Codes => "codes",
        }
    }
}

/// The first day of the month.
pub(super) fn month_of(now: DateTime<Utc>) -> NaiveDate {
    let day = now.date_naive();
    day.with_day(1).unwrap_or(day)
}

/// Counts so many more of the day of `now`, or fewer.
pub fn add(conn: &mut Connection, what: Tally, amount: i64, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::insert_into(tallies::table)
        .values((
            tallies::day.eq(now.date_naive()),
            tallies::what.eq(what.word()),
            tallies::amount.eq(amount),
        ))
        .on_conflict((tallies::day, tallies::what))
        .do_update()
        .set(tallies::amount.eq(tallies::amount + amount))
        .execute(conn)?;
    Ok(())
}

/// Seconds talked through the mask in the month of `now`.
pub fn talked(conn: &mut Connection, mask: MaskId, now: DateTime<Utc>) -> Result<i64, DbError> {
    use super::schema::talk;
    let seconds = talk::table.find((mask.0, month_of(now))).select(talk::seconds).first(conn).optional()?;
    Ok(seconds.unwrap_or(0))
}

/// A mask, whose it is, and seconds that were talked through it.
pub type Talked = ((MaskId, UserId), u32);

/// Seconds talked through every mask in the month of `now`, with its owner.
pub fn talked_by_all(conn: &mut Connection, now: DateTime<Utc>) -> Result<Vec<Talked>, DbError> {
    use super::schema::{masks, talk};
    let rows: Vec<(uuid::Uuid, uuid::Uuid, i64)> = talk::table
        .inner_join(masks::table)
        .filter(talk::month.eq(month_of(now)))
        .select((masks::id, masks::user_id, talk::seconds))
        .load(conn)?;
    let talked =
        |(mask, user, seconds)| ((MaskId(mask), UserId(user)), u32::try_from(seconds).unwrap_or(u32::MAX));
    Ok(rows.into_iter().map(talked).collect())
}

/// What was done in a day or a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Numbers: rented anew in the day; held at some time of the month.
    pub numbers: i64,
    /// Seconds talked.
    pub talk_seconds: i64,
    /// Codes sent.
    pub codes: i64,
}

#[derive(QueryableByName)]
struct UsedRow {
    #[diesel(sql_type = BigInt)]
    wished_today: i64,
    #[diesel(sql_type = BigInt)]
    held_this_month: i64,
    #[diesel(sql_type = BigInt)]
    seconds_today: i64,
    #[diesel(sql_type = BigInt)]
    seconds_this_month: i64,
    #[diesel(sql_type = BigInt)]
    codes_today: i64,
    #[diesel(sql_type = BigInt)]
    codes_this_month: i64,
}

/// What was done in the day and in the month of `now`. A wish that may still turn into a purchase counts as one.
pub fn used(conn: &mut Connection, now: DateTime<Utc>) -> Result<(Used, Used), DbError> {
    let midnight = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let first = month_of(now).and_time(chrono::NaiveTime::MIN).and_utc();
    let row: UsedRow = diesel::sql_query(
        "SELECT \
            (SELECT count(*) FROM masks WHERE requested_at >= $1 AND state <> 'failed') AS wished_today, \
            (SELECT count(*) FROM masks WHERE state NOT IN ('failed', 'released') \
                OR (state = 'released' AND released_at >= $2)) AS held_this_month, \
            coalesce(sum(amount) FILTER (WHERE what = 'talk_seconds' AND day = $3), 0)::bigint AS seconds_today, \
            coalesce(sum(amount) FILTER (WHERE what = 'talk_seconds'), 0)::bigint AS seconds_this_month, \
            coalesce(sum(amount) FILTER (WHERE what = 'codes' AND day = $3), 0)::bigint AS codes_today, \
            coalesce(sum(amount) FILTER (WHERE what = 'codes'), 0)::bigint AS codes_this_month \
         FROM tallies WHERE day >= $4 AND day <= $3",
    )
    .bind::<Timestamptz, _>(midnight)
    .bind::<Timestamptz, _>(first)
    .bind::<Date, _>(now.date_naive())
    .bind::<Date, _>(month_of(now))
    .get_result(conn)?;
    let today = Used { numbers: row.wished_today, talk_seconds: row.seconds_today, codes: row.codes_today };
    let month = Used {
        numbers: row.held_this_month,
        talk_seconds: row.seconds_this_month,
        codes: row.codes_this_month,
    };
    Ok((today, month))
}
