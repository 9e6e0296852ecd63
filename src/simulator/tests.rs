//! The simulator as a whole: what survives a restart, faults, who is let in, and bad questions.

use reqwest::Method;
use serde_json::{Value, json};

use super::testing::{Bench, Webhook, answer, settings};
use super::{KeepError, StartError, start};
use crate::clock::Clock;

#[actix_web::test]
async fn what_was_bought_and_what_phones_received_survives_a_restart() {
    let document = json!({"tropo": [{"transfer": {"to": "+14075550101", "from": "+14155550123"}}]});
    let webhook = Webhook::answering(&[("/", document)]);
    let bench = Bench::new();
    let application = bench.application(&webhook.url("/")).await;
    let mask = bench.number(&application, "1407").await;
    let call = json!({"from": "+14155550123", "to": mask, "answer": "answered"});
    bench.call(call.clone()).await;
    let before = (bench.get("/simulator/ledger").await, bench.get("/simulator/phones/+14075550101").await);

    let bench = bench.restart().await;
    let after = (bench.get("/simulator/ledger").await, bench.get("/simulator/phones/+14075550101").await);
    assert_eq!(before, after);
    assert_eq!(bench.get("/simulator/masks").await[0]["number"], json!(mask));
    assert_eq!(bench.call(call).await["outcome"], "answered");
    assert_ne!(bench.application(&webhook.url("/")).await, application, "ids are not used twice");
}

#[actix_web::test]
async fn a_state_that_cannot_be_read_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("state")).unwrap();
    let file = folder.path().join("state/account.json");
    std::fs::write(&file, "{half").unwrap();
    let error = start(settings(&folder), Clock::System).unwrap_err();
    assert!(matches!(error, StartError::State(KeepError::Damaged { .. })), "{error}");
    assert!(error.to_string().contains("account.json"));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "{half");
}

#[test]
fn it_listens_only_to_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:0", "192.0.2.1:80", "[::]:0"] {
        let open = super::Settings { listen: listen.into(), ..settings(&folder) };
        assert!(matches!(start(open, Clock::System), Err(StartError::NotLoopback(_))), "{listen}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let error = start(super::Settings { listen, ..settings(&folder) }, Clock::System).unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
}

#[actix_web::test]
async fn pages_elsewhere_can_neither_ask_nor_post() {
    let bench = Bench::new();
    for (name, value) in [
        ("host", "evil.example:8081"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let request = bench.request(Method::DELETE, "/simulator/faults").header(name, value);
        assert_eq!(answer(request).await.0, 403, "{name}: {value}");
    }
    let own = bench.request(Method::DELETE, "/simulator/faults");
    let own = own.header("sec-fetch-site", "same-origin").header("origin", bench.url(""));
    assert_eq!(answer(own).await.0, 204);
    let response = bench.request(Method::GET, "/healthz").send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.text().await.unwrap(), "ok");
}

async fn buy(bench: &Bench, application: &str) -> Result<(u16, Value), reqwest::Error> {
    let path = format!("/v1/applications/{application}/addresses");
    let wanted = json!({"type": "number", "prefix": "1407"});
    let response = bench.rest(Method::POST, &path).json(&wanted).send().await?;
    let status = response.status().as_u16();
    Ok((status, serde_json::from_slice(&response.bytes().await?).unwrap_or_default()))
}

async fn bought(bench: &Bench) -> usize {
    bench.get("/simulator/ledger").await.as_array().unwrap().len()
}

