//! How connections are made, and what holds in each of them, whatever is set for the role or the database.

use std::time::Duration;

use diesel::Connection as _;
use diesel::connection::{InstrumentationEvent, SimpleConnection as _};
use diesel::r2d2::CustomizeConnection;

use super::error::take_time;
use super::{Connection, DbError};

/// How long a statement waits for a lock, as [`BOUNDED`] says it.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(1);
/// Bounds what a single statement may cost.
const BOUNDED: &str = "SET statement_timeout = '2s'; SET lock_timeout = '1s'";
/// For what may take as long as it takes.
const UNBOUNDED: &str = "SET statement_timeout = 0; SET lock_timeout = 0";
/// Each would change what a query of ours means, or end a connection that waits for work.
const ALWAYS: &str = "SET timezone = 'UTC'; SET default_transaction_isolation = 'read committed'; \
                      SET standard_conforming_strings = on; SET idle_session_timeout = 0";
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

/// Prepares each connection of a pool.
#[derive(Debug)]
pub(super) struct Bounded;

impl CustomizeConnection<Connection, diesel::r2d2::Error> for Bounded {
    fn on_acquire(&self, conn: &mut Connection) -> Result<(), diesel::r2d2::Error> {
        conn.set_instrumentation(|event: InstrumentationEvent<'_>| take_time(&event));
        conn.batch_execute(&format!("{ALWAYS}; {BOUNDED}")).map_err(diesel::r2d2::Error::QueryError)
    }
}

/// A connection of which each statement is bounded, as in a pool.
pub(super) fn connect_bounded(url: &str) -> Result<Connection, DbError> {
    let mut conn = connect(url)?;
    conn.batch_execute(&format!("{ALWAYS}; {BOUNDED}"))?;
    Ok(conn)
}

/// A connection for work that may take long.
pub(super) fn connect_unbounded(url: &str) -> Result<Connection, DbError> {
    let mut conn = connect(url)?;
    conn.batch_execute(&format!("{ALWAYS}; {UNBOUNDED}"))?;
    Ok(conn)
}

/// A connection as the server gives it.
pub(super) fn connect(url: &str) -> Result<Connection, DbError> {
    let mut conn =
        Connection::establish(&noticing(url)).map_err(|error| DbError::Unavailable(error.to_string()))?;
    conn.set_instrumentation(|event: InstrumentationEvent<'_>| take_time(&event));
    Ok(conn)
}

/// The URL with what makes a connection notice a dead network; it means nothing to a socket of this machine.
pub(super) fn noticing(url: &str) -> String {
    let missing = NOTICE.iter().filter(|(name, _)| !says(url, name));
    missing.fold(url.to_owned(), |url, (name, value)| saying(&url, name, value))
}

/// Whether a URL sets a parameter of the connection.
pub(super) fn says(url: &str, name: &str) -> bool {
    url.contains(&format!("?{name}=")) || url.contains(&format!("&{name}="))
}

/// The URL with one more parameter of the connection.
pub(super) fn saying(url: &str, name: &str, value: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{name}={value}")
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
