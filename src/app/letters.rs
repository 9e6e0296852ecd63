//! Mail on its way: a queue in the database, so that neither a slow mail server nor a restart loses any.
//!
//! A letter is written in the transaction that wants it, sealed, and tried with growing pauses for as long as the link in it
//! lives: receivers who do not know us yet ("greylisting") take it minutes later. Once sent, it is erased.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::App;
use crate::db::letters::{self, Claimed, Failure};
use crate::db::{Connection, DbError};
use crate::domain::ids::LetterId;
use crate::mail::{Letter, MailError};
use crate::seal::{Place, Sealer};
use crate::secrets;

pub use crate::db::letters::State as Waiting;

/// How many letters a server sends at once.
const AT_ONCE: i64 = 8;
/// The pause after the first try that failed; each further one is twice as long.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(10);
/// The longest pause.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);
/// How many tries may fail, for some five minutes, before somebody should look: receivers who do not know us yet want that.
const GREYLISTED: i32 = 5;
/// How long a letter without a link is tried.
const NOTICE: TimeDelta = TimeDelta::days(2);
/// How long a page waits for the first try, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(100);

/// Which letter a browser asked for, and to which address, as it was typed.
#[derive(Debug)]
pub struct LetterTicket {
    /// The letter.
    pub letter: LetterId,
    /// The address.
    pub typed: String,
}

/// What lies sealed.
#[derive(Serialize, Deserialize)]
struct Content {
    to: String,
    subject: String,
    text: String,
}

/// Puts a letter into the queue, to be tried until then.
pub(super) fn queue(
    conn: &mut Connection,
    sealer: &Sealer,
    letter: &Letter,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<LetterId, DbError> {
    let id = LetterId(secrets::random_uuid());
    let Letter { to, subject, text } = letter.clone();
    let content = Content { to: to.to_string(), subject, text };
    // Three texts always make a JSON object.
    let content = serde_json::to_string(&content).unwrap_or_default();
    letters::insert(conn, id, &sealer.seal_text(&content, Place::letter(id.0)), now, until)?;
    Ok(id)
}

/// Puts a letter into the queue that says what happened; it is tried for two days.
pub(super) fn queue_notice(
    conn: &mut Connection,
    sealer: &Sealer,
    letter: &Letter,
    now: DateTime<Utc>,
) -> Result<LetterId, DbError> {
    queue(conn, sealer, letter, now, now + NOTICE)
}

/// What is sealed in a letter of the queue.
fn read(sealer: &Sealer, claimed: &Claimed) -> Option<Letter> {
    let content = sealer.open_text(&claimed.sealed, Place::letter(claimed.id.0)).ok()?;
    let Content { to, subject, text } = serde_json::from_str(&content).ok()?;
    Some(Letter { to: to.parse().ok()?, subject, text })
}

/// How long to wait after so many tries.
fn pause(attempts: i32) -> TimeDelta {
    let doubled = attempts.clamp(1, 20) - 1;
    (FIRST_PAUSE * (1 << doubled)).min(LONGEST_PAUSE)
}

impl App {
    /// Puts a notice into the queue in the background, for somebody who has no transaction to write it in.
    pub(super) fn send_later(&self, letter: Letter) {
        let (db, sealer, now) = (self.db.clone(), self.sealer.clone(), self.now());
        let (metrics, wake) = (self.metrics.clone(), self.wake_letters.clone());
        self.behind(async move {
            match db.transaction(move |conn| queue_notice(conn, &sealer, &letter, now)).await {
                Ok(_) => wake.notify_one(),
                Err(error) => {
                    metrics.letter_failed();
                    tracing::error!(%error, "a letter was not written into the queue");
                }
            }
        });
    }

    /// Waits until a letter is due at once.
    pub async fn letter_queued(&self) {
        self.wake_letters.notified().await;
    }

    /// Sends some letters that are due; returns whether there were any.
    pub async fn send_due_letters(&self) -> Result<bool, DbError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            let expired = letters::expire(conn, now)?;
            Ok::<_, DbError>((expired, letters::claim(conn, now, AT_ONCE)?))
        };
        let (expired, claimed) = self.work_db.transaction(work).await?;
        if expired > 0 {
            tracing::error!(expired, "letters could not be sent in time");
        }
        let is_any = !claimed.is_empty();
        for settled in join_all(claimed.into_iter().map(|claimed| self.send_claimed(claimed))).await {
            settled?;
        }
        Ok(is_any)
    }

    async fn send_claimed(&self, claimed: Claimed) -> Result<(), DbError> {
        let sent = match read(&self.sealer, &claimed) {
            Some(letter) => self.mailer.send(&letter, claimed.id.0, claimed.created_at).await,
            // Under a key that is not on this server's list, as may be while keys are changed.
            None => Err(MailError::NotTaken("it does not open".into())),
        };
        let next_at = self.now() + pause(claimed.attempts);
        let failure = match &sent {
            Ok(()) => None,
            Err(MailError::Refused(_) | MailError::Unwritable(_)) => Some(Failure::Refused),
            Err(_) => (next_at >= claimed.expires_at).then_some(Failure::Expired),
        };
        if let Err(error) = &sent {
            let (letter, attempt, is_over) = (claimed.id, claimed.attempts, failure.is_some());
            if is_over || attempt > GREYLISTED {
                self.metrics.letter_failed();
            }
            tracing::error!(%letter, attempt, is_over, %error, "a letter was not sent");
        }
        let is_sent = sent.is_ok();
        self.work_db
            .transaction(move |conn| match failure {
                _ if is_sent => letters::erase(conn, claimed.id),
                Some(failure) => letters::fail(conn, &claimed, failure),
                None => letters::try_again(conn, &claimed, next_at),
            })
            .await
    }

    /// The ticket for a browser, so that nobody else reads or makes one.
    pub fn seal_ticket(&self, ticket: &LetterTicket) -> Vec<u8> {
        let text = format!("{} {}", ticket.letter, ticket.typed);
        self.sealer.seal_text(&text, Place::letter_cookie())
    }

    /// The ticket that a browser shows, if it is one of ours.
    pub fn read_ticket(&self, sealed: &[u8]) -> Option<LetterTicket> {
        let text = self.sealer.peek_text(sealed, Place::letter_cookie())?;
        let (letter, typed) = text.split_once(' ')?;
        Some(LetterTicket { letter: LetterId(letter.parse().ok()?), typed: typed.to_owned() })
    }

    /// Where a letter is, once it was tried for the first time or 2 s have passed; `None` when it was sent.
    pub async fn letter_after_first_try(&self, id: LetterId) -> Result<Option<Waiting>, DbError> {
        let begun = Instant::now();
        loop {
            let waiting = self.db.transaction(move |conn| letters::find(conn, id)).await?;
            if waiting != Some(Waiting::New) || begun.elapsed() > PATIENCE {
                return Ok(waiting);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until all work in the background is done, and every letter that is due was tried.
    pub async fn letters_sent(&self) {
        self.background_done().await;
        let now = self.now();
        while let Ok(true) = self.work_db.transaction(move |conn| letters::is_any_due(conn, now)).await {
            if !self.send_due_letters().await.unwrap_or(false) {
                // Another is sending it.
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_a_link_of_half_an_hour_is_tried_beyond_usual_greylisting() {
        let pauses: Vec<i64> = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 99].map(|n| pause(n).num_seconds()).into();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        let within_half_an_hour = pauses.iter().scan(0, |sum, pause| {
            *sum += pause;
            (*sum < 1800).then_some(*sum)
        });
        assert_eq!(within_half_an_hour.last(), Some(1270));
    }
}
