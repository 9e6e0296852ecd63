//! What is written down about calls after they were decided: many records in one transaction, each acted on once; and what
//! servers tell each other by it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::calls::{TOO_OFTEN, decided, word_of_decision, word_of_ending};
use super::spend::Talked;
use super::{Connection, DbError, hold_lock};
use crate::domain::call::{Decided, Ending, PickedUp};
use crate::domain::ids::{CallId, MaskId, ServerId, UserId};

/// Held while records are written, so that they become visible in the order of their numbers.
const RECORD_LOCK: i64 = 7_263_415;
/// How many calls of others are read at once.
const PAGE: i64 = 5_000;

/// Something that happened to a call.
#[derive(Debug, Clone)]
pub enum Record {
    /// It came in.
    Called(NewCall),
    /// The real phone was picked up.
    PickedUp {
        /// Which call.
        call: CallId,
        /// How old the carrier's session was then.
        picked_up: PickedUp,
        /// When it was told.
        at: DateTime<Utc>,
    },
    /// It ended.
    Ended {
        /// Which call.
        call: CallId,
        /// How.
        ending: Ending,
        /// When it was told.
        at: DateTime<Utc>,
    },
    /// Refused calls came in of which no more than their number is kept.
    Refused {
        /// The mask that was called.
        mask: MaskId,
        /// When the hour began.
        hour: DateTime<Utc>,
        /// Which start of a server counted them.
        run: Uuid,
        /// How many it counted in that hour until now.
        calls: u32,
    },
}

impl Record {
    /// The call that it is about, where it is about a single one.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Called(new) => Some(new.id),
            Self::PickedUp { call, .. } | Self::Ended { call, .. } => Some(*call),
            Self::Refused { .. } => None,
        }
    }
}

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct NewCall {
    /// Its name.
    pub id: CallId,
    /// The mask that was called.
    pub mask: MaskId,
    /// The carrier's name of it.
    pub event_key: String,
    /// The caller, sealed, unless hidden.
    pub caller_sealed: Option<Vec<u8>>,
    /// The digest of the caller for this mask, unless hidden.
    pub caller_lookup: Option<[u8; 32]>,
    /// What was decided.
    pub decided: Decided,
    /// When it came in.
    pub at: DateTime<Utc>,
}

/// Writes records down, whichever of them are not known yet; tells the calls that some of them are about and that nobody has
/// written down. What was told first of a call stays.
///
/// `server` is whose book of calls they are in already; with none, every server hears them.
pub fn write(
    conn: &mut Connection,
    server: Option<ServerId>,
    records: &[Record],
) -> Result<Vec<CallId>, DbError> {
    let server = server.map(|server| server.0);
    hold_lock(conn, RECORD_LOCK)?;
    let (mut called, mut picked_up, mut ended) = (Vec::new(), Vec::new(), Vec::<Told>::new());
    let mut refused = Vec::new();
    for record in records {
        match record {
            Record::Called(new) => called.push(new),
            Record::PickedUp { call, picked_up: told, at } => picked_up.push((call.0, *told, *at)),
            // The same row twice in one statement: which of them counted would be anybody's guess.
            Record::Ended { call, .. } if ended.iter().any(|told| told.0 == call.0) => {}
            Record::Ended { call, ending, at } => ended.push((call.0, *ending, *at)),
            Record::Refused { mask, hour, run, calls } => refused.push((mask.0, *hour, *run, *calls)),
        }
    }
    insert(conn, server, &called)?;
    count_refused(conn, &refused)?;
    let mut missing = set_picked_up(conn, server, &picked_up)?;
    missing.extend(settle(conn, server, &ended)?);
    Ok(missing)
}

