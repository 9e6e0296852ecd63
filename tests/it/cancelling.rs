//! Masks that are not wanted any more before they are set up: withdrawn, or given up until it is known what came of them.

use chrono::TimeDelta;
use maskline::domain::limits::Limits;
use serde_json::json;

use crate::support::{CALLER, Client, Options, Page, REAL, TestApp};

/// A deployment whose worker steps only when it is told to, and somebody who may have one mask, and has wished for it.
async fn wished() -> (TestApp, Client, String, String) {
    let limits = Limits { masks_per_user: (1, 5, 20), ..Limits::default() };
    let app = TestApp::with(Options { work: false, limits, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let path = ada.wish(&number, &[("area", "same")]).await.location();
    (app, ada, number, path)
}

async fn cancel(client: &mut Client, path: &str) -> Page {
    client.submit(path, &format!("{path}/cancellation"), &[]).await
}

/// The answer to the next purchase is lost.
async fn ask_in_vain(app: &TestApp, kind: &str) {
    app.simulator.fault(json!({"kind": kind, "method": "POST", "resource": "addresses", "times": 1})).await;
    assert!(app.app.step().await.unwrap());
    assert_eq!(states(app).await, ["requested|buy|unknown"]);
}

async fn states(app: &TestApp) -> Vec<String> {
    let query = "SELECT m.state, o.kind, o.state FROM masks m JOIN operations o ON o.mask_id = m.id";
    app.database.rows(&format!("{query} ORDER BY o.kind")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_asked_for_yet_is_withdrawn_and_the_quota_is_given_back() {
    let (app, mut ada, number, path) = wished().await;
    assert_eq!(ada.wish(&number, &[("area", "same")]).await.status, 422, "there is room for one");
    let mut bob = app.signed_in("bob").await;
    assert_eq!(bob.submit("/account", &format!("{path}/cancellation"), &[]).await.status, 404);
    assert_eq!(cancel(&mut ada, &path).await.location(), path);
    assert_eq!(states(&app).await, ["failed|buy|withdrawn"]);
    let page = ada.get(&path).await.words();
    assert!(page.contains("The mask is cancelled."), "{page}");
    assert!(page.contains("You cancelled it before it was set up. Nothing was used up."), "{page}");
    app.work().await;
    assert_eq!(app.simulator.ledger().await.0, Vec::<String>::new());
    let again = ada.submit(&path, &format!("{path}/cancellation"), &[]).await;
    assert!(again.words().contains("The mask is not being set up any more."), "{}", again.words());
    assert_eq!(ada.wish(&number, &[("area", "same")]).await.status, 303);
    let audit = "SELECT actor, action FROM audit WHERE action LIKE 'mask c%'";
    assert_eq!(app.database.rows(audit).await, ["user|mask cancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_and_cancels_in_turns_come_to_an_end() {
    let (app, mut ada, number, mut path) = wished().await;
    for _ in 1..20 {
        assert_eq!(cancel(&mut ada, &path).await.location(), path);
        path = ada.wish(&number, &[("area", "same")]).await.location();
    }
    assert_eq!(cancel(&mut ada, &path).await.location(), path);
    let page = ada.wish(&number, &[("area", "same")]).await;
    assert_eq!(page.status, 422, "{}", page.words());
    let words = "You asked for 20 masks within an hour that came to nothing.";
    assert!(page.words().contains(words), "{}", page.words());
    assert_eq!(app.database.count("masks").await, 20);
    app.clock.advance(TimeDelta::minutes(61));
    assert_eq!(ada.wish(&number, &[("area", "same")]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_about_to_choose_a_number_for_it_does_not_ask_for_it() {
    let (app, mut ada, _, path) = wished().await;
    app.simulator
        .fault(json!({"kind": "slow", "method": "GET", "resource": "addresses", "times": 1, "milliseconds": 2000}))
        .await;
    let running = app.app.clone();
    let buying = tokio::spawn(async move { running.step().await });
    while app.database.one("SELECT count(*) FROM operations WHERE state = 'in_flight'").await == "0" {
        tokio::task::yield_now().await;
    }
    assert_eq!(cancel(&mut ada, &path).await.location(), path);
    assert!(buying.await.unwrap().is_ok());
    assert_eq!(states(&app).await, ["failed|buy|withdrawn"]);
    assert_eq!(app.simulator.ledger().await.0, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_bought_all_the_same_rests_at_once_and_never_rings() {
    let (app, mut ada, number, path) = wished().await;
    ask_in_vain(&app, "reset-after").await;
    for _ in 0..2 {
        assert_eq!(cancel(&mut ada, &path).await.location(), path);
    }
    assert_eq!(states(&app).await, ["requested|buy|unknown"]);
    let page = ada.get(&path).await;
    assert!(page.words().contains("Being cancelled"), "{}", page.words());
    assert!(!page.text.contains("/cancellation"), "it cannot be cancelled twice");
    assert!(ada.get("/masks").await.words().contains("Being cancelled"), "the list says so, too");
    assert_eq!(ada.wish(&number, &[("area", "same")]).await.status, 422, "it may have been bought");
    app.clock.advance(TimeDelta::seconds(1));
    app.work().await;
    assert_eq!(states(&app).await, ["resting|buy|succeeded", "resting|release|intended"]);
    let (bought, _) = app.simulator.ledger().await;
    let trace = app.simulator.call(CALLER, &bought[0], "answered", 5).await;
    assert_eq!(trace["rang"], json!([]), "{trace}");
    assert!(trace["heard"].to_string().contains("not in service"), "{trace}");
    let audit = "SELECT actor, action FROM audit WHERE action LIKE 'mask %' ORDER BY id";
    let expected =
        ["user|mask requested", "user|mask cancelled", "system|mask rented", "system|mask revoked"];
    assert_eq!(app.database.rows(audit).await, expected);
    app.later(TimeDelta::days(45)).await;
    app.work().await;
    assert_eq!(app.simulator.ledger().await, (bought.clone(), bought));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_bought_is_not_asked_for_again() {
    let (app, mut ada, number, path) = wished().await;
    ask_in_vain(&app, "reset-before").await;
    assert_eq!(cancel(&mut ada, &path).await.location(), path);
    for _ in 0..3 {
        app.later(TimeDelta::seconds(31)).await;
        app.work().await;
    }
    assert_eq!(states(&app).await, ["failed|buy|failed"]);
    assert!(ada.get(&path).await.words().contains("You cancelled it before it was set up."));
    assert_eq!(app.simulator.ledger().await.0, Vec::<String>::new());
    assert_eq!(ada.wish(&number, &[("area", "same")]).await.status, 303, "the quota is given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_waits_for_a_person_can_be_given_up() {
    let (app, mut ada, _, path) = wished().await;
    ask_in_vain(&app, "reset-after").await;
    app.database.execute("UPDATE operations SET state = 'needs_person'").await;
    assert_eq!(cancel(&mut ada, &path).await.location(), path);
    app.app.reconcile(false).await.unwrap();
    app.work().await;
    assert_eq!(states(&app).await, ["resting|buy|succeeded", "resting|release|intended"]);
}
