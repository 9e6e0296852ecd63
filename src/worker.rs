//! Does what is due: one operation after another; beside it, rounds of ending calls that last too long, of warning
//! of limits that are half used and of forgetting what is old.
//!
//! Knows only when to ask; what there is to do, `app` knows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::app::App;

/// How long the worker sleeps when nothing wakes it.
const NAP: Duration = Duration::from_secs(1);
/// How long it waits after a fault, so as not to hammer at what is broken.
const AFTER_FAULT: Duration = Duration::from_secs(3);
/// How long letters that are on their way may take once the server stops.
const LAST_LETTERS: Duration = Duration::from_secs(5);
/// How long lies between two looks at calls that last too long.
const ROUND: Duration = Duration::from_secs(10);
/// How many of those lie between two rounds of forgetting.
const ROUNDS_TO_FORGET: u32 = 60;

/// How long lies between two comparisons of the carrier's list with our rows.
const BETWEEN_COMPARISONS: Duration = Duration::from_mins(5);

/// Compares the carrier's list with our rows, at once and then every five minutes, until `shutdown` turns true; what was
/// begun is finished.
pub async fn reconcile(app: Arc<App>, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        if let Err(error) = app.reconcile(false).await {
            tracing::error!(%error, "the carrier and our rows were not compared");
        }
        tokio::select! {
            _ = shutdown.changed() => {}
            () = sleep(BETWEEN_COMPARISONS) => {}
        }
    }
}

/// Sends mail until `shutdown` turns true; what was begun is finished, unless a mail server keeps it waiting: then it is
/// tried again after the next start.
pub async fn letters(app: Arc<App>, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        let sent = tokio::select! {
            sent = app.send_due_letters() => sent,
            () = stopped_for(LAST_LETTERS, shutdown.clone()) => return,
        };
        let pause = match sent {
            Ok(true) => continue,
            Ok(false) => NAP,
            Err(error) => {
                tracing::error!(%error, "letters are not sent at the moment");
                AFTER_FAULT
            }
        };
        tokio::select! {
            _ = shutdown.changed() => {}
            () = app.letter_queued() => {}
            () = sleep(pause) => {}
        }
    }
}

/// Waits until `shutdown` has been true for so long.
async fn stopped_for(time: Duration, mut shutdown: watch::Receiver<bool>) {
    // Nobody is left to say so: that is a stop, too.
    let _ = shutdown.wait_for(|stops| *stops).await;
    sleep(time).await;
}

/// Works until `shutdown` turns true; what was begun is finished.
pub async fn run(app: Arc<App>, shutdown: watch::Receiver<bool>) {
    tokio::join!(operations(&app, shutdown.clone()), rounds(&app, shutdown));
}

async fn operations(app: &App, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        let pause = match app.step().await {
            Ok(true) => continue,
            Ok(false) => NAP,
            Err(error) => {
                tracing::error!(%error, "the worker cannot go on");
                AFTER_FAULT
            }
        };
        tokio::select! {
            _ = shutdown.changed() => {}
            () = app.woken() => {}
            () = sleep(pause) => {}
        }
    }
}

async fn rounds(app: &App, mut shutdown: watch::Receiver<bool>) {
    let mut round = 0;
    while !*shutdown.borrow() {
        if let Err(error) = app.end_overlong_calls().await {
            tracing::warn!(%error, "calls that are too long were not looked for");
        }
        if let Err(error) = app.warn_of_caps().await {
            tracing::warn!(%error, "limits of the deployment were not looked at");
        }
        if round % ROUNDS_TO_FORGET == 0
            && let Err(error) = app.forget_old().await
        {
            tracing::warn!(%error, "nothing was forgotten");
        }
        round = round.wrapping_add(1);
        tokio::select! {
            _ = shutdown.changed() => {}
            () = sleep(ROUND) => {}
        }
    }
}
