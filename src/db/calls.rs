//! Calls to masks with their stories; the callers are sealed.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bytea, Date, Nullable, Timestamptz};
use uuid::Uuid;

use super::schema::{calls, masks};
use super::spend::{self, month_of};
use super::{Connection, DbError};
use crate::domain::call::{Ending, Reason, RecentCalls};
use crate::domain::ids::{CallId, MaskId, UserId};

/// What was decided, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// The real phone was to ring.
    Connected,
    /// The caller heard why not.
    TurnedAway(Reason),
    /// The caller, who had been told before, heard nothing.
    Rejected,
}

const WORDS: [(Decided, &str); 12] = [
    (Decided::Connected, "connected"),
    (Decided::TurnedAway(Reason::Resting), "resting"),
    (Decided::TurnedAway(Reason::Paused), "paused"),
    (Decided::TurnedAway(Reason::OwnMask), "own_mask"),
    (Decided::TurnedAway(Reason::MaskToMask), "mask_to_mask"),
    (Decided::TurnedAway(Reason::Busy), "busy"),
    (Decided::TurnedAway(Reason::OverLimit), "over_limit"),
    (Decided::TurnedAway(Reason::OutOfMinutes), "out_of_minutes"),
    (Decided::TurnedAway(Reason::Stopped), "stopped"),
    (Decided::TurnedAway(Reason::CallerOverLimit), "caller_over_limit"),
    (Decided::Rejected, "rejected"),
    (Decided::TurnedAway(Reason::NotAllowed), "not_allowed"),
];

fn word(decided: Decided) -> &'static str {
    // A number that no mask holds makes no row; a call to one on its way out counts as resting.
    WORDS.iter().find(|(known, _)| *known == decided).map_or("resting", |(_, word)| word)
}

fn decided(word: &str) -> Result<Decided, DbError> {
    let known = WORDS.iter().find(|(_, known)| *known == word);
    known.map(|(decided, _)| *decided).ok_or(DbError::Unreadable("calls.decision"))
}

/// A call as it comes in.
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
}

/// Writes a call; `false` if the carrier told of it before.
pub fn insert(conn: &mut Connection, call: &NewCall, now: DateTime<Utc>) -> Result<bool, DbError> {
    let connected = call.decided == Decided::Connected;
    let written = diesel::insert_into(calls::table)
        .values((
            calls::id.eq(call.id.0),
            calls::mask_id.eq(call.mask.0),
            calls::event_key.eq(&call.event_key),
            calls::caller_sealed.eq(&call.caller_sealed),
            calls::caller_lookup.eq(call.caller_lookup.map(|lookup| lookup.to_vec())),
            calls::received_at.eq(now),
            calls::decision.eq(word(call.decided)),
            calls::ended_at.eq((!connected).then_some(now)),
        ))
        .on_conflict(calls::event_key)
        .do_nothing()
        .execute(conn)?;
    Ok(written > 0)
}

/// A call that the carrier told of before.
#[derive(Debug, Clone, Copy)]
pub struct KnownCall {
    /// Its name.
    pub id: CallId,
    /// What was decided.
    pub decided: Decided,
    /// Whether it is over.
    pub is_over: bool,
}

/// The call that the carrier told of under that name.
pub fn find_by_event(conn: &mut Connection, event_key: &str) -> Result<Option<KnownCall>, DbError> {
    let row: Option<(Uuid, String, Option<DateTime<Utc>>)> = calls::table
        .filter(calls::event_key.eq(event_key))
        .select((calls::id, calls::decision, calls::ended_at))
        .first(conn)
        .optional()?;
    let known = |(id, decision, ended_at): (Uuid, String, Option<DateTime<Utc>>)| {
        Ok(KnownCall { id: CallId(id), decided: decided(&decision)?, is_over: ended_at.is_some() })
    };
    row.map(known).transpose()
}

#[derive(QueryableByName)]
struct RecentRow {
    #[diesel(sql_type = BigInt)]
    hour: i64,
    #[diesel(sql_type = BigInt)]
    day: i64,
    #[diesel(sql_type = BigInt)]
    live: i64,
    #[diesel(sql_type = BigInt)]
    caller_ten_minutes: i64,
    #[diesel(sql_type = BigInt)]
    caller_day: i64,
    #[diesel(sql_type = BigInt)]
    caller_ten_seconds: i64,
    #[diesel(sql_type = BigInt)]
    caller_refused: i64,
    #[diesel(sql_type = BigInt)]
    own_mask: i64,
    #[diesel(sql_type = BigInt)]
    mask_talk: i64,
    #[diesel(sql_type = BigInt)]
    owner_talk: i64,
}

