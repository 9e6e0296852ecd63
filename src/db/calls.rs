//! Calls to masks with their stories; the callers are sealed.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::schema::{calls, masks};
use super::{Connection, DbError};
use crate::domain::call::{Decided, Ending, PickedUp, Reason, Unbelievable};
use crate::domain::ids::{CallId, MaskId, UserId};

const WORDS: [(Decided, &str); 15] = [
    (Decided::Connected, "connected"),
    (Decided::RangOut(Unbelievable::OwnersNumber), "owners_number"),
    (Decided::RangOut(Unbelievable::MasksNumber), "masks_number"),
    // As versions before wrote the two.
    (Decided::RangOut(Unbelievable::OwnersNumber), "own_mask"),
    (Decided::RangOut(Unbelievable::MasksNumber), "mask_to_mask"),
    (Decided::TurnedAway(Reason::Resting), "resting"),
    (Decided::TurnedAway(Reason::Paused), "paused"),
    (Decided::TurnedAway(Reason::Busy), "busy"),
    (Decided::TurnedAway(Reason::OverLimit), "over_limit"),
    (Decided::TurnedAway(Reason::OutOfMinutes), "out_of_minutes"),
    (Decided::TurnedAway(Reason::Stopped), "stopped"),
    (Decided::TurnedAway(Reason::CallerOverLimit), "caller_over_limit"),
    (Decided::TurnedAway(Reason::Loop), "loop"),
    (Decided::Rejected, "rejected"),
    (Decided::TurnedAway(Reason::NotAllowed), "not_allowed"),
];

/// Calls that were refused because their caller called too often.
pub(super) const TOO_OFTEN: &str = "'caller_over_limit', 'loop', 'rejected'";

/// The word by which a decision is kept.
pub fn word_of_decision(decided: Decided) -> &'static str {
    // A number that no mask holds makes no row; a call to one on its way out counts as resting.
    WORDS.iter().find(|(known, _)| *known == decided).map_or("resting", |(_, word)| word)
}

/// The decision that is kept by that word.
pub fn decision_of(word: &str) -> Option<Decided> {
    WORDS.iter().find(|(_, known)| *known == word).map(|(decided, _)| *decided)
}

pub(super) fn decided(word: &str) -> Result<Decided, DbError> {
    decision_of(word).ok_or(DbError::Unreadable("calls.decision"))
}

/// Whether and when the call was picked up; `None` for a call that is not known.
pub fn picked_up(conn: &mut Connection, id: CallId) -> Result<Option<Option<PickedUp>>, DbError> {
    let row: Option<(Option<DateTime<Utc>>, Option<i32>)> =
        calls::table.find(id.0).select((calls::answered_at, calls::answered_after)).first(conn).optional()?;
    let picked_up =
        |(at, after): (Option<DateTime<Utc>>, Option<i32>)| at.map(|_| PickedUp::of_seconds(after));
    Ok(row.map(picked_up))
}

/// The word by which an ending is kept, and the seconds that were talked.
pub fn word_of_ending(ending: Ending) -> (&'static str, Option<i32>) {
    match ending {
        Ending::Answered { seconds } => ("answered", seconds.and_then(|seconds| i32::try_from(seconds).ok())),
        Ending::NoAnswer => ("no_answer", None),
        Ending::Busy => ("busy", None),
        Ending::Refused => ("refused", None),
        Ending::CallerHungUp => ("caller_hung_up", None),
        Ending::DidNotConnect => ("did_not_connect", None),
    }
}

/// The ending that is kept by that word and those seconds.
pub fn ending_of(word: &str, seconds: Option<i32>) -> Option<Ending> {
    Some(match word {
        "answered" => Ending::Answered { seconds: seconds.and_then(|seconds| u32::try_from(seconds).ok()) },
        "no_answer" => Ending::NoAnswer,
        "busy" => Ending::Busy,
        "refused" => Ending::Refused,
        "caller_hung_up" => Ending::CallerHungUp,
        "did_not_connect" => Ending::DidNotConnect,
        _ => return None,
    })
}

/// A call in a mask's log, or several of one caller's that were refused because they called too often.
#[derive(Debug, Clone)]
pub struct LoggedCall {
    /// Its name; of several, that of the last.
    pub id: CallId,
    /// The caller, sealed, unless hidden.
    pub caller_sealed: Option<Vec<u8>>,
    /// The digest of the caller for this mask, unless hidden.
    pub caller_lookup: Option<[u8; 32]>,
    /// When it came in; of several, the last.
    pub received_at: DateTime<Utc>,
    /// What was decided.
    pub decided: Decided,
    /// When the real phone was picked up.
    pub answered_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// When the owner let the caller in again, if they did after it.
    pub admitted_at: Option<DateTime<Utc>>,
    /// How many calls it stands for.
    pub calls: i64,
}

/// Whether anybody ever called one of the user's masks.
pub fn any_of_user(conn: &mut Connection, user: UserId) -> Result<bool, DbError> {
    let of_user = masks::table.filter(masks::user_id.eq(user.0)).select(masks::id);
    Ok(diesel::select(exists(calls::table.filter(calls::mask_id.eq_any(of_user)))).get_result(conn)?)
}

