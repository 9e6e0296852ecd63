//! Users.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::schema::users;
use super::{Connection, DbError};
use crate::domain::ids::UserId;
use crate::domain::user::{EmailAddress, Role};

/// A user as stored.
#[derive(Debug, Clone)]
pub struct User {
    /// Their name in the database.
    pub id: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// What they may do.
    pub role: Role,
    /// The argon2id hash of their password.
    pub password_hash: String,
    /// Their time zone, an IANA name.
    pub time_zone: String,
}

type Row = (Uuid, String, String, String, String);
const COLUMNS: (users::id, users::email, users::role, users::password_hash, users::time_zone) =
    (users::id, users::email, users::role, users::password_hash, users::time_zone);

fn user((id, email, role, password_hash, time_zone): Row) -> Result<User, DbError> {
    Ok(User {
        id: UserId(id),
        email: email.parse().map_err(|_| DbError::Unreadable("users.email"))?,
        role: Role::from_word(&role).ok_or(DbError::Unreadable("users.role"))?,
        password_hash,
        time_zone,
    })
}

/// The user of that id.
pub fn find(conn: &mut Connection, id: UserId) -> Result<Option<User>, DbError> {
    let row: Option<Row> = users::table.find(id.0).select(COLUMNS).first(conn).optional()?;
    row.map(user).transpose()
}

/// The user of that address.
pub fn find_by_email(conn: &mut Connection, email: &EmailAddress) -> Result<Option<User>, DbError> {
    let row: Option<Row> =
        users::table.filter(users::email.eq(email.as_str())).select(COLUMNS).first(conn).optional()?;
    row.map(user).transpose()
}

/// Holds the user's row until the end of the transaction, so that what is counted for them stays as counted.
pub fn lock(conn: &mut Connection, id: UserId) -> Result<(), DbError> {
    users::table.find(id.0).select(users::id).for_no_key_update().first::<Uuid>(conn)?;
    Ok(())
}

/// Makes a user.
pub fn insert(conn: &mut Connection, user: &User, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id.0),
            users::email.eq(user.email.as_str()),
            users::role.eq(user.role.as_str()),
            users::password_hash.eq(&user.password_hash),
            users::time_zone.eq(&user.time_zone),
            users::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// Changes the password's hash.
pub fn set_password(conn: &mut Connection, id: UserId, hash: &str) -> Result<(), DbError> {
    diesel::update(users::table.find(id.0)).set(users::password_hash.eq(hash)).execute(conn)?;
    Ok(())
}

/// Changes the role.
pub fn set_role(conn: &mut Connection, id: UserId, role: Role) -> Result<(), DbError> {
    diesel::update(users::table.find(id.0)).set(users::role.eq(role.as_str())).execute(conn)?;
    Ok(())
}

/// Changes the time zone.
pub fn set_time_zone(conn: &mut Connection, id: UserId, zone: &str) -> Result<(), DbError> {
    diesel::update(users::table.find(id.0)).set(users::time_zone.eq(zone)).execute(conn)?;
    Ok(())
}
