//! Who did what, to whom, when: written once, never changed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::audit;
use super::{Connection, DbError};
use crate::domain::ids::UserId;

/// On whose wish something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A user, about their own things.
    User(UserId),
    /// An admin, about somebody's.
    Admin(UserId),
    /// Maskline itself.
    System,
    /// Whoever may run commands on the server.
    Command,
}

impl Actor {
    fn columns(self) -> (&'static str, Option<Uuid>) {
        match self {
            Self::User(id) => ("user", Some(id.0)),
            Self::Admin(id) => ("admin", Some(id.0)),
            Self::System => ("system", None),
            Self::Command => ("command", None),
        }
    }
}

/// Writes an entry. The detail holds no number of a user or caller.
pub fn write(
    conn: &mut Connection,
    now: DateTime<Utc>,
    actor: Actor,
    action: &str,
    subject: Uuid,
    detail: &str,
) -> Result<(), DbError> {
    let (kind, id) = actor.columns();
    diesel::insert_into(audit::table)
        .values((
            audit::at.eq(now),
            audit::actor.eq(kind),
            audit::actor_id.eq(id),
            audit::action.eq(action),
            audit::subject_id.eq(subject),
            audit::detail.eq(detail),
        ))
        .execute(conn)?;
    Ok(())
}
