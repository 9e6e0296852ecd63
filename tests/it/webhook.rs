//! The carrier's webhook: who may speak to it, and that whatever they say is answered with something to carry out.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{CALLER, Client, Options, Page, REAL, TestApp, WEBHOOK_KEY, http};

const NOTHING: &str = "There is nothing here.";

/// A deployment with an active mask: its owner, its path, its number.
async fn with_mask(options: Options) -> (TestApp, Client, String, String) {
    let app = TestApp::with(options).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, mask) = app.mask(&mut ada, &number).await;
    (app, ada, path, mask)
}

fn request(app: &TestApp, method: Method, path: &str) -> RequestBuilder {
    http().request(method, app.url(path)).header("content-type", "application/json")
}

async fn send(request: RequestBuilder) -> Page {
    Page::of(request.send().await.unwrap()).await
}

/// Posts to an address that one of our documents named.
async fn post(app: &TestApp, address: &str, body: &Value) -> Page {
    send(request(app, Method::POST, address).body(body.to_string())).await
}

/// The same, once what was told is written down.
async fn noted(app: &TestApp, path: &str, body: &Value) -> Page {
    let page = post(app, path, body).await;
    app.app.calls_written().await;
    page
}

fn keyed(path: &str) -> String {
    format!("{path}?key={WEBHOOK_KEY}")
}

/// A call as the carrier tells of it.
fn session(id: &str, from: &str, to: &str) -> Value {
    let party = |number: &str| json!({"id": number.trim_start_matches("+1"), "e164Id": number.trim_start_matches('+'), "channel": "VOICE", "network": "SIP"});
    json!({"session": {"id": id, "accountId": "33932", "userType": "HUMAN", "to": party(to), "from": party(from)}})
}

fn result(disposition: Option<&str>, connected: Option<u32>, age: u32) -> Value {
    let actions = disposition
        .map(|word| json!({"name": "transfer", "disposition": word, "connectedDuration": connected}));
    json!({"result": {"sessionId": "s", "callId": "c", "state": "ANSWERED", "sessionDuration": age, "sequence": 1, "actions": actions}})
}

/// The verbs of an answer that the carrier can carry out.
fn verbs(page: &Page) -> Vec<Value> {
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(page.header("content-type"), "application/json; charset=utf-8");
    let verbs = page.json()["tropo"].as_array().unwrap_or_else(|| panic!("{}", page.text)).clone();
    assert!(!verbs.is_empty(), "{}", page.text);
    for verb in &verbs {
        let name = verb.as_object().unwrap().keys().next().unwrap();
        assert!(
            ["transfer", "ask", "say", "hangup", "reject", "on", "call", "message"].contains(&name.as_str()),
            "{verb}"
        );
    }
    verbs
}

fn said(page: &Page) -> String {
    verbs(page)[0]["say"]["value"].as_str().unwrap_or_default().to_owned()
}

