//! A database that hangs: it takes connections and bytes, and says nothing.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use crate::support::{CALLER, Options, REAL, TestApp};

fn session(id: &str, mask: &str) -> String {
    json!({ "session": { "id": id, "accountId": "33932", "to": { "e164Id": mask }, "from": { "e164Id": CALLER } } })
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_hangs_pages_say_so_calls_are_answered_and_afterwards_all_goes_on() {
    let decision_time = Duration::from_secs(1);
    let app = TestApp::with(Options { decision_time, work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let wished = ada.wish(&number, &[("area", "same")]).await.location();
    app.work().await;
    let mask = ada.get(&wished).await.between("data-copy=\"", "\"").to_owned();
    app.line.is_alive(false);
    // More clicks than there are connections, and calls all the while.
    let clicks = (0..20).map(|_| {
        let mut ada = ada.clone();
        async move { ada.get("/masks").await }
    });
    let clicks = futures_util::future::join_all(clicks);
    let calls = (0..2).map(|call| app.webhook("/tropo/transfer", session(&format!("s{call}"), &mask)));
    let mut nobody = app.anonymous();
    let all = async { tokio::join!(clicks, futures_util::future::join_all(calls), nobody.get("/readyz")) };
    let (pages, documents, ready) =
        tokio::time::timeout(Duration::from_secs(40), all).await.expect("something hangs with it");
    for page in pages {
        assert_eq!(page.status, 503, "{}", page.text);
        assert!(page.words().contains("look whether it was saved"), "{}", page.words());
    }
    for document in documents {
        assert_eq!(document.status, 200);
        assert!(document.text.contains(&REAL[1..]), "{}", document.text);
    }
    assert_eq!((ready.status, ready.text.as_str()), (503, "not ready"));
    app.line.is_alive(true);
    nobody.until("/readyz", |page| page.status == 200).await;
    ada.until("/masks", |page| page.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_wait_take_no_turn_of_a_call() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let wished = ada.wish(&number, &[("area", "same")]).await.location();
    app.work().await;
    let mask = ada.get(&wished).await.between("data-copy=\"", "\"").to_owned();
    // Everything that pages need is held, so that they fill all their turns.
    let held = app.database.hold("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE").await;
    let clicks = (0..20).map(|_| {
        let mut ada = ada.clone();
        tokio::spawn(async move { ada.get("/masks").await.status })
    });
    let clicks: Vec<_> = clicks.collect();
    let waits =
        "SELECT 1 AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while app.database.rows(waits).await.len() < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let document = app.webhook("/tropo/transfer", session("s1", &mask)).await;
    assert!(document.text.contains(&REAL[1..]), "{}", document.text);
    drop(held);
    for click in clicks {
        assert!(matches!(click.await.unwrap(), 200 | 503));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_call_ended_is_noted_although_the_database_was_away_when_the_carrier_told() {
    let decision_time = Duration::from_millis(500);
    let app = TestApp::with(Options { decision_time, work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let wished = ada.wish(&number, &[("area", "same")]).await.location();
    app.work().await;
    let mask = ada.get(&wished).await.between("data-copy=\"", "\"").to_owned();
    app.webhook("/tropo/transfer", session("s1", &mask)).await;
    app.app.calls_written().await;
    let call = app.database.one("SELECT id FROM calls").await;
    app.database.let_in(false).await;
    let result = json!({ "result": { "state": "ANSWERED", "actions": { "name": "transfer", "disposition": "TIMEOUT" } } });
    let document = app.webhook(&format!("/tropo/calls/{call}/incomplete"), result.to_string()).await;
    assert!(document.text.contains("did not answer"), "the caller hears why: {}", document.text);
    app.database.let_in(true).await;
    ada.until(&wished, |page| page.words().contains("Nobody answered")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_carrier_an_area_can_still_be_wished_for_and_a_list_that_was_known_still_shown() {
    let mut app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let listed = ada.get("/masks/new").await;
    assert!(listed.text.contains("value=\"1415\""), "{}", listed.text);
    app.clock.advance(TimeDelta::hours(1));
    app.without_carrier().await;
    let stale = ada.get("/masks/new").await;
    assert!(stale.text.contains("value=\"1415\""), "the areas of an hour ago are gone: {}", stale.words());

    let mut app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut bob, second) = app.with_number("bob", REAL).await;
    app.without_carrier().await;
    let long = "x".repeat(61);
    let again = bob.wish(&second, &[("area", "prefix"), ("prefix", "1415"), ("label", &long)]).await;
    assert_eq!(again.status, 422);
    assert!(again.text.contains("<option value=\"1415\" selected>"), "{}", again.text);
    for prefix in ["14x5", "1", "44", "14155550"] {
        let page = bob.wish(&second, &[("area", "prefix"), ("prefix", prefix)]).await;
        assert_eq!(page.status, 422, "{prefix}: {}", page.words());
    }
    let wished = bob.wish(&second, &[("area", "prefix"), ("prefix", "1415")]).await;
    assert_eq!(wished.status, 303, "{}", wished.words());
    assert_eq!(app.database.one("SELECT wanted_prefix FROM masks").await, "1415");
    drop((ada, number));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_forgotten_in_batches_whatever_becomes_of_the_other_tables() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    app.clock.advance(TimeDelta::days(100));
    let many = "INSERT INTO rate_events (bucket, at) \
                SELECT sha256(n::text::bytea), '2026-11-23T10:00:00Z'::timestamptz FROM generate_series(1, 11000) n";
    app.database.execute(many).await;
    let held = app.database.hold("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE").await;
    app.app.forget_old().await.unwrap_err();
    assert_eq!(app.database.one("SELECT count(*) FROM rate_events").await, "0");
    drop(held);
    app.app.forget_old().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_saved_is_said_to_be_saved_although_the_session_could_not_be_kept() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let mut ada = app.signed_in("ada").await;
    let csrf = ada.get("/account").await.hidden("csrf");
    app.clock.advance(TimeDelta::minutes(20));
    let held = app.database.hold("SELECT 1 FROM sessions FOR UPDATE").await;
    let saved = ada.post("/account/time-zone", &[("csrf", &csrf), ("time_zone", "Europe/Berlin")]).await;
    assert_eq!(saved.status, 303, "{}", saved.words());
    drop(held);
    assert_eq!(app.database.one("SELECT time_zone FROM users").await, "Europe/Berlin");
}
