//! Postgres: the only place that names Diesel.
//!
//! [`Db::transaction`] hops once to a blocking thread per unit of work, and no more of them at a time than the pool
//! is wide. Queries are free functions, noun by noun, and decide nothing.

pub mod audit;
pub mod calls;
pub mod caps;
pub mod codes;
pub mod directory;
mod error;
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
mod session;
pub mod sessions;
pub mod spend;
pub mod stops;
mod suitability;
pub mod users;
pub mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::r2d2::{ConnectionManager, Pool};
use diesel::result::Error as DieselError;
use diesel::sql_types::{Bool, Text};
use diesel::{Connection as _, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use tokio::sync::Semaphore;

pub use error::DbError;
pub use listening::Listening;
pub use suitability::{Unsuitable, examine};

use crate::metrics::PoolMetrics;
use session::{connect, connect_unbounded};

/// A connection inside of a transaction; everybody else knows it by this name alone.
pub type Connection = diesel::PgConnection;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
/// Held while migrating, so that two processes do not do it at once.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_lock(7263412)";
/// How long anybody waits for a free connection.
const POOL_WAIT: Duration = Duration::from_secs(2);
/// How long anybody waits for a unit of work, whatever it waits for itself.
const PATIENCE: Duration = Duration::from_secs(5);
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

impl Db {
    /// A pool of `width` connections to the database at `url`, which need not answer yet.
    pub fn new(url: &str, width: u32) -> Self {
        let pool = Pool::builder()
            .max_size(width)
            .min_idle(Some(1))
            .connection_timeout(POOL_WAIT)
            .connection_customizer(Box::new(session::Bounded))
            .build_unchecked(ConnectionManager::new(session::noticing(url)));
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

/// Brings the database at `url` to this version's tables; returns the names of the migrations that ran.
pub fn migrate(url: &str) -> Result<Vec<String>, DbError> {
    let mut conn = connect_unbounded(url)?;
    conn.batch_execute(MIGRATION_LOCK)?;
    let ran = conn.run_pending_migrations(MIGRATIONS).map_err(|error| DbError::Failed(error.to_string()))?;
    Ok(ran.iter().map(ToString::to_string).collect())
}

/// Takes every migration back, the newest first; for the test that each has a way back.
pub fn unmigrate(url: &str) -> Result<(), DbError> {
    let mut conn = connect_unbounded(url)?;
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

/// Where a page (from 0) begins in a list of `total` rows; one that is not there is the last.
fn start_of(page: i64, size: i64, total: i64) -> i64 {
    page.clamp(0, (total - 1).max(0) / size) * size
}

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
