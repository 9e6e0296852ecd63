//! Does what is due: one operation after another, and the forgetting of what is old.
//!
//! Knows only when to ask; what there is to do, `app` knows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::app::App;

/// How long the worker sleeps when nothing wakes it.
const NAP: Duration = Duration::from_secs(1);
/// How long it waits after a fault, so as not to hammer at what is broken.
const AFTER_FAULT: Duration = Duration::from_secs(3);
/// How many naps lie between two rounds of forgetting.
const ROUND: u32 = 600;

/// Works until `shutdown` turns true; what was begun is finished.
pub async fn run(app: Arc<App>, mut shutdown: watch::Receiver<bool>) {
    let mut naps = 0;
    while !*shutdown.borrow() {
        let pause = match app.step().await {
            Ok(true) => continue,
            Ok(false) => NAP,
            Err(error) => {
                tracing::error!(%error, "the worker cannot go on");
                AFTER_FAULT
            }
        };
        if let Err(error) = app.end_overlong_calls().await {
            tracing::warn!(%error, "calls that are too long were not looked for");
        }
        if naps % ROUND == 0
            && let Err(error) = app.forget_old().await
        {
            tracing::warn!(%error, "nothing was forgotten");
        }
        naps += 1;
        tokio::select! {
            _ = shutdown.changed() => {}
            () = app.woken() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
