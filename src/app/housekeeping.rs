//! What is forgotten, and when.

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use crate::db::{BATCH, Connection, DbError, calls, codes, letters, links, rates, sessions};

/// Forgets a batch of what is older than a time.
type Forget = fn(&mut Connection, DateTime<Utc>) -> Result<usize, DbError>;

/// How long calls are kept in full.
const CALLS: TimeDelta = TimeDelta::days(30);
/// How long links, letters and codes that are over are kept.
const OVER: TimeDelta = TimeDelta::days(1);
/// The longest time that any limit looks back.
const COUNTED: TimeDelta = TimeDelta::days(2);

impl App {
    /// Forgets what has been kept as long as it may be; tells how many rows. What goes wrong with one kind of rows
    /// keeps none of the others.
    pub async fn forget_old(&self) -> Result<usize, DbError> {
        let now = self.now();
        let kinds: [(Forget, DateTime<Utc>); 7] = [
            (calls::forget, now - CALLS),
            (calls::forget_counts, now - CALLS),
            (codes::forget, now - OVER),
            (links::forget, now - OVER),
            (letters::forget, now - OVER),
            (rates::forget, now - COUNTED),
            (sessions::forget, now),
        ];
        let mut forgotten = Ok(0);
        for (forget, before) in kinds {
            let more = self.forget_before(forget, before).await;
            forgotten = forgotten.and_then(|rows| more.map(|more| rows + more));
        }
        forgotten
    }

    /// Batch by batch, each in a transaction of its own.
    async fn forget_before(&self, forget: Forget, before: DateTime<Utc>) -> Result<usize, DbError> {
        let mut forgotten = 0;
        loop {
            let batch = self.work_db.transaction(move |conn| forget(conn, before)).await?;
            forgotten += batch;
            if batch < BATCH {
                return Ok(forgotten);
            }
        }
    }
}
