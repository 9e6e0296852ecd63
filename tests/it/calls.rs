//! Calls to masks: who is connected, who hears what instead, and what the log tells of it.

use std::time::Duration;

use chrono::TimeDelta;
use maskline::app::Settings;
use maskline::domain::limits::Limits;
use serde_json::{Value, json};

use crate::support::{Beside, CALLER, Client, Options, Page, REAL, TestApp};

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

/// What a caller hears, and after how many seconds.
fn heard_when(trace: &Value) -> Vec<(String, u64)> {
    let steps = trace["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == "says");
    steps
        .map(|step| (step["text"].as_str().unwrap().split_once(": ").unwrap().1.to_owned(), second(step)))
        .collect()
}

fn second(step: &Value) -> u64 {
    step["second"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_the_owners_number_or_a_masks_waits_as_for_a_call_that_nobody_answers() {
    let (app, mut ada, number, path, mask) = with_mask(Options::default()).await;
    let (_, other) = app.mask(&mut ada, &number).await;
    let (mut bob, of_bob) = app.with_number("bob", "+14075550102").await;
    let (_, bobs) = app.mask(&mut bob, &of_bob).await;
    let genuine = app.simulator.call(CALLER, &mask, "no-answer", 0).await;
    assert!(rang(&genuine) && heard_when(&genuine)[0].1 == 25, "{genuine}");
    for from in [REAL, &other, &bobs, &mask] {
        app.clock.advance(TimeDelta::minutes(1));
        let forged = call(&app, from, &mask).await;
        assert!(heard(&forged).contains("did not answer"), "{from}: {forged}");
        assert_eq!(heard_when(&forged), heard_when(&genuine), "{from}");
    }
    let endings = "SELECT DISTINCT ending FROM calls WHERE decision IN ('owners_number', 'masks_number')";
    assert_eq!(app.database.rows(endings).await, ["no_answer"]);
    // Whatever key a caller presses while it rings, both sound the same.
    for key in ["*", "5"] {
        app.clock.advance(TimeDelta::minutes(11));
        let pressing = async |from: &str| {
            let wish = json!({"from": from, "to": mask, "answer": "no-answer", "caller_key": key});
            heard_when(&app.simulator.place(wish).await)
        };
        let genuine = pressing(CALLER).await;
        assert_eq!(genuine[0].1, if key == "*" { 2 } else { 25 });
        assert_eq!(pressing(REAL).await, genuine, "{key}");
    }
    let page = ada.get(&path).await.words();
    assert!(page.contains("Showed your own number") && page.contains("Caller ID not accepted"), "{page}");
    assert!(page.contains("Somebody called this mask showing your own number."), "{page}");

    // A real number that became a mask is not rung, though it was one's own once; whoever calls hears the same.
    let turned = format!("UPDATE masks SET e164 = '{REAL}' WHERE e164 = '{bobs}'");
    app.database.execute(&turned).await;
    for from in [CALLER, REAL] {
        let told = heard(&call(&app, from, &mask).await);
        assert!(told.contains("cannot be reached on this number"), "{from}: {told}");
    }
}

/// A call that the carrier tells of under a name.
async fn begins(app: &TestApp, name: &str, from: &str, to: &str) -> Value {
    let party = |number: &str| json!({"id": &number[2..], "e164Id": &number[1..], "channel": "VOICE"});
    let session = json!({"id": name, "accountId": "33932", "to": party(to), "from": party(from)});
    app.webhook("/tropo/transfer", json!({ "session": session }).to_string()).await.json()
}

/// The carrier tells of an event of a call, where its document says.
async fn goes_on(app: &TestApp, document: &Value, event: &str, result: Value) -> Value {
    let on = document["tropo"].as_array().unwrap().iter().find(|verb| verb["on"]["event"] == event);
    let next = on.unwrap_or_else(|| panic!("{event}: {document}"))["on"]["next"].as_str().unwrap();
    let address = next.split('?').next().unwrap();
    app.webhook(address, json!({ "result": result }).to_string()).await.json()
}

fn said(document: &Value) -> &str {
    document["tropo"][0]["say"]["value"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_tells_the_owners_number_from_another() {
    let (app, _, _, _, mask) = with_mask(Options::default()).await;
    // As many at once as a mask may have ring, whoever they are; a key that means nothing changes nothing.
    let ringing = begins(&app, "s1", REAL, &mask).await;
    assert_eq!(begins(&app, "s1", REAL, &mask).await, ringing, "told twice");
    begins(&app, "s2", CALLER, &mask).await;
    let pressed = json!({"sessionDuration": 4, "actions": {"name": "ringing", "disposition": "FAILED"}});
    let document = goes_on(&app, &ringing, "incomplete", pressed).await;
    assert_eq!(
        (&document["tropo"][0]["ask"]["timeout"], &ringing["tropo"][0]["ask"]["timeout"]),
        (&json!(21), &json!(25))
    );
    for from in [REAL, &mask, &caller(3)] {
        let refused = begins(&app, &format!("busy{from}"), from, &mask).await;
        assert!(said(&refused).contains("on another call"), "{from}: {refused}");
    }
    // The key that gives up is heeded, and makes room; told again, it is over.
    let gives_up = json!({"sessionDuration": 9, "actions": {"disposition": "SUCCESS", "value": "*"}});
    let over = goes_on(&app, &document, "continue", gives_up).await;
    assert!(said(&over).contains("did not answer"), "{over}");
    assert!(said(&begins(&app, "s1", REAL, &mask).await).contains("temporarily unavailable"));
    // From there on each rings in its turn, until the hour is full for all of them.
    for count in 0..28 {
        let from = if count % 3 == 0 { REAL.to_owned() } else { caller(count) };
        let rings = begins(&app, &format!("t{count}"), &from, &mask).await;
        assert_eq!(said(&rings), "", "{count}: {rings}");
        let late = goes_on(&app, &rings, "hangup", json!({"state": "DISCONNECTED"})).await;
        assert_eq!(late, json!({"tropo": [{"hangup": null}]}));
        app.clock.advance(TimeDelta::seconds(121));
    }
    for from in [REAL, &mask, &caller(30)] {
        let refused = begins(&app, &format!("full{from}"), from, &mask).await;
        assert!(said(&refused).contains("not available at the moment"), "{from}: {refused}");
    }
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
    let often = "You have called this number too often. Please try again later.";
    for _ in 0..5 {
        assert!(rang(&call(&app, CALLER, &mask).await));
        app.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(heard(&call(&app, CALLER, &mask).await), often);
    // From now on they hear nothing, until the ten minutes are over; others get through.
    for _ in 0..3 {
        let trace = call(&app, CALLER, &mask).await;
        assert_eq!((heard(&trace).as_str(), &trace["outcome"]), ("", &json!("declined")), "{trace}");
        app.clock.advance(TimeDelta::seconds(30));
    }
    assert!(rang(&call(&app, &caller(1), &mask).await));
    let page = ada.get(&path).await.words();
    assert!(page.contains("+1 415-555-0123 a moment ago Called too often 4 times Let in again"), "{page}");
    for _ in 0..10 {
        app.clock.advance(TimeDelta::minutes(11));
        assert!(rang(&call(&app, CALLER, &mask).await));
    }
    app.clock.advance(TimeDelta::minutes(11));
    assert_eq!(heard(&call(&app, CALLER, &mask).await), often);
    app.clock.advance(TimeDelta::hours(12));
    assert_eq!(heard(&call(&app, CALLER, &mask).await), "");
    app.clock.advance(TimeDelta::hours(11));
    assert!(rang(&call(&app, CALLER, &mask).await), "a day after the first of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_calls_in_ten_seconds_are_a_loop_until_ten_minutes_are_over_or_the_owner_lets_them_in() {
    assert_eq!(Limits::default().calls_in_a_loop, 3);
    let (app, mut ada, _, path, mask) = with_mask(Options::default()).await;
    let redials = async || {
        for _ in 0..3 {
            assert!(rang(&call(&app, CALLER, &mask).await));
            app.clock.advance(TimeDelta::seconds(3));
        }
        let told = heard(&call(&app, CALLER, &mask).await);
        assert_eq!(told, "You have called this number too often. Please try again in ten minutes.");
        assert_eq!(heard(&call(&app, CALLER, &mask).await), "");
    };
    redials().await;
    app.clock.advance(TimeDelta::minutes(9));
    assert_eq!(heard(&call(&app, CALLER, &mask).await), "");
    app.clock.advance(TimeDelta::minutes(1));
    redials().await;

    // One row tells of all of them, and lets them in: here, on a server that heard of it, and on one that starts later.
    let second = app.beside().await;
    let page = ada.get(&path).await;
    assert!(page.words().contains("Called too often 5 times Let in again"), "{}", page.words());
    assert_eq!(page.text.matches("Called too often").count(), 1);
    until_heard(&app, &second).await;
    assert!(second.called(CALLER, &mask).await.contains("reject"));
    let of_bob = format!("/masks/00000000-0000-4000-8000-000000000000{}", admission(&page, &path));
    assert_eq!(ada.submit(&path, &of_bob, &[]).await.status, 404);
    let admitted = ada.submit(&path, &format!("{path}{}", admission(&page, &path)), &[]).await;
    assert_eq!(admitted.status, 303, "{}", admitted.words());
    let words = ada.get(&path).await.words();
    assert!(words.contains("Called too often, let in again") && !words.contains("Let in again"), "{words}");
    until_heard(&app, &second).await;
    assert!(second.called(CALLER, &mask).await.contains(&REAL[1..]));
    let third = app.beside().await;
    until_heard(&app, &third).await;
    let answer = third.called(CALLER, &mask).await;
    assert!(answer.contains(&REAL[1..]), "{answer}");
    assert_eq!(app.database.one("SELECT count(*) FROM audit WHERE action = 'caller let in'").await, "1");
}

/// The end of the address of the first button that lets a caller in.
fn admission(page: &Page, path: &str) -> String {
    format!("/calls/{}/admission", page.between(&format!("action=\"{path}/calls/"), "/"))
}

/// Waits until a server has heard what is recorded.
async fn until_heard(app: &TestApp, server: &Beside) {
    let newest: i64 = app.database.one("SELECT max(recorded) FROM calls").await.parse().unwrap();
    while server.app.records_standing().heard < newest {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_calls_past_thirty_an_hour_are_counted_and_not_listed() {
    let (app, mut ada, _, path, mask) = with_mask(Options::default()).await;
    ada.submit(&path, &format!("{path}/pause"), &[]).await;
    let second = app.beside().await;
    for count in 0..33 {
        assert!(heard(&call(&app, &caller(count), &mask).await).contains("not taking calls"), "{count}");
    }
    until_heard(&app, &second).await;
    for count in 33..35 {
        assert!(second.called(&caller(count), &mask).await.contains("not taking calls"));
    }
    second.app.calls_written().await;
    assert_eq!(app.database.count("calls").await, 30);
    let page = ada.get(&path).await.words();
    assert!(page.contains("5 more calls were turned away in the last 30 days."), "{page}");
    app.clock.advance(TimeDelta::hours(1));
    call(&app, CALLER, &mask).await;
    assert_eq!(app.database.count("calls").await, 31);
    app.clock.advance(TimeDelta::days(31));
    app.app.forget_old().await.unwrap();
    assert_eq!(app.database.count("refused_calls").await, 0);
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
    let begin = async |count: u32| begins(&app, &format!("s{count}"), &caller(count), &mask).await;
    let first = begin(1).await;
    begin(2).await;
    let told = heard(&call(&app, CALLER, &mask).await);
    assert!(told.contains("The person you are calling is on another call."), "{told}");
    assert!(ada.get(&path).await.words().contains("Another call was on"));
    // One of them ends: there is room again.
    goes_on(&app, &first, "hangup", json!({"state": "DISCONNECTED"})).await;
    assert!(rang(&call(&app, CALLER, &mask).await));
    // A call whose end nobody told counts no longer than calls may last.
    begin(3).await;
    assert!(!rang(&call(&app, &caller(4), &mask).await));
    app.clock.advance(TimeDelta::minutes(61));
    assert!(rang(&call(&app, &caller(4), &mask).await));
}
