//! The heavy work on passwords: away from the requests, and no more of it at once than there is room for.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::App;
use super::accounts::PasswordError;
use super::hash_queue::{HashQueue, Priority, Turn, Turns};
use crate::db::rates::{self, Rule};
use crate::domain::limits::Rate;
use crate::domain::password::Password;
use crate::domain::user::EmailAddress;
use crate::metrics::Pool;
use crate::secrets;

/// How many passwords are hashed at once; each takes 19 MiB and a core. One core is left for calls, whoever signs in.
fn hashes_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1).max(1)
}

/// The queue of new passwords whose strength is to be judged, one at a time.
pub(super) fn judging_queue() -> Arc<HashQueue> {
    HashQueue::new(1, LONGEST_QUEUE)
}

/// The queue of passwords that are to be hashed.
pub(super) fn hashing_queue() -> Arc<HashQueue> {
    HashQueue::new(hashes_at_once(), LONGEST_QUEUE)
}

/// How much work may wait.
const LONGEST_QUEUE: Duration = Duration::from_secs(5);
/// How long anybody waits for their turn, where it takes longer than was thought.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much less urgent hashing is than calls: where both want a core, it has a tenth of it.
#[cfg(target_os = "linux")]
const BEHIND_CALLS: i32 = 10;

/// Too many passwords are being hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being hashed")]
pub struct Busy;

impl App {
    /// Whether it is the password of that hash; takes as long where there is none.
    pub(super) async fn is_password(
        &self,
        password: &str,
        hash: Option<String>,
        who: Turns,
    ) -> Result<bool, Busy> {
        let typed = Password::typed(password);
        self.hashing(who, move || {
            let bytes = typed.as_ref().map_or(&b""[..], Password::as_bytes);
            secrets::is_password(bytes, hash.as_deref()) && typed.is_some()
        })
        .await
    }

    /// What tries at a strong password are counted against for `whose`, a user or a link.
    pub(super) fn tries(&self, whose: &str) -> Rule {
        let rate = Rate::per_hour(self.settings.limits.password_tries);
        self.rule("tries at a strong password", whose, rate)
    }

    /// The hash of a password that somebody chose, if it is not easy to guess. It was counted then as one of the `tries`,
    /// and is given back where too many are at it.
    pub(super) async fn new_hash(
        &self,
        password: Password,
        email: &EmailAddress,
        tries: Rule,
        counted_at: DateTime<Utc>,
    ) -> Result<String, PasswordError> {
        let who = Turns { priority: Priority::Known, whose: tries.bucket };
        let (judged, email) = (password.clone(), email.clone());
        let hashed = match self.judging(who, move || judged.judge(&email)).await {
            Ok(verdict) => {
                verdict?;
                self.hashing(who, move || secrets::hash_password(password.as_bytes())).await
            }
            Err(busy) => Err(busy),
        };
        if hashed.is_err() {
            self.db.transaction(move |conn| rates::give_back(conn, &[tries], counted_at)).await?;
        }
        Ok(hashed?)
    }

    /// Judges a password: one at a time, and apart from the hashing that everybody's sign-in waits for.
    async fn judging<T: Send + 'static>(
        &self,
        who: Turns,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let turn = turn_in(&self.judging, who).await?;
        on_thread("judging", turn, work).await
    }

    async fn hashing<T: Send + 'static>(
        &self,
        who: Turns,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (pool, asked) = (self.metrics.pool(Pool::Hashing), Instant::now());
        let turn = turn_in(&self.hashing, who).await.inspect_err(|_| pool.refused())?;
        pool.waited(asked.elapsed());
        on_thread("hashing", turn, work).await
    }
}

/// Waits for a turn, first among those of the same account.
async fn turn_in(queue: &Arc<HashQueue>, who: Turns) -> Result<(Turn, OwnedSemaphorePermit), Busy> {
    let turn = tokio::time::timeout(PATIENCE, async {
        let place = queue.places_of(who.whose).acquire_owned().await.map_err(|_| Busy)?;
        let turn = queue.join(who.priority)?.await.map_err(|_| Busy)?;
        // In this order, so that the turn is passed on before the place is.
        Ok((turn, place))
    });
    turn.await.unwrap_or(Err(Busy))
}

/// Works on a thread of its own that gives way to calls, and keeps the turn until it is done.
async fn on_thread<T: Send + 'static>(
    name: &str,
    turn: impl Send + 'static,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Busy> {
    let (done, result) = oneshot::channel();
    let begun = thread::Builder::new().name(name.into()).spawn(move || {
        let _turn = turn;
        give_way();
        // Whoever waited for it may be gone.
        let _ = done.send(work());
    });
    // A machine without a thread left is as busy as can be; a panic has been told by whoever panicked.
    begun.map_err(|_| Busy)?;
    result.await.map_err(|_| Busy)
}

/// Lets calls go first on this thread, from now on.
#[cfg(target_os = "linux")]
fn give_way() {
    if let Err(error) = rustix::process::nice(BEHIND_CALLS) {
        tracing::warn!(%error, "passwords are hashed as urgently as calls are answered");
    }
}

/// Elsewhere that cannot be said of a single thread.
#[cfg(not(target_os = "linux"))]
fn give_way() {}
