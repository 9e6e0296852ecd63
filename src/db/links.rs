//! Mailed links: single use, known by a digest alone.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::schema::mailed_links as links;
use super::{Connection, DbError};
use crate::domain::user::{EmailAddress, Role};

/// Whom a link was sent to, and what they become by it if they are new.
#[derive(Debug, Clone)]
pub struct Link {
    /// The address it was sent to.
    pub email: EmailAddress,
    /// The role of a new account; an existing one keeps at least its own.
    pub role: Role,
}

fn link((email, role): (String, String)) -> Result<Link, DbError> {
    Ok(Link {
        email: email.parse().map_err(|_| DbError::Unreadable("mailed_links.email"))?,
        role: Role::from_word(&role).ok_or(DbError::Unreadable("mailed_links.role"))?,
    })
}

/// Writes down that a link goes out.
pub fn insert(
    conn: &mut Connection,
    digest: [u8; 32],
    link: &Link,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::insert_into(links::table)
        .values((
            links::token_digest.eq(digest.as_slice()),
            links::email.eq(link.email.as_str()),
            links::role.eq(link.role.as_str()),
            links::created_at.eq(now),
            links::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// The link of that digest, while it can be used.
pub fn find(conn: &mut Connection, digest: [u8; 32], now: DateTime<Utc>) -> Result<Option<Link>, DbError> {
    let row: Option<(String, String)> = links::table
        .find(digest.as_slice())
        .filter(links::used_at.is_null().and(links::expires_at.gt(now)))
        .select((links::email, links::role))
        .first(conn)
        .optional()?;
    row.map(link).transpose()
}

/// Uses the link up: of many who try at once, one gets it. Every other link to the same address dies too.
pub fn take(conn: &mut Connection, digest: [u8; 32], now: DateTime<Utc>) -> Result<Option<Link>, DbError> {
    let usable = links::used_at.is_null().and(links::expires_at.gt(now));
    let row: Option<(String, String)> = diesel::update(links::table.find(digest.as_slice()).filter(usable))
        .set(links::used_at.eq(now))
        .returning((links::email, links::role))
        .get_result(conn)
        .optional()?;
    let taken = row.map(link).transpose()?;
    if let Some(taken) = &taken {
        diesel::update(
            links::table.filter(links::email.eq(taken.email.as_str()).and(links::used_at.is_null())),
        )
        .set(links::used_at.eq(now))
        .execute(conn)?;
    }
    Ok(taken)
}

/// Forgets links that have been over since before `before`, a batch at most.
pub fn forget(conn: &mut Connection, before: DateTime<Utc>) -> Result<usize, DbError> {
    super::forget(conn, "mailed_links", "expires_at", before)
}