#[actix_web::test]
async fn faults_strike_as_often_as_they_should_and_only_what_they_should() {
    for (kind, status, buys) in [
        ("slow", Some(200), 1),
        ("server-error", Some(500), 0),
        ("server-error-after", Some(500), 1),
        ("html", Some(200), 0),
        ("html-after", Some(200), 1),
        ("truncated", None, 1),
        ("other-json", Some(200), 1),
        ("reset-before", None, 0),
        ("reset-after", None, 1),
        ("none-free", Some(503), 0),
        ("unauthorized", Some(401), 0),
        ("forbidden", Some(403), 0),
    ] {
        let bench = Bench::new();
        let application = bench.application("http://127.0.0.1:9/").await;
        let fault =
            json!({"kind": kind, "method": "POST", "resource": "addresses", "times": 1, "milliseconds": 1});
        assert_eq!(bench.post("/simulator/faults", fault).await.0, 201, "{kind}");
        bench.get("/v1/applications").await;
        let struck = buy(&bench, &application).await;
        assert_eq!(struck.as_ref().ok().map(|(status, _)| *status), status, "{kind}");
        assert_eq!(bought(&bench).await, buys, "{kind}");
        if kind == "html" {
            assert_eq!(struck.unwrap().1, Value::Null, "a page is no JSON");
        }
        assert_eq!(bench.get("/simulator/faults").await, json!([]), "{kind} is spent");
        assert_eq!(buy(&bench, &application).await.unwrap().0, 200, "{kind}");
    }
}

#[actix_web::test]
async fn faults_without_a_count_stay_until_they_are_cleared() {
    let bench = Bench::new();
    let application = bench.application("http://127.0.0.1:9/").await;
    bench.post("/simulator/faults", json!({"kind": "none-free"})).await;
    for _ in 0..3 {
        assert_eq!(buy(&bench, &application).await.unwrap().0, 503);
    }
    bench.get("/v1/exchanges").await;
    assert_eq!(bench.get("/simulator/faults").await[0]["kind"], "none-free");
    assert_eq!(answer(bench.request(Method::DELETE, "/simulator/faults")).await.0, 204);
    assert_eq!(buy(&bench, &application).await.unwrap().0, 200);
    for wrong in [
        json!({"kind": "fire"}),
        json!({"kind": "slow", "resource": "moon"}),
        json!({"kind": "slow", "times": 0}),
        json!({}),
    ] {
        let (status, body) = bench.post("/simulator/faults", wrong.clone()).await;
        assert_eq!(status, 422, "{wrong}");
        assert!(body["error"].is_string());
    }
}

#[actix_web::test]
async fn bad_questions_of_scripts_are_refused_in_words() {
    let bench = Bench::new();
    let long = "x".repeat(500);
    for (body, word) in [
        (json!({"from": "+14155550123"}), "\"to\""),
        (json!({"from": "+14155550123", "to": "12"}), "\"to\""),
        (json!({"from": "+14155550123", "to": "+14075550150", "answer": "maybe"}), "\"answer\""),
        (json!({"from": long, "to": "+14075550150"}), "\"from\""),
        (json!({"from": "+14155550123", "to": "+14075550150", "seconds": 99_999}), "\"seconds\""),
        (json!({"from": "+14155550123", "to": "+14075550150", "mood": "good"}), "mood"),
    ] {
        let (status, answer) = bench.post("/simulator/calls", body.clone()).await;
        assert_eq!(status, 422, "{body}");
        assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
    }
    let broken = bench.request(Method::POST, "/simulator/calls").body("{\"from\":");
    assert_eq!(answer(broken).await.0, 400);
    let deep = bench.request(Method::POST, "/simulator/calls").body("[".repeat(10_000));
    assert_eq!(answer(deep).await.0, 422);
    let silent = bench.post("/simulator/texts", json!({"from": "+14155550123", "to": "+14075550150"})).await;
    assert_eq!(silent.0, 422);
    for path in ["/simulator/phones/abc", "/simulator/phones/Unknown"] {
        assert_eq!(answer(bench.request(Method::GET, path)).await.0, 422, "{path}");
    }
    assert_eq!(answer(bench.request(Method::GET, "/simulator/calls/unknown")).await.0, 404);
    assert_eq!(bench.get("/simulator/mail/ada@example.com").await, json!([]));
}

#[actix_web::test]
async fn times_come_from_the_clock() {
    let bench = Bench::new();
    bench.clock.advance(chrono::TimeDelta::hours(5));
    let application = bench.application("http://127.0.0.1:9/").await;
    bench.number(&application, "1407").await;
    assert_eq!(bench.get("/simulator/ledger").await[0]["at"], "2026-03-01T17:00:00Z");
}
