//! What is forgotten, and when.

use chrono::TimeDelta;

use super::App;
use crate::db::{DbError, calls, codes, links, rates, sessions};

/// How long calls are kept in full.
const CALLS: TimeDelta = TimeDelta::days(30);
/// How long links and codes that are over are kept.
const OVER: TimeDelta = TimeDelta::days(1);
/// The longest time that any limit looks back.
const COUNTED: TimeDelta = TimeDelta::days(2);

impl App {
    /// Forgets what has been kept as long as it may be; tells how many rows.
    pub async fn forget_old(&self) -> Result<usize, DbError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            Ok(calls::forget(conn, now - CALLS)?
                + codes::forget(conn, now - OVER)?
                + links::forget(conn, now - OVER)?
                + rates::forget(conn, now - COUNTED)?
                + sessions::forget(conn, now)?)
        };
        self.db.transaction(work).await
    }
}
