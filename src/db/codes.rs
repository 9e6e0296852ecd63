//! Codes on their way to phones. The codes themselves are nowhere: they are derived from the ids.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::verifications as codes;
use super::{Connection, DbError};
use crate::domain::ids::{NumberId, VerificationId};
use crate::domain::verification::Undelivered;

/// A code that was sent, or is being sent.
#[derive(Debug, Clone)]
pub struct SentCode {
    /// What it is derived from.
    pub id: VerificationId,
    /// The number it proves.
    pub number: NumberId,
    /// `voice` or `text`.
    pub channel: String,
    /// Until when it can be typed.
    pub expires_at: DateTime<Utc>,
    /// How many wrong ones may still be typed.
    pub tries_left: i32,
    /// The carrier's session that carried it.
    pub carrier_session: Option<String>,
}

type Row = (Uuid, Uuid, String, DateTime<Utc>, i32, Option<String>);
const COLUMNS: (
    codes::id,
    codes::number_id,
    codes::channel,
    codes::expires_at,
    codes::tries_left,
    codes::carrier_session,
) = (
    codes::id,
    codes::number_id,
    codes::channel,
    codes::expires_at,
    codes::tries_left,
    codes::carrier_session,
);

fn sent((id, number, channel, expires_at, tries_left, carrier_session): Row) -> SentCode {
    SentCode {
        id: VerificationId(id),
        number: NumberId(number),
        channel,
        expires_at,
        tries_left,
        carrier_session,
    }
}

/// Writes a code, in the place of the one before.
pub fn replace(conn: &mut Connection, code: &SentCode, now: DateTime<Utc>) -> Result<(), DbError> {
    end_live(conn, code.number, now)?;
    diesel::insert_into(codes::table)
        .values((
            codes::id.eq(code.id.0),
            codes::number_id.eq(code.number.0),
            codes::channel.eq(&code.channel),
            codes::created_at.eq(now),
            codes::expires_at.eq(code.expires_at),
            codes::tries_left.eq(code.tries_left),
        ))
        .execute(conn)?;
    Ok(())
}

/// The number's live code.
pub fn live(
    conn: &mut Connection,
    number: NumberId,
    now: DateTime<Utc>,
) -> Result<Option<SentCode>, DbError> {
    let row: Option<Row> = codes::table
        .filter(codes::number_id.eq(number.0).and(codes::ended_at.is_null()).and(codes::expires_at.gt(now)))
        .select(COLUMNS)
        .first(conn)
        .optional()?;
    Ok(row.map(sent))
}

/// Takes one try from the number's live code and tells how many are left; `None` where none is left or the code
/// is over. Of many tries at once each takes its own.
pub fn take_try(
    conn: &mut Connection,
    id: VerificationId,
    now: DateTime<Utc>,
) -> Result<Option<i32>, DbError> {
    let usable = codes::ended_at.is_null().and(codes::expires_at.gt(now)).and(codes::tries_left.gt(0));
    Ok(diesel::update(codes::table.find(id.0).filter(usable))
        .set(codes::tries_left.eq(codes::tries_left - 1))
        .returning(codes::tries_left)
        .get_result(conn)
        .optional()?)
}

/// Ends the code.
pub fn end(conn: &mut Connection, id: VerificationId, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::update(codes::table.find(id.0)).set(codes::ended_at.eq(now)).execute(conn)?;
    Ok(())
}

/// Ends the number's live code, if there is one.
pub fn end_live(conn: &mut Connection, number: NumberId, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::update(codes::table.filter(codes::number_id.eq(number.0).and(codes::ended_at.is_null())))
        .set(codes::ended_at.eq(now))
        .execute(conn)?;
    Ok(())
}

/// Lets the carrier's session, of that channel's word, carry the code, if none other has: the same session may ask twice.
pub fn claim(
    conn: &mut Connection,
    id: VerificationId,
    (session, channel): (&str, &str),
    now: DateTime<Utc>,
) -> Result<Option<SentCode>, DbError> {
    let free = codes::carrier_session.is_null().or(codes::carrier_session.eq(session));
    let usable = codes::ended_at.is_null().and(codes::expires_at.gt(now)).and(codes::channel.eq(channel));
    let row: Option<Row> = diesel::update(codes::table.find(id.0).filter(usable).filter(free))
        .set(codes::carrier_session.eq(session))
        .returning(COLUMNS)
        .get_result(conn)
        .optional()?;
    Ok(row.map(sent))
}

/// How the number's newest code went.
#[derive(Debug, Clone)]
pub struct Newest {
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Whether the carrier has begun to deliver it.
    pub is_begun: bool,
    /// Whether it was said to somebody who pressed a key.
    pub is_said: bool,
    /// Why it did not reach anybody.
    pub undelivered: Option<Undelivered>,
}

/// How the number's newest code went.
pub fn newest(conn: &mut Connection, number: NumberId) -> Result<Option<Newest>, DbError> {
    type Row = (DateTime<Utc>, Option<String>, Option<DateTime<Utc>>, Option<String>);
    let row: Option<Row> = codes::table
        .filter(codes::number_id.eq(number.0))
        .order(codes::created_at.desc())
        .select((codes::created_at, codes::carrier_session, codes::said_at, codes::undelivered))
        .first(conn)
        .optional()?;
    Ok(row.map(|(created_at, session, said_at, undelivered)| Newest {
        created_at,
        is_begun: session.is_some(),
        is_said: said_at.is_some(),
        undelivered: undelivered.as_deref().and_then(Undelivered::from_word),
    }))
}

/// The channel of a code that this session of the carrier carries.
pub fn carried_by(
    conn: &mut Connection,
    id: VerificationId,
    session: &str,
) -> Result<Option<String>, DbError> {
    let this = codes::table.find(id.0).filter(codes::carrier_session.eq(session));
    Ok(this.select(codes::channel).first(conn).optional()?)
}

/// Notes that the code is being said; `false` where it is over, or did not reach anybody.
pub fn say(conn: &mut Connection, id: VerificationId, now: DateTime<Utc>) -> Result<bool, DbError> {
    let usable = codes::ended_at.is_null().and(codes::expires_at.gt(now)).and(codes::undelivered.is_null());
    let said =
        diesel::update(codes::table.find(id.0).filter(usable)).set(codes::said_at.eq(now)).execute(conn)?;
    Ok(said > 0)
}

/// Notes why the code did not reach anybody, unless it was said. A code that nobody can have heard is over.
pub fn note_undelivered(
    conn: &mut Connection,
    id: VerificationId,
    reason: Undelivered,
    ended_at: Option<DateTime<Utc>>,
) -> Result<(), DbError> {
    let this = codes::table.find(id.0).filter(codes::said_at.is_null().and(codes::undelivered.is_null()));
    diesel::update(this).set(codes::undelivered.eq(reason.word())).execute(conn)?;
    if let Some(ended_at) = ended_at {
        let this = codes::table.find(id.0).filter(codes::said_at.is_null().and(codes::ended_at.is_null()));
        diesel::update(this).set(codes::ended_at.eq(ended_at)).execute(conn)?;
    }
    Ok(())
}

/// Forgets codes that were over before `before`, a batch at most.
pub fn forget(conn: &mut Connection, before: DateTime<Utc>) -> Result<usize, DbError> {
    super::forget(conn, "verifications", "expires_at", before)
}