/// Where an answer wants to be told of an event.
fn next(page: &Page, event: &str) -> String {
    let on = verbs(page).into_iter().map(|verb| verb["on"].clone()).find(|on| on["event"] == event);
    on.unwrap_or_else(|| panic!("no {event} in {}", page.text))["next"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_key_learns_nothing_whatever_they_ask() {
    let app = TestApp::start().await;
    let body = session("s", CALLER, "+14075550150").to_string();
    let mut answers = BTreeSet::new();
    let mut note = |page: Page| {
        assert_eq!(page.status, 404, "{}", page.text);
        answers.insert((page.header("content-type").to_owned(), page.text));
    };
    let short = &WEBHOOK_KEY[..WEBHOOK_KEY.len() - 1];
    let queries = [
        String::new(),
        "?".into(),
        "?key=".into(),
        format!("?key={short}"),
        format!("?key={WEBHOOK_KEY}x"),
        format!("?key=%20{WEBHOOK_KEY}"),
        format!("?Key={WEBHOOK_KEY}"),
        format!("?token={WEBHOOK_KEY}"),
        format!("?key={}", "k".repeat(4000)),
        "?key=%00%ff%".into(),
    ];
    for path in ["/tropo/transfer", "/tropo/message", "/tropo/calls/x/continue"] {
        for query in &queries {
            note(send(request(&app, Method::POST, &format!("{path}{query}")).body(body.clone())).await);
        }
        let in_header = request(&app, Method::POST, path)
            .header("key", WEBHOOK_KEY)
            .header("authorization", format!("Bearer {WEBHOOK_KEY}"));
        note(send(in_header.body(body.clone())).await);
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            note(send(request(&app, method, &keyed(path)).body(body.clone())).await);
        }
        let head = send(request(&app, Method::HEAD, &keyed(path))).await;
        assert_eq!((head.status, head.text.as_str()), (404, ""));
        // Bodies that would be refused with a key are not even looked at.
        note(send(request(&app, Method::POST, path).body("x".repeat(20_000))).await);
        note(send(request(&app, Method::POST, path).body("not JSON")).await);
    }
    for path in ["/tropo", "/tropo/", "/tropo/nothing", &keyed("/tropo/nothing")] {
        note(send(request(&app, Method::POST, path).body(body.clone())).await);
    }
    assert_eq!(
        answers.into_iter().collect::<Vec<_>>(),
        [("text/plain; charset=utf-8".to_owned(), NOTHING.to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_the_body_is_not_waited_for() {
    let app = TestApp::start().await;
    let mut stream = std::net::TcpStream::connect(app.address).unwrap();
    let head = "POST /tropo/transfer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_keys_live_while_one_is_replaced() {
    let new = "the-new-key-of-tests-9876543210-abc";
    let app = TestApp::with(Options { webhook_keys: vec![WEBHOOK_KEY, new], ..Options::default() }).await;
    let body = session("s", CALLER, "+14075550150");
    for query in [
        format!("key={WEBHOOK_KEY}"),
        format!("key={new}"),
        format!("a=b&key=wrong&key={new}&c"),
        format!("key={new}&key=wrong"),
    ] {
        assert_eq!(post(&app, &format!("/tropo/transfer?{query}"), &body).await.status, 200, "{query}");
    }
    assert_eq!(post(&app, "/tropo/transfer?key=wrong&key=", &body).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_of_the_carriers_is_refused_in_json() {
    let app = TestApp::start().await;
    let long = session(&"x".repeat(17 * 1024), CALLER, "+14075550150").to_string();
    let deep =
        |levels: usize| format!("{{\"session\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let other = json!({"session": {"id": "s", "accountId": "33933"}}).to_string();
    let no_account = json!({"session": {"id": "s"}}).to_string();
    for (body, status) in [
        (long.as_str(), 413),
        ("", 400),
        ("not JSON", 400),
        ("{\"session\":", 400),
        (deep(21).as_str(), 400),
        (&"[".repeat(9000), 400),
        ("{}", 400),
        ("[]", 400),
        ("null", 400),
        ("\"session\"", 400),
        ("{\"call\":{}}", 400),
        (other.as_str(), 400),
        (no_account.as_str(), 400),
    ] {
        let page = app.webhook("/tropo/transfer", body).await;
        let shown = &body[..body.len().min(40)];
        assert_eq!(
            (page.status, page.header("content-type")),
            (status, "application/json; charset=utf-8"),
            "{shown} {}",
            page.text
        );
        assert!(page.json()["error"].is_string(), "{shown}");
    }
    // A page of bytes that are no text at all.
    let bytes = request(&app, Method::POST, &keyed("/tropo/transfer")).body(vec![0xff, 0xfe, 0, 1]);
    assert_eq!(send(bytes).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_session_says_something_can_be_carried_out() {
    let (app, mut ada, path, mask) = with_mask(Options::default()).await;
    let to = json!({"id": mask.trim_start_matches("+1")});
    let long = "x".repeat(500);
    let ours = |rest: Value| {
        let mut session = json!({"accountId": "33932"});
        session.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({"session": session})
    };
    let elsewhere = [
        ours(json!({})),
        ours(json!({"to": null, "from": null})),
        ours(json!({"id": "a", "to": {"id": "4155550199"}, "from": {"id": "4155550123"}})),
        ours(json!({"id": "b", "to": {"id": "Unknown"}})),
        ours(json!({"id": "c", "to": {"id": long}, "headers": [1, "two", {"three": null}]})),
        ours(json!({"id": "d", "to": [], "from": 7})),
        ours(json!({"id": {"e": 1}, "to": "4075550150", "parameters": [1, 2]})),
        ours(json!({"id": "f", "to": {"id": "sip:1@sip.tropo.com;postd=1"}})),
    ];
    for body in elsewhere {
        let page = post(&app, &keyed("/tropo/transfer"), &body).await;
        assert_eq!(said(&page), "The number you have called is not in service.", "{body}");
    }
    // A caller who hides, or whom nobody can make sense of, is taken, and the phone shows the mask.
    let hidden = [
        json!(null),
        json!({"id": "Unknown"}),
        json!({"id": "anonymous"}),
        json!({"id": ""}),
        json!({"id": "+266696687"}),
        json!({"id": "sip:someone@example.com"}),
        json!({"id": "someone", "network": "SIP"}),
        json!({"id": long}),
        json!({"id": "123"}),
        json!({"id": null, "e164Id": []}),
        json!({"id": "4155550123\u{0}"}),
        json!(17),
    ];
    for (count, from) in hidden.iter().enumerate() {
        let body = ours(json!({"id": format!("hidden-{count}"), "to": to, "from": from, "headers": ["a"]}));
        let page = post(&app, &keyed("/tropo/transfer"), &body).await;
        let transfer = verbs(&page)[0]["transfer"].clone();
        assert_eq!((&transfer["to"], &transfer["from"]), (&json!(REAL), &json!(mask)), "{body}");
        post(&app, &next(&page, "hangup"), &result(None, None, 3)).await;
        app.clock.advance(TimeDelta::minutes(3));
    }
    app.app.calls_written().await;
    assert!(ada.get(&path).await.words().contains("Hidden caller"));

    // Told to the address for texts, a call leads nowhere; a result says nothing.
    let call = ours(json!({"id": "z", "to": to}));
    assert_eq!(
        post(&app, &keyed("/tropo/message"), &call).await.json(),
        json!({"tropo": [{"hangup": null}]})
    );
    let page = post(&app, &keyed("/tropo/transfer"), &result(Some("SUCCESS"), Some(4), 9)).await;
    assert_eq!(page.json(), json!({"tropo": [{"hangup": null}]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_sessions_of_every_age_and_their_beginnings_are_answered() {
    let (app, ..) = with_mask(Options::default()).await;
    let (mut count, mut longest) = (0, String::new());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tropo");
    for file in std::fs::read_dir(folder).unwrap() {
        let vector = std::fs::read(file.unwrap().path()).unwrap();
        let Ok(vector) = serde_json::from_slice::<Value>(&vector) else { continue };
        let mut body = vector["input"].clone();
        let Some(session) = body["session"].as_object_mut() else { continue };
        session.insert("accountId".into(), json!("33932"));
        count += 1;
        let text = body.to_string();
        for path in ["/tropo/transfer", "/tropo/message"] {
            verbs(&app.webhook(path, text.clone()).await);
        }
        longest = if text.len() > longest.len() { text } else { longest };
    }
    assert!(count >= 8, "{count}");
    let client = http();
    for end in (1..longest.len()).filter(|end| longest.is_char_boundary(*end)) {
        let request = client.post(app.url(&keyed("/tropo/transfer"))).body(longest[..end].to_owned());
        let page = send(request).await;
        assert!(matches!(page.status, 200 | 400), "{}: {}", page.status, &longest[..end]);
        assert!(page.json().is_object());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_names_both_numbers_and_where_to_tell_how_it_goes() {
    let (app, _, _, mask) = with_mask(Options::default()).await;
    let page = noted(&app, &keyed("/tropo/transfer"), &session("s", CALLER, &mask)).await;
    let beginning = format!("{{\"tropo\":[{{\"transfer\":{{\"to\":\"{REAL}\",\"from\":\"{CALLER}\",");
    assert!(page.text.starts_with(&beginning), "{}", page.text);
    assert_eq!(verbs(&page)[0]["transfer"]["timeout"], 25);
    let call = app.database.one("SELECT id FROM calls").await;
    for event in ["continue", "incomplete", "error", "hangup"] {
        assert_eq!(next(&page, event), format!("/tropo/calls/{call}/{event}?key={WEBHOOK_KEY}"));
    }
    // What leads back to the call says nothing about it.
    assert_eq!(call.len(), 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_session_told_again_is_one_call_with_the_same_answer() {
    let (app, mut ada, path, mask) = with_mask(Options::default()).await;
    let body = session("again", CALLER, &mask);
    let all = (0..10).map(|_| async { noted(&app, &keyed("/tropo/transfer"), &body).await });
    let answers: BTreeSet<String> = join_all(all).await.into_iter().map(|page| page.text).collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers.first().unwrap().contains(REAL));
    app.clock.advance(TimeDelta::minutes(1));
    let later = noted(&app, &keyed("/tropo/transfer"), &body).await;
    assert!(answers.contains(&later.text), "{}", later.text);
    assert_eq!(app.database.count("calls").await, 1);

    // Once the mask is ended, no repetition rings the phone.
    ada.submit(&path, &format!("{path}/pause"), &[]).await;
    assert!(said(&noted(&app, &keyed("/tropo/transfer"), &body).await).contains("not taking calls"));
    ada.submit(&path, &format!("{path}/revocation"), &[]).await;
    assert!(said(&noted(&app, &keyed("/tropo/transfer"), &body).await).contains("not in service"));
    assert_eq!(app.database.count("calls").await, 1);
    // A session without a name is never the same as another.
    let mut nameless = session("", CALLER, &mask);
    nameless["session"].as_object_mut().unwrap().remove("id");
    for _ in 0..2 {
        noted(&app, &keyed("/tropo/transfer"), &nameless).await;
    }
    assert_eq!(app.database.count("calls").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_twice_late_and_in_any_order_make_one_story() {
    let (app, mut ada, path, mask) = with_mask(Options::default()).await;
    let answered = result(Some("SUCCESS"), Some(145), 158);
    let gone = result(None, None, 160);
    let mut turn = 0;
    let mut call = async || {
        turn += 1;
        app.clock.advance(TimeDelta::minutes(11));
        noted(&app, &keyed("/tropo/transfer"), &session(&format!("s{turn}"), CALLER, &mask)).await
    };
    let stories = "SELECT ending, talk_seconds FROM calls ORDER BY received_at DESC LIMIT 1";

    let page = call().await;
    for _ in 0..2 {
        let quiet = noted(&app, &next(&page, "continue"), &answered).await;
        assert_eq!(quiet.json(), json!({"tropo": [{"hangup": null}]}));
    }
    noted(&app, &next(&page, "hangup"), &gone).await;
    noted(&app, &next(&page, "incomplete"), &result(Some("BUSY"), None, 160)).await;
    assert_eq!(app.database.one(stories).await, "answered|145");
    assert!(ada.get(&path).await.words().contains("Answered 2 min 25 s"));

    let page = call().await;
    noted(&app, &next(&page, "hangup"), &gone).await;
    noted(&app, &next(&page, "continue"), &answered).await;
    assert_eq!(app.database.one(stories).await, "caller_hung_up|∅");

    // Picked up and then hung up: they talked, for as long as the carrier's clock says.
    let page = call().await;
    let connect = verbs(&page)[0]["transfer"]["on"]["post"].as_str().unwrap().to_owned();
    for age in [13, 99] {
        noted(&app, &connect, &result(None, None, age)).await;
    }
    assert!(ada.get(&path).await.words().contains("Talking"));
    noted(&app, &next(&page, "hangup"), &result(None, None, 31)).await;
    noted(&app, &connect, &result(None, None, 40)).await;
    assert_eq!(app.database.one(stories).await, "answered|18");

    // The caller hears why, if still there; whatever word it is, something is told.
    let page = call().await;
    let told = said(&noted(&app, &next(&page, "incomplete"), &result(Some("BUSY"), None, 3)).await);
    assert!(told.contains("on another call"), "{told}");
    assert_eq!(app.database.one(stories).await, "busy|∅");
    let page = call().await;
    let told = said(&noted(&app, &next(&page, "incomplete"), &result(Some("A NEW WORD"), None, 3)).await);
    assert!(told.contains("did not answer"), "{told}");
    assert!(ada.get(&path).await.words().contains("Did not connect"));

    // Told late, after the mask was ended, the story is still told.
    let page = call().await;
    ada.submit(&path, &format!("{path}/revocation"), &[]).await;
    app.clock.advance(TimeDelta::hours(3));
    noted(&app, &next(&page, "continue"), &answered).await;
    assert_eq!(app.database.one(stories).await, "answered|145");
    assert_eq!(app.database.count("calls").await, 6);

    // What is no call or event of ours changes nothing and is answered.
    let known = app.database.one("SELECT id FROM calls WHERE ending = 'busy'").await;
    for address in [
        "/tropo/calls/00000000-0000-4000-8000-000000000000/continue".to_owned(),
        "/tropo/calls/nothing/continue".into(),
        format!("/tropo/calls/{known}/dance"),
        format!("/tropo/calls/{known}/continue"),
    ] {
        let quiet = noted(&app, &keyed(&address), &answered).await;
        assert_eq!(quiet.json(), json!({"tropo": [{"hangup": null}]}), "{address}");
    }
    assert_eq!(app.database.one("SELECT count(*) FROM calls WHERE ending = 'busy'").await, "1");
    assert_eq!(
        noted(&app, &format!("/tropo/calls/{known}/continue"), &answered).await.status,
        404,
        "without a key"
    );
    assert_eq!(noted(&app, &next(&page, "hangup"), &json!({"result": [7]})).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_database_away_calls_go_on_and_are_written_down_afterwards() {
    let (app, mut ada, path, mask) = with_mask(Options::default()).await;
    app.settled().await;
    app.database.let_in(false).await;
    let page = post(&app, &keyed("/tropo/transfer"), &session("s", CALLER, &mask)).await;
    assert_eq!(verbs(&page)[0]["transfer"]["to"], REAL);
    let quiet = post(&app, &next(&page, "continue"), &result(Some("SUCCESS"), Some(3), 9)).await;
    assert_eq!(quiet.json(), json!({"tropo": [{"hangup": null}]}));
    let launch = json!({"session": {"id": "l", "accountId": "33932", "parameters": {"verification": "00000000-0000-4000-8000-000000000000"}}});
    assert_eq!(
        post(&app, &keyed("/tropo/transfer"), &launch).await.json(),
        json!({"tropo": [{"hangup": null}]})
    );
    // Who has no key still learns nothing, and pages say so.
    assert_eq!(post(&app, "/tropo/transfer", &session("s", CALLER, &mask)).await.status, 404);
    assert_eq!(ada.get("/masks").await.status, 503);
    app.database.let_in(true).await;
    let page = ada.until(&path, |page| page.status == 200 && page.text.contains("Answered")).await.words();
    assert!(page.contains("+1 415-555-0123") && page.contains("Answered 3 s"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_takes_too_long_is_not_waited_for() {
    let options = Options { decision_time: std::time::Duration::from_millis(100), ..Options::default() };
    let (app, _, _, mask) = with_mask(options).await;
    app.settled().await;
    let told = {
        let (held, holds) = std::sync::mpsc::channel();
        let (let_go, until) = std::sync::mpsc::channel::<()>();
        let server = app.app.clone();
        let holder = std::thread::spawn(move || {
            let _decisions = server.hold_decisions();
            held.send(()).unwrap();
            until.recv().ok();
        });
        holds.recv().unwrap();
        let told = said(&post(&app, &keyed("/tropo/transfer"), &session("s", CALLER, &mask)).await);
        drop(let_go);
        holder.join().unwrap();
        told
    };
    assert_eq!(told, "This number is temporarily unavailable. Please try again in a few minutes.");
    let page = post(&app, &keyed("/tropo/transfer"), &session("t", CALLER, &mask)).await;
    assert_eq!(verbs(&page)[0]["transfer"]["to"], REAL);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_carriers_networks_are_listened_to_where_they_are_known() {
    let options = Options {
        trusted_proxies: vec!["127.0.0.1"],
        webhook_networks: vec!["192.0.2.0/25", "2001:db8::/48"],
        ..Options::default()
    };
    let app = TestApp::with(options).await;
    let from = async |address: &str| {
        let request =
            request(&app, Method::POST, &keyed("/tropo/transfer")).header("x-forwarded-for", address);
        send(request.body(session("s", CALLER, "+14075550150").to_string())).await.status
    };
    for (address, status) in [
        ("192.0.2.7", 200),
        ("2001:db8::7", 200),
        ("203.0.113.9, 192.0.2.7", 200),
        ("192.0.2.200", 404),
        ("192.0.2.7, 203.0.113.9", 404),
        ("nonsense", 404),
        ("", 404),
    ] {
        assert_eq!(from(address).await, status, "{address}");
    }
    // Nobody is believed where no proxy is trusted.
    let app = TestApp::with(Options { webhook_networks: vec!["192.0.2.0/25"], ..Options::default() }).await;
    let request =
        request(&app, Method::POST, &keyed("/tropo/transfer")).header("x-forwarded-for", "192.0.2.7");
    assert_eq!(send(request.body("{}")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_refused_where_the_deployment_is_https() {
    let https = || Some("https://masks.example.org".to_owned());
    let body = session("s", CALLER, "+14075550150").to_string();
    let status = async |app: &TestApp, protocol: Option<&str>| {
        let mut request = request(app, Method::POST, &keyed("/tropo/transfer")).body(body.clone());
        if let Some(protocol) = protocol {
            request = request.header("x-forwarded-proto", protocol);
        }
        send(request).await.status
    };
    let bare = TestApp::with(Options { public_url: https(), ..Options::default() }).await;
    for protocol in [None, Some("https")] {
        assert_eq!(status(&bare, protocol).await, 404, "no proxy is trusted: {protocol:?}");
    }
    let options = Options { public_url: https(), trusted_proxies: vec!["127.0.0.1"], ..Options::default() };
    let behind = TestApp::with(options).await;
    for (protocol, expected) in [(None, 404), (Some("http"), 404), (Some("https"), 200)] {
        assert_eq!(status(&behind, protocol).await, expected, "{protocol:?}");
    }
}