/// How many entries a page of a log holds.
pub const PAGE: i64 = 20;

#[derive(QueryableByName)]
struct LogRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<Bytea>)]
    caller_sealed: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Bytea>)]
    caller_lookup: Option<Vec<u8>>,
    #[diesel(sql_type = Timestamptz)]
    received_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    decision: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    answered_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    ending: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    talk_seconds: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    admitted_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    calls: i64,
}

impl TryFrom<LogRow> for LoggedCall {
    type Error = DbError;

    fn try_from(row: LogRow) -> Result<Self, DbError> {
        let ended =
            |word: String| ending_of(&word, row.talk_seconds).ok_or(DbError::Unreadable("calls.ending"));
        Ok(Self {
            id: CallId(row.id),
            caller_sealed: row.caller_sealed,
            caller_lookup: row.caller_lookup.and_then(|lookup| lookup.try_into().ok()),
            received_at: row.received_at,
            decided: decided(&row.decision)?,
            answered_at: row.answered_at,
            ending: row.ending.map(ended).transpose()?,
            admitted_at: row.admitted_at,
            calls: row.calls,
        })
    }
}

/// One page of the mask's log, the newest first, and how many entries there are in all.
pub fn log(conn: &mut Connection, mask: MaskId, page: i64) -> Result<(Vec<LoggedCall>, i64), DbError> {
    // A caller's digest is longer than a call's name, so that none is taken for the other.
    let entry = format!(
        "CASE WHEN decision IN ({TOO_OFTEN}) AND caller_lookup IS NOT NULL THEN caller_lookup ELSE uuid_send(id) END"
    );
    let total =
        diesel::sql_query(format!("SELECT count(DISTINCT {entry}) AS figure FROM calls WHERE mask_id = $1"))
            .bind::<SqlUuid, _>(mask.0)
            .get_result::<Figure>(conn)?;
    let rows: Vec<LogRow> = diesel::sql_query(format!(
        "SELECT * FROM (SELECT DISTINCT ON ({entry}) id, caller_sealed, caller_lookup, received_at, decision, \
                               answered_at, ending, talk_seconds, admitted_at, count(*) OVER (PARTITION BY {entry}) AS calls \
                        FROM calls WHERE mask_id = $1 ORDER BY {entry}, received_at DESC, id) entries \
         ORDER BY received_at DESC, id LIMIT {PAGE} OFFSET $2"
    ))
    .bind::<SqlUuid, _>(mask.0)
    .bind::<BigInt, _>(super::start_of(page, PAGE, total.figure))
    .load(conn)?;
    Ok((rows.into_iter().map(LoggedCall::try_from).collect::<Result<_, DbError>>()?, total.figure))
}

#[derive(QueryableByName)]
struct Figure {
    #[diesel(sql_type = BigInt)]
    figure: i64,
}

/// How many refused calls to the mask since `since` were only counted.
pub fn counted(conn: &mut Connection, mask: MaskId, since: DateTime<Utc>) -> Result<i64, DbError> {
    let counted = diesel::sql_query(
        "SELECT coalesce(sum(calls), 0)::bigint AS figure FROM refused_calls WHERE mask_id = $1 AND hour > $2",
    )
    .bind::<SqlUuid, _>(mask.0)
    .bind::<Timestamptz, _>(since);
    Ok(counted.get_result::<Figure>(conn)?.figure)
}

/// The caller of a call.
#[derive(Debug, Clone)]
pub struct SealedCaller {
    /// Their number, sealed.
    pub sealed: Vec<u8>,
    /// The digest that finds them among the callers of the mask.
    pub digest: [u8; 32],
}

type CallerColumns = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The caller of a call to the mask; `None` where there is no such call, or they were hidden.
pub fn caller(conn: &mut Connection, mask: MaskId, id: CallId) -> Result<Option<SealedCaller>, DbError> {
    let row: Option<CallerColumns> = calls::table
        .filter(calls::id.eq(id.0).and(calls::mask_id.eq(mask.0)))
        .select((calls::caller_sealed, calls::caller_lookup))
        .first(conn)
        .optional()?;
    Ok(row.and_then(|(sealed, lookup)| {
        Some(SealedCaller { sealed: sealed?, digest: lookup?.try_into().ok()? })
    }))
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
    .bind::<SqlUuid, _>(mask.0)
    .bind::<Timestamptz, _>(since)
    .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.quarter, row.calls)).collect())
}

/// Calls that go on since before `before`, with the carrier's names of them, and were not ended yet.
pub fn overlong(conn: &mut Connection, before: DateTime<Utc>) -> Result<Vec<(CallId, String)>, DbError> {
    let rows: Vec<(Uuid, String)> = calls::table
        .filter(calls::ended_at.is_null().and(calls::cut_at.is_null()).and(calls::received_at.lt(before)))
        // The newest first: one that the carrier does not end, however often it is told, holds up no others.
        .order(calls::received_at.desc())
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

/// Forgets the counts of refused calls in hours that began before `before`, a batch at most.
pub fn forget_counts(conn: &mut Connection, before: DateTime<Utc>) -> Result<usize, DbError> {
    super::forget(conn, "refused_calls", "hour", before)
}
