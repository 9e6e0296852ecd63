//! Whether a database that somebody else runs is one in which all of ours works; asked before anything is done in it.
//!
//! What may pass by itself, such as a standby that is about to take over, is an outage ([`DbError::Unavailable`]); what
//! somebody has to change is [`Unsuitable`].

use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{Connection as _, RunQueryDsl as _};

use super::session::{connect, saying, says};
use super::{Connection, DbError};

/// The oldest PostgreSQL that has all that is used, as `server_version_num` writes it.
const OLDEST: u32 = 14_00_00;
/// How often it is looked whether connections are exchanged.
const LOOKS: u32 = 3;
const TARGET: &str = "target_session_attrs";

/// Why nothing of ours would work in a database, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    /// The server lacks what is used.
    #[error("it is PostgreSQL {0}, and Maskline needs 14 or newer")]
    TooOld(String),
    /// Not everything that people write can be stored.
    #[error(
        "its encoding is {0}, in which not everything can be stored that people write: make one with \
         CREATE DATABASE maskline ENCODING 'UTF8' TEMPLATE template0, and name that"
    )]
    Encoding(String),
    /// Triggers do not fire, so servers would not hear of changes.
    #[error(
        "its triggers are off (session_replication_role = replica): take that back with ALTER ROLE … RESET \
         session_replication_role, or ALTER DATABASE"
    )]
    NoTriggers,
    /// What is set, locked or listened to in a session is lost, or somebody else's, after each transaction.
    #[error(
        "a pooler hands out another connection for each transaction or statement there: set pool_mode = session for \
         this database in PgBouncer, or name the port of PostgreSQL itself (Maskline pools its connections)"
    )]
    Pooled,
}

/// Finds out whether the database at `url` is one to work in.
pub fn examine(url: &str) -> Result<(), DbError> {
    let mut conn = connect(url).map_err(|error| read_only(url).unwrap_or(error))?;
    let begun = conn.transaction(|conn| Ok::<_, DbError>((server(conn)?, session(conn)?)));
    let (server, first) = match begun {
        Err(DbError::Unavailable(_)) if takes_no_transactions(url) => return Err(Unsuitable::Pooled.into()),
        begun => begun?,
    };
    server?;
    for _ in 0..LOOKS {
        if is_exchanged(&mut conn, url, &first)? {
            return Err(Unsuitable::Pooled.into());
        }
    }
    Ok(())
}

fn server(conn: &mut Connection) -> Result<Result<(), Unsuitable>, DbError> {
    let mut setting = |name: &str| -> Result<String, DbError> {
        Ok(sql::<Text>(&format!("SELECT current_setting('{name}')")).get_result(conn)?)
    };
    if setting("server_version_num")?.parse::<u32>().is_ok_and(|version| version < OLDEST) {
        return Ok(Err(Unsuitable::TooOld(setting("server_version")?)));
    }
    let encoding = setting("server_encoding")?;
    if encoding != "UTF8" {
        return Ok(Err(Unsuitable::Encoding(encoding)));
    }
    if setting("session_replication_role")? == "replica" {
        return Ok(Err(Unsuitable::NoTriggers));
    }
    Ok(Ok(()))
}

/// What a connection leads to: one process of one server.
fn session(conn: &mut Connection) -> Result<String, DbError> {
    Ok(sql::<Text>("SELECT concat(pg_backend_pid(), ' of ', pg_postmaster_start_time())").get_result(conn)?)
}

/// Whether a connection leads elsewhere than a moment ago, or another one to where it led. A pooler of transactions gives
/// a newcomer what was given back last, or else what was not used for the longest time: both are noticed.
fn is_exchanged(conn: &mut Connection, url: &str, first: &str) -> Result<bool, DbError> {
    if conn.transaction(session)? != first {
        return Ok(true);
    }
    let mut other = connect(url)?;
    other.transaction(|other| {
        // Asked in this order, as the pooler may have this one connection alone.
        Ok(session(other)? == first || conn.transaction(session)? != first)
    })
}

/// Whether single statements are taken there, but no transactions.
fn takes_no_transactions(url: &str) -> bool {
    connect(url).is_ok_and(|mut conn| {
        conn.batch_execute("SELECT 1").is_ok()
            && conn.batch_execute("BEGIN; SELECT 1; COMMIT").is_ok()
            && conn.batch_execute("BEGIN").is_err()
    })
}

/// What to say where somebody answers who only reads.
fn read_only(url: &str) -> Option<DbError> {
    if says(url, TARGET) {
        return None;
    }
    let mut conn = connect(&saying(url, TARGET, "any")).ok()?;
    let is_standby =
        sql::<diesel::sql_types::Bool>("SELECT pg_is_in_recovery()").get_result(&mut conn).ok()?;
    let why = if is_standby {
        "only a standby answers, which cannot be written to: name the primary, or promote it"
    } else {
        "it can only be read (default_transaction_read_only is on): take that back with ALTER ROLE … RESET \
         default_transaction_read_only, or ALTER DATABASE"
    };
    Some(DbError::Unavailable(why.to_owned()))
}
