//! The pages as a browser without JavaScript uses them.

use std::fs;

use reqwest::Method;
use serde_json::json;

use crate::simulator::testing::{Bench, Webhook, noon};

const OWNER: &str = "+14075550101";

async fn page(bench: &Bench, path: &str) -> (u16, String) {
    let response = bench.request(Method::GET, path).send().await.unwrap();
    let status = response.status().as_u16();
    let html = response.text().await.unwrap();
    assert!(html.len() < 50_000, "{path} has {} bytes", html.len());
    assert!(!html.contains("style=") && !html.contains("onclick="), "{path} has inline style or script");
    (status, html)
}

async fn submit(bench: &Bench, path: &str, form: &[(&str, &str)]) -> (u16, String, String) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
    let response = client.unwrap().post(bench.url(path)).form(form).send().await.unwrap();
    let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    (response.status().as_u16(), to.unwrap_or_default(), response.text().await.unwrap())
}

async fn stage(document: serde_json::Value) -> (Bench, String) {
    let webhook = Webhook::answering(&[("/", document)]);
    let bench = Bench::new();
    let application = bench.application(&webhook.url("/")).await;
    let mask = bench.number(&application, "1407").await;
    (bench, mask)
}

#[actix_web::test]
async fn a_call_by_form_leads_to_its_story() {
    let document = json!({"tropo": [
        {"transfer": {"to": OWNER, "from": "+14155550123"}}, {"say": "<script>alert(1)</script>"},
    ]});
    let (bench, mask) = stage(document).await;
    let (_, home) = page(&bench, "/").await;
    assert!(home.contains("+1 407-555-0150 · Orlando, FL"), "the mask can be chosen");
    let form =
        [("from", "+1 (415) 555-0123"), ("mask", mask.as_str()), ("answer", "answered"), ("seconds", "7")];
    let (status, story, _) = submit(&bench, "/calls", &form).await;
    assert_eq!(status, 303);
    let (status, html) = page(&bench, &story).await;
    assert_eq!(status, 200);
    assert!(html.contains("They talked for 7 seconds"), "{html}");
    assert!(html.contains("+1 407-555-0101 rings and shows +1 415-555-0123"));
    assert!(!html.contains("<script>alert"), "what is spoken is no markup");
    let (_, home) = page(&bench, "/").await;
    assert!(home.contains("They talked for 7 seconds") && home.contains("/phones/+14075550101"));
    let (_, phone) = page(&bench, "/phones/+14075550101").await;
    assert!(phone.contains("Call from +1 415-555-0123") && phone.contains("Connected for 7 seconds"));
}

#[actix_web::test]
async fn what_was_typed_wrong_is_kept_and_explained() {
    let (bench, _) = stage(json!({"tropo": []})).await;
    for (form, word) in [
        (vec![("from", "\"><b>me"), ("other", "+14075550150"), ("answer", "busy")], "from"),
        (vec![("from", ""), ("other", "+14075550150"), ("answer", "busy")], "who calls"),
        (vec![("from", "+14155550123"), ("answer", "busy")], "Choose a mask"),
        (vec![("from", "+14155550123"), ("other", "12"), ("answer", "busy")], "with its country code"),
        (vec![("from", "+14155550123"), ("other", "+14075550150"), ("seconds", "long")], "whole number"),
    ] {
        let (status, _, html) = submit(&bench, "/calls", &form).await;
        assert_eq!(status, 422, "{form:?}");
        assert!(html.contains("role=\"alert\"") && html.contains(word), "{form:?}: {html}");
        assert!(!html.contains("<b>me"));
    }
    let (status, _, html) =
        submit(&bench, "/texts", &[("from", "+14155550123"), ("other", "+14075550150")]).await;
    assert_eq!(status, 422);
    assert!(html.contains("between 1 and 1600 characters"));
}

