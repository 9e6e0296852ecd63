//! What people are told when something cannot be: the true reason, and when it can.

use chrono::TimeDelta;
use maskline::app::Channels;
use maskline::domain::limits::Limits;
use serde_json::json;

use crate::support::{Options, REAL, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_masks_tells_when_the_next_can_be_had() {
    let limits = Limits { masks_per_user: (10, 2, 20), ..Limits::default() };
    let app = TestApp::with(Options { limits, work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    for _ in 0..2 {
        assert_eq!(ada.wish(&number, &[("area", "same")]).await.status, 303);
        app.clock.advance(TimeDelta::hours(1));
    }
    let refused = ada.wish(&number, &[("area", "same"), ("label", "Third")]).await;
    assert_eq!(refused.status, 422);
    let words = refused.words();
    assert!(
        words.contains("2 masks within a day") && words.contains("from 24 November, 09:30 on"),
        "{words}"
    );
    assert!(!refused.text.contains("label-error"), "the name is not what is wrong: {}", refused.text);
    app.clock.advance(TimeDelta::hours(22));
    let mut ada = app.back_again("ada").await;
    assert_eq!(ada.wish(&number, &[("area", "same")]).await.status, 303, "as was said");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_ways_that_work_are_offered_for_a_code_and_the_others_have_their_reason() {
    let texts_alone =
        Options { channels: Channels { voice: false, text: true }, work: false, ..Options::default() };
    let app = TestApp::with(texts_alone).await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    let page = ada.get(&path).await;
    assert!(page.words().contains("Your number is saved."), "{}", page.words());
    assert!(page.words().contains("This service makes no calls."), "{}", page.words());
    assert!(
        !page.text.contains("value=\"voice\"") && page.text.contains("value=\"text\" checked"),
        "{}",
        page.text
    );

    let calls_alone =
        Options { channels: Channels { voice: true, text: false }, work: false, ..Options::default() };
    let app = TestApp::with(calls_alone).await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    let page = ada.get(&path).await;
    assert!(page.words().contains("This service sends no texts."), "{}", page.words());
    assert!(!page.text.contains("value=\"text\""), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_wait_are_told_apart_from_numbers_that_are_proved() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let mut ada = app.signed_in("ada").await;
    let mut refused = None;
    for line in 101..120 {
        let number = format!("+14075550{line}");
        let page = ada.submit("/numbers/new", "/numbers", &[("number", &number)]).await;
        if page.status == 422 {
            refused = Some(page.words());
            break;
        }
    }
    let words = refused.expect("a limit");
    assert!(words.contains("that wait to be proved. Prove or remove one"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_number_tells_of_masks_at_rest_that_led_to_it() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (mask, _) = app.mask(&mut ada, &number).await;
    let removal = format!("/numbers/{number}/removal");
    assert!(!ada.get(&removal).await.words().contains("that ended led to it"));
    let revocation = format!("{mask}/revocation");
    assert_eq!(ada.submit(&revocation, &revocation, &[]).await.status, 303);
    let words = ada.get(&removal).await.words();
    assert!(
        words.contains("One mask that ended led to it.") && words.contains("onto another number"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_wrong_passwords_are_answered_with_the_form_and_when_to_come_back() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    app.signed_in("ada").await;
    let mut somebody = app.anonymous();
    let mut page = somebody.sign_in("ada@example.com", "wrong").await;
    for _ in 0..20 {
        if page.status == 429 {
            break;
        }
        assert_eq!(page.status, 422);
        page = somebody.sign_in("ada@example.com", "wrong").await;
    }
    assert_eq!(page.status, 429, "{}", page.words());
    assert!(page.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert!(page.text.contains("value=\"ada@example.com\""), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_read_what_the_carrier_said_where_a_mask_was_not_set_up() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let path = ada.wish(&number, &[("area", "same")]).await.location();
    app.simulator.fault(json!({"kind": "unauthorized", "method": "POST", "resource": "addresses"})).await;
    app.work().await;
    let said = "user name or password is not accepted";
    let page = ada.get(&path).await.words();
    assert!(page.contains("The people who run this service can see why.") && !page.contains(said), "{page}");
    let mut admin = app.admin().await;
    let page = admin.get("/admin/masks").await.words();
    assert!(page.contains("Failed") && page.contains(said), "{page}");
}
