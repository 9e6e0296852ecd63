//! A stranger's guesses at a password, and the owner on a device of their own.

use chrono::TimeDelta;
use futures_util::future::join_all;
use maskline::domain::limits::Limits;

use crate::support::{Client, Options, PASSWORD, Page, TestApp};

async fn sign_in(client: &mut Client, password: &str) -> Page {
    client.submit("/sign-in", "/sign-in", &[("email", "ada@example.com"), ("password", password)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_guesses_keeps_nobody_out_of_a_device_of_their_own() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    ada.submit("/masks", "/sign-out", &[]).await;
    // A hundred wrong passwords in a row: ten at once, then one a minute.
    let mut stranger = app.anonymous();
    for guess in 0..100 {
        if guess >= 10 {
            app.clock.advance(TimeDelta::seconds(61));
        }
        let answer = sign_in(&mut stranger, "some guess or other").await;
        assert!(answer.words().contains("do not match"), "{guess}: {}", answer.words());
    }
    // From now on the password alone does not do on a strange device, however right and however late.
    app.clock.advance(TimeDelta::minutes(20));
    let answer = sign_in(&mut stranger, PASSWORD).await;
    assert!(answer.words().contains("choose a new password with a mailed link"), "{}", answer.words());
    // Ada is let in where she signed in before, and a copy of her cookie under another account helps nobody.
    assert!(ada.cookies.contains_key("device"));
    let mut copied = app.signed_in("eve").await;
    copied.submit("/masks", "/sign-out", &[]).await;
    let of_eve = copied.cookies["device"].clone();
    stranger.cookies.insert("device".into(), of_eve);
    assert!(sign_in(&mut stranger, PASSWORD).await.words().contains("mailed link"));
    assert_eq!(sign_in(&mut ada, PASSWORD).await.location(), "/masks");
    // A mailed link opens the account to her everywhere again.
    let link =
        app.app.invite("ada@example.com".parse().unwrap(), maskline::domain::user::Role::User).await.unwrap();
    let path = link[link.find("/links/").unwrap()..].to_owned();
    let new = "marsh seventeen violin copper";
    app.anonymous().submit(&path, &path, &[("new_password", new)]).await;
    assert_eq!(sign_in(&mut app.anonymous(), new).await.location(), "/masks");
    // With the new password, no device is known but those where it was typed.
    let mut again = app.anonymous();
    sign_in(&mut again, new).await;
    again.submit("/masks", "/sign-out", &[]).await;
    app.clock.advance(TimeDelta::seconds(1));
    sign_in(&mut stranger, "some guess or other").await;
    app.database.execute(&many_failures("1 second")).await;
    assert!(sign_in(&mut ada, new).await.words().contains("mailed link"));
    assert_eq!(sign_in(&mut again, new).await.location(), "/masks");
}

/// A hundred more failures in the buckets of the last one.
fn many_failures(apart: &str) -> String {
    format!(
        "INSERT INTO rate_events (bucket, at) SELECT bucket, at - place * interval '{apart}' \
         FROM rate_events, generate_series(1, 100) AS place WHERE at = (SELECT max(at) FROM rate_events)"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_device_of_the_owner_guesses_a_hundred_times_at_most() {
    let app = TestApp::start().await;
    let mut thief = app.signed_in("ada").await;
    thief.submit("/masks", "/sign-out", &[]).await;
    app.clock.advance(TimeDelta::minutes(1));
    assert!(sign_in(&mut thief, "some guess or other").await.words().contains("do not match"));
    app.database.execute(&many_failures("2 minutes")).await;
    app.clock.advance(TimeDelta::minutes(20));
    let answer = sign_in(&mut thief, PASSWORD).await;
    assert!(answer.words().contains("choose a new password with a mailed link"), "{}", answer.words());
    // Elsewhere nobody has guessed.
    assert_eq!(sign_in(&mut app.anonymous(), PASSWORD).await.location(), "/masks");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_signs_in_so_often_on_all_its_devices_together_and_keeps_nobody_else_out() {
    let limits = Limits { sign_ins_per_account: 6, ..Limits::default() };
    let app = TestApp::with(Options { work: false, limits, ..Options::default() }).await;
    let mut eve = app.signed_in("eve").await;
    eve.submit("/masks", "/sign-out", &[]).await;
    app.signed_in("ada").await;
    // Wrong passwords of strangers use up nothing of it.
    for _ in 0..7 {
        assert_eq!(sign_in(&mut app.anonymous(), "some guess or other").await.status, 422);
    }
    let mut devices = Vec::new();
    for _ in 0..3 {
        let mut device = app.anonymous();
        assert_eq!(sign_in(&mut device, PASSWORD).await.status, 303);
        device.submit("/masks", "/sign-out", &[]).await;
        devices.push(device);
    }
    let flood = devices.iter().flat_map(|device| vec![device.clone(); 4]);
    let flood = join_all(flood.map(async |mut device| sign_in(&mut device, PASSWORD).await.status));
    let (mut statuses, at_home) = tokio::join!(flood, eve.sign_in("eve@example.com", PASSWORD));
    assert_eq!(at_home.location(), "/masks", "{}", at_home.words());
    statuses.sort_unstable();
    assert_eq!(statuses, [[303; 3].as_slice(), &[429; 9]].concat());
    // Elsewhere it is no different, and only who knows the password learns of it.
    let page = sign_in(&mut app.anonymous(), PASSWORD).await;
    assert!(page.words().contains("too many sign-ins to this account"), "{}", page.words());
    assert_eq!((page.status, page.header("retry-after")), (429, "901"));
    assert_eq!(sign_in(&mut app.anonymous(), "some guess or other").await.status, 422);
    app.clock.advance(TimeDelta::minutes(15));
    assert_eq!(sign_in(&mut devices[0], PASSWORD).await.location(), "/masks");
}
