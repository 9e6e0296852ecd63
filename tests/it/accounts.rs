//! Accounts: mailed links, passwords, signing in and out, sessions, and what keeps strangers out of them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use maskline::app::sessions::password_stamp;
use maskline::domain::ids::SessionId;
use maskline::domain::limits::Limits;
use maskline::domain::user::Role;
use maskline::secrets;
use uuid::Uuid;

use crate::support::{Client, Options, PASSWORD, Page, TestApp};

const OTHER_PASSWORD: &str = "walnut ferry ninety lantern";
const PROXY: &str = "127.0.0.1/32";

async fn behind_a_proxy() -> TestApp {
    TestApp::with(Options { trusted_proxies: vec![PROXY], work: false, ..Options::default() }).await
}

async fn without_worker() -> TestApp {
    TestApp::with(Options { work: false, ..Options::default() }).await
}

async fn ask(client: &mut Client, path: &str, email: &str) -> Page {
    client.submit(path, path, &[("email", email)]).await
}

/// What a page says, without what differs in every answer.
fn without_tokens(page: &Page, email: &str) -> String {
    let mut text = page.text.replace(email, "EMAIL");
    if text.contains("name=\"csrf\"") {
        text = text.replace(&page.hidden("csrf"), "TOKEN");
    }
    let mut headers: Vec<String> = page
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id", "content-length"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    for header in &mut headers {
        if header.starts_with("set-cookie: letter=") {
            // Sealed anew each time; as long whatever it holds.
            *header = format!("set-cookie: letter, {} long", header.len());
        }
    }
    format!("{} {headers:?} {text}", page.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailed_link_works_once_for_half_an_hour_and_its_token_is_kept_nowhere() {
    let app = without_worker().await;
    let mut ada = app.anonymous();
    ask(&mut ada, "/sign-up", "ada@example.com").await;
    let link = app.mailed_link("ada@example.com").await;
    let token = link.strip_prefix("/links/").unwrap();
    assert!(token.len() >= 22, "{token}");
    assert!(!app.database.dump().await.contains(token));

    // Looking does not use it up; of two who use it at once, one gets in.
    let (mut first, mut second) = (app.anonymous(), app.anonymous());
    let csrf = [first.get(&link).await.hidden("csrf"), second.get(&link).await.hidden("csrf")];
    let fields = |csrf| [("csrf", csrf), ("new_password", PASSWORD)];
    let (one, other) = (fields(csrf[0].as_str()), fields(csrf[1].as_str()));
    let (one, other) = tokio::join!(first.post(&link, &one), second.post(&link, &other));
    assert_eq!(BTreeSet::from([one.status, other.status]), BTreeSet::from([303, 404]), "{}", other.text);
    let late = if one.status == 404 { &one } else { &other };
    assert!(late.words().contains("This link does not work any more"), "{}", late.text);
    assert_eq!(late.cookies().iter().filter(|cookie| cookie.starts_with("sid=")).count(), 0);
    assert_eq!(app.database.count("users").await, 1);
    assert_eq!(ada.get(&link).await.status, 404);

    // A link that is used kills the older ones to the same address, and nobody else's.
    let mut others = app.anonymous();
    ask(&mut others, "/forgotten-password", "bob@example.com").await;
    ask(&mut ada, "/forgotten-password", "ada@example.com").await;
    let old = app.newer_link("ada@example.com", &[&link]).await;
    ask(&mut ada, "/forgotten-password", "ada@example.com").await;
    let new = app.newer_link("ada@example.com", &[&link, &old]).await;
    let mut eve = app.anonymous();
    let kept_open = eve.get(&old).await.hidden("csrf");
    assert_eq!(ada.submit(&new, &new, &[("new_password", OTHER_PASSWORD)]).await.status, 303);
    let stale = eve.post(&old, &[("csrf", &kept_open), ("new_password", PASSWORD)]).await;
    assert_eq!(stale.status, 404, "{}", stale.text);
    let of_bob = app.mailed_link("bob@example.com").await;
    assert_eq!(others.get(&of_bob).await.status, 200);

    // It ends after half an hour, to the second.
    app.clock.advance(TimeDelta::minutes(30) - TimeDelta::seconds(1));
    let csrf = others.get(&of_bob).await.hidden("csrf");
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(others.get(&of_bob).await.status, 404);
    let late = others.post(&of_bob, &[("csrf", &csrf), ("new_password", PASSWORD)]).await;
    assert_eq!(late.status, 404, "{}", late.text);
    assert_eq!(app.database.count("users").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_to_the_address_in_the_settings_whatever_the_request_says_of_its_host() {
    let app = without_worker().await;
    for (number, header) in ["host", "x-forwarded-host", "forwarded"].into_iter().enumerate() {
        for path in ["/sign-up", "/forgotten-password"] {
            let email = format!("ada{number}{}@example.com", path.len());
            let mut client = app.anonymous();
            client.extra.push((header, "evil.example".into()));
            assert_eq!(ask(&mut client, path, &email).await.status, 303, "{header}");
            let letter = app.simulator.letter(&email).await;
            assert!(letter.contains(&app.url("/links/")) && !letter.contains("evil"), "{header}: {letter}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_whether_an_address_has_an_account() {
    let app = without_worker().await;
    app.signed_in("known").await;
    for path in ["/sign-up", "/forgotten-password"] {
        let mut told = vec![];
        for email in ["known@example.com", "nobody@example.com"] {
            let mut client = app.anonymous();
            let answer = ask(&mut client, path, email).await;
            let next = client.get(&answer.location()).await;
            assert!(next.words().contains("We sent a link to"), "{}", next.text);
            told.push([without_tokens(&answer, email), without_tokens(&next, email)]);
        }
        assert_eq!(told[0], told[1], "{path}");
    }
    // Only who reads the mail learns it.
    let letter = |email| {
        app.simulator.letter_that(email, |letter| letter.contains("sign up") || letter.contains("Welcome to"))
    };
    assert!(letter("known@example.com").await.contains("have an account already"));
    assert!(letter("nobody@example.com").await.contains("you choose your password"));

    let mut told = vec![];
    for email in ["known@example.com", "nobody@example.com"] {
        let mut client = app.anonymous();
        let mut answers = vec![];
        // Up to the limit and past it.
        for number in 0..12 {
            app.clock.advance(TimeDelta::seconds(1));
            let answer = client.sign_in(email, "a wrong password of mine").await;
            assert_eq!(answer.status, if number < 10 { 422 } else { 429 }, "{}", answer.text);
            assert!(answer.text.contains(&format!("value=\"{email}\"")), "{}", answer.text);
            answers.push(without_tokens(&answer, email));
        }
        assert!(answers[11].contains("too many wrong passwords"), "{}", answers[11]);
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_not_flooded_and_nobody_reads_sent_where_nothing_is() {
    let app = behind_a_proxy().await;
    app.signed_in("known").await;
    let mut told = vec![];
    for email in ["known@example.com", "nobody@example.com"] {
        let mut answers = vec![];
        for number in 1..=7 {
            let mut client = app.anonymous().at(&format!("203.0.{number}.1"));
            let answer = ask(&mut client, "/forgotten-password", email).await;
            assert_eq!(answer.status, if number <= 5 { 303 } else { 422 }, "{}", answer.words());
            answers.push(without_tokens(&answer, email));
        }
        assert!(answers[6].contains("Use the newest one, or ask again in 1 hour."), "{}", answers[6]);
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
    // One of them is the invitation.
    assert_eq!(app.database.count("mailed_links").await, 11);
    // What is no address is told so, and kept to be mended.
    for email in ["", "ada", "ada@example", "ada@example.com\r\nBcc: eve@example.com", "a\0da@example.com"] {
        let page = ask(&mut app.anonymous().at("203.0.9.1"), "/forgotten-password", email).await;
        assert_eq!(page.status, 422, "{email:?}");
        assert!(page.text.contains("id=\"email-error\""), "{}", page.text);
    }
    let page = ask(&mut app.anonymous().at("203.0.9.1"), "/sign-up", "ada@example").await;
    assert_eq!(page.status, 422);
    assert!(
        page.text.contains("value=\"ada@example\"") && page.words().contains("Check the part after the @")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_makes_no_other_mailbox_and_sign_ups_use_up_half_of_all_letters() {
    let limits = Limits::default();
    assert_eq!((limits.letters_per_mailbox, limits.letters_in_all), ((5, 10), 200));
    let limits = Limits { letters_in_all: 12, ..limits };
    let trusted_proxies = vec!["127.0.0.0/8"];
    let app = TestApp::with(Options { limits, trusted_proxies, work: false, ..Options::default() }).await;
    let mut network = 0;
    let mut asked = async |path: &str, email: String| {
        network += 1;
        ask(&mut app.anonymous().at(&format!("203.0.{network}.1")), path, &email).await
    };
    for hour in 0..3 {
        let sent = if hour < 2 { 5 } else { 0 };
        for number in 0..6 {
            let page = asked("/forgotten-password", format!("Ada+{hour}.{number}@example.com")).await;
            assert_eq!(
                page.status,
                if number < sent { 303 } else { 422 },
                "{hour} {number}: {}",
                page.words()
            );
        }
        app.clock.advance(TimeDelta::hours(1));
    }
    for number in 0..7 {
        let page = asked("/sign-up", format!("new{number}@example.com")).await;
        assert_eq!(page.status, if number < 6 { 303 } else { 429 }, "{number}: {}", page.words());
        assert!(number < 6 || page.words().contains("as many e-mails as we may"), "{}", page.words());
    }
    for number in 0..7 {
        let page = asked("/forgotten-password", format!("known{number}@example.com")).await;
        assert_eq!(page.status, if number < 6 { 303 } else { 429 }, "{number}: {}", page.words());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_long_and_unusual_and_taken_exactly_as_it_is_typed() {
    let app = without_worker().await;
    let email = "ada.lovelace@example.com";
    let mut ada = app.anonymous();
    ask(&mut ada, "/sign-up", email).await;
    let link = app.mailed_link(email).await;
    let too_long = "kelp drum ninety. ".repeat(15);
    for (password, why) in [
        ("", "at least 15 characters"),
        ("copper violin ", "at least 15 characters"),
        (&too_long[..257], "at most 256 characters"),
        ("passwordpassword", "easy to guess"),
        ("123456789012345", "easy to guess"),
        ("ada.lovelace@example.com", "easy to guess"),
        ("adalovelace-ada-lovelace", "easy to guess"),
        ("masklinemaskline", "easy to guess"),
    ] {
        let page = ada.submit(&link, &link, &[("new_password", password)]).await;
        assert_eq!(page.status, 422, "{password}");
        let beside = page.between("id=\"new_password-error\"", "</p>");
        assert!(beside.contains(why), "{password}: {beside}");
        assert!(page.text.contains(&format!("value=\"{email}\"")), "{}", page.text);
        assert!(!page.between("<input id=\"new_password\"", ">").contains("value="), "{}", page.text);
    }
    assert_eq!(app.database.count("users").await, 0);

    // The same letters from another keyboard are the same password; other blanks and letters are not.
    let page = ada.submit(&link, &link, &[("new_password", " Caf\u{e9} violin seventeen marsh")]).await;
    assert_eq!(page.location(), "/masks", "{}", page.text);
    let mut tries = vec![];
    for password in [
        " Cafe\u{301} violin seventeen marsh",
        "Caf\u{e9} violin seventeen marsh",
        " Caf\u{e9} violin seventeen marsh ",
        " caf\u{e9} violin seventeen marsh",
        " Cafe violin seventeen marsh",
    ] {
        app.clock.advance(TimeDelta::minutes(1));
        tries.push(app.anonymous().sign_in(email, password).await.status);
    }
    assert_eq!(tries, [303, 422, 422, 422, 422]);

    // The shortest and the longest that may be; past the longest, nothing is cut off.
    for (name, password) in [("bob", "kelp drum 90 fy"), ("eve", &too_long[..256])] {
        let invited = app.app.invite(format!("{name}@example.com").parse().unwrap(), Role::User);
        let link = invited.await.unwrap().replace(&app.url(""), "");
        let page = app.anonymous().submit(&link, &link, &[("new_password", password)]).await;
        assert_eq!(page.status, 303, "{}", page.text);
    }
    // Whoever has a link cannot try passwords for long either.
    let invited = app.app.invite("dan@example.com".parse().unwrap(), Role::User);
    let link = invited.await.unwrap().replace(&app.url(""), "");
    for number in 0..11 {
        let page = app.anonymous().submit(&link, &link, &[("new_password", "passwordpassword")]).await;
        assert_eq!(page.status, if number < 10 { 422 } else { 429 }, "{number}: {}", page.words());
    }
    assert_eq!(app.anonymous().sign_in("eve@example.com", &too_long[..257]).await.status, 422);
    assert_eq!(app.anonymous().sign_in("EVE@example.com ", &too_long[..256]).await.status, 303);
    assert!(
        app.database
            .rows("SELECT password_hash FROM users")
            .await
            .iter()
            .all(|hash| hash.starts_with("$argon2id$"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_takes_a_new_key_and_signing_out_ends_it_on_the_server() {
    let app = without_worker().await;
    let (mut mallory, mut ada) = (app.signed_in("mallory").await, app.signed_in("ada").await);
    assert_eq!(ada.submit("/account", "/sign-out", &[]).await.location(), "/");
    // Mallory plants a key of hers in Ada's browser; Ada signs in over it.
    let planted = mallory.cookies["sid"].clone();
    ada.cookies.insert("sid".into(), planted.clone());
    let page =
        ada.submit("/masks", "/sign-in", &[("email", "ada@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(page.location(), "/masks", "{}", page.text);
    assert_ne!(ada.cookies["sid"], planted);
    assert!(ada.get("/account").await.text.contains("ada@example.com"));
    assert!(!mallory.is_in().await, "the planted key lives on");
    // So does one that we never made.
    let mut bob = app.anonymous();
    bob.cookies.insert("sid".into(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into());
    assert_eq!(bob.sign_in("ada@example.com", PASSWORD).await.status, 303);
    assert!(bob.is_in().await && !bob.cookies["sid"].starts_with("AAAA"));

    // Signed out, the old cookie opens nothing.
    let replayed = ada.clone();
    let out = ada.submit("/account", "/sign-out", &[]).await;
    assert_eq!((out.status, out.location().as_str()), (303, "/"));
    assert_eq!(out.header("clear-site-data"), "\"storage\"", "clearing the cache stalls browsers");
    assert!(ada.cookies.contains_key("device"), "the browser is still known when Ada comes back");
    assert!(!ada.cookies.contains_key("sid"));
    assert!(ada.get("/").await.words().contains("You are signed out."));
    assert!(!replayed.clone().is_in().await, "a replayed cookie is signed in");
    assert!(bob.is_in().await, "another browser was signed out too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_sessions_and_needs_the_old_one() {
    let app = without_worker().await;
    let mut ada = app.signed_in("ada").await;
    let mut other = app.anonymous();
    other.sign_in("ada@example.com", PASSWORD).await;
    let change =
        |current: &'static str, new: &'static str| [("current_password", current), ("new_password", new)];
    let refused =
        ada.submit("/account", "/account/password", &change("not my password at all", OTHER_PASSWORD)).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.between("id=\"current_password-error\"", "</p>").contains("not your password"),
        "{}",
        refused.text
    );
    let refused = ada.submit("/account", "/account/password", &[("new_password", OTHER_PASSWORD)]).await;
    assert_eq!(refused.status, 422);
    assert!(other.is_in().await, "a wrong password ended a session");
    assert_eq!(app.anonymous().sign_in("ada@example.com", PASSWORD).await.status, 303);

    // Who knows the password is not taken for somebody who guesses, however often the new one is too weak.
    for number in 0..12 {
        app.clock.advance(TimeDelta::seconds(1));
        let weak = ada.submit("/account", "/account/password", &change(PASSWORD, "passwordpassword")).await;
        let error = weak.between("id=\"new_password-error\"", "</p>");
        let (status, said) =
            if number < 10 { (422, "is easy to guess") } else { (429, "You tried many new passwords") };
        assert!(weak.status == status && error.contains(said), "{number}: {}", weak.text);
        assert_eq!(weak.header("retry-after").is_empty(), status == 422);
    }
    // Nor is the same password over again hashed without end.
    app.clock.advance(TimeDelta::hours(1));
    for number in 0..11 {
        let same = ada.submit("/account", "/account/password", &change(PASSWORD, PASSWORD)).await;
        assert_eq!(same.status, if number < 10 { 422 } else { 429 }, "{number}: {}", same.words());
    }
    app.clock.advance(TimeDelta::hours(1));
    let before = ada.clone();
    let done = ada.submit("/account", "/account/password", &change(PASSWORD, OTHER_PASSWORD)).await;
    assert_eq!((done.status, done.location().as_str()), (303, "/account"), "{}", done.text);
    assert!(ada.get("/account").await.words().contains("Your password is changed."));
    assert!(!other.is_in().await, "another browser stays signed in");
    assert!(!before.clone().is_in().await, "the session's old key still opens it");
    assert_eq!(app.anonymous().sign_in("ada@example.com", PASSWORD).await.status, 422);
    assert!(other.sign_in("ada@example.com", OTHER_PASSWORD).await.status == 303);
    app.simulator.letter_that("ada@example.com", |letter| letter.contains("was changed")).await;

    // Chosen by a mailed link, it ends every session.
    let mut third = app.anonymous();
    ask(&mut third, "/forgotten-password", "ada@example.com").await;
    let link = app.mailed_link("ada@example.com").await;
    assert_eq!(third.submit(&link, &link, &[("new_password", PASSWORD)]).await.location(), "/masks");
    assert!(!ada.is_in().await && !other.is_in().await, "a session survives a password chosen by link");
    assert!(third.is_in().await);
    assert_eq!(app.anonymous().sign_in("ada@example.com", OTHER_PASSWORD).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signed_in_cannot_guess_the_password_either() {
    let app = without_worker().await;
    let mut thief = app.signed_in("ada").await;
    let wrong = [("current_password", "some password or other"), ("new_password", OTHER_PASSWORD)];
    for _ in 0..10 {
        app.clock.advance(TimeDelta::seconds(1));
        assert!(
            thief.submit("/account", "/account/password", &wrong).await.words().contains("not your password")
        );
    }
    let right = [("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)];
    let page = thief.submit("/account", "/account/password", &right).await;
    assert_eq!(page.status, 429);
    assert!(page.words().contains("too many wrong passwords"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_fifty_sessions_at_once_and_another_ends_the_one_unused_for_longest() {
    let app = without_worker().await;
    let mut ada = app.signed_in("ada").await;
    let mut bob = app.signed_in("bob").await;
    app.clock.advance(TimeDelta::minutes(2));
    let others = "INSERT INTO sessions SELECT sha256(random()::text::bytea), gen_random_uuid(), user_id, state, device,
        created_at, seen_at + '1 minute', expires_at FROM sessions, generate_series(1, 60)
        WHERE user_id = (SELECT id FROM users WHERE email = 'ada@example.com')";
    app.database.execute(others).await;
    let mut again = app.anonymous();
    again.sign_in("ada@example.com", PASSWORD).await;
    assert!(again.is_in().await && bob.is_in().await);
    assert!(!ada.is_in().await, "the session that was not used for longest goes on");
    assert_eq!(app.database.count("sessions").await, 51, "fifty of one user, and one of the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_when_they_rest_too_long_and_when_they_are_too_old() {
    let app = without_worker().await;
    let second = TimeDelta::seconds(1);
    let day = TimeDelta::days(1);
    // Resting: 14 days.
    let mut ada = app.signed_in("ada").await;
    app.clock.advance(day * 14 - second);
    assert!(ada.is_in().await);
    app.clock.advance(day * 14);
    assert!(!ada.is_in().await, "a user's session rested for 14 days");
    // In all: 30 days.
    ada.sign_in("ada@example.com", PASSWORD).await;
    for _ in 0..4 {
        app.clock.advance(day * 7);
        assert!(ada.is_in().await);
    }
    app.clock.advance(day * 2 - second);
    assert!(ada.is_in().await);
    app.clock.advance(second);
    assert!(!ada.is_in().await, "a user's session is 30 days old");

    // An admin's: half an hour, and half a day.
    let mut admin = app.admin().await;
    app.clock.advance(TimeDelta::minutes(30) - second);
    assert_eq!(admin.get("/admin/masks").await.status, 200);
    app.clock.advance(TimeDelta::minutes(30));
    assert_eq!(admin.get("/admin/masks").await.location(), "/sign-in");
    admin.sign_in("admin@example.com", PASSWORD).await;
    for _ in 0..35 {
        app.clock.advance(TimeDelta::minutes(20));
        assert_eq!(admin.get("/admin/masks").await.status, 200);
    }
    app.clock.advance(TimeDelta::minutes(20));
    assert_eq!(
        admin.get("/admin/masks").await.location(),
        "/sign-in",
        "an admin's session is half a day old"
    );
}

/// The key inside of a browser's cookie.
fn key_of(client: &Client, app: &TestApp) -> String {
    use actix_web::cookie::{Cookie, CookieJar, Key};
    let mut jar = CookieJar::new();
    jar.add_original(Cookie::parse_encoded(format!("sid={}", client.cookies["sid"])).unwrap());
    let key = Key::derive_from(app.app.cookie_key());
    jar.private(&key).get("sid").expect("our own cookie").value().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_database_opens_no_session() {
    let app = without_worker().await;
    let ada = app.signed_in("ada").await;
    let key = key_of(&ada, &app);
    assert!(key.len() >= 22, "{key}");
    let dump = app.database.dump().await;
    assert!(!dump.contains(&key) && !dump.contains(&ada.cookies["sid"]), "{dump}");
    let digest = secrets::hex(&secrets::digest(key.as_bytes()));
    let kept = app.database.rows("SELECT encode(key_digest, 'hex') FROM sessions").await;
    assert_eq!(kept, [digest]);
    assert!(!dump.contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_slow_an_account_and_a_network_and_nobody_else() {
    let app = behind_a_proxy().await;
    for name in ["ada", "bob", "dan"] {
        app.signed_in(name).await;
    }
    let at_home = app.signed_in("carol").await;
    let second = TimeDelta::seconds(1);
    let wrong = "a wrong password of mine";
    let (mut eve, mut ada) = (app.anonymous().at("203.0.113.5"), app.anonymous().at("198.51.100.7"));
    for _ in 0..10 {
        app.clock.advance(second);
        let page = eve.sign_in("ada@example.com", wrong).await;
        assert!(page.words().contains("do not match"), "{}", page.text);
    }
    // The account is slow for everybody, whatever the password; another account is not.
    for client in [&mut eve, &mut ada] {
        let page = client.sign_in("ada@example.com", PASSWORD).await;
        assert_eq!((page.status, page.header("retry-after")), (429, "61"));
        assert!(page.words().contains("in 1 minute"), "{}", page.words());
    }
    assert_eq!(eve.sign_in("bob@example.com", PASSWORD).await.status, 303);
    // From then on it is one try a minute.
    app.clock.advance(TimeDelta::minutes(1));
    eve.cookies.clear();
    assert!(eve.sign_in("ada@example.com", wrong).await.words().contains("do not match"));
    app.clock.advance(TimeDelta::seconds(59));
    assert!(ada.sign_in("ada@example.com", PASSWORD).await.words().contains("too many wrong passwords"));
    app.clock.advance(second);
    assert_eq!(ada.sign_in("ada@example.com", PASSWORD).await.status, 303);
    // The right one wipes the slate clean.
    for _ in 0..2 {
        app.clock.advance(second);
        assert!(eve.sign_in("ada@example.com", wrong).await.words().contains("do not match"));
    }

    // Thirty in ten minutes from one network, over many accounts.
    app.clock.advance(TimeDelta::minutes(10));
    let mut eve = [app.anonymous().at("203.0.113.5"), app.anonymous().at("203.0.113.77")];
    for number in 0..30 {
        app.clock.advance(second);
        let page = eve[number % 2].sign_in(&format!("nobody{number}@example.com"), wrong).await;
        assert!(page.words().contains("do not match"), "{number}: {}", page.text);
    }
    let page = eve[0].sign_in("carol@example.com", PASSWORD).await;
    assert!(page.words().contains("too many wrong passwords"), "{}", page.words());
    assert_eq!(app.anonymous().at("198.51.100.8").sign_in("carol@example.com", PASSWORD).await.status, 303);
    // A neighbor keeps nobody out of a browser where they signed in before.
    let mut at_home = at_home.at("203.0.113.5");
    at_home.submit("/masks", "/sign-out", &[]).await;
    assert_eq!(at_home.sign_in("carol@example.com", PASSWORD).await.status, 303);
    app.clock.advance(TimeDelta::minutes(10));
    assert_eq!(eve[0].sign_in("dan@example.com", PASSWORD).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_limited_by_network_and_only_a_trusted_proxy_names_the_network() {
    let app = behind_a_proxy().await;
    for (path, most, prefix) in [("/sign-up", 5, "s"), ("/forgotten-password", 10, "f")] {
        for number in 0..most {
            // What the client itself says of where it comes from stands before what the proxy says.
            let mut client = app.anonymous().at(&format!("192.0.2.{number}, 203.0.113.{number}"));
            let page = ask(&mut client, path, &format!("{prefix}{number}@example.com")).await;
            assert_eq!(page.status, 303, "{path} {number}: {}", page.text);
        }
        let mut late = app.anonymous().at("203.0.113.200");
        let page = ask(&mut late, path, &format!("{prefix}late@example.com")).await;
        assert_eq!(page.status, 429, "{path}");
        assert!(
            page.words().contains("Too many tries") && page.words().contains("10:30 UTC"),
            "{}",
            page.words()
        );
        assert!(!page.header("retry-after").is_empty());
        let page =
            ask(&mut app.anonymous().at("198.51.100.1"), path, &format!("{prefix}else@example.com")).await;
        assert_eq!(page.status, 303, "{path}: another network");
    }
    app.clock.advance(TimeDelta::hours(1));
    let page = ask(&mut app.anonymous().at("203.0.113.200"), "/sign-up", "slate@example.com").await;
    assert_eq!(page.status, 303, "after an hour");

    // Without a proxy, the header is only something that a client says.
    let app = without_worker().await;
    for number in 0..6 {
        let mut client = app.anonymous().at(&format!("203.0.{number}.1"));
        let page = ask(&mut client, "/sign-up", &format!("ada{number}@example.com")).await;
        assert_eq!(page.status, if number < 5 { 303 } else { 429 }, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_role_counts_at_once() {
    let app = without_worker().await;
    let mut ada = app.signed_in("ada").await;
    assert_eq!(ada.get("/admin/masks").await.status, 403);
    assert!(app.app.promote("ada@example.com".parse().unwrap()).await.unwrap());
    assert!(!app.app.promote("nobody@example.com".parse().unwrap()).await.unwrap());
    assert_eq!(ada.get("/admin/masks").await.location(), "/sign-in");
    ada.sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(ada.get("/admin/masks").await.status, 200);
    assert!(ada.get("/masks").await.text.contains("/admin/masks"));

    // An invitation as an admin counts for who has an account, once its link is used.
    let mut bob = app.signed_in("bob").await;
    let link = app.app.invite("bob@example.com".parse().unwrap(), Role::Admin).await.unwrap();
    let link = link.replace(&app.url(""), "");
    assert_eq!(bob.get("/admin/masks").await.status, 403);
    let mut elsewhere = app.anonymous();
    assert_eq!(elsewhere.submit(&link, &link, &[("new_password", OTHER_PASSWORD)]).await.status, 303);
    assert_eq!(elsewhere.get("/admin/masks").await.status, 200);
    assert!(!bob.is_in().await);

    app.database.execute("UPDATE users SET role = 'user'").await;
    assert_eq!(ada.get("/admin/masks").await.status, 403);
    assert!(ada.is_in().await);
    assert!(!ada.get("/masks").await.text.contains("/admin/masks"));
    app.database.execute("DELETE FROM users").await;
    assert!(!ada.is_in().await, "somebody who is no user any more is signed in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_where_they_are_signed_in_and_ends_it() {
    let app = without_worker().await;
    let (mut ada, mut mallory) = (app.signed_in("ada").await, app.signed_in("mallory").await);
    let mut phone = app.anonymous();
    phone
        .extra
        .push(("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) Version/19 Safari/604.1".into()));
    phone.sign_in("ada@example.com", PASSWORD).await;
    let mut third = app.anonymous();
    third.sign_in("ada@example.com", PASSWORD).await;

    let page = ada.get("/account").await;
    assert!(
        page.words().contains("Safari on iPhone") && page.words().contains("This device"),
        "{}",
        page.words()
    );
    let ids: Vec<_> =
        page.text.split("/account/sessions/").filter_map(|text| text.split_once("/end\"")).collect();
    assert_eq!(ids.len(), 2, "{}", page.text);
    let of_phone =
        app.database.rows("SELECT id FROM sessions WHERE device = 'Safari on iPhone'").await.remove(0);
    let path = format!("/account/sessions/{of_phone}/end");

    // Nobody ends somebody else's.
    let foreign = mallory.submit("/account", &path, &[]).await;
    let unknown =
        mallory.submit("/account", "/account/sessions/11111111-2222-4333-8444-555555555555/end", &[]).await;
    assert_eq!((foreign.status, unknown.status), (404, 404));
    assert!(phone.is_in().await);

    assert_eq!(ada.submit("/account", &path, &[]).await.location(), "/account");
    assert!(!phone.is_in().await && third.is_in().await && ada.is_in().await);
    assert_eq!(ada.submit("/account", "/account/sessions/end-others", &[]).await.location(), "/account");
    assert!(!third.is_in().await && ada.is_in().await && mallory.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_strict_and_behind_https_bound_to_the_host() {
    let http = without_worker().await;
    let https = TestApp::with(Options {
        public_url: Some("https://masks.example.com".into()),
        trusted_proxies: vec![PROXY],
        work: false,
        ..Options::default()
    })
    .await;
    for (app, prefix, secure) in [(&http, "", false), (&https, "__Host-", true)] {
        let link = app.app.invite("ada@example.com".parse().unwrap(), Role::User).await.unwrap();
        let link = &link[link.find("/links/").unwrap()..];
        let mut ada = app.anonymous().at("203.0.113.5");
        ada.extra.push(("x-forwarded-proto", "https".into()));
        let opened = ada.get(link).await;
        let csrf = opened.hidden("csrf");
        let chosen = ada.post(link, &[("csrf", &csrf), ("new_password", PASSWORD)]).await;
        let mut cookies = opened.cookies();
        cookies.extend(chosen.cookies());
        let names: BTreeSet<&str> = cookies.iter().map(|cookie| cookie.split('=').next().unwrap()).collect();
        let expected = ["device", "flash", "form", "sid"].map(|name| format!("{prefix}{name}"));
        assert_eq!(names, expected.iter().map(String::as_str).collect(), "{cookies:?}");
        for cookie in &cookies {
            let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
            for wanted in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(attributes.contains(&wanted), "{cookie}");
            }
            assert_eq!(attributes.contains(&"Secure"), secure, "{cookie}");
            assert!(!cookie.contains("Domain") && cookie.len() < 512, "{cookie}");
        }
        assert!(ada.is_in().await);
        let out = ada.submit("/account", "/sign-out", &[]).await;
        assert!(
            out.cookies().iter().any(|cookie| cookie.starts_with(&format!("{prefix}sid=;"))),
            "{:?}",
            out.cookies()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_is_not_signed_in_makes_no_row_and_machines_get_no_cookie() {
    let app = without_worker().await;
    let mut client = app.anonymous();
    for path in ["/", "/sign-up", "/sign-in", "/forgotten-password", "/nowhere", "/masks"] {
        client.get(path).await;
    }
    ask(&mut client, "/sign-up", "ada@example.com").await;
    assert_eq!(client.sign_in("ada@example.com", PASSWORD).await.status, 422);
    client.get(&app.mailed_link("ada@example.com").await).await;
    assert_eq!(app.database.count("sessions").await, 0);

    let style = client.get("/").await.between("rel=\"stylesheet\" href=\"", "\"").to_owned();
    let mut ada = app.signed_in("ada").await;
    for path in ["/healthz", "/readyz", "/favicon.ico", "/tropo/transfer", style.as_str()] {
        for client in [&mut app.anonymous(), &mut ada] {
            let page = client.get(path).await;
            assert_eq!(page.cookies(), Vec::<String>::new(), "{path}");
        }
    }
    assert_eq!(app.webhook("/tropo/transfer", "{}").await.cookies(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_shown_by_the_clocks_that_a_user_chooses() {
    let app = without_worker().await;
    // A new account begins with those of the browser, where it names them.
    for (name, said, saved) in
        [("bob", "Europe/Kiev", "Europe/Kyiv"), ("eve", "<script>", "UTC"), ("dan", "", "UTC")]
    {
        let email = format!("{name}@example.com");
        let link = app.app.invite(email.parse().unwrap(), maskline::domain::user::Role::User).await.unwrap();
        let path = &link[link.find("/links/").unwrap()..];
        let fields = [("new_password", PASSWORD), ("time_zone", said)];
        assert_eq!(app.anonymous().submit(path, path, &fields).await.location(), "/masks");
        let kept = app.database.one(&format!("SELECT time_zone FROM users WHERE email = '{email}'")).await;
        assert_eq!(kept, saved);
    }
    let mut ada = app.signed_in("ada").await;
    app.clock.advance(TimeDelta::minutes(20));
    let mut other = app.anonymous();
    other.sign_in("ada@example.com", PASSWORD).await;
    let page = other.get("/account").await;
    assert!(
        page.text
            .contains("datetime=\"2026-11-23T09:30:00Z\" title=\"Monday, 23 November 2026, 09:30:00 UTC\""),
        "{}",
        page.text
    );
    let saved = ada.submit("/account", "/account/time-zone", &[("time_zone", "Asia/Kathmandu")]).await;
    assert_eq!(saved.location(), "/account");
    let page = other.get("/account").await;
    assert!(
        page.text
            .contains("datetime=\"2026-11-23T09:50:00Z\" title=\"Monday, 23 November 2026, 15:35:00 +0545\""),
        "{}",
        page.text
    );
    assert!(page.text.contains("<option selected>Asia/Kathmandu</option>"));
    // An older name is the same place.
    ada.submit("/account", "/account/time-zone", &[("time_zone", "Asia/Calcutta")]).await;
    assert!(ada.get("/account").await.text.contains("<option selected>Asia/Kolkata</option>"));
    // One that was saved by another version, and is known no more, is said to be so.
    app.database.execute("UPDATE users SET time_zone = 'Mars/Phobos'").await;
    let page = ada.get("/account").await;
    assert!(
        page.words()
            .contains("“Mars/Phobos”, is not known here. Until you choose another, times are shown in UTC")
    );
    assert!(page.text.contains("<option value=\"\" selected>"), "{}", page.text);
    let masks = ada.get("/masks").await;
    assert!(masks.text.contains("href=\"/account#time_zone\""), "{}", masks.text);
    let saved = ada.submit("/account", "/account/time-zone", &[("time_zone", "Indian/Maldives")]).await;
    assert_eq!(saved.location(), "/account");
    assert!(!ada.get("/masks").await.text.contains("/account#time_zone"));
    for zone in ["", "Mars/Phobos", "<script>", "../../etc/passwd"] {
        let page = ada.submit("/account", "/account/time-zone", &[("time_zone", zone)]).await;
        assert_eq!(page.status, 422, "{zone}");
        assert!(page.words().contains("Choose a time zone from the list."));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_waits_is_waited_for_before_a_stop() {
    let app = TestApp::start().await;
    app.signed_in("ada").await;
    let mut somebody = app.anonymous();
    let asked =
        somebody.submit("/forgotten-password", "/forgotten-password", &[("email", "ada@example.com")]).await;
    assert_eq!(asked.status, 303, "{}", asked.words());
    app.app.letters_sent().await;
    let letters = std::fs::read_dir(&app.mail).unwrap().map(|file| file.unwrap().path());
    assert_eq!(letters.filter(|file| file.extension().is_some_and(|ending| ending == "eml")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_while_somebody_signed_in_with_it_opens_nothing() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let address = "192.0.2.7".parse().unwrap();
    let stolen = app.app.sign_in("ada@example.com", PASSWORD, address, None).await.unwrap();
    let fields = [("current_password", PASSWORD), ("new_password", "granite window fourteen apples")];
    assert_eq!(ada.submit("/account", "/account/password", &fields).await.status, 303);
    let stamp = password_stamp(&stolen);
    let session = (SessionId(Uuid::from_u128(7)), "Firefox".to_owned(), "{}".to_owned());
    app.app.begin_session("a key of a browser", stolen.id, &stamp, session).await.unwrap();
    assert_eq!(app.app.session_state("a key of a browser").await.unwrap(), None);
    assert!(ada.is_in().await);
}