/// How much the mask was called of late. A call that never ended counts as live no longer than calls may last.
pub fn recent(
    conn: &mut Connection,
    mask: MaskId,
    caller_lookup: Option<[u8; 32]>,
    now: DateTime<Utc>,
    longest_call: TimeDelta,
) -> Result<RecentCalls, DbError> {
    let row: RecentRow = diesel::sql_query(
        "SELECT count(*) FILTER (WHERE decision = 'connected' AND received_at > $2 - interval '1 hour') AS hour, \
                count(*) FILTER (WHERE decision = 'connected') AS day, \
                count(*) FILTER (WHERE decision = 'connected' AND ended_at IS NULL AND received_at > $4) AS live, \
                count(*) FILTER (WHERE caller_lookup = $3 AND decision = 'connected' \
                                 AND received_at > $2 - interval '10 minutes') AS caller_ten_minutes, \
                count(*) FILTER (WHERE caller_lookup = $3 AND decision = 'connected') AS caller_day, \
                count(*) FILTER (WHERE caller_lookup = $3 AND received_at > $2 - interval '10 seconds') \
                    AS caller_ten_seconds, \
                count(*) FILTER (WHERE caller_lookup = $3 AND decision = 'caller_over_limit') AS caller_refused, \
                count(*) FILTER (WHERE decision = 'own_mask') AS own_mask, \
                (SELECT coalesce(sum(seconds), 0)::bigint FROM talk WHERE mask_id = $1 AND month = $5) AS mask_talk, \
                (SELECT coalesce(sum(seconds), 0)::bigint FROM talk JOIN masks ON masks.id = talk.mask_id \
                 WHERE masks.user_id = (SELECT user_id FROM masks WHERE id = $1) AND month = $5) AS owner_talk \
         FROM calls WHERE mask_id = $1 AND received_at > $2 - interval '24 hours'",
    )
    .bind::<diesel::sql_types::Uuid, _>(mask.0)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<Bytea>, _>(caller_lookup.map(|lookup| lookup.to_vec()))
    .bind::<Timestamptz, _>(now - longest_call)
    .bind::<Date, _>(month_of(now))
    .get_result(conn)?;
    let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(RecentCalls {
        hour: count(row.hour),
        day: count(row.day),
        live: count(row.live),
        caller_ten_minutes: count(row.caller_ten_minutes),
        caller_day: count(row.caller_day),
        caller_ten_seconds: count(row.caller_ten_seconds),
        caller_refused: count(row.caller_refused),
        own_mask: count(row.own_mask),
        mask_talk: count(row.mask_talk),
        owner_talk: count(row.owner_talk),
    })
}

/// Notes that the real phone was picked up, the first time that the carrier says so, and how old its session was then
/// in seconds.
pub fn set_answered(
    conn: &mut Connection,
    id: CallId,
    session_seconds: Option<u32>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let seconds = session_seconds.and_then(|seconds| i32::try_from(seconds).ok());
    diesel::update(
        calls::table.find(id.0).filter(calls::answered_at.is_null().and(calls::ended_at.is_null())),
    )
    .set((calls::answered_at.eq(now), calls::answered_after.eq(seconds)))
    .execute(conn)?;
    Ok(())
}

/// When the carrier said that a call was picked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PickedUp {
    /// How old the carrier's session was then, in seconds.
    pub session_seconds: Option<u32>,
}

/// Whether and when the call was picked up; `None` for a call that is not known.
pub fn picked_up(conn: &mut Connection, id: CallId) -> Result<Option<Option<PickedUp>>, DbError> {
    let row: Option<(Option<DateTime<Utc>>, Option<i32>)> =
        calls::table.find(id.0).select((calls::answered_at, calls::answered_after)).first(conn).optional()?;
    let picked_up = |(at, after): (Option<DateTime<Utc>>, Option<i32>)| {
        at.map(|_| PickedUp { session_seconds: after.and_then(|after| u32::try_from(after).ok()) })
    };
    Ok(row.map(picked_up))
}

/// Notes how a call ended; what was told first stays. Tells whether this was the first time.
pub fn settle(
    conn: &mut Connection,
    id: CallId,
    ending: Ending,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let seconds = match ending {
        Ending::Answered { seconds } => seconds.and_then(|seconds| i32::try_from(seconds).ok()),
        _ => None,
    };
    let settled = diesel::update(calls::table.find(id.0).filter(calls::ended_at.is_null()))
        .set((
            calls::ending.eq(ending_word(ending)),
            calls::talk_seconds.eq(seconds),
            calls::ended_at.eq(now),
        ))
        .execute(conn)?;
    if settled > 0
        && let Some(seconds) = seconds
    {
        spend::add_talk(conn, id, i64::from(seconds), now)?;
    }
    Ok(settled > 0)
}

fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Answered { .. } => "answered",
        Ending::NoAnswer => "no_answer",
        Ending::Busy => "busy",
        Ending::Refused => "refused",
        Ending::CallerHungUp => "caller_hung_up",
        Ending::DidNotConnect => "did_not_connect",
    }
}

