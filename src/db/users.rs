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
    /// When the account was made.
    pub created_at: DateTime<Utc>,
}

type Row = (Uuid, String, String, String, String, DateTime<Utc>);
type Columns =
    (users::id, users::email, users::role, users::password_hash, users::time_zone, users::created_at);
const COLUMNS: Columns =
    (users::id, users::email, users::role, users::password_hash, users::time_zone, users::created_at);

fn user((id, email, role, password_hash, time_zone, created_at): Row) -> Result<User, DbError> {
    Ok(User {
        id: UserId(id),
        email: EmailAddress::of_stored(email),
        role: Role::from_word(&role).ok_or(DbError::Unreadable("users.role"))?,
        password_hash,
        time_zone,
        created_at,
    })
}

/// The user of that id.
pub fn find(conn: &mut Connection, id: UserId) -> Result<Option<User>, DbError> {
    let row: Option<Row> = users::table.find(id.0).select(COLUMNS).first(conn).optional()?;
    row.map(user).transpose()
}

/// How many users a page of an admin's list holds.
pub const PAGE: i64 = 20;

/// A page of the users whose address holds the text, by address, and how many there are in all.
pub fn search(conn: &mut Connection, text: &str, page: i64) -> Result<(Vec<User>, i64), DbError> {
    let filtered = || users::table.filter(users::email.like(super::contains(text)));
    let total = filtered().count().get_result(conn)?;
    let rows: Vec<Row> = filtered()
        .order(users::email)
        .offset(super::start_of(page, PAGE, total))
        .limit(PAGE)
        .select(COLUMNS)
        .load(conn)?;
    Ok((rows.into_iter().map(user).collect::<Result<_, _>>()?, total))
}

/// The user of that address.
pub fn find_by_email(conn: &mut Connection, email: &EmailAddress) -> Result<Option<User>, DbError> {
    let row: Option<Row> =
        users::table.filter(users::email.eq(email.as_str())).select(COLUMNS).first(conn).optional()?;
    row.map(user).transpose()
}

/// The addresses of all admins.
pub fn admins(conn: &mut Connection) -> Result<Vec<EmailAddress>, DbError> {
    let admins = users::table.filter(users::role.eq(Role::Admin.as_str()));
    let rows: Vec<String> = admins.order(users::email).select(users::email).load(conn)?;
    Ok(rows.into_iter().map(EmailAddress::of_stored).collect())
}

/// Holds the user's row until the end of the transaction, so that what is counted for them stays as counted.
pub fn lock(conn: &mut Connection, id: UserId) -> Result<(), DbError> {
    users::table.find(id.0).select(users::id).for_no_key_update().first::<Uuid>(conn)?;
    Ok(())
}

/// What an admin lets a user have, where it is not what everybody may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Masks alive at once.
    pub alive: Option<u32>,
    /// Masks asked for in a day.
    pub day: Option<u32>,
    /// Masks asked for in 30 days.
    pub month: Option<u32>,
}

/// The user's own quota.
pub fn quota(conn: &mut Connection, id: UserId) -> Result<Quota, DbError> {
    let (alive, day, month): (Option<i32>, Option<i32>, Option<i32>) = users::table
        .find(id.0)
        .select((users::masks_alive, users::masks_a_day, users::masks_in_30_days))
        .first(conn)?;
    let count = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok());
    Ok(Quota { alive: count(alive), day: count(day), month: count(month) })
}

/// Gives the user a quota of their own.
pub fn set_quota(conn: &mut Connection, id: UserId, quota: Quota) -> Result<(), DbError> {
    let count = |count: Option<u32>| count.and_then(|count| i32::try_from(count).ok());
    diesel::update(users::table.find(id.0))
        .set((
            users::masks_alive.eq(count(quota.alive)),
            users::masks_a_day.eq(count(quota.day)),
            users::masks_in_30_days.eq(count(quota.month)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Makes a user.
pub fn insert(conn: &mut Connection, user: &User) -> Result<(), DbError> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id.0),
            users::email.eq(user.email.as_str()),
            users::role.eq(user.role.as_str()),
            users::password_hash.eq(&user.password_hash),
            users::time_zone.eq(&user.time_zone),
            users::created_at.eq(user.created_at),
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
