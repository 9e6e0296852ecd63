//! What is limited by rate: events in buckets, counted and added in one step under a lock per bucket.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bytea, Timestamptz};

use super::schema::rate_events as events;
use super::{Connection, DbError, hold_lock_of};
use crate::domain::limits::Rate;

/// A keyed digest of what is counted and for whom.
pub type Bucket = [u8; 32];

/// A rule about one bucket.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What is counted.
    pub bucket: Bucket,
    /// How many may be.
    pub rate: Rate,
    /// Past the rate, whether one still gets through whenever so much time has passed since the last.
    pub then_one_per: Option<TimeDelta>,
}

/// A rule that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Which of the rules, by its place.
    pub rule: usize,
    /// From when on it is kept again.
    pub until: DateTime<Utc>,
}

/// Counts one event under each rule's bucket, if all rules allow it; otherwise counts nothing and tells the rule
/// that takes longest to be kept again.
pub fn take(
    conn: &mut Connection,
    rules: &[Rule],
    now: DateTime<Utc>,
) -> Result<Result<(), Exceeded>, DbError> {
    let buckets = distinct(rules);
    for bucket in &buckets {
        hold_lock_of(conn, bucket)?;
    }
    if let Some(exceeded) = exceeded(conn, rules, now)? {
        return Ok(Err(exceeded));
    }
    let rows: Vec<_> =
        buckets.iter().map(|bucket| (events::bucket.eq(bucket.to_vec()), events::at.eq(now))).collect();
    diesel::insert_into(events::table).values(rows).execute(conn)?;
    Ok(Ok(()))
}

/// The rule that would be broken by one more event and takes longest to be kept again; counts nothing.
pub fn exceeded(
    conn: &mut Connection,
    rules: &[Rule],
    now: DateTime<Utc>,
) -> Result<Option<Exceeded>, DbError> {
    let mut exceeded: Option<Exceeded> = None;
    for (place, rule) in rules.iter().enumerate() {
        if let Some(until) = blocked_until(conn, rule, now)?
            && exceeded.is_none_or(|worst| worst.until < until)
        {
            exceeded = Some(Exceeded { rule: place, until });
        }
    }
    Ok(exceeded)
}

/// Takes back one event of each rule's bucket that was counted at `at`.
pub fn give_back(conn: &mut Connection, rules: &[Rule], at: DateTime<Utc>) -> Result<(), DbError> {
    for bucket in distinct(rules) {
        diesel::sql_query(
            "DELETE FROM rate_events WHERE ctid IN \
             (SELECT ctid FROM rate_events WHERE bucket = $1 AND at = $2 LIMIT 1)",
        )
        .bind::<Bytea, _>(bucket.to_vec())
        .bind::<Timestamptz, _>(at)
        .execute(conn)?;
    }
    Ok(())
}

/// Forgets everything counted in one bucket.
pub fn clear(conn: &mut Connection, bucket: Bucket) -> Result<(), DbError> {
    diesel::delete(events::table.filter(events::bucket.eq(bucket.to_vec()))).execute(conn)?;
    Ok(())
}

/// How many events a bucket has since `since`, and when the last of them was.
pub fn count_since(
    conn: &mut Connection,
    bucket: Bucket,
    since: DateTime<Utc>,
) -> Result<(usize, Option<DateTime<Utc>>), DbError> {
    let times: Vec<DateTime<Utc>> = events::table
        .filter(events::bucket.eq(bucket.to_vec()).and(events::at.gt(since)))
        .order(events::at.desc())
        .select(events::at)
        .load(conn)?;
    Ok((times.len(), times.first().copied()))
}

/// Forgets what was counted before `before`, a batch at most.
pub fn forget(conn: &mut Connection, before: DateTime<Utc>) -> Result<usize, DbError> {
    super::forget(conn, "rate_events", "at", before)
}

fn distinct(rules: &[Rule]) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = rules.iter().map(|rule| rule.bucket).collect();
    buckets.sort_unstable();
    buckets.dedup();
    buckets
}

fn blocked_until(
    conn: &mut Connection,
    rule: &Rule,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, DbError> {
    if rule.rate.count == 0 {
        return Ok(Some(now + rule.rate.within));
    }
    let of_bucket = events::bucket.eq(rule.bucket.to_vec());
    let last_in_the_way: Option<DateTime<Utc>> = events::table
        .filter(of_bucket.clone().and(events::at.gt(now - rule.rate.within)))
        .order(events::at.desc())
        .offset(i64::from(rule.rate.count) - 1)
        .select(events::at)
        .first(conn)
        .optional()?;
    let Some(in_the_way) = last_in_the_way else { return Ok(None) };
    let until = in_the_way + rule.rate.within;
    let Some(pause) = rule.then_one_per else { return Ok(Some(until)) };
    let last: Option<DateTime<Utc>> =
        events::table.filter(of_bucket).order(events::at.desc()).select(events::at).first(conn).optional()?;
    let next = last.map_or(now, |last| last + pause);
    Ok((next > now).then_some(next.min(until)))
}
