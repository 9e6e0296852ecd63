//! What a scrape wants to know of the tables, counted by the database.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text, Timestamptz};

use super::reconciliation::{self, Standing};
use super::{Connection, DbError};
use crate::metrics::{Comparison, OpenOperations, Stored};

/// States of a mask that are not over, each told even where there is none.
const MASKS: [&str; 5] = ["requested", "active", "paused", "resting", "releasing"];

#[derive(QueryableByName)]
struct Operations {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Double)]
    oldest: f64,
}

#[derive(QueryableByName)]
struct InState {
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many are in each of the states, each told even where there is none.
fn counted<const N: usize>(rows: &[InState], states: [&'static str; N]) -> Vec<(&'static str, u64)> {
    let count = |state: &str| {
        let found = rows.iter().find(|row| row.state == state);
        found.map_or(0, |row| row.count.unsigned_abs())
    };
    states.map(|state| (state, count(state))).to_vec()
}

/// Counts what is not over.
pub fn read(conn: &mut Connection, now: DateTime<Utc>) -> Result<Stored, DbError> {
    let masks: Vec<InState> = diesel::sql_query(
        "SELECT state, count(*) AS count FROM masks WHERE state NOT IN ('released', 'failed') GROUP BY state",
    )
    .load(conn)?;
    let orphans: Vec<InState> = diesel::sql_query(
        "SELECT state, count(*) AS count FROM orphans WHERE settled_at IS NULL GROUP BY state",
    )
    .load(conn)?;
    let [(_, lost_masks)] = counted(&masks, ["lost"])[..] else { unreachable!("one is told for each") };
    Ok(Stored {
        operations: operations(conn, now)?,
        masks: counted(&masks, MASKS),
        lost_masks,
        orphans: counted(&orphans, super::orphans::OPEN),
        comparison: comparison(&reconciliation::standing(conn)?, now),
    })
}

fn comparison(standing: &Standing, now: DateTime<Utc>) -> Comparison {
    let age = |good_at: DateTime<Utc>| (now - good_at).as_seconds_f64().max(0.0);
    Comparison {
        age_seconds: standing.good_at.map(age),
        is_in_doubt: standing.alarm.is_some(),
        has_settings_fault: standing.settings_fault.is_some(),
    }
}

/// Every kind in every state that is not over, in the table's own words. A release waits from the end of the mask's rest,
/// everything else from when it was wished. Lost numbers are bought back by a kind of their own: that may take a day.
fn operations(conn: &mut Connection, now: DateTime<Utc>) -> Result<Vec<OpenOperations>, DbError> {
    let rows: Vec<Operations> = diesel::sql_query(
        "WITH open AS ( \
             SELECT CASE WHEN kind = 'buy' AND masks.state = 'lost' THEN 'buy_back' ELSE kind END AS kind, \
                 operations.state, extract(epoch FROM $1 - CASE kind \
                 WHEN 'release' THEN greatest(created_at, rests_until) ELSE created_at END)::float8 AS age \
             FROM operations JOIN masks ON masks.id = mask_id WHERE finished_at IS NULL) \
         SELECT kinds.kind, states.state, count(open.kind) AS count, greatest(max(age), 0) AS oldest \
         FROM unnest(ARRAY['buy', 'buy_back', 'release']) AS kinds (kind) \
         CROSS JOIN unnest(ARRAY['intended', 'in_flight', 'unknown', 'needs_person']) AS states (state) \
         LEFT JOIN open ON open.kind = kinds.kind AND open.state = states.state \
         GROUP BY kinds.kind, states.state ORDER BY kinds.kind, states.state",
    )
    .bind::<Timestamptz, _>(now)
    .load(conn)?;
    let told = rows.into_iter().map(|row| OpenOperations {
        kind: row.kind,
        state: row.state,
        count: row.count.unsigned_abs(),
        oldest_seconds: row.oldest,
    });
    Ok(told.collect())
}
