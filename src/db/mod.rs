//! Postgres: the only place that names Diesel.
//!
//! [`Db::transaction`] hops once to a blocking thread per unit of work, and no more of them at a time than the pool
//! is wide. Queries are free functions, noun by noun, and decide nothing.

pub mod audit;
pub mod calls;
pub mod caps;
pub mod codes;
pub mod directory;
pub mod figures;
pub mod keys;
pub mod letters;
pub mod links;
mod listening;
pub mod masks;
pub mod numbers;
pub mod operations;
pub mod orphans;
pub mod rates;
pub mod reconciliation;
pub mod records;
pub mod review;
pub mod schema;
pub mod servers;
pub mod sessions;
pub mod spend;
pub mod stops;
pub mod users;
pub mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_types::{Bool, Text};
use diesel::{Connection as _, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use tokio::sync::Semaphore;

pub use listening::Listening;

use crate::metrics::PoolMetrics;

/// A connection inside of a transaction; everybody else knows it by this name alone.
pub type Connection = diesel::PgConnection;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
/// Held while migrating, so that two processes do not do it at once.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_lock(7263412)";
/// How long anybody waits for a free connection.
const POOL_WAIT: Duration = Duration::from_secs(2);
/// How long anybody waits for a unit of work, whatever it waits for itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon a connection notices that nobody is at the other end, where its URL does not say: all in seconds, but for
/// the time until what was sent has to be confirmed, in milliseconds. And that it may write: a standby, which lags, is no
/// database to us.
const NOTICE: [(&str, &str); 6] = [
    ("connect_timeout", "3"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "15000"),
    ("target_session_attrs", "read-write"),
];

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It is away, starting, stopping, overloaded or too slow.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A row that must be unique is there already.
    #[error("the database has it already ({0})")]
    Conflict(String),
    /// A row holds what it should not.
    #[error("a row of the database cannot be read: {0}")]
    Unreadable(&'static str),
    /// A row that the rules of a table forbid, whenever it comes.
    #[error("the database forbids it: {0}")]
    Forbidden(String),
    /// Anything else; a fault of ours.
    #[error("a query failed: {0}")]
    Failed(String),
}

impl From<DieselError> for DbError {
    fn from(error: DieselError) -> Self {
        let text = error.to_string();
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, about) => {
                Self::Conflict(about.constraint_name().unwrap_or_default().to_owned())
            }
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | DieselError::BrokenTransactionManager => Self::Unavailable(text),
            DieselError::DatabaseError(
                DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::ForeignKeyViolation,
                _,
            ) => Self::Forbidden(text),
            _ if gone(&text) => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}

/// Whether the message tells of a server that went away or was too slow; Diesel gives no codes for these.
fn gone(message: &str) -> bool {
    [
        "terminating connection",
        "server closed the connection",
        "canceling statement",
        "no connection to the server",
        "the database system is",
        "lock timeout",
        "connection to server",
    ]
    .iter()
    .any(|sign| message.contains(sign))
}

/// What the closure of a transaction ended with, on its way through Diesel.
enum Ended<E> {
    Database(DieselError),
    Work(E),
}

impl<E> From<DieselError> for Ended<E> {
    fn from(error: DieselError) -> Self {
        Self::Database(error)
    }
}

/// The pool of connections.
#[derive(Clone)]
pub struct Db {
    url: Arc<str>,
    pool: Pool<ConnectionManager<Connection>>,
    turns: Arc<Semaphore>,
    watch: Option<PoolMetrics>,
}

/// Bounds what a single statement may cost.
#[derive(Debug)]
struct Timeouts;

impl CustomizeConnection<Connection, diesel::r2d2::Error> for Timeouts {
    fn on_acquire(&self, conn: &mut Connection) -> Result<(), diesel::r2d2::Error> {
        conn.batch_execute("SET statement_timeout = '2s'; SET lock_timeout = '1s'; SET timezone = 'UTC'")
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

impl Db {
    /// A pool of `width` connections to the database at `url`, which need not answer yet.
    pub fn new(url: &str, width: u32) -> Self {
        let pool = Pool::builder()
            .max_size(width)
            .min_idle(Some(1))
            .connection_timeout(POOL_WAIT)
            .connection_customizer(Box::new(Timeouts))
            .build_unchecked(ConnectionManager::new(noticing(url)));
        Self { url: url.into(), pool, turns: Arc::new(Semaphore::new(width as usize)), watch: None }
    }

    /// The same pool, of which it is told how long its turns are waited for.
    #[must_use]
    pub fn watched(self, watch: PoolMetrics) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// Runs the work in one transaction on a blocking thread: all of it is kept, or none. Nobody waits for it longer
    /// than 5 s; work that takes longer goes on, holds its turn until it ends, and may then be kept.
    pub async fn transaction<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let done = tokio::time::timeout(PATIENCE, self.done(work)).await;
        done.unwrap_or_else(|_| Err(DbError::Unavailable("it takes too long to answer".into()).into()))
    }

    async fn done<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let asked = Instant::now();
        let waiting = tokio::time::timeout(POOL_WAIT, self.turns.clone().acquire_owned());
        let turn = waiting.await.map_err(|_| {
            tell(self.watch.as_ref(), asked.elapsed(), false);
            DbError::Unavailable("all connections are busy".into())
        })?;
        let (pool, watch) = (self.pool.clone(), self.watch.clone());
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let conn = pool.get();
            tell(watch.as_ref(), asked.elapsed(), conn.is_ok());
            let mut conn = conn.map_err(|error| DbError::Unavailable(error.to_string()))?;
            conn.transaction(|conn| work(conn).map_err(Ended::Work)).map_err(|ended| match ended {
                Ended::Database(error) => DbError::from(error).into(),
                Ended::Work(error) => error,
            })
        });
        task.await.unwrap_or_else(|_| Err(DbError::Failed("the work on the database panicked".into()).into()))
    }

    /// Calls `heard` whenever somebody notifies the channel, over a connection of its own, until the answer is dropped.
    /// What is told while that connection is away is not heard: whoever listens also asks now and then.
    pub fn listen(&self, channel: &'static str, heard: impl Fn() + Send + 'static) -> Listening {
        listening::begin(self.url.to_string(), channel, heard)
    }

    /// Whether the database answers.
    pub async fn is_there(&self) -> bool {
        self.transaction(|conn| {
            diesel::sql_query("SELECT 1").execute(conn).map(|_| ()).map_err(DbError::from)
        })
        .await
        .is_ok()
    }
}

