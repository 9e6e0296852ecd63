//! What a scrape wants to know of the tables, counted by the database.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text, Timestamptz};

use super::{Connection, DbError};
use crate::metrics::{OpenOperations, Stored};

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
struct Masks {
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Counts what is not over. A release waits from the end of the mask's rest, everything else from when it was wished.
pub fn read(conn: &mut Connection, now: DateTime<Utc>) -> Result<Stored, DbError> {
    let masks: Vec<Masks> = diesel::sql_query(
        "SELECT state, count(*) AS count FROM masks WHERE state NOT IN ('released', 'failed') GROUP BY state",
    )
    .load(conn)?;
    let count = |state: &str| {
        let found = masks.iter().find(|masks| masks.state == state);
        found.map_or(0, |masks| masks.count.unsigned_abs())
    };
    Ok(Stored {
        operations: operations(conn, now)?,
        masks: MASKS.map(|state| (state, count(state))).to_vec(),
        lost_masks: count("lost"),
    })
}

/// Every kind in every state that is not over, in the table's own words.
fn operations(conn: &mut Connection, now: DateTime<Utc>) -> Result<Vec<OpenOperations>, DbError> {
    let rows: Vec<Operations> = diesel::sql_query(
        "WITH open AS ( \
             SELECT kind, operations.state, extract(epoch FROM $1 - CASE kind \
                 WHEN 'release' THEN greatest(created_at, rests_until) ELSE created_at END)::float8 AS age \
             FROM operations JOIN masks ON masks.id = mask_id WHERE finished_at IS NULL) \
         SELECT kinds.kind, states.state, count(open.kind) AS count, greatest(max(age), 0) AS oldest \
         FROM unnest(ARRAY['buy', 'release', 'configure']) AS kinds (kind) \
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
