//! The heavy work on passwords: away from the requests, and no more of it at once than there is room for.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::App;
use super::accounts::PasswordError;
use super::hash_queue::{HashQueue, Priority, Turn};
use crate::db::rates;
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
        priority: Priority,
    ) -> Result<bool, Busy> {
        let typed = Password::typed(password);
        self.hashing(priority, move || {
            let bytes = typed.as_ref().map_or(&b""[..], Password::as_bytes);
            secrets::is_password(bytes, hash.as_deref()) && typed.is_some()
        })
        .await
    }

    /// The hash of a password that somebody chose, if it is not easy to guess. Each try at a strong one is counted for
    /// `whose`, a user or a link.
    pub(super) async fn new_hash(
        &self,
        password: &str,
        email: &EmailAddress,
        whose: &str,
    ) -> Result<String, PasswordError> {
        let password = Password::of_length(password)?;
        let rate = Rate::per_hour(self.settings.limits.password_tries);
        let (rule, now) = (self.rule("tries at a strong password", whose, rate), self.now());
        self.db
            .transaction(move |conn| match rates::take(conn, &[rule], now)? {
                Ok(()) => Ok(()),
                Err(exceeded) => Err(PasswordError::TooManyTries { until: exceeded.until }),
            })
            .await?;
        let (judged, email) = (password.clone(), email.clone());
        match self.judging(move || judged.judge(&email)).await {
            Ok(verdict) => verdict?,
            Err(busy) => {
                self.db.transaction(move |conn| rates::give_back(conn, &[rule], now)).await?;
                return Err(busy.into());
            }
        }
        let hashed = self.hashing(Priority::Known, move || secrets::hash_password(password.as_bytes()));
        Ok(hashed.await?)
    }

    /// Judges a password: one at a time, and apart from the hashing that everybody's sign-in waits for.
    async fn judging<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let turn = turn_in(&self.judging, Priority::Known).await?;
        on_thread("judging", turn, work).await
    }

    async fn hashing<T: Send + 'static>(
        &self,
        priority: Priority,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (pool, asked) = (self.metrics.pool(Pool::Hashing), Instant::now());
        let turn = turn_in(&self.hashing, priority).await.inspect_err(|_| pool.refused())?;
        pool.waited(asked.elapsed());
        on_thread("hashing", turn, work).await
    }
}

/// Waits for a turn.
async fn turn_in(queue: &Arc<HashQueue>, priority: Priority) -> Result<Turn, Busy> {
    let turn = tokio::time::timeout(PATIENCE, queue.join(priority)?).await;
    turn.ok().and_then(Result::ok).ok_or(Busy)
}

/// Works on a thread of its own that gives way to calls, and keeps the turn until it is done.
async fn on_thread<T: Send + 'static>(
    name: &str,
    turn: Turn,
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