/// Tells how long a turn was waited for, and whether there was one in the end.
fn tell(watch: Option<&PoolMetrics>, waited: Duration, has_turn: bool) {
    match watch {
        Some(watch) if has_turn => watch.waited(waited),
        Some(watch) => watch.refused(),
        None => {}
    }
}

/// The URL with what makes a connection notice a dead network; it means nothing to a socket of this machine.
fn noticing(url: &str) -> String {
    let said = |name: &str| url.contains(&format!("?{name}=")) || url.contains(&format!("&{name}="));
    let missing = NOTICE.iter().filter(|(name, _)| !said(name));
    missing.fold(url.to_owned(), |url, (name, value)| {
        let mark = if url.contains('?') { '&' } else { '?' };
        format!("{url}{mark}{name}={value}")
    })
}

fn connect(url: &str) -> Result<Connection, DbError> {
    Connection::establish(&noticing(url)).map_err(|error| DbError::Unavailable(error.to_string()))
}

/// Brings the database at `url` to this version's tables; returns the names of the migrations that ran.
pub fn migrate(url: &str) -> Result<Vec<String>, DbError> {
    let mut conn = connect(url)?;
    conn.batch_execute(MIGRATION_LOCK)?;
    let ran = conn.run_pending_migrations(MIGRATIONS).map_err(|error| DbError::Failed(error.to_string()))?;
    Ok(ran.iter().map(ToString::to_string).collect())
}

/// Takes every migration back, the newest first; for the test that each has a way back.
pub fn unmigrate(url: &str) -> Result<(), DbError> {
    let mut conn = connect(url)?;
    conn.revert_all_migrations(MIGRATIONS).map_err(|error| DbError::Failed(error.to_string()))?;
    Ok(())
}

/// Whether the database at `url` lacks a migration of this version. Only reads: Diesel's own question would make a
/// table, which a role that may only use tables is refused, and nobody has asked for.
pub fn is_behind(url: &str) -> Result<bool, DbError> {
    let mut conn = connect(url)?;
    let is_begun = sql::<Bool>("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL");
    if !is_begun.get_result(&mut conn)? {
        return Ok(true);
    }
    let ran = sql::<Text>("SELECT version::text FROM __diesel_schema_migrations");
    let ran: Vec<String> = ran.load(&mut conn)?;
    let ours = MigrationSource::<Pg>::migrations(&MIGRATIONS);
    let ours = ours.map_err(|error| DbError::Failed(error.to_string()))?;
    Ok(ours.iter().any(|migration| !ran.contains(&migration.name().version().to_string())))
}

/// Runs one statement that stands outside of the tables, such as making a database.
pub fn execute(url: &str, statement: &str) -> Result<(), DbError> {
    Ok(connect(url)?.batch_execute(statement)?)
}

/// How many rows one call of a `forget` deletes at most, so that it is done well before a statement's time is up.
pub const BATCH: usize = 5_000;

/// A pattern of LIKE for what holds the text.
fn contains(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// A pattern of LIKE for numbers in E.164 that begin with these digits.
fn begins_with(digits: &str) -> String {
    format!("+{}%", digits.trim_start_matches('+'))
}

/// Deletes a batch of the table's rows whose time lies before `before`.
fn forget(
    conn: &mut Connection,
    table: &'static str,
    time: &'static str,
    before: DateTime<Utc>,
) -> Result<usize, DbError> {
    let old = format!("SELECT ctid FROM {table} WHERE {time} < $1 LIMIT {BATCH}");
    let deleted = diesel::sql_query(format!("DELETE FROM {table} WHERE ctid = ANY(ARRAY({old}))"))
        .bind::<diesel::sql_types::Timestamptz, _>(before);
    Ok(deleted.execute(conn)?)
}

/// Waits for the lock that a digest names, as [`hold_lock`] does.
fn hold_lock_of(conn: &mut Connection, digest: &[u8; 32]) -> Result<(), DbError> {
    let mut name = [0; 8];
    name.copy_from_slice(&digest[..8]);
    hold_lock(conn, i64::from_be_bytes(name))
}

/// Waits until no other transaction holds the lock of this name, then holds it until the end of this one.
fn hold_lock(conn: &mut Connection, name: i64) -> Result<(), DbError> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
        .bind::<diesel::sql_types::BigInt, _>(name)
        .execute(conn)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says_of_waiting_counts_before_ours() {
        let bare = noticing("postgres://db/maskline");
        assert!(bare.starts_with("postgres://db/maskline?connect_timeout=3&"), "{bare}");
        assert!(bare.ends_with("&tcp_user_timeout=15000&target_session_attrs=read-write"), "{bare}");
        let said = noticing("postgres://db/maskline?sslmode=require&connect_timeout=9");
        assert_eq!(said.matches("connect_timeout").count(), 1, "{said}");
        assert!(said.contains("&connect_timeout=9&keepalives_idle=10"), "{said}");
    }
}
