//! Calls to masks: who is connected, who hears what instead, and what the log tells of it.

use chrono::TimeDelta;
use maskline::app::Settings;
use maskline::domain::limits::Limits;
use serde_json::{Value, json};

use crate::support::{Beside, CALLER, Client, Options, REAL, TestApp};

/// A deployment with an active mask: its owner, the number's id, the mask's path and number.
async fn with_mask(options: Options) -> (TestApp, Client, String, String, String) {
    let app = TestApp::with(options).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, mask) = app.mask(&mut ada, &number).await;
    (app, ada, number, path, mask)
}

async fn call(app: &TestApp, from: &str, to: &str) -> Value {
    app.simulator.call(from, to, "answered", 5).await
}

fn rang(trace: &Value) -> bool {
    trace["rang"] != json!([])
}

/// What a caller hears whose call rings nobody; empty where it was not even answered.
fn heard(trace: &Value) -> String {
    assert!(!rang(trace), "{trace}");
    trace["heard"].as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

/// Somebody who calls; each count is another.
fn caller(count: u32) -> String {
    format!("+1415555{:04}", 100 + count)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_each_call_as_it_went() {
    let (app, mut ada, _, path, mask) = with_mask(Options::default()).await;
    assert!(ada.get(&path).await.words().contains("No calls yet"));
    for (answer, seconds, outcome, words) in [
        ("answered", 130, "answered", "Answered 2 min 10 s"),
        ("answered-caller-hangs-up", 60, "answered", "Answered 1 min"),
        ("busy", 0, "busy", "Your phone was busy"),
        ("no-answer", 0, "no-answer", "Nobody answered"),
        ("rejected", 0, "rejected", "Declined on your phone"),
        ("caller-hangs-up", 0, "caller-hung-up", "Caller hung up"),
    ] {
        app.clock.advance(TimeDelta::minutes(20));
        let trace = app.simulator.call(CALLER, &mask, answer, seconds).await;
        assert_eq!(trace["rang"], json!([REAL]), "{trace}");
        assert_eq!(trace["shown"], json!(CALLER), "{trace}");
        assert_eq!(trace["outcome"], outcome, "{trace}");
        let page = ada.get(&path).await.words();
        let first = page.find("+1 415-555-0123").unwrap_or_else(|| panic!("{page}"));
        let line = format!("+1 415-555-0123 a moment ago {words}");
        assert!(page[first..].starts_with(&line), "the newest is not {line}: {}", &page[first..]);
    }
    let page = ada.get(&path).await.words();
    assert!(page.contains("6 calls in 30 days, most on 23 November (6)."), "{page}");
    assert!(ada.get("/masks").await.words().contains("Last call a moment ago"));
    // Callers are sealed, and the real number is nowhere.
    let everything = app.database.dump().await;
    assert!(!everything.contains("4155550123") && !everything.contains("4075550101"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_comes_in_pages_and_is_forgotten_after_thirty_days() {
    let (app, mut ada, _, path, mask) = with_mask(Options::default()).await;
    for count in 0..25 {
        call(&app, &caller(count), &mask).await;
        app.clock.advance(TimeDelta::minutes(3));
    }
    let listed = |page: &str| page.matches("Answered").count();
    let shown = |count: u32| format!("+1 415-555-{:04}", 100 + count);
    let first = ada.get(&path).await;
    assert_eq!(listed(&first.text), 20, "{}", first.words());
    assert!(first.words().contains("Calls 1 to 20 of 25"), "{}", first.words());
    assert!(first.text.contains(&shown(24)) && !first.text.contains(&shown(4)));
    let second = ada.get(&format!("{path}?page=2")).await;
    assert_eq!(listed(&second.text), 5);
    assert!(second.text.contains(&shown(0)) && second.text.contains("rel=\"prev\""));
    for page in ["3", "0", "-1", "99999999999999999999", "x"] {
        let status = ada.get(&format!("{path}?page={page}")).await.status;
        assert!(matches!(status, 200 | 400 | 404), "{page}: {status}");
    }

    app.clock.advance(TimeDelta::days(30) - TimeDelta::minutes(36));
    app.app.forget_old().await.unwrap();
    assert_eq!(app.database.count("calls").await, 12);
    app.clock.advance(TimeDelta::hours(1));
    app.app.forget_old().await.unwrap();
    assert_eq!(app.database.count("calls").await, 0);
    let mut ada = app.back_again("ada").await;
    assert!(ada.get(&path).await.words().contains("No calls yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hides_is_connected_and_shown_as_the_mask() {
    let (app, mut ada, _, path, mask) = with_mask(Options::default()).await;
    // Words on a phone's keys, and numbers that no country has, are nobody's: however often, no limit of one caller holds.
    let hidden = ["Unknown", "sip:someone@example.com", "+7378742833", "+10000000000"];
    for from in hidden.into_iter().chain(["+266696687"; 6]) {
        let trace = call(&app, from, &mask).await;
        assert_eq!((&trace["rang"], &trace["shown"]), (&json!([REAL]), &json!(mask)), "{trace}");
        app.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(ada.get(&path).await.words().matches("Hidden caller").count(), 10);
    // From abroad, as it is; so is one of a range that the numbering plans do not have yet.
    for abroad in ["+442079460123", "+254187123456"] {
        let trace = call(&app, abroad, &mask).await;
        assert_eq!(trace["shown"], json!(abroad));
    }
    assert!(ada.get(&path).await.words().contains("+254187123456"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_goes_round_in_a_circle() {
    let (app, mut ada, number, path, mask) = with_mask(Options::default()).await;
    let own = heard(&call(&app, REAL, &mask).await);
    assert!(own.contains("This is your own mask."), "{own}");
    assert!(ada.get(&path).await.words().contains("Your own call"));

    let (_, other) = app.mask(&mut ada, &number).await;
    let (mut bob, of_bob) = app.with_number("bob", "+14075550102").await;
    let (_, bobs) = app.mask(&mut bob, &of_bob).await;
    for from in [&other, &bobs, &mask] {
        let told = heard(&call(&app, from, &mask).await);
        assert!(told.contains("it would lead from one mask to another"), "{from}: {told}");
    }
    assert!(ada.get(&path).await.words().contains("From mask to mask"));

    // A real number that became a mask is not rung, though it was one's own once.
    let turned = format!("UPDATE masks SET e164 = '{REAL}' WHERE e164 = '{bobs}'");
    app.database.execute(&turned).await;
    let told = heard(&call(&app, CALLER, &mask).await);
    assert!(told.contains("it would lead from one mask to another"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn resting_and_unknown_numbers_sound_the_same() {
    let (app, mut ada, number, path, mask) = with_mask(Options::default()).await;
    ada.submit(&path, &format!("{path}/pause"), &[]).await;
    let paused = heard(&call(&app, CALLER, &mask).await);
    assert!(paused.contains("not taking calls on this number at the moment"), "{paused}");
    ada.submit(&path, &format!("{path}/revocation"), &[]).await;
    let resting = heard(&call(&app, CALLER, &mask).await);
    assert_eq!(resting, "The number you have called is not in service.");
    let page = ada.get(&path).await.words();
    assert!(page.contains("Not in service") && page.contains("Paused"), "{page}");

    // A number that leads to our application and that no mask holds.
    let (other_path, other) = app.mask(&mut ada, &number).await;
    let id = other_path.rsplit('/').next().unwrap();
    app.database.execute(&format!("DELETE FROM masks WHERE id = '{id}'")).await;
    assert_eq!(heard(&call(&app, CALLER, &other).await), resting);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_whose_proof_or_seal_is_gone_does_not_ring() {
    let (app, _, _, _, mask) = with_mask(Options::default()).await;
    app.database.execute("UPDATE numbers SET verified_at = NULL").await;
    let told = heard(&call(&app, CALLER, &mask).await);
    assert!(told.contains("cannot be reached on this number"), "{told}");
    app.database.execute("UPDATE numbers SET verified_at = now(), sealed = decode('00', 'hex')").await;
    let told = heard(&call(&app, CALLER, &mask).await);
    assert!(told.contains("temporarily unavailable"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_country_that_is_not_served_any_more_stops_ringing() {
    let (app, ..) = with_mask(Options::default()).await;
    let (mut bob, of_bob) = app.with_number("bob", "+14165550101").await;
    let (path, mask) = app.mask(&mut bob, &of_bob).await;
    assert!(rang(&call(&app, CALLER, &mask).await));
    let rules = |rules: &mut Settings| rules.number_countries.retain(|country| country.code() == "US");
    let without_canada = Beside::start(&app, &app.keys, rules).await;
    let told = without_canada.called(CALLER, &mask).await;
    assert!(told.contains("cannot be reached on this number"), "{told}");
    without_canada.app.calls_written().await;
    assert!(bob.get(&path).await.words().contains("Not allowed there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_may_call_five_times_in_ten_minutes_and_fifteen_a_day() {
    assert_eq!(Limits::default().calls_per_caller, (5, 15));
    let (app, mut ada, _, path, mask) = with_mask(Options::default()).await;
    let often = "You have called this number too often. Please try again tomorrow.";
    for _ in 0..5 {
        assert!(rang(&call(&app, CALLER, &mask).await));
        app.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(heard(&call(&app, CALLER, &mask).await), often);
    // From now on they hear nothing, for a day; others get through.
    for _ in 0..3 {
        let trace = call(&app, CALLER, &mask).await;
        assert_eq!((heard(&trace).as_str(), &trace["outcome"]), ("", &json!("declined")), "{trace}");
        app.clock.advance(TimeDelta::hours(7));
    }
    assert!(rang(&call(&app, &caller(1), &mask).await));
    assert!(ada.get(&path).await.words().contains("Called too often"));
    app.clock.advance(TimeDelta::hours(4));
    assert!(rang(&call(&app, CALLER, &mask).await));

    for _ in 0..14 {
        app.clock.advance(TimeDelta::minutes(11));
        assert!(rang(&call(&app, CALLER, &mask).await));
    }
    app.clock.advance(TimeDelta::minutes(11));
    assert_eq!(heard(&call(&app, CALLER, &mask).await), often);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_calls_in_ten_seconds_are_a_loop() {
    assert_eq!(Limits::default().calls_in_a_loop, 3);
    let (app, _, _, _, mask) = with_mask(Options::default()).await;
    for _ in 0..3 {
        assert!(rang(&call(&app, CALLER, &mask).await));
        app.clock.advance(TimeDelta::seconds(3));
    }
    assert!(heard(&call(&app, CALLER, &mask).await).contains("You have called this number too often."));
    assert_eq!(heard(&call(&app, CALLER, &mask).await), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_takes_thirty_calls_an_hour_and_a_hundred_a_day() {
    assert_eq!(Limits::default().calls_per_mask, (30, 100, 2));
    let (app, _, _, _, mask) = with_mask(Options::default()).await;
    let full = "This number is not available at the moment. Please try again later.";
    let mut from = 0;
    for hour in 0..4 {
        let room = if hour < 3 { 30 } else { 10 };
        for _ in 0..room {
            from += 1;
            assert!(rang(&call(&app, &caller(from % 50), &mask).await), "call {from}");
            app.clock.advance(TimeDelta::seconds(20));
        }
        let refused = caller(60 + hour);
        assert_eq!(heard(&call(&app, &refused, &mask).await), full);
        // That was not the caller's doing, so they are not shut out.
        assert_eq!(heard(&call(&app, &refused, &mask).await), full);
        app.clock.advance(TimeDelta::hours(1));
    }
    app.clock.advance(TimeDelta::hours(20));
    assert!(rang(&call(&app, &caller(60), &mask).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_at_once_go_on_and_a_third_hears_busy() {
    let (app, mut ada, _, path, mask) = with_mask(Options::default()).await;
    let begin = async |count: u32| {
        let from = caller(count);
        let party = |number: &str| json!({"id": &number[2..], "e164Id": &number[1..], "channel": "VOICE"});
        let session = json!({"id": format!("s{count}"), "accountId": "33932", "to": party(&mask), "from": party(&from)});
        app.webhook("/tropo/transfer", json!({ "session": session }).to_string()).await
    };
    let first = begin(1).await;
    begin(2).await;
    let told = heard(&call(&app, CALLER, &mask).await);
    assert!(told.contains("The person you are calling is on another call."), "{told}");
    assert!(ada.get(&path).await.words().contains("Another call was on"));
    // One of them ends: there is room again.
    let document = first.json();
    let ends =
        document["tropo"].as_array().unwrap().iter().find(|verb| verb["on"]["event"] == "hangup").unwrap();
    let address = ends["on"]["next"].as_str().unwrap().split('?').next().unwrap();
    app.webhook(address, json!({"result": {"state": "DISCONNECTED"}}).to_string()).await;
    assert!(rang(&call(&app, CALLER, &mask).await));
    // A call whose end nobody told counts no longer than calls may last.
    begin(3).await;
    assert!(!rang(&call(&app, &caller(4), &mask).await));
    app.clock.advance(TimeDelta::minutes(61));
    assert!(rang(&call(&app, &caller(4), &mask).await));
}
