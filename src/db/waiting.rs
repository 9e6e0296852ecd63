//! What waits for a person, as an admin reads it: operations, orphans and lost numbers, with whose they are.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};
use uuid::Uuid;

use super::operations::{Chosen, Kind};
use super::schema::orphans;
use super::{Connection, DbError};
use crate::domain::agreement::Orphan;
use crate::domain::ids::{MaskId, OperationId};
use crate::domain::phone::PhoneNumber;

/// As many of each are told at once as anybody can look after.
const MOST: i64 = 100;

/// An operation that only a person can let go on.
#[derive(Debug, Clone)]
pub struct WaitingOperation {
    /// Its name.
    pub id: OperationId,
    /// What is wished.
    pub kind: Kind,
    /// The address of the mask's owner.
    pub owner: String,
    /// What the carrier was asked for, or is to take back.
    pub about: Option<Chosen>,
    /// What went wrong last.
    pub error: Option<String>,
    /// When it was wished.
    pub since: DateTime<Utc>,
}

/// An orphan that is not settled, with what is noted about it.
#[derive(Debug, Clone)]
pub struct NotedOrphan {
    /// The orphan.
    pub orphan: Orphan,
    /// Why it is kept, or what the carrier said last.
    pub note: Option<String>,
}

/// A mask whose number the carrier does not have any more.
#[derive(Debug, Clone)]
pub struct LostMask {
    /// The mask.
    pub id: MaskId,
    /// The number.
    pub number: PhoneNumber,
    /// Its owner's address.
    pub owner: String,
    /// Since when it is lost.
    pub since: Option<DateTime<Utc>>,
    /// Whether it is tried to be bought back.
    pub is_tried: bool,
    /// How the last try ended.
    pub error: Option<String>,
}

#[derive(QueryableByName)]
struct OperationRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Nullable<Text>)]
    about: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    last_error: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    since: DateTime<Utc>,
}

/// Operations that wait for a person, the oldest first. A release waits from the end of the rest.
pub fn operations(conn: &mut Connection) -> Result<Vec<WaitingOperation>, DbError> {
    let rows: Vec<OperationRow> = diesel::sql_query(
        "SELECT o.id, o.kind, u.email AS owner, coalesce(o.chosen, m.e164) AS about, o.last_error, \
             CASE o.kind WHEN 'release' THEN greatest(o.created_at, m.rests_until) ELSE o.created_at END AS since \
         FROM operations o JOIN masks m ON m.id = o.mask_id JOIN users u ON u.id = m.user_id \
         WHERE o.state = 'needs_person' ORDER BY since, o.id LIMIT $1",
    )
    .bind::<BigInt, _>(MOST)
    .load(conn)?;
    let waiting = |row: OperationRow| {
        Ok(WaitingOperation {
            id: OperationId(row.id),
            kind: Kind::read(&row.kind)?,
            owner: row.owner,
            about: row.about.as_deref().map(Chosen::read),
            error: row.last_error,
            since: row.since,
        })
    };
    rows.into_iter().map(waiting).collect()
}

/// Orphans that are not settled, the oldest first.
pub fn orphans(conn: &mut Connection) -> Result<Vec<NotedOrphan>, DbError> {
    let open = super::orphans::open(conn)?;
    let ids: Vec<Uuid> = open.iter().map(|orphan| orphan.id.0).collect();
    let notes: Vec<(Uuid, Option<String>)> =
        orphans::table.filter(orphans::id.eq_any(ids)).select((orphans::id, orphans::note)).load(conn)?;
    let noted = |orphan: Orphan| {
        let note = notes.iter().find(|(id, _)| *id == orphan.id.0).and_then(|(_, note)| note.clone());
        NotedOrphan { orphan, note }
    };
    Ok(open.into_iter().map(noted).collect())
}

#[derive(QueryableByName)]
struct LostRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    e164: String,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    is_tried: bool,
    #[diesel(sql_type = Nullable<Text>)]
    last_error: Option<String>,
}

/// Lost masks, those that were lost last first.
pub fn lost(conn: &mut Connection) -> Result<Vec<LostMask>, DbError> {
    let rows: Vec<LostRow> = diesel::sql_query(
        "SELECT m.id, m.e164, u.email AS owner, lost.since, last.last_error, \
             last.id IS NOT NULL AND last.finished_at IS NULL AS is_tried \
         FROM masks m JOIN users u ON u.id = m.user_id \
         LEFT JOIN LATERAL (SELECT max(at) AS since FROM audit WHERE subject_id = m.id AND action = 'mask lost') lost \
             ON true \
         LEFT JOIN LATERAL (SELECT o.id, o.last_error, o.finished_at FROM operations o \
             WHERE o.mask_id = m.id AND o.kind = 'buy' ORDER BY o.created_at DESC LIMIT 1) last ON true \
         WHERE m.state = 'lost' ORDER BY lost.since DESC NULLS LAST, m.id LIMIT $1",
    )
    .bind::<BigInt, _>(MOST)
    .load(conn)?;
    let lost = |row: LostRow| {
        Ok(LostMask {
            id: MaskId(row.id),
            number: PhoneNumber::from_e164(&row.e164).ok_or(DbError::Unreadable("masks.e164"))?,
            owner: row.owner,
            since: row.since,
            is_tried: row.is_tried,
            error: row.last_error,
        })
    };
    rows.into_iter().map(lost).collect()
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many things nobody but a person can settle: operations and orphans that wait for one, lost numbers that nobody
/// tries to buy back, a list that is not believed, and settings at the carrier that are not as they should be.
pub fn count(conn: &mut Connection) -> Result<i64, DbError> {
    let count: Count = diesel::sql_query(
        "SELECT (SELECT count(*) FROM operations WHERE state = 'needs_person') \
             + (SELECT count(*) FROM orphans WHERE state = 'needs_person') \
             + (SELECT count(*) FROM masks m WHERE m.state = 'lost' AND NOT EXISTS (SELECT 1 FROM operations o \
                 WHERE o.mask_id = m.id AND o.kind = 'buy' AND o.finished_at IS NULL)) \
             + (SELECT count(*) FROM reconciliation WHERE alarm IS NOT NULL) \
             + (SELECT count(*) FROM reconciliation WHERE settings_fault IS NOT NULL) AS count",
    )
    .get_result(conn)?;
    Ok(count.count)
}
