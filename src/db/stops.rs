//! Switches that stop spending, as long as their rows are there.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::spending_stops as stops;
use super::{Connection, DbError};
use crate::domain::ids::UserId;
use crate::domain::stop::{Scope, Stop};

/// A switch that is thrown, with who threw it, when and why.
#[derive(Debug, Clone)]
pub struct ThrownStop {
    /// Its name.
    pub id: Uuid,
    /// What it does.
    pub stop: Stop,
    /// Why, in an admin's words.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

type Row = (Uuid, String, String, bool, String, DateTime<Utc>);

fn thrown((id, scope, subject, calls_too, reason, since): Row) -> Result<ThrownStop, DbError> {
    let scope = Scope::read(&scope, &subject).ok_or(DbError::Unreadable("spending_stops.subject"))?;
    Ok(ThrownStop { id, stop: Stop { scope, calls_too }, reason, since })
}

/// All that are thrown, the newest first.
pub fn list(conn: &mut Connection) -> Result<Vec<ThrownStop>, DbError> {
    let rows: Vec<Row> = stops::table
        .order((stops::stopped_at.desc(), stops::id))
        .select((stops::id, stops::scope, stops::subject, stops::calls_too, stops::reason, stops::stopped_at))
        .load(conn)?;
    rows.into_iter().map(thrown).collect()
}

/// What they stop.
pub fn all(conn: &mut Connection) -> Result<Vec<Stop>, DbError> {
    Ok(list(conn)?.into_iter().map(|thrown| thrown.stop).collect())
}

/// Throws a switch; one for the same subject that is thrown already takes on the new reason and reach.
pub fn throw(conn: &mut Connection, new: &ThrownStop, by: UserId) -> Result<(), DbError> {
    let (scope, subject) = new.stop.scope.written();
    let changing = (
        stops::calls_too.eq(new.stop.calls_too),
        stops::reason.eq(&new.reason),
        stops::stopped_by.eq(by.0),
        stops::stopped_at.eq(new.since),
    );
    diesel::insert_into(stops::table)
        .values((stops::id.eq(new.id), stops::scope.eq(scope), stops::subject.eq(subject), changing))
        .on_conflict((stops::scope, stops::subject))
        .do_update()
        .set(changing)
        .execute(conn)?;
    Ok(())
}

/// Lifts a switch; `false` if it is not thrown.
pub fn lift(conn: &mut Connection, id: Uuid) -> Result<bool, DbError> {
    Ok(diesel::delete(stops::table.find(id)).execute(conn)? > 0)
}