fn ending(word: &str, seconds: Option<i32>) -> Result<Ending, DbError> {
    Ok(match word {
        "answered" => Ending::Answered { seconds: seconds.and_then(|seconds| u32::try_from(seconds).ok()) },
        "no_answer" => Ending::NoAnswer,
        "busy" => Ending::Busy,
        "refused" => Ending::Refused,
        "caller_hung_up" => Ending::CallerHungUp,
        "did_not_connect" => Ending::DidNotConnect,
        _ => return Err(DbError::Unreadable("calls.ending")),
    })
}

/// A call in a mask's log.
#[derive(Debug, Clone)]
pub struct LoggedCall {
    /// Its name.
    pub id: CallId,
    /// The caller, sealed, unless hidden.
    pub caller_sealed: Option<Vec<u8>>,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// What was decided.
    pub decided: Decided,
    /// When the real phone was picked up.
    pub answered_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub ending: Option<Ending>,
}

/// Whether anybody ever called one of the user's masks.
pub fn any_of_user(conn: &mut Connection, user: UserId) -> Result<bool, DbError> {
    let of_user = masks::table.filter(masks::user_id.eq(user.0)).select(masks::id);
    Ok(diesel::select(exists(calls::table.filter(calls::mask_id.eq_any(of_user)))).get_result(conn)?)
}

/// How many calls a page of a log holds.
pub const PAGE: i64 = 20;

type LogRow =
    (Uuid, Option<Vec<u8>>, DateTime<Utc>, String, Option<DateTime<Utc>>, Option<String>, Option<i32>);

/// One page of the mask's calls, the newest first, and how many there are in all.
pub fn log(conn: &mut Connection, mask: MaskId, page: i64) -> Result<(Vec<LoggedCall>, i64), DbError> {
    let total = calls::table.filter(calls::mask_id.eq(mask.0)).count().get_result(conn)?;
    let rows: Vec<LogRow> = calls::table
        .filter(calls::mask_id.eq(mask.0))
        .order((calls::received_at.desc(), calls::id))
        .offset(page.max(0) * PAGE)
        .limit(PAGE)
        .select((
            calls::id,
            calls::caller_sealed,
            calls::received_at,
            calls::decision,
            calls::answered_at,
            calls::ending,
            calls::talk_seconds,
        ))
        .load(conn)?;
    let logged = |(id, caller_sealed, received_at, decision, answered_at, ended, seconds): LogRow| {
        Ok(LoggedCall {
            id: CallId(id),
            caller_sealed,
            received_at,
            decided: decided(&decision)?,
            answered_at,
            ending: ended.map(|word| ending(&word, seconds)).transpose()?,
        })
    };
    Ok((rows.into_iter().map(logged).collect::<Result<_, DbError>>()?, total))
}

#[derive(QueryableByName)]
struct QuarterRow {
    #[diesel(sql_type = Timestamptz)]
    quarter: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    calls: i64,
}

/// The mask's calls since `since`, a figure for each quarter of an hour in which there were some: everybody's days
/// begin with one.
pub fn by_quarter(
    conn: &mut Connection,
    mask: MaskId,
    since: DateTime<Utc>,
) -> Result<Vec<(DateTime<Utc>, i64)>, DbError> {
    let rows: Vec<QuarterRow> = diesel::sql_query(
        "SELECT date_bin('15 minutes', received_at, 'epoch'::timestamptz) AS quarter, count(*) AS calls FROM calls \
         WHERE mask_id = $1 AND received_at > $2 GROUP BY 1 ORDER BY 1",
    )
    .bind::<diesel::sql_types::Uuid, _>(mask.0)
    .bind::<Timestamptz, _>(since)
    .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.quarter, row.calls)).collect())
}

/// Calls that go on since before `before`, with the carrier's names of them, and were not ended yet.
pub fn overlong(conn: &mut Connection, before: DateTime<Utc>) -> Result<Vec<(CallId, String)>, DbError> {
    let rows: Vec<(Uuid, String)> = calls::table
        .filter(calls::ended_at.is_null().and(calls::cut_at.is_null()).and(calls::received_at.lt(before)))
        .order(calls::received_at)
        .limit(100)
        .select((calls::id, calls::event_key))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, event_key)| (CallId(id), event_key)).collect())
}

/// Notes that the carrier was told to end the call.
pub fn set_cut(conn: &mut Connection, id: CallId, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::update(calls::table.find(id.0)).set(calls::cut_at.eq(now)).execute(conn)?;
    Ok(())
}

/// Forgets calls that came in before `before`, a batch at most.
pub fn forget(conn: &mut Connection, before: DateTime<Utc>) -> Result<usize, DbError> {
    super::forget(conn, "calls", "received_at", before)
}
