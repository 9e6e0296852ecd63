//! How codes reach phones: from which number, to whom they are said, and what the page says when they do not arrive.

use chrono::TimeDelta;
use maskline::app::reconciliation::Outcome;
use maskline::domain::limits::Limits;
use maskline::domain::phone::PhoneNumber;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{CALLER, CODE_SENDER, Client, OUR_APPLICATION, Options, Page, REAL, TestApp};

async fn ask(client: &mut Client, path: &str, channel: &str) -> Page {
    let token = client.get("/numbers/new").await.hidden("csrf");
    client.post(path, &[("csrf", &token), ("channel", channel)]).await
}

async fn behave(app: &TestApp, behaviour: Value) {
    let url = format!("{}/simulator/phones/{REAL}", app.simulator.base);
    let answer = reqwest::Client::new().put(url).json(&behaviour).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

/// No waits and limits between codes.
fn freely() -> Options {
    let limits = Limits {
        code_waits: vec![TimeDelta::zero()],
        codes_per_user_and_number: 100,
        codes_per_number: 100,
        codes_per_user: (100, 100),
        codes_per_address: (100, 100),
        codes_per_area: 100,
        ..Limits::default()
    };
    Options { limits, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_said_to_nobody_who_presses_no_key_and_the_page_says_why_it_did_not_arrive() {
    let app = TestApp::with(freely()).await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    for (behaviour, words) in [
        (json!({"answer": "answered", "presses": []}), "nobody pressed 1, so we didn’t say the code"),
        (json!({"answer": "answered", "presses": ["5", "9"]}), "nobody pressed 1, so we didn’t say the code"),
        (json!({"answer": "busy"}), "didn’t get through"),
        (json!({"answer": "no-answer"}), "didn’t get through"),
        (json!({"answer": "rejected"}), "didn’t get through"),
    ] {
        app.clock.advance(TimeDelta::seconds(1));
        behave(&app, behaviour.clone()).await;
        assert_eq!(ask(&mut ada, &path, "voice").await.status, 303);
        let page = ada.until(&path, |page| page.words().contains(words)).await;
        assert!(!page.words().contains("Type them here"), "{behaviour}: {}", page.words());
    }
    let phone = app.simulator.get(&format!("/simulator/phones/{REAL}")).await;
    assert_eq!(phone["codes"], json!([]), "{phone}");
    assert!(phone["calls"].to_string().contains("This is Maskline"), "{phone}");

    // Asked again, and taken, it is said.
    app.clock.advance(TimeDelta::seconds(1));
    behave(&app, json!({"answer": "answered", "presses": ["1"]})).await;
    assert_eq!(ask(&mut ada, &path, "voice").await.status, 303);
    let code = app.simulator.code(REAL).await;
    let page = ada.get(&path).await;
    assert!(!page.words().contains("didn’t"), "{}", page.words());
    let proved = ada.submit(&path, &format!("{path}/code"), &[("code", &code)]).await;
    assert_eq!(proved.location(), "/masks");
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_other_sessions_and_late_events_are_told_no_digit() {
    let app = TestApp::with(freely()).await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    behave(&app, json!({"answer": "no-answer"})).await;
    assert_eq!(ask(&mut ada, &path, "voice").await.status, 303);
    ada.until(&path, |page| page.words().contains("didn’t get through")).await;
    // The call is under way once more.
    app.database.execute("UPDATE verifications SET ended_at = NULL, undelivered = NULL").await;
    let row = app.database.one("SELECT id || ' ' || carrier_session FROM verifications").await;
    let (code, session) = row.split_once(' ').unwrap();
    let event = async |event: &str, session: &str, more: Value| {
        let mut result = json!({"sessionId": session, "state": "ANSWERED"});
        result.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.webhook(&format!("/tropo/codes/{code}/{event}"), json!({"result": result}).to_string()).await
    };
    let hangup = json!({"tropo": [{"hangup": null}]});
    let pressed = json!({"actions": {"name": "key", "disposition": "SUCCESS", "value": "1"}});
    for (session, more) in [("", &pressed), ("another", &pressed)] {
        assert_eq!(event("continue", session, more.clone()).await.json(), hangup);
    }
    // Whoever pressed the key hears it, and the same event told twice says the same.
    let said = event("continue", session, pressed.clone()).await.json();
    assert!(said["tropo"][0]["say"]["value"].as_str().unwrap().contains("Your code is"), "{said}");
    assert_eq!(event("continue", session, pressed.clone()).await.json(), said);
    assert!(ada.get(&path).await.words().contains("A voice said six digits"), "it was said");
    // A hang-up that comes late does not undo that.
    assert_eq!(event("hangup", session, json!({})).await.json(), hangup);
    assert_eq!(
        app.database.one("SELECT undelivered IS NULL AND ended_at IS NULL FROM verifications").await,
        "true"
    );

    app.database.execute("UPDATE verifications SET said_at = NULL").await;
    let machine = json!({"userType": "MACHINE", "actions": pressed["actions"]});
    assert_eq!(event("continue", session, machine).await.json(), hangup);
    assert_eq!(event("continue", session, pressed).await.json(), hangup, "the call is over for good");
    assert!(
        ada.get(&path).await.words().contains("An answering machine took our call"),
        "and the page says so"
    );

    app.database
        .execute("UPDATE verifications SET ended_at = NULL, undelivered = NULL, channel = 'text'")
        .await;
    assert_eq!(event("incomplete", session, json!({"state": "FAILED"})).await.json(), hangup);
    let page = ada.get(&path).await;
    assert!(page.words().contains("couldn’t deliver our text"), "{}", page.words());
    assert!(page.words().contains("Type them here"), "a text may come all the same: {}", page.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_come_from_a_number_that_is_nobodys_or_not_at_all() {
    let app = TestApp::with(Options { code_sender: false, ..Options::default() }).await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    let words = "This service can’t send codes yet";
    assert!(ada.get(&path).await.words().contains(words));
    for channel in ["voice", "text"] {
        let refused = ask(&mut ada, &path, channel).await;
        assert!(refused.status == 422 && refused.words().contains(words), "{}", refused.words());
    }
    assert_eq!(app.simulator.launches().await.len(), 0);
    assert_eq!(app.database.count("verifications").await, 0);
    let mut admin = app.admin().await;
    let page = admin.get("/admin/operations").await;
    assert!(page.words().contains("No codes are sent, so nobody can verify a number"), "{}", page.words());
    assert!(page.words().contains("maskline tropo setup --write"), "{}", page.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_that_codes_come_from_is_no_mask_and_no_orphan_and_rings_nobody() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let trace = app.simulator.call(CALLER, CODE_SENDER, "answered", 5).await;
    assert!(
        trace["heard"].to_string().contains("This number only sends verification codes for Maskline"),
        "{trace}"
    );
    assert_eq!(trace["rang"], json!([]));
    let refused = ada.submit("/numbers/new", "/numbers", &[("number", CODE_SENDER)]).await;
    assert!(refused.status == 422 && refused.words().contains("cannot be used here"), "{}", refused.words());

    // One that an operator names in the masks' own application is left alone too.
    let named = "+14075550150";
    app.simulator.carrier(Method::POST, &json!(OUR_APPLICATION), &json!(named)).await;
    let server = app.with_rules(|rules| rules.code_sender = PhoneNumber::from_e164(named));
    for _ in 0..3 {
        let Outcome::Compared(report) = server.reconcile(false).await.unwrap() else {
            panic!("not compared")
        };
        assert!(report.agrees && report.listed == 0 && report.findings.is_empty(), "{report:?}");
        app.later(TimeDelta::minutes(16)).await;
    }
    assert_eq!((app.database.count("orphans").await, app.simulator.ledger().await.1), (0, vec![]));
    let mut ada = app.back_again("ada").await;
    ada.wish(&number, &[("area", "same")]).await;
    while server.step().await.unwrap() {}
    assert_ne!(app.database.one("SELECT e164 FROM masks").await, named);

    // A mask's own number is not used, whatever the settings say.
    app.database.execute(&format!("UPDATE masks SET e164 = '{named}'")).await;
    assert!(server.lacks_code_sender().await.unwrap());
}
