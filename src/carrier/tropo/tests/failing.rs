//! What goes wrong with requests: which error each failure is, and that none tells a secret.

use serde_json::json;

use super::pretend::{MESSAGING_TOKEN, PASSWORD, PretendTropo, Reply, VOICE_TOKEN, client_of_nobody};
use super::{number, vector};
use crate::carrier::{Carrier as _, CarrierError, Channel};

#[derive(Debug, PartialEq)]
enum Kind {
    NoneFree,
    Refused,
    NotFound,
    Unavailable,
    Unclear,
}

/// The kind of an error, whose text must not tell anything that it should not.
fn kind(error: &CarrierError) -> Kind {
    let text = error.to_string();
    for secret in [PASSWORD, VOICE_TOKEN, MESSAGING_TOKEN, "407555", "555-0150", "://", "127.0.0.1"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.len() < 300, "{text}");
    match error {
        CarrierError::NoneFree => Kind::NoneFree,
        CarrierError::Refused(_) => Kind::Refused,
        CarrierError::NotFound => Kind::NotFound,
        CarrierError::Unavailable(_) => Kind::Unavailable,
        CarrierError::Unclear(_) => Kind::Unclear,
    }
}

/// How a purchase and a look at our numbers fail where the server does the same to both.
async fn failures(reply: impl Fn() -> Reply) -> (Kind, Kind) {
    let tropo = PretendTropo::answering(vec![reply(), reply()]);
    let client = tropo.client();
    let bought = client.buy(number("+14075550150")).await.unwrap_err();
    let read = client.owned().await.unwrap_err();
    (kind(&bought), kind(&read))
}

fn saying(status: u16) -> impl Fn() -> Reply {
    let text = format!(
        "+14075550150 (407) 555-0150 at https://ada:{PASSWORD}@127.0.0.1/?token={VOICE_TOKEN} {PASSWORD} \
         {MESSAGING_TOKEN}"
    );
    move || Reply::json(status, &json!({ "error": text }))
}

#[tokio::test]
async fn what_may_have_taken_effect_is_unclear_and_what_only_reads_is_not() {
    let unclear = (Kind::Unclear, Kind::Unavailable);
    assert_eq!(failures(|| Reply::Close).await, unclear, "closed");
    assert_eq!(failures(|| Reply::Reset).await, unclear, "reset");
    assert_eq!(failures(|| Reply::Truncated).await, unclear, "truncated");
    assert_eq!(failures(|| Reply::Stalled).await, unclear, "time-out");
    for body in ["<html>Sign in</html>", "", "{\"href\":", "[1]", "{}", "null", "{\"href\":\"\"}"] {
        assert_eq!(failures(|| Reply::Body(200, body.to_owned())).await, unclear, "{body}");
    }
    for status in [500, 502, 503, 504, 408] {
        assert_eq!(failures(saying(status)).await, unclear, "{status}");
        assert_eq!(failures(|| Reply::Body(status, "<html>".to_owned())).await, unclear, "{status}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let both = |kind: fn() -> Kind| (kind(), kind());
    for status in [400, 401, 402, 403, 405, 406, 409, 415, 422] {
        assert_eq!(failures(saying(status)).await, both(|| Kind::Refused), "{status}");
    }
    assert_eq!(failures(saying(404)).await, both(|| Kind::NotFound));
    assert_eq!(failures(saying(429)).await, both(|| Kind::Unavailable));
    let none_free = json!({ "error": "no numbers available for the parameters specified" });
    assert_eq!(failures(|| Reply::json(503, &none_free)).await.0, Kind::NoneFree);
    let as_list = json!({ "errors": ["No numbers available"] });
    assert_eq!(failures(|| Reply::json(503, &as_list)).await.0, Kind::NoneFree);
}

#[tokio::test]
async fn published_errors_are_of_their_kind() {
    for (name, expected) in [
        ("provisioning-error-class-400", (Kind::Refused, Kind::Refused)),
        ("provisioning-error-class-401", (Kind::Refused, Kind::Refused)),
        ("provisioning-gem-bad-credentials", (Kind::Refused, Kind::Refused)),
        ("provisioning-gem-404-custom-reason", (Kind::NotFound, Kind::NotFound)),
        ("provisioning-error-body-single", (Kind::NotFound, Kind::NotFound)),
        ("provisioning-error-class-500", (Kind::Unclear, Kind::Unavailable)),
        ("provisioning-error-class-503", (Kind::Unclear, Kind::Unavailable)),
    ] {
        let status = vector(name)["expected"]["status"].as_u64().unwrap().try_into().unwrap();
        assert_eq!(failures(|| Reply::Bare(status, "")).await, expected, "{name}");
    }
}

#[tokio::test]
async fn what_was_surely_not_sent_may_be_tried_again() {
    let client = client_of_nobody();
    for error in [
        client.buy_any("1407").await.unwrap_err(),
        client.owned().await.unwrap_err(),
        client.release(number("+14075550150")).await.unwrap_err(),
        client.launch(Channel::Voice, "opaque-id").await.unwrap_err(),
    ] {
        assert_eq!(kind(&error), Kind::Unavailable);
    }
}

#[tokio::test]
async fn a_release_or_a_launch_that_breaks_is_unclear() {
    let html = || Reply::Body(200, "<html>".to_owned());
    let tropo = PretendTropo::answering(vec![Reply::Close, html(), Reply::Close, html()]);
    let client = tropo.client();
    for _ in 0..2 {
        assert_eq!(kind(&client.release(number("+14075550150")).await.unwrap_err()), Kind::Unclear);
    }
    for _ in 0..2 {
        assert_eq!(kind(&client.launch(Channel::Text, "opaque-id").await.unwrap_err()), Kind::Unclear);
    }
}

#[tokio::test]
async fn no_redirect_is_followed_and_nothing_is_sent_twice() {
    let redirect = Reply::Bare(302, "location: /v1/elsewhere\r\n");
    let tropo = PretendTropo::answering(vec![redirect, Reply::Close, Reply::Bare(500, "")]);
    let client = tropo.client();
    assert_eq!(kind(&client.buy_any("1407").await.unwrap_err()), Kind::Refused);
    assert_eq!(kind(&client.buy_any("1407").await.unwrap_err()), Kind::Unclear);
    assert_eq!(kind(&client.buy_any("1407").await.unwrap_err()), Kind::Unclear);
    let lines: Vec<_> = tropo.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["POST /v1/applications/123456/addresses"; 3]);
}

#[tokio::test]
async fn a_reply_without_an_end_is_cut_off() {
    let endless = " ".repeat(9 * 1024 * 1024);
    let tropo = PretendTropo::answering(vec![Reply::Body(200, endless)]);
    let error = tropo.patient_client().areas().await.unwrap_err();
    assert!(error.to_string().contains("8 MiB"), "{error}");
}

#[tokio::test]
async fn the_reason_that_is_told_helps() {
    let missing = json!({ "error": "voiceUrl is not valid for 14075550150" });
    let tropo = PretendTropo::answering(vec![Reply::json(400, &missing)]);
    let error = tropo.client().buy_any("1407").await.unwrap_err();
    assert_eq!(error.to_string(), "the carrier refused: status 400: voiceUrl is not valid for …");
}
