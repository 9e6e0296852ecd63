//! What the carrier does, and what it answers: whatever becomes of the answer, both sides agree in the end.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use maskline::domain::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{OUR_APPLICATION, Options, Person, REAL, TestApp, calls, settle};

/// It is done, and nobody learns that.
const DONE: &[&str] = &["reset-after", "truncated", "server-error-after", "html-after", "other-json"];
/// It is not done, and nobody learns that either.
const NOT_DONE: &[&str] = &["reset-before", "server-error", "html"];
const ORPHAN: &str = "+13055550150";

async fn scene() -> (TestApp, Person) {
    let limits = Limits {
        masks_per_user: (99, 99, 99),
        masks_in_all: (99, 99),
        calls_per_mask: (99, 99, 2),
        ..Limits::default()
    };
    let app = TestApp::with(Options { work: false, limits, ..Options::default() }).await;
    let ada = app.person("ada", REAL).await;
    (app, ada)
}

async fn once(app: &TestApp, kind: &str, method: &str, resource: &str) {
    app.simulator.fault(json!({"kind": kind, "method": method, "resource": resource, "times": 1})).await;
}

/// Everything goes on, and in the end the ledger has so many purchases and releases.
async fn ends_with(app: &TestApp, ada: &Person, purchases: usize, releases: usize, why: &str) {
    settle(app).await;
    calls(app, &[ada]).await;
    let (bought, released) = app.simulator.ledger().await;
    assert_eq!((bought.len(), released.len()), (purchases, releases), "{why}");
    assert_eq!(app.simulator.get("/simulator/faults").await, json!([]), "{why}: it was not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_whose_answer_is_spoiled_is_made_once() {
    let (app, ada) = scene().await;
    for (at, kind) in [DONE, NOT_DONE].concat().into_iter().enumerate() {
        once(&app, kind, "POST", "addresses").await;
        let mask = app.app.wish_mask(ada.user, ada.wish(kind)).await.unwrap();
        ends_with(&app, &ada, at + 1, 0, kind).await;
        assert_eq!(app.state_of(mask).await, "active", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_by_area_whose_answer_is_spoiled_is_made_once() {
    let (app, ada) = scene().await;
    for (at, kind) in [DONE, NOT_DONE].concat().into_iter().enumerate() {
        once(&app, "forbidden", "GET", "addresses").await;
        once(&app, kind, "POST", "addresses").await;
        let mask = app.app.wish_mask(ada.user, ada.wish(kind)).await.unwrap();
        ends_with(&app, &ada, at + 1, 0, kind).await;
        assert_eq!(app.state_of(mask).await, "active", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_answer_is_spoiled_is_made_once() {
    let (app, ada) = scene().await;
    for (at, kind) in [DONE, NOT_DONE].concat().into_iter().enumerate() {
        let mask = app.held_mask(&ada, kind).await;
        app.app.revoke_mask(ada.user, mask).await.unwrap();
        app.clock.advance(TimeDelta::days(46));
        once(&app, kind, "DELETE", "addresses").await;
        ends_with(&app, &ada, at + 1, at + 1, kind).await;
        assert_eq!(app.state_of(mask).await, "released", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_spoiled_is_read_again_before_anything_follows() {
    let (app, ada) = scene().await;
    for (at, kind) in [DONE, NOT_DONE].concat().into_iter().enumerate() {
        // The list of free numbers, and then that of ours after an unclear answer.
        once(&app, kind, "GET", "addresses").await;
        let mask = app.app.wish_mask(ada.user, ada.wish(kind)).await.unwrap();
        app.work().await;
        once(&app, "reset-after", "POST", "addresses").await;
        app.later(TimeDelta::minutes(1)).await;
        assert!(app.app.step().await.unwrap(), "{kind}");
        once(&app, kind, "GET", "addresses").await;
        app.later(TimeDelta::seconds(2)).await;
        assert!(app.app.step().await.unwrap(), "{kind}");
        ends_with(&app, &ada, 2 * at + 1, at, kind).await;
        assert_eq!(app.state_of(mask).await, "active", "{kind}");
        // The list that is compared.
        app.simulator.carrier(Method::POST, &json!(OUR_APPLICATION), &json!(ORPHAN)).await;
        once(&app, kind, "GET", "addresses").await;
        app.app.reconcile(false).await.unwrap();
        assert_eq!(app.database.count("orphans WHERE state = 'seen'").await, 0, "{kind}");
        ends_with(&app, &ada, 2 * at + 2, at + 1, kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_whose_answer_is_spoiled_is_given_back_once() {
    let (app, ada) = scene().await;
    app.held_mask(&ada, "there all along").await;
    for (at, kind) in [DONE, NOT_DONE].concat().into_iter().enumerate() {
        app.simulator.carrier(Method::POST, &json!(OUR_APPLICATION), &json!(ORPHAN)).await;
        once(&app, kind, "DELETE", "addresses").await;
        ends_with(&app, &ada, at + 2, at + 1, kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_number_whose_answer_is_spoiled_comes_back_once() {
    let (app, ada) = scene().await;
    app.held_mask(&ada, "there all along").await;
    let mask = app.held_mask(&ada, "lost and found").await;
    let number: Value = app.number_of(mask).await.into();
    app.app.reconcile(false).await.unwrap();
    for (at, kind) in [DONE, NOT_DONE].concat().into_iter().enumerate() {
        app.simulator.carrier(Method::DELETE, &json!(OUR_APPLICATION), &number).await;
        once(&app, kind, "POST", "addresses").await;
        ends_with(&app, &ada, at + 3, at + 1, kind).await;
        assert_eq!(app.state_of(mask).await, "active", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_come_too_late_count_as_unclear() {
    let (app, ada) = scene().await;
    let back = app.held_mask(&ada, "to be given back").await;
    app.app.revoke_mask(ada.user, back).await.unwrap();
    app.clock.advance(TimeDelta::days(46));
    let wished = app.app.wish_mask(ada.user, ada.wish("late")).await.unwrap();
    once(&app, "slow", "POST", "addresses").await;
    once(&app, "slow", "DELETE", "addresses").await;
    // Both wait at the same time, until the client's patience ends.
    let steps = join_all([app.app.step(), app.app.step()]);
    let steps = tokio::time::timeout(Duration::from_mins(1), steps).await.unwrap();
    assert!(steps.into_iter().all(|step| step.unwrap()));
    let unclear = app.database.rows("SELECT last_error FROM operations WHERE state = 'unknown'").await;
    assert_eq!(unclear.len(), 2, "{unclear:?}");
    assert!(unclear.iter().all(|error| error.contains("no answer in time")), "{unclear:?}");
    ends_with(&app, &ada, 2, 1, "late").await;
    assert_eq!((app.state_of(back).await, app.state_of(wished).await), ("released".into(), "active".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_lacks_what_is_ours_is_no_reason_to_buy_again() {
    for kind in ["empty-list", "half-list"] {
        let (app, ada) = scene().await;
        for at in 0..8 {
            app.held_mask(&ada, &format!("held {at}")).await;
        }
        once(&app, "reset-after", "POST", "addresses").await;
        app.simulator.fault(json!({"kind": kind, "method": "GET", "resource": "addresses"})).await;
        let mask = app.app.wish_mask(ada.user, ada.wish(kind)).await.unwrap();
        for _ in 0..4 {
            app.work().await;
            app.later(TimeDelta::minutes(1)).await;
        }
        assert_eq!(app.state_of(mask).await, "requested", "{kind}");
        assert_eq!(app.simulator.ledger().await.0.len(), 9, "{kind}: it was bought again");
        app.simulator.no_faults().await;
        ends_with(&app, &ada, 9, 0, kind).await;
        assert_eq!(app.state_of(mask).await, "active", "{kind}");
    }
}