#[actix_web::test]
async fn a_text_by_form_reaches_the_application() {
    let (bench, mask) = stage(json!({"tropo": [{"say": "Your code is 1 2 3 4 5 6."}]})).await;
    let form = [("from", "+14155550123"), ("mask", mask.as_str()), ("text", "héllo <i>")];
    let (status, story, _) = submit(&bench, "/texts", &form).await;
    assert_eq!(status, 303);
    let (_, html) = page(&bench, &story).await;
    assert!(html.contains("A text was delivered") && !html.contains("<i>"), "{html}");
    let (_, phones) = page(&bench, "/phones").await;
    assert!(phones.contains("123 456"), "the code can be read at a glance: {phones}");
}

#[actix_web::test]
async fn letters_have_links_that_can_be_followed_and_no_others() {
    let bench = Bench::new();
    let (_, empty) = page(&bench, "/mail").await;
    assert!(empty.contains("No letters yet"));
    let folder = bench.folder.path().join("mail");
    fs::create_dir_all(&folder).unwrap();
    let letter = "To: ada@example.com\r\nFrom: m@localhost\r\nSubject: <b>Hi</b>\r\n\r\n\
                  http://127.0.0.1:8080/links/abc\r\njavascript:alert(1) <img src=x>";
    fs::write(folder.join("1.eml"), letter).unwrap();
    let (_, html) = page(&bench, "/mail").await;
    assert!(html.contains("<a href=\"http://127.0.0.1:8080/links/abc\">"), "{html}");
    assert!(!html.contains("<img src=x") && !html.contains("href=\"javascript") && !html.contains("<b>Hi"));
    assert!(page(&bench, "/mail?to=bob@example.com").await.1.contains("No letters yet"));
    assert!(page(&bench, "/mail?to=ADA@example.com").await.1.contains("links/abc"));
}

#[actix_web::test]
async fn a_phone_can_be_told_how_to_behave() {
    let document = json!({"tropo": [{"transfer": {"to": OWNER}}]});
    let (bench, mask) = stage(document).await;
    let form = [("answer", "rejected"), ("seconds", "3"), ("presses", "1 2")];
    assert_eq!(submit(&bench, "/phones/+14075550101", &form).await.0, 303);
    let call = json!({"from": "+14155550123", "to": mask});
    assert_eq!(bench.call(call).await["outcome"], "rejected");
    let behaviour = bench.get("/simulator/phones/+14075550101").await["behaviour"].clone();
    assert_eq!(behaviour, json!({"answer": "rejected", "seconds": 3, "presses": ["1", "2"]}));
    let (_, ledger) = page(&bench, "/ledger").await;
    assert!(ledger.contains("Bought") && ledger.contains("Orlando, FL"));
    assert!(ledger.contains(&noon().format("%-d %b").to_string()));
}

#[actix_web::test]
async fn pages_that_are_not_there_say_so_and_faults_are_told() {
    let bench = Bench::new();
    for path in ["/nothing", "/calls/unknown", "/phones/Unknown", "/phones/x"] {
        let (status, html) = page(&bench, path).await;
        assert_eq!(status, 404, "{path}");
        assert!(html.contains("There is nothing here"));
    }
    for file in ["simulator.css", "simulator.js", "icon.svg"] {
        assert_eq!(page(&bench, &format!("/simulator/static/{file}")).await.0, 200);
    }
    assert_eq!(bench.request(Method::GET, "/simulator/static/mod.rs").send().await.unwrap().status(), 404);
    bench.post("/simulator/faults", json!({"kind": "slow"})).await;
    assert!(page(&bench, "/").await.1.contains("A fault is switched on"));
    assert_eq!(submit(&bench, "/faults/clear", &[]).await.0, 303);
    assert_eq!(bench.get("/simulator/faults").await, json!([]));
}

#[actix_web::test]
async fn who_watches_is_told_of_each_step() {
    let (bench, mask) = stage(json!({"tropo": [{"say": "Hello."}, {"hangup": null}]})).await;
    let mut events = bench.request(Method::GET, "/simulator/events").send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    bench.call(json!({"from": "+14155550123", "to": mask})).await;
    let mut told = String::new();
    while !told.contains("\"type\":\"end\"") {
        told.push_str(std::str::from_utf8(&events.chunk().await.unwrap().unwrap()).unwrap());
    }
    let begins = told.find("\"type\":\"begin\"").unwrap();
    let hears = told.find("Hello.").unwrap();
    assert!(begins < hears);
}
