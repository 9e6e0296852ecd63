//! Our application at the carrier: what is not as it should be is seen with each comparison, and set again.

use chrono::TimeDelta;
use maskline::app::reconciliation::{Outcome, SettingsThere};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{CALLER, OUR_APPLICATION, Options, REAL, TestApp, WEBHOOK_KEY, http};

async fn ask(app: &TestApp, method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}/v1/applications/{OUR_APPLICATION}{path}", app.simulator.base);
    let request = http().request(method, url).basic_auth("tester", Some("not a secret"));
    request.json(&body).send().await.unwrap().json().await.unwrap()
}

/// Somebody changes the application on the carrier's own page.
async fn meddle(app: &TestApp, change: Value) {
    ask(app, Method::PUT, "", change).await;
}

async fn settings(app: &TestApp) -> SettingsThere {
    match app.app.reconcile(false).await.unwrap() {
        Outcome::Compared(report) => report.settings.unwrap(),
        outcome => panic!("{outcome:?}"),
    }
}

async fn noted(app: &TestApp) -> String {
    app.database.one("SELECT settings_fault, settings_fault_since FROM reconciliation").await
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_somebody_changed_are_set_again() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    ada.wish(&number, &[("area", "same")]).await;
    app.work().await;
    assert_eq!(settings(&app).await, SettingsThere::Right);
    let before = ask(&app, Method::GET, "", json!({})).await;
    let elsewhere = "https://example.com/tropo/transfer?key=another-key";
    meddle(&app, json!({"voiceUrl": elsewhere, "messagingUrl": elsewhere})).await;
    let fault = "calls are told to another address; texts are told to another address";
    assert_eq!(settings(&app).await, SettingsThere::SetAgain(fault.into()));
    assert_eq!(ask(&app, Method::GET, "", json!({})).await, before);
    assert_eq!(noted(&app).await, "∅|∅");
    let audit = "SELECT actor, action, detail FROM audit WHERE action LIKE 'settings %' ORDER BY id";
    let expected =
        [format!("system|settings found wrong|{fault}"), format!("system|settings right again|{fault}")];
    assert_eq!(app.database.rows(audit).await, expected);
    let dump = app.database.dump().await;
    assert!(!dump.contains(WEBHOOK_KEY) && !dump.contains("another-key"), "keys are secret");
    let mask = app.database.one("SELECT e164 FROM masks").await;
    assert_eq!(app.simulator.call(CALLER, &mask, "answered", 3).await["rang"], json!([REAL]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_written_down_and_shown_until_a_look_finds_all_in_order() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let mut admin = app.admin().await;
    let fault = "calls are told to another address";
    for kind in ["forbidden", "reset-before", "reset-after"] {
        meddle(&app, json!({"voiceUrl": "https://example.com/"})).await;
        app.simulator
            .fault(json!({"kind": kind, "method": "PUT", "resource": "applications", "times": 1}))
            .await;
        assert_eq!(settings(&app).await, SettingsThere::Wrong(fault.into()), "{kind}");
        let since = noted(&app).await;
        assert!(since.starts_with(fault), "{kind}: {since}");
        let page = admin.get("/admin/operations").await.words();
        assert!(page.contains("is not as it should be") && page.contains(fault), "{kind}: {page}");
        app.clock.advance(TimeDelta::minutes(5));
        let next = settings(&app).await;
        let done =
            if kind == "reset-after" { SettingsThere::Right } else { SettingsThere::SetAgain(fault.into()) };
        assert_eq!(next, done, "{kind}");
        assert_eq!(noted(&app).await, "∅|∅", "{kind}");
    }
    assert!(admin.get("/admin/operations").await.words().contains("Settings there As they should be"));

    // What cannot be looked at stays as it was noted.
    app.simulator.fault(json!({"kind": "html", "method": "GET", "resource": "applications"})).await;
    assert!(matches!(settings(&app).await, SettingsThere::Unknown(_)));
    assert_eq!(noted(&app).await, "∅|∅");
}

#[tokio::test(flavor = "multi_thread")]
async fn once_the_carrier_bills_us_it_goes_on() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    assert_eq!(settings(&app).await, SettingsThere::Right, "trying out is in order");
    meddle(&app, json!({"partition": "production"})).await;
    assert_eq!(settings(&app).await, SettingsThere::Right);
    meddle(&app, json!({"partition": "staging"})).await;
    let found = settings(&app).await;
    assert!(matches!(&found, SettingsThere::SetAgain(fault) if fault.contains("not billed")), "{found:?}");
    assert_eq!(ask(&app, Method::GET, "", json!({})).await["partition"], "production");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_gone_needs_a_person_and_nothing_is_sent_for_it() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let addresses = ask(&app, Method::GET, "/addresses", json!({})).await;
    let tokens = addresses.as_array().unwrap().iter().filter(|address| address["type"] == "token");
    let voice = tokens.clone().find(|token| token["channel"] == "voice").unwrap();
    ask(&app, Method::DELETE, &format!("/addresses/token/{}", voice["token"].as_str().unwrap()), json!({}))
        .await;
    app.simulator.fault(json!({"kind": "reset-after", "method": "PUT", "resource": "applications"})).await;
    for _ in 0..2 {
        let fault = "the token that starts calls is not one of the application's";
        assert_eq!(settings(&app).await, SettingsThere::Wrong(fault.into()));
    }
    let audit = "SELECT count(*) FROM audit WHERE action LIKE 'settings %'";
    assert_eq!(app.database.one(audit).await, "1", "what stays is told once");
}
