//! Hears what the database notifies, over a connection and on a thread of its own.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;

use super::session::connect_bounded;
use super::{Connection, DbError};

/// How often it is looked whether something came: a look into the socket, which asks the database nothing.
const LOOK: Duration = Duration::from_millis(20);
/// How often the connection is tried, as one that is dead says nothing.
const TRY: Duration = Duration::from_secs(10);
/// How long it takes until a connection is made again.
const AGAIN: Duration = Duration::from_secs(1);

/// Somebody who listens, until this is dropped.
pub struct Listening {
    _until: Sender<()>,
}

/// Listens from now on.
pub(super) fn begin(url: String, channel: &'static str, heard: impl Fn() + Send + 'static) -> Listening {
    let (until, ended) = mpsc::channel();
    thread::spawn(move || {
        while let Err(error) = listen(&url, channel, &heard, &ended) {
            tracing::debug!(%error, "the database is not listened to");
            if !goes_on(&ended, AGAIN) {
                return;
            }
        }
    });
    Listening { _until: until }
}

/// Listens until it is ended; an error is a connection that is lost.
fn listen(url: &str, channel: &str, heard: &impl Fn(), ended: &Receiver<()>) -> Result<(), DbError> {
    let mut conn: Connection = connect_bounded(url)?;
    conn.batch_execute(&format!("LISTEN {channel}"))?;
    // What was told before has been missed.
    heard();
    let mut tried = Instant::now();
    while goes_on(ended, LOOK) {
        if tried.elapsed() > TRY {
            diesel::sql_query("SELECT 1").execute(&mut conn)?;
            tried = Instant::now();
        }
        let mut is_told = false;
        for notification in conn.notifications_iter() {
            notification?;
            is_told = true;
        }
        if is_told {
            heard();
        }
    }
    Ok(())
}

/// Waits so long; `false` once it is ended.
fn goes_on(ended: &Receiver<()>, pause: Duration) -> bool {
    ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}
