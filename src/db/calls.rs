//! Calls to masks with their stories; the callers are sealed.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};
use uuid::Uuid;

use super::schema::{calls, masks};
use super::{Connection, DbError};
use crate::domain::call::{Decided, Ending, PickedUp, Reason};
use crate::domain::ids::{CallId, MaskId, UserId};

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
            ending: ended
                .map(|word| ending_of(&word, seconds).ok_or(DbError::Unreadable("calls.ending")))
                .transpose()?,
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
