//! What was recorded, on its way back into the book of calls in memory: that of the last day at the start, and then what other
//! servers record.

use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use chrono::{DateTime, TimeDelta, Utc};

use crate::app::App;
use crate::db::DbError;
use crate::db::records::{self, ToldCall};
use crate::domain::call_book::BookedCall;
use crate::domain::ids::ServerId;

/// How long limits look back.
const DAY: TimeDelta = TimeDelta::hours(24);

/// Fills the book with what was recorded in the last day, whoever recorded it.
pub(super) async fn fill(app: &App, heard: &AtomicI64) -> Result<(), DbError> {
    let (now, since) = (app.now(), app.now() - DAY);
    let (newest, talk) = app.calls_db.transaction(move |conn| records::talk_so_far(conn, now)).await?;
    let mut after = app.calls_db.transaction(move |conn| records::first_since(conn, since)).await?;
    while after < newest {
        let told =
            app.calls_db.transaction(move |conn| records::told_after(conn, after, since, None)).await?;
        let Some(last) = told.last() else { break };
        after = last.recorded;
        for call in &told {
            learn(app, call, now);
        }
    }
    // Once nothing can fail any more: calls that are learned twice count once, but seconds would count twice.
    {
        let mut book = app.book();
        for (mask, seconds) in talk {
            book.add_talk(mask, seconds, now);
        }
    }
    heard.store(newest, Relaxed);
    Ok(())
}

/// Hears what other servers recorded since.
pub(super) async fn hear(app: &App, server: ServerId, heard: &AtomicI64) -> Result<(), DbError> {
    let (now, since) = (app.now(), app.now() - DAY);
    let newest = app.calls_db.transaction(records::newest).await?;
    loop {
        let after = heard.load(Relaxed);
        let told = app
            .calls_db
            .transaction(move |conn| records::told_after(conn, after, since, Some(server)))
            .await?;
        let Some(last) = told.last() else {
            heard.fetch_max(newest, Relaxed);
            return Ok(());
        };
        for call in &told {
            if let (true, Some(seconds)) = (learn(app, call, now), call.talk_seconds) {
                app.book().add_talk(call.mask, seconds, now);
            }
        }
        heard.store(last.recorded, Relaxed);
    }
}

/// Takes a call that somebody recorded into the book; tells whether that it is over is news.
fn learn(app: &App, told: &ToldCall, now: DateTime<Utc>) -> bool {
    let mut book = app.book();
    let booked = BookedCall {
        id: told.id,
        mask: told.mask,
        caller: told.caller_lookup,
        decided: told.decided,
        at: told.at,
        is_over: told.ended_at.is_some(),
    };
    let is_new = book.add(&booked, now);
    if is_new && booked.decided.is_refused() {
        book.note_listed(told.mask.0, told.at);
    }
    if let Some((caller, admitted_at)) = told.caller_lookup.zip(told.admitted_at) {
        book.admit(told.mask.0, &caller, admitted_at);
    }
    if let Some(picked_up) = told.picked_up {
        book.pick_up(told.id, picked_up);
    }
    booked.is_over && (is_new || book.end(told.id).is_some())
}