fn insert(conn: &mut Connection, server: Option<Uuid>, calls: &[&NewCall]) -> Result<(), DbError> {
    if calls.is_empty() {
        return Ok(());
    }
    let over = |call: &&NewCall| call.decided.is_refused().then_some(call.at);
    // A mask that is gone for good takes its calls along.
    diesel::sql_query(
        "INSERT INTO calls (id, mask_id, event_key, caller_sealed, caller_lookup, received_at, decision, ended_at, server) \
         SELECT t.id, t.mask, t.event, t.sealed, t.lookup, t.at, t.decision, t.over, $9 \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS t (id, mask, event, sealed, lookup, at, decision, over) \
         JOIN masks ON masks.id = t.mask ON CONFLICT DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(calls.iter().map(|call| call.id.0).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(calls.iter().map(|call| call.mask.0).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(calls.iter().map(|call| call.event_key.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Bytea>>, _>(
        calls.iter().map(|call| call.caller_sealed.as_deref()).collect::<Vec<_>>(),
    )
    .bind::<Array<Nullable<Bytea>>, _>(
        calls.iter().map(|call| call.caller_lookup.as_ref().map(<[u8; 32]>::as_slice)).collect::<Vec<_>>(),
    )
    .bind::<Array<Timestamptz>, _>(calls.iter().map(|call| call.at).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(calls.iter().map(|call| word_of_decision(call.decided)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(calls.iter().map(over).collect::<Vec<_>>())
    .bind::<Nullable<SqlUuid>, _>(server)
    .execute(conn)?;
    Ok(())
}

/// Notes how many refused calls were only counted. A count never shrinks, so that records may come twice and in any order.
fn count_refused(conn: &mut Connection, counts: &[(Uuid, DateTime<Utc>, Uuid, u32)]) -> Result<(), DbError> {
    if counts.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "INSERT INTO refused_calls (mask_id, hour, run, calls) \
         SELECT t.mask, t.hour, t.run, max(t.calls) FROM unnest($1, $2, $3, $4) AS t (mask, hour, run, calls) \
         JOIN masks ON masks.id = t.mask GROUP BY 1, 2, 3 \
         ON CONFLICT (mask_id, hour, run) DO UPDATE SET calls = greatest(refused_calls.calls, excluded.calls)",
    )
    .bind::<Array<SqlUuid>, _>(counts.iter().map(|count| count.0).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(counts.iter().map(|count| count.1).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(counts.iter().map(|count| count.2).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(counts.iter().map(|count| i64::from(count.3)).collect::<Vec<_>>())
    .execute(conn)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Missing {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

fn missing(rows: Vec<Missing>) -> Vec<CallId> {
    rows.into_iter().map(|row| CallId(row.id)).collect()
}

/// A call that another server took is heard by all again: whoever records its end may not have heard of it before.
fn set_picked_up(
    conn: &mut Connection,
    server: Option<Uuid>,
    told: &[(Uuid, PickedUp, DateTime<Utc>)],
) -> Result<Vec<CallId>, DbError> {
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let rows = diesel::sql_query(
        "WITH told AS (SELECT DISTINCT ON (id) * FROM unnest($1, $2, $3) WITH ORDINALITY AS t (id, seconds, at, nth) \
                       ORDER BY id, nth), \
              noted AS (UPDATE calls SET answered_at = t.at, answered_after = t.seconds, \
                                         recorded = nextval('calls_recorded'), \
                                         server = CASE WHEN calls.server = $4 THEN calls.server END \
                        FROM told t WHERE calls.id = t.id AND answered_at IS NULL AND ended_at IS NULL) \
         SELECT id FROM told WHERE NOT EXISTS (SELECT FROM calls WHERE calls.id = told.id)",
    )
    .bind::<Array<SqlUuid>, _>(told.iter().map(|told| told.0).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(told.iter().map(|told| told.1.seconds()).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(told.iter().map(|told| told.2).collect::<Vec<_>>())
    .bind::<Nullable<SqlUuid>, _>(server)
    .load(conn)?;
    Ok(missing(rows))
}

type Told = (Uuid, Ending, DateTime<Utc>);

/// Notes how calls ended, and counts what was talked towards their masks' months and the days' totals.
fn settle(conn: &mut Connection, server: Option<Uuid>, told: &[Told]) -> Result<Vec<CallId>, DbError> {
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let rows = diesel::sql_query(
        "WITH told AS (SELECT * FROM unnest($1, $2, $3, $4) AS t (id, ending, seconds, at)), \
              ended AS (UPDATE calls SET ending = t.ending, talk_seconds = t.seconds, ended_at = t.at, \
                                         recorded = nextval('calls_recorded'), \
                                         server = CASE WHEN calls.server = $5 THEN calls.server END \
                        FROM told t WHERE calls.id = t.id AND ended_at IS NULL RETURNING mask_id, t.seconds, t.at), \
              talked AS (SELECT * FROM ended WHERE seconds IS NOT NULL), \
              of_masks AS (INSERT INTO talk (mask_id, month, seconds) \
                           SELECT mask_id, date_trunc('month', at)::date, sum(seconds) FROM talked GROUP BY 1, 2 \
                           ON CONFLICT (mask_id, month) DO UPDATE SET seconds = talk.seconds + excluded.seconds), \
              of_days AS (INSERT INTO tallies (day, what, amount) \
                          SELECT at::date, 'talk_seconds', sum(seconds) FROM talked GROUP BY 1 \
                          ON CONFLICT (day, what) DO UPDATE SET amount = tallies.amount + excluded.amount) \
         SELECT id FROM told WHERE NOT EXISTS (SELECT FROM calls WHERE calls.id = told.id)",
    )
    .bind::<Array<SqlUuid>, _>(told.iter().map(|told| told.0).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(told.iter().map(|told| word_of_ending(told.1).0).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(told.iter().map(|told| word_of_ending(told.1).1).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(told.iter().map(|told| told.2).collect::<Vec<_>>())
    .bind::<Nullable<SqlUuid>, _>(server)
    .load(conn)?;
    Ok(missing(rows))
}

/// A call as servers tell each other of it.
#[derive(Debug, Clone)]
pub struct ToldCall {
    /// The number of its last record.
    pub recorded: i64,
    /// Its name.
    pub id: CallId,
    /// The mask that was called, and whose it is.
    pub mask: (MaskId, UserId),
    /// The digest of the caller for this mask, unless hidden.
    pub caller_lookup: Option<[u8; 32]>,
    /// What was decided.
    pub decided: Decided,
    /// When it came in.
    pub at: DateTime<Utc>,
    /// That it was picked up, if it was.
    pub picked_up: Option<PickedUp>,
    /// When it ended, if it did.
    pub ended_at: Option<DateTime<Utc>>,
    /// How long they talked.
    pub talk_seconds: Option<u32>,
    /// When the owner let the caller in again, if they did.
    pub admitted_at: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct ToldRow {
    #[diesel(sql_type = BigInt)]
    recorded: i64,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    mask_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Nullable<Bytea>)]
    caller_lookup: Option<Vec<u8>>,
    #[diesel(sql_type = Text)]
    decision: String,
    #[diesel(sql_type = Timestamptz)]
    received_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    answered_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Integer>)]
    answered_after: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    ended_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Integer>)]
    talk_seconds: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    admitted_at: Option<DateTime<Utc>>,
}

impl TryFrom<ToldRow> for ToldCall {
    type Error = DbError;

    fn try_from(row: ToldRow) -> Result<Self, DbError> {
        Ok(Self {
            recorded: row.recorded,
            id: CallId(row.id),
            mask: (MaskId(row.mask_id), UserId(row.user_id)),
            caller_lookup: row.caller_lookup.and_then(|lookup| lookup.try_into().ok()),
            decided: decided(&row.decision)?,
            at: row.received_at,
            picked_up: row.answered_at.map(|_| PickedUp::of_seconds(row.answered_after)),
            ended_at: row.ended_at,
            talk_seconds: row.talk_seconds.and_then(|seconds| u32::try_from(seconds).ok()),
            admitted_at: row.admitted_at,
        })
    }
}

/// A page of the calls of which something was recorded behind `after`, in that order: all that came in after `since`, or
/// only what other servers recorded.
pub fn told_after(
    conn: &mut Connection,
    after: i64,
    since: DateTime<Utc>,
    but_by: Option<ServerId>,
) -> Result<Vec<ToldCall>, DbError> {
    let rows: Vec<ToldRow> = diesel::sql_query(format!(
        "SELECT recorded, calls.id, mask_id, user_id, caller_lookup, decision, received_at, answered_at, \
                answered_after, ended_at, talk_seconds, admitted_at \
         FROM calls JOIN masks ON masks.id = mask_id \
         WHERE recorded > $1 AND received_at > $2 AND ($3 IS NULL OR server IS DISTINCT FROM $3) ORDER BY recorded LIMIT {PAGE}"
    ))
    .bind::<BigInt, _>(after)
    .bind::<Timestamptz, _>(since)
    .bind::<Nullable<SqlUuid>, _>(but_by.map(|server| server.0))
    .load(conn)?;
    // One that a later version has written, say, holds up no others.
    let known = |row: ToldRow| {
        let id = row.id;
        ToldCall::try_from(row)
            .inspect_err(|error| tracing::warn!(%error, call = %id, "a call is not counted"))
            .ok()
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// The number before the first record of the calls that came in after `since`; where there are none, that of the newest
/// record of all.
pub fn first_since(conn: &mut Connection, since: DateTime<Utc>) -> Result<i64, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        before: i64,
    }
    let row: Row = diesel::sql_query(
        // The sum keeps the planner from the index of `recorded`, of which it would read all that is older first.
        "SELECT coalesce((SELECT min(recorded + 0) - 1 FROM calls WHERE received_at > $1), \
                         (SELECT max(recorded) FROM calls), 0) AS before",
    )
    .bind::<Timestamptz, _>(since)
    .get_result(conn)?;
    Ok(row.before)
}

/// Notes that the owner of the mask let the callers in again whom the digests find: on their refused calls since `since`,
/// which every server hears again by it.
pub fn admit(
    conn: &mut Connection,
    mask: MaskId,
    callers: &[[u8; 32]],
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    hold_lock(conn, RECORD_LOCK)?;
    diesel::sql_query(format!(
        "UPDATE calls SET admitted_at = $3, recorded = nextval('calls_recorded'), server = NULL \
         WHERE mask_id = $1 AND caller_lookup = ANY($2) AND received_at > $4 AND decision IN ({TOO_OFTEN})"
    ))
    .bind::<SqlUuid, _>(mask.0)
    .bind::<Array<Bytea>, _>(callers.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(since)
    .execute(conn)?;
    Ok(())
}

/// The number of the newest record. Whoever writes holds it back until all before it can be seen.
pub fn newest(conn: &mut Connection) -> Result<i64, DbError> {
    use super::schema::calls;
    let newest: Option<i64> = calls::table.select(diesel::dsl::max(calls::recorded)).first(conn)?;
    Ok(newest.unwrap_or(0))
}

/// The number of the newest record, and what was talked through each mask in the month of `now` until it.
pub fn talk_so_far(conn: &mut Connection, now: DateTime<Utc>) -> Result<(i64, Vec<Talked>), DbError> {
    hold_lock(conn, RECORD_LOCK)?;
    Ok((newest(conn)?, super::spend::talked_by_all(conn, now)?))
}
