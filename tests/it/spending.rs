//! Money: minutes, codes, numbers, what an admin lets a user have, and the switches that stop it all.

use chrono::TimeDelta;
use maskline::domain::limits::Limits;
use maskline::domain::money::Money;
use serde_json::{Value, json};

use crate::support::{CALLER, Client, Options, Page, REAL, TestApp};

const NOT_AVAILABLE: &str = "This number is not available at the moment. Please try again later.";

fn limited(limits: Limits) -> Options {
    Options { limits, ..Options::default() }
}

async fn call(app: &TestApp, from: &str, to: &str, seconds: u32) -> Value {
    app.simulator.call(from, to, "answered", seconds).await
}

fn assert_rang(trace: &Value) {
    assert_ne!(trace["rang"], json!([]), "{trace}");
}

fn assert_turned_away(trace: &Value) {
    assert_eq!((&trace["rang"], &trace["heard"]), (&json!([]), &json!([NOT_AVAILABLE])), "{trace}");
}

fn assert_refused(page: &Page, words: &str) {
    assert_eq!(page.status, 422, "{}", page.words());
    assert!(page.words().contains(words), "no {words:?} in {}", page.words());
}

async fn wish(client: &mut Client, number: &str) -> Page {
    client.wish(number, &[("area", "same")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_has_three_hundred_minutes_a_month_and_its_owner_six_hundred() {
    assert_eq!(Limits::default().minutes_a_month, (300, 600));
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, first) = app.mask(&mut ada, &number).await;
    let (_, second) = app.mask(&mut ada, &number).await;
    let (_, third) = app.mask(&mut ada, &number).await;
    let talk = async |mask: &str, calls: u32, seconds: u32| {
        for _ in 0..calls {
            assert_rang(&call(&app, CALLER, mask, seconds).await);
            app.clock.advance(TimeDelta::hours(2));
        }
    };
    talk(&first, 2, 1800).await;
    assert!(ada.get(&path).await.words().contains("Talked this month 60 of 300 minutes"));
    talk(&first, 4, 3585).await;
    assert_rang(&call(&app, CALLER, &first, 61).await);
    app.clock.advance(TimeDelta::hours(1));
    assert_turned_away(&call(&app, "+14155550124", &first, 5).await);
    assert!(ada.get(&path).await.words().contains("No minutes left this month"));
    let letter = app.simulator.letter_that("ada@example.com", |letter| letter.contains("turned away")).await;
    assert!(letter.contains(&path), "{letter}");

    // Another mask has minutes of its own, as far as its owner's go.
    talk(&second, 5, 3600).await;
    assert_turned_away(&call(&app, CALLER, &third, 5).await);
    assert_eq!(app.database.one("SELECT count(*) FROM calls WHERE decision = 'out_of_minutes'").await, "2");

    // In the next month there are new ones.
    app.clock.advance(TimeDelta::days(8));
    assert_rang(&call(&app, CALLER, &first, 5).await);
    assert!(app.back_again("ada").await.get(&path).await.words().contains("Talked this month 1 of 300"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_told_once_a_day_that_calls_are_turned_away() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (_, mask) = app.mask(&mut ada, &number).await;
    let letters = async || {
        app.app.letters_sent().await;
        let mail = app.simulator.get("/simulator/mail/ada@example.com").await;
        mail.to_string().matches("are being turned away").count()
    };
    // A loop: the same caller again and again, within seconds.
    for _ in 0..3 {
        assert_rang(&call(&app, CALLER, &mask, 1).await);
    }
    assert_eq!(letters().await, 0);
    let refused = call(&app, CALLER, &mask, 1).await;
    assert!(refused["heard"].to_string().contains("You have called this number too often"), "{refused}");
    assert_eq!(letters().await, 1);
    let letter = app.simulator.letter_that("ada@example.com", |letter| letter.contains("turned away")).await;
    assert!(!letter.contains("555-0101") && !letter.contains("555-0123"), "{letter}");
    // The same day, by others: the log has it, a letter would be the second.
    for count in 0..4 {
        call(&app, "+14155550124", &mask, count).await;
    }
    assert_eq!(letters().await, 1);
    app.clock.advance(TimeDelta::hours(25));
    for count in 0..4 {
        call(&app, CALLER, &mask, count).await;
    }
    assert_eq!(letters().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_stop_when_the_days_money_for_them_is_spent() {
    let limits = Limits::default();
    assert_eq!((limits.codes_spend_a_day, limits.prices.code), (Money::cents(1000), Money::cents(5)));
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    app.database.execute("INSERT INTO tallies VALUES ('2026-11-23', 'codes', 199)").await;
    let send =
        async |client: &mut Client, path: &str| client.submit(path, path, &[("channel", "voice")]).await;
    // One that the carrier does not take costs nothing.
    app.simulator.fault(json!({"kind": "forbidden", "resource": "sessions", "times": 1})).await;
    assert_refused(&send(&mut ada, &path).await, "Nothing was used up");
    assert_eq!(send(&mut ada, &path).await.status, 303);

    let mut bob = app.signed_in("bob").await;
    let bobs = app.register(&mut bob, "+14075550102").await;
    let page = send(&mut bob, &bobs).await;
    assert_refused(&page, "in 15 hours");
    assert_eq!(app.simulator.launches().await.len(), 1);
    assert_eq!(app.database.one("SELECT amount FROM tallies").await, "200");
    let mut admin = app.admin().await;
    let words = admin.get("/admin/spending").await.words();
    assert!(words.contains("Codes today 10.00 USD of 10.00 USD Reached"), "{words}");
    assert!(words.contains("No codes are sent until tomorrow (UTC)."), "{words}");

    app.clock.advance(TimeDelta::hours(15));
    assert_eq!(send(&mut bob, &bobs).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_are_told_once_when_a_limit_of_all_is_half_used() {
    let app = TestApp::start().await;
    let mut admin = app.admin().await;
    app.app.warn_of_caps().await.unwrap();
    for path in ["/admin/masks", "/admin/spending"] {
        assert!(!admin.get(path).await.words().contains("at least half used"), "{path}");
    }
    app.database.execute("INSERT INTO tallies VALUES ('2026-11-23', 'codes', 100)").await;
    for _ in 0..2 {
        app.app.warn_of_caps().await.unwrap();
    }
    let said = "Codes: 5.00 of 10.00 USD today (UTC). At the limit no codes are sent until tomorrow.";
    for path in ["/admin/masks", "/admin/spending"] {
        let words = admin.get(path).await.words();
        assert!(words.contains(&format!("A limit is at least half used. {said}")), "{words}");
    }
    app.simulator.letter_that("admin@example.com", |letter| letter.contains(said)).await;
    assert_eq!(app.database.rows("SELECT cap FROM cap_notices").await, ["codes_spend_day"]);
    // The next day begins anew; whoever was told of it hears of it again after a day.
    app.clock.advance(TimeDelta::days(2));
    app.app.warn_of_caps().await.unwrap();
    assert_eq!(app.database.count("cap_notices").await, 0);
    app.app.letters_sent().await;
    let mail = app.simulator.get("/simulator/mail/admin@example.com").await;
    assert_eq!(mail.to_string().matches("is half used").count(), 1, "{mail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_gives_a_user_limits_of_their_own() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let id = app.database.one("SELECT id FROM users WHERE email = 'ada@example.com'").await;
    let (path, quota) = (format!("/admin/users/{id}"), format!("/admin/users/{id}/quota"));
    let mut admin = app.admin().await;
    let (_, list) = admin.search("/admin/users", &[("q", "ADA")]).await;
    assert!(list.words().contains("One user found.") && list.text.contains(&path), "{}", list.words());
    assert!(list.words().contains("ada@example.com a moment ago 0 As everybody"), "{}", list.words());
    let (_, nobody) = admin.search("/admin/users", &[("q", "nobody")]).await;
    assert!(nobody.words().contains("Nobody found"), "{}", nobody.words());

    for (field, typed) in [("alive", "many"), ("day", "-1"), ("month", "100001"), ("alive", "1.5")] {
        let page = admin.submit(&path, &quota, &[(field, typed)]).await;
        assert_refused(&page, "Type a whole number from 0 to 100000, or nothing.");
        assert!(page.text.contains(&format!("value=\"{typed}\"")), "what was typed is kept");
    }
    let saved = admin.submit(&path, &quota, &[("alive", "1"), ("day", ""), ("month", "")]).await;
    assert_eq!(saved.location(), path);
    assert!(admin.get("/admin/users").await.words().contains("ada@example.com a moment ago 0 Their own"));
    assert!(ada.get("/masks/new").await.words().contains("You can have one more mask."));
    app.mask(&mut ada, &number).await;
    assert_refused(&wish(&mut ada, &number).await, "You have 1 masks, as many as there may be at once.");
    // More than everybody, and then as everybody again.
    admin.submit(&path, &quota, &[("alive", "12"), ("day", "7"), ("month", "40")]).await;
    for _ in 0..6 {
        app.mask(&mut ada, &number).await;
        app.clock.advance(TimeDelta::minutes(10));
    }
    assert_refused(&wish(&mut ada, &number).await, "You asked for 7 masks within a day");
    let mut admin = app.back_again("admin").await;
    admin.submit(&path, &quota, &[]).await;
    assert_refused(&wish(&mut ada, &number).await, "You asked for 5 masks within a day");
    assert_eq!(app.database.one("SELECT count(*) FROM audit WHERE action = 'quota set'").await, "3");
    let nobody = "/admin/users/00000000-0000-4000-8000-000000000000";
    assert_eq!(admin.get(nobody).await.status, 404);
    assert_eq!(admin.submit(&path, &format!("{nobody}/quota"), &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_cap_nothing_is_bought_and_calls_go_on() {
    let defaults = Limits::default();
    assert_eq!(defaults.spend, (Money::cents(5_000), Money::cents(100_000)));
    assert_eq!(defaults.prices.number_a_month, Money::cents(100));
    let limits = Limits { spend: (Money::cents(200), Money::cents(300)), ..defaults };
    let app = TestApp::with(limited(limits)).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (_, mask) = app.mask(&mut ada, &number).await;
    // A code was sent and a number bought: the second number would be 2.05.
    let page = wish(&mut ada, &number).await;
    assert_refused(
        &page,
        "This service has spent as much as it may for now. The next can be had from 24 November, 00:00 on.",
    );
    assert_rang(&call(&app, CALLER, &mask, 5).await);
    assert_eq!(app.simulator.ledger().await.0.len(), 1);
    let mut admin = app.admin().await;
    let words = admin.get("/admin/spending").await.words();
    assert!(
        words.contains("of 2.00 USD Reached") && words.contains("Today: no numbers are bought"),
        "{words}"
    );

    // A new day has new money, as far as the month's goes.
    app.clock.advance(TimeDelta::days(1));
    app.mask(&mut ada, &number).await;
    app.clock.advance(TimeDelta::days(1));
    let page = wish(&mut ada, &number).await;
    assert_refused(&page, "The next can be had from 1 December, 00:00 on.");
    assert_rang(&call(&app, CALLER, &mask, 5).await);
    // In the next month the two that are held cost again, and there is room for a third.
    app.clock.advance(TimeDelta::days(6));
    let mut ada = app.back_again("ada").await;
    app.mask(&mut ada, &number).await;
    assert_refused(&wish(&mut ada, &number).await, "The next can be had from 1 January, 00:00 on.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_stops_what_it_names_and_callers_are_still_answered() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, mask) = app.mask(&mut ada, &number).await;
    let (mut bob, of_bob) = app.with_number("bob", "+14165550101").await;
    let (_, bobs) = app.mask(&mut bob, &of_bob).await;
    let second = app.register(&mut ada, "+14075550102").await;
    let mut admin = app.admin().await;
    let stop = async |admin: &mut Client, fields: &[(&str, &str)]| {
        admin.submit("/admin/spending", "/admin/spending", fields).await
    };
    let lift = async |admin: &mut Client| {
        let page = admin.get("/admin/spending").await;
        let end = format!("/admin/spending/{}/end", page.between("/admin/spending/", "/end"));
        assert_eq!(admin.submit("/admin/spending", &end, &[]).await.location(), "/admin/spending");
        assert_eq!(admin.submit("/admin/spending", &end, &[]).await.status, 404);
    };
    for (scope, subject, why) in [
        ("country", "XX", "There is none like that."),
        ("user", "nobody@example.com", "There is none like that."),
        ("mask", REAL, "There is none like that."),
        ("mask", "", "There is none like that."),
        ("all", "", "Give a reason of at most 200 characters"),
    ] {
        let reason = if scope == "all" { " \u{0} " } else { "pumping" };
        let fields = [("scope", scope), ("subject", subject), ("reason", reason)];
        assert_refused(&stop(&mut admin, &fields).await, why);
    }
    assert_eq!(stop(&mut admin, &[("scope", "world"), ("reason", "x")]).await.status, 400);

    // Each without calls: nothing is bought, no code is sent, calls go on; others are not concerned.
    for (scope, subject, bob_too) in [
        ("all", "", true),
        ("carrier", "", true),
        ("country", "us", false),
        ("user", "ada@example.com", false),
    ] {
        let fields = [("scope", scope), ("subject", subject), ("reason", "looks like pumping")];
        assert_eq!(stop(&mut admin, &fields).await.status, 303, "{scope}");
        assert_refused(&wish(&mut ada, &number).await, "have stopped new masks for now");
        let code = ada.submit(&second, &second, &[("channel", "voice")]).await;
        assert_refused(&code, "have stopped sending codes for now");
        assert_rang(&call(&app, CALLER, &mask, 5).await);
        let bobs_wish = wish(&mut bob, &of_bob).await;
        assert_eq!(bobs_wish.status, if bob_too { 422 } else { 303 }, "{scope}: {}", bobs_wish.words());
        lift(&mut admin).await;
        app.clock.advance(TimeDelta::minutes(20));
    }
    // With calls: callers hear a sentence.
    for (scope, subject, others_ring) in
        [("mask", mask.as_str(), true), ("user", "ada@example.com", true), ("all", "", false)]
    {
        let fields = [("scope", scope), ("subject", subject), ("calls_too", "on"), ("reason", "pumping")];
        assert_eq!(stop(&mut admin, &fields).await.status, 303, "{scope}");
        assert_turned_away(&call(&app, CALLER, &mask, 5).await);
        for page in [&path, "/masks"] {
            let words = ada.get(page).await.words();
            assert!(
                words.contains("Takes no calls now") && !words.contains("Rings your phone"),
                "{scope}: {words}"
            );
        }
        let of_bob = call(&app, CALLER, &bobs, 5).await;
        if others_ring {
            assert_rang(&of_bob);
        } else {
            assert_turned_away(&of_bob);
        }
        lift(&mut admin).await;
        app.clock.advance(TimeDelta::minutes(20));
    }
    assert_rang(&call(&app, CALLER, &mask, 5).await);
    let log = ada.get(&path).await.words();
    assert!(log.contains("Stopped by the people who run this service"), "{log}");
    assert!(admin.get("/admin/spending").await.words().contains("Nothing is stopped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_waits_when_the_switch_is_thrown_is_not_bought() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let path = wish(&mut ada, &number).await.location();
    let mut admin = app.admin().await;
    let fields = [("scope", "all"), ("reason", "the card was stolen")];
    admin.submit("/admin/spending", "/admin/spending", &fields).await;
    app.work().await;
    let page = ada.get(&path).await.words();
    assert!(page.contains("have stopped new masks for now. Nothing was used up."), "{page}");
    assert_eq!(app.simulator.ledger().await.0.len(), 0);
}
