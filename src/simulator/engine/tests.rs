//! Documents of every shape, and sessions from end to end with an application that answers them.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::document::{Allowed, Dial, Document, Verb};
use crate::simulator::testing::{Bench, Webhook, answer, vector, vectors};

const CALLER: &str = "+14155550123";
const OWNER: &str = "+14075550101";

/// What a document says, in the words of the vectors.
fn summary(document: &Document) -> Value {
    let verbs: Vec<&str> = document.verbs.iter().map(Verb::name).collect();
    let mut summary = json!({"verbs": verbs});
    for verb in &document.verbs {
        let (list, dial) = match verb {
            Verb::Call(dial) => ("calls", dial),
            Verb::Message(dial) => ("messages", dial),
            Verb::Transfer(dial) => ("transfers", dial),
            _ => continue,
        };
        let mut all = summary[list].as_array().cloned().unwrap_or_default();
        all.push(dial_summary(dial));
        summary[list] = Value::Array(all);
    }
    if !document.handlers.is_empty() {
        let handlers = document.handlers.iter().map(|handler| {
            let mut said = json!({"event": handler.event});
            for (field, value) in [("next", &handler.next), ("post", &handler.post)] {
                if let Some(value) = value {
                    said[field] = json!(value);
                }
            }
            said
        });
        summary["handlers"] = handlers.collect();
    }
    summary
}

fn dial_summary(dial: &Dial) -> Value {
    let mut said = json!({"to": dial.to});
    for (field, value) in [
        ("from", &dial.from),
        ("network", &dial.network),
        ("channel", &dial.channel),
        ("terminator", &dial.terminator),
    ] {
        if let Some(value) = value {
            said[field] = json!(value);
        }
    }
    if let Allowed::Only(names) = &dial.allowed {
        said["allowSignals"] = json!(names);
    }
    said
}

/// The parts of a vector's summary that the engine acts on.
fn acted_on(mut expected: Value) -> Value {
    let fields = ["to", "from", "network", "channel", "terminator", "allowSignals"];
    for list in ["calls", "messages", "transfers"] {
        for dial in expected[list].as_array_mut().into_iter().flatten() {
            let kept: Map<String, Value> = dial.as_object().unwrap().clone();
            *dial = kept.into_iter().filter(|(field, _)| fields.contains(&field.as_str())).collect();
        }
    }
    expected.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    expected
}

#[test]
fn documents_of_all_published_libraries_are_understood() {
    for (name, vector) in vectors("action-parse-") {
        let document = Document::from_json(&vector["input"]).unwrap();
        assert_eq!(summary(&document), acted_on(vector["expected"].clone()), "{name}");
        for verb in &document.verbs {
            let known =
                matches!(verb.name(), "choices") || !matches!(verb, Verb::Unknown(_) | Verb::Broken { .. });
            assert!(known, "{name}: {verb:?}");
        }
    }
    for (name, vector) in vectors("action-build-") {
        let document = Document::from_json(&vector["expected"]).unwrap();
        let verbs: Vec<&str> = document.verbs.iter().map(Verb::name).collect();
        let written = vector["expected"]["tropo"].as_array().unwrap().iter();
        let expected: Vec<&str> =
            written.flat_map(|item| item.as_object().unwrap().keys().map(String::as_str)).collect();
        assert_eq!(verbs, expected, "{name}");
    }
}

/// A simulator, an application, and a number that leads to it.
async fn stage(webhook: &Webhook) -> (Bench, String) {
    let bench = Bench::new();
    let application = bench.application(&webhook.url("/voice?key=k")).await;
    let mask = bench.number(&application, "1407").await;
    (bench, mask)
}

fn document(items: impl Into<Value>) -> (&'static str, Value) {
    ("/voice?key=k", json!({"tropo": items.into()}))
}

fn all_handlers() -> Vec<Value> {
    ["continue", "incomplete", "error", "hangup"]
        .map(|event| json!({"on": {"event": event, "next": format!("/after/{event}")}}))
        .to_vec()
}

fn transfer_with_handlers() -> Value {
    let mut items = vec![json!({"transfer": {"to": OWNER, "from": CALLER, "timeout": 25}})];
    items.extend(all_handlers());
    Value::Array(items)
}

#[actix_web::test]
async fn an_answered_call_rings_the_phone_and_tells_the_application() {
    let webhook = Webhook::answering(&[document(transfer_with_handlers())]);
    let (bench, mask) = stage(&webhook).await;
    let trace = bench.call(json!({"from": CALLER, "to": mask, "answer": "answered", "seconds": 12})).await;
    assert_eq!(trace["outcome"], "answered");
    assert_eq!(trace["rang"], json!([OWNER]));
    assert_eq!(trace["shown"], CALLER);
    assert_eq!(trace["seconds"], 12);
    let (path, session) = webhook.posts().swap_remove(0);
    assert_eq!(path, "/voice?key=k");
    let session = &session["session"];
    let recorded = vector("own-session-voice-pstn")["input"]["session"].clone();
    for (field, value) in recorded.as_object().unwrap() {
        assert_eq!(session[field].is_string(), value.is_string(), "{field}: {session}");
    }
    assert_eq!(session["to"]["id"], "4075550150");
    assert_eq!(session["to"]["e164Id"], "14075550150");
    assert_eq!(session["from"]["id"], "4155550123");
    assert_eq!(session["accountId"], "33932");
    assert_eq!(session["timestamp"], "2026-03-01T12:00:00.000Z");
    assert_eq!(session["id"], trace["session"]);

    assert_eq!(webhook.results_to(), ["/after/continue"]);
    let result = webhook.posts()[1].1["result"].clone();
    let recorded = vector("own-result-transfer-answered")["input"]["result"].clone();
    for field in recorded["actions"].as_object().unwrap().keys() {
        assert!(!result["actions"][field].is_null(), "{field}: {result}");
    }
    assert_eq!(result["state"], "ANSWERED");
    assert_eq!(result["sequence"], 1);
    assert_eq!(result["sessionDuration"], 16);
    assert_eq!(result["actions"]["disposition"], "SUCCESS");
    assert_eq!(result["actions"]["duration"], 16);
    assert_eq!(result["actions"]["connectedDuration"], 12);

    let phone = bench.get(&format!("/simulator/phones/{OWNER}")).await;
    assert_eq!(phone["calls"][0]["from"], CALLER);
    assert_eq!(phone["calls"][0]["outcome"], "answered");
    assert_eq!(phone["calls"][0]["seconds"], 12);
    let caller = bench.get(&format!("/simulator/phones/{CALLER}")).await;
    assert_eq!((&caller["calls"], &caller["placed"][0]["to"]), (&json!([]), &json!(mask)));
}

#[actix_web::test]
async fn each_way_a_call_fails_fires_its_documented_event() {
    for (answer, outcome, path, disposition, phone) in [
        ("busy", "busy", "/after/incomplete", Some("BUSY"), "busy"),
        ("no-answer", "no-answer", "/after/incomplete", Some("TIMEOUT"), "missed"),
        ("rejected", "rejected", "/after/incomplete", Some("REJECTED"), "rejected"),
        ("caller-hangs-up", "caller-hung-up", "/after/hangup", None, "missed"),
        ("answered-caller-hangs-up", "answered", "/after/hangup", None, "answered"),
    ] {
        let webhook = Webhook::answering(&[document(transfer_with_handlers())]);
        let (bench, mask) = stage(&webhook).await;
        let trace = bench.call(json!({"from": CALLER, "to": mask, "answer": answer})).await;
        assert_eq!(trace["outcome"], outcome, "{answer}");
        assert_eq!(webhook.results_to(), [path], "{answer}");
        let result = webhook.posts()[1].1["result"].clone();
        assert_eq!(result["actions"]["disposition"].as_str(), disposition, "{answer}");
        let state = if path == "/after/hangup" { "DISCONNECTED" } else { "ANSWERED" };
        assert_eq!(result["state"], state, "{answer}");
        let calls = bench.get(&format!("/simulator/phones/{OWNER}")).await["calls"].clone();
        assert_eq!(calls[0]["outcome"], phone, "{answer}");
    }
}

#[actix_web::test]
async fn events_go_where_the_vectors_say() {
    for (name, vector) in vectors("own-event-routing-") {
        let answer = match vector["input"]["happens"].as_str().unwrap() {
            happens if happens.starts_with("not answered") => "no-answer",
            _ => "answered",
        };
        let webhook = Webhook::answering(&[("/voice?key=k", vector["input"]["document"].clone())]);
        let (bench, mask) = stage(&webhook).await;
        bench.call(json!({"from": CALLER, "to": mask, "answer": answer})).await;
        assert_eq!(json!(webhook.results_to()), vector["expected"]["posts_to"], "{name}");
    }
}

#[actix_web::test]
async fn handlers_follow_the_rules() {
    let busy = json!({"transfer": {"to": OWNER}});
    for (rule, handlers, posts, heard) in [
        (
            "continue catches what has no handler",
            json!([{"on": {"event": "continue", "next": "/c"}}]),
            vec!["/c"],
            vec![],
        ),
        (
            "say without next, then continue",
            json!([
                {"on": {"event": "incomplete", "say": "Nobody."}},
                {"on": {"event": "continue", "next": "bare"}},
            ]),
            vec!["/bare"],
            vec!["Nobody."],
        ),
        (
            "continue without next speaks and posts once",
            json!([
                {"on": {"event": "incomplete", "say": "Nobody."}},
                {"on": {"event": "continue", "say": "Fantastic! I love that, too!", "post": "/p"}},
            ]),
            vec!["/p"],
            vec!["Nobody.", "Fantastic! I love that, too!"],
        ),
        (
            "say and next: both",
            json!([{"on": [{"event": "incomplete", "say": {"value": "Sorry."}, "next": "/i"}]}]),
            vec!["/i"],
            vec!["Sorry."],
        ),
        (
            "no continue: the call is hung up, then hangup fires",
            json!([{"on": {"event": "hangup", "next": "/h"}}]),
            vec!["/h"],
            vec![],
        ),
        (
            "post: told, and the answer is ignored",
            json!([{"on": {"event": "incomplete", "post": "/p", "next": "/n"}}]),
            vec!["/p", "/n"],
            vec![],
        ),
    ] {
        let mut items = vec![busy.clone()];
        items.extend(handlers.as_array().unwrap().iter().cloned());
        let webhook = Webhook::answering(&[document(Value::Array(items))]);
        let (bench, mask) = stage(&webhook).await;
        let trace = bench.call(json!({"from": CALLER, "to": mask, "answer": "busy"})).await;
        assert_eq!(webhook.results_to(), posts, "{rule}");
        assert_eq!(trace["heard"], json!(heard), "{rule}");
        assert_eq!(trace["outcome"], "busy", "{rule}");
    }
}

#[actix_web::test]
async fn handlers_belong_to_their_document_and_results_are_counted() {
    let next = json!({"tropo": [
        {"say": "One moment."}, {"on": {"event": "continue", "next": "/deeper/third"}},
    ]});
    let webhook = Webhook::answering(&[
        document(transfer_with_handlers()),
        ("/after/continue", next),
        ("/deeper/third", json!({"tropo": [{"hangup": null}]})),
    ]);
    let (bench, mask) = stage(&webhook).await;
    let trace = bench.call(json!({"from": CALLER, "to": mask, "answer": "answered"})).await;
    assert_eq!(webhook.results_to(), ["/after/continue", "/deeper/third"]);
    let results: Vec<Value> =
        webhook.posts().into_iter().skip(1).map(|(_, body)| body["result"].clone()).collect();
    assert_eq!((&results[0]["sequence"], &results[1]["sequence"]), (&json!(1), &json!(2)));
    assert!(results[1].get("actions").is_none(), "a say has none: {}", results[1]);
    assert_eq!(trace["outcome"], "answered");
    assert_eq!(trace["heard"], json!(["One moment."]));
}

#[actix_web::test]
async fn a_spoken_refusal_is_heard_and_nobody_rings() {
    let webhook = Webhook::answering(&[document(json!([
        {"say": [{"value": "This number is not in service — désolé 😀."}]}, {"hangup": "null"},
    ]))]);
    let (bench, mask) = stage(&webhook).await;
    let trace = bench.call(json!({"from": "Unknown", "to": mask})).await;
    assert_eq!(trace["outcome"], "spoken");
    assert_eq!(trace["heard"], json!(["This number is not in service — désolé 😀."]));
    assert_eq!(trace["rang"], json!([]));
    let from = webhook.posts()[0].1["session"]["from"].clone();
    assert_eq!((&from["id"], &from["e164Id"]), (&json!("Unknown"), &json!("Unknown")));
}

#[actix_web::test]
async fn reject_redirect_and_hangup_work_before_an_answer() {
    for (items, outcome) in [
        (json!([{"reject": null}, {"say": "never"}]), "declined"),
        (json!([{"redirect": {"to": "sip:elsewhere@example.com"}}]), "redirected"),
        (json!([{"hangup": {}}, {"say": "never"}]), "done"),
        (json!([{"say": "first"}, {"reject": {}}, {"say": "then"}]), "spoken"),
    ] {
        let webhook = Webhook::answering(&[document(items.clone())]);
        let (bench, mask) = stage(&webhook).await;
        let trace = bench.call(json!({"from": CALLER, "to": mask})).await;
        assert_eq!(trace["outcome"], outcome, "{items}");
        assert!(!trace["heard"].as_array().unwrap().contains(&json!("never")), "{items}");
    }
}

#[actix_web::test]
async fn an_application_that_fails_ends_the_session_and_the_trace_says_why() {
    for (status, body, why) in [
        (500, r#"{"tropo":[]}"#.to_owned(), "status 500"),
        (302, String::new(), "status 302"),
        (200, "<html>".to_owned(), "not JSON"),
        (200, String::new(), "not JSON"),
        (200, r#"{"hello":[]}"#.to_owned(), "no list named"),
        (200, r#"{"tropo":7}"#.to_owned(), "no list named"),
        (200, format!("{}{}", "[".repeat(5000), "]".repeat(5000)), "not JSON"),
        (200, format!("{{\"tropo\":[],\"x\":\"{}\"}}", "y".repeat(300_000)), "more than"),
    ] {
        let webhook = Webhook::raw([("/voice?key=k", (status, body))]);
        let (bench, mask) = stage(&webhook).await;
        let trace = bench.call(json!({"from": CALLER, "to": mask})).await;
        assert_eq!(trace["outcome"], "failed", "{why}");
        let told = trace["steps"].to_string();
        assert!(told.contains(why), "{why}: {told}");
    }
    let bench = Bench::new();
    let application = bench.application("http://127.0.0.1:9/").await;
    let mask = bench.number(&application, "1407").await;
    let trace = bench.call(json!({"from": CALLER, "to": mask})).await;
    assert!(trace["steps"].to_string().contains("nothing listens"), "{trace}");
}

#[actix_web::test]
async fn a_slow_application_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/", listener.local_addr().unwrap());
    let bench = Bench::with(tempfile::tempdir().unwrap(), |settings| {
        settings.webhook_timeout = std::time::Duration::from_millis(50);
    });
    let application = bench.application(&silent).await;
    let mask = bench.number(&application, "1407").await;
    let trace = bench.call(json!({"from": CALLER, "to": mask})).await;
    assert_eq!(trace["outcome"], "failed");
    assert!(trace["steps"].to_string().contains("in time"), "{trace}");
}

#[actix_web::test]
async fn documents_without_end_are_stopped() {
    let circle = json!({"tropo": [{"on": {"event": "continue", "next": "/voice?key=k"}}]});
    let webhook = Webhook::answering(&[("/voice?key=k", circle)]);
    let (bench, mask) = stage(&webhook).await;
    let trace = bench.call(json!({"from": CALLER, "to": mask})).await;
    assert_eq!(webhook.posts().len(), 50);
    assert!(trace["steps"].to_string().contains("circles"), "{trace}");
}

#[actix_web::test]
async fn masks_that_lead_to_one_another_are_stopped() {
    let webhook = Webhook::answering(&[
        document(json!([{"transfer": {"to": "+14075550151"}}])),
        ("/other", json!({"tropo": [{"transfer": {"to": "+14075550150"}}]})),
    ]);
    let (bench, mask) = stage(&webhook).await;
    let other = bench.application(&webhook.url("/other")).await;
    assert_eq!(bench.number(&other, "1407").await, "+14075550151");
    let trace = bench.call(json!({"from": CALLER, "to": mask, "answer": "answered"})).await;
    assert_eq!(webhook.posts().len(), 5, "{trace}");
    assert!(trace["steps"].to_string().contains("circle"), "{trace}");
}

#[actix_web::test]
async fn a_mask_that_leads_to_a_mask_rings_the_phone_behind_it() {
    let webhook = Webhook::answering(&[
        document(json!([{"transfer": {"to": "+14075550151"}}])),
        ("/other", json!({"tropo": [{"transfer": {"to": OWNER, "from": "+14075550151"}}]})),
    ]);
    let (bench, mask) = stage(&webhook).await;
    let other = bench.application(&webhook.url("/other")).await;
    bench.number(&other, "1407").await;
    let trace = bench.call(json!({"from": CALLER, "to": mask, "answer": "answered", "seconds": 9})).await;
    assert_eq!(trace["outcome"], "answered");
    assert_eq!(trace["rang"], json!(["+14075550151", OWNER]));
    assert_eq!(webhook.posts()[1].1["session"]["from"]["id"], "4155550123");
    assert_eq!(trace["shown"], "+14075550151");
}

#[actix_web::test]
async fn odd_verbs_are_ignored_and_broken_ones_are_errors() {
    let webhook = Webhook::answering(&[document(json!([
        {"dance": {"steps": 3}}, {"generalLogSecurity": "suppress"}, {"startRecording": {"url": "x"}},
        {"wait": {"milliseconds": 2000}}, {"transfer": {"from": CALLER}},
        {"on": {"event": "error", "next": "/after/error"}},
    ]))]);
    let (bench, mask) = stage(&webhook).await;
    let trace = bench.call(json!({"from": CALLER, "to": mask})).await;
    assert_eq!(webhook.results_to(), ["/after/error"]);
    assert_eq!(webhook.posts()[1].1["result"]["sessionDuration"], 2);
    let told = trace["steps"].to_string();
    assert!(told.contains("dance") && told.contains("is ignored"), "{told}");
}

#[actix_web::test]
async fn connect_handlers_speak_to_and_ask_the_other_side() {
    let ask = json!({"say": "Press 1 to take it.", "choices": {"value": "1", "mode": "dtmf"}});
    let items = json!([
        {"transfer": {"to": [OWNER, 4_075_550_102_u64], "from": CALLER, "on": [
            {"event": "ring", "say": {"value": "Please wait."}},
            {"event": "connect", "say": "A masked call.", "ask": ask, "post": "/connected"},
        ]}},
        {"on": {"event": "incomplete", "next": "/i"}}, {"on": {"event": "continue", "next": "/c"}},
    ]);
    for (presses, posts, outcome) in [
        (json!(["1"]), vec!["/connected", "/c"], "answered"),
        (json!(["2"]), vec!["/i"], "rejected"),
        (json!([]), vec!["/i"], "rejected"),
    ] {
        let webhook = Webhook::answering(&[document(items.clone())]);
        let (bench, mask) = stage(&webhook).await;
        let trace = bench
            .call(json!({"from": CALLER, "to": mask, "answer": "answered", "callee_presses": presses}))
            .await;
        assert_eq!(webhook.results_to(), posts, "{presses}");
        assert_eq!(trace["outcome"], outcome, "{presses}");
        assert_eq!(trace["heard"], json!(["Please wait."]));
        assert_eq!(trace["callee_heard"], json!(["A masked call.", "Press 1 to take it."]));
        assert_eq!(trace["rang"], json!([OWNER, "+14075550102"]));
        let other = bench.get("/simulator/phones/+14075550102").await;
        assert_eq!(other["calls"][0]["outcome"], "missed", "the other phone stops ringing");
    }
}

#[actix_web::test]
async fn asks_take_what_is_pressed_and_give_up_after_their_attempts() {
    let items = json!([
        {"ask": {"name": "pin", "attempts": 2, "timeout": 5, "choices": {"value": "[4 DIGITS]"}, "say": [
            {"value": "Your PIN?"}, {"value": "Once more.", "event": "nomatch:1"},
        ]}},
        {"on": {"event": "continue", "next": "/c"}}, {"on": {"event": "incomplete", "next": "/i"}},
    ]);
    for (presses, path, disposition) in [
        (json!(["12", "1234"]), "/c", "SUCCESS"),
        (json!(["12", "x"]), "/i", "FAILED"),
        (json!([]), "/i", "TIMEOUT"),
    ] {
        let webhook = Webhook::answering(&[document(items.clone())]);
        let (bench, mask) = stage(&webhook).await;
        let trace = bench.call(json!({"from": CALLER, "to": mask, "caller_presses": presses})).await;
        assert_eq!(webhook.results_to(), [path], "{presses}");
        let action = webhook.posts()[1].1["result"]["actions"].clone();
        assert_eq!(action["disposition"], disposition, "{presses}");
        let again = trace["heard"].as_array().unwrap().contains(&json!("Once more."));
        assert_eq!(again, presses != json!([]), "{presses}");
    }
}

#[actix_web::test]
async fn several_actions_are_a_list_and_recordings_and_conferences_are_pretended() {
    let webhook = Webhook::answering(&[
        document(json!([
            {"record": {"name": "voicemail", "say": "After the tone.", "url": {"url": "http://x.example/"}}},
            {"transfer": {"to": "+14075550190"}},
            {"on": {"event": "incomplete", "next": "/i"}},
        ])),
        (
            "/i",
            json!({"tropo": [
                {"conference": {"id": 77, "joinPrompt": {"value": "Welcome."}}}, {"on": {"event": "hangup", "next": "/h"}},
            ]}),
        ),
    ]);
    let (bench, mask) = stage(&webhook).await;
    let trace = bench.call(json!({"from": CALLER, "to": mask, "seconds": 20})).await;
    assert_eq!(webhook.results_to(), ["/i", "/h"]);
    let actions = webhook.posts()[1].1["result"]["actions"].clone();
    assert_eq!(actions[0]["name"], "voicemail");
    assert_eq!(actions[1]["disposition"], "FAILED");
    assert_eq!(webhook.posts()[2].1["result"]["actions"]["disposition"], "HANGUP");
    assert_eq!(trace["heard"], json!(["After the tone.", "Welcome."]));
}

/// The verbs as the Python library writes them.
#[actix_web::test]
async fn a_key_ends_a_conference_and_a_recording() {
    for (verb, pressed, path, disposition, duration) in [
        (json!({"conference": {"id": "1234", "terminator": "#"}}), "#", "/c", "SUCCESS", 2),
        (json!({"conference": {"id": "1234", "terminator": "#"}}), "*", "/h", "HANGUP", 12),
        (json!({"record": {"url": "http://x/", "choices": {"terminator": "#"}}}), "#", "/c", "SUCCESS", 2),
        (json!({"record": {"url": "http://x/", "choices": {"terminator": "#"}}}), "1", "/c", "SUCCESS", 5),
    ] {
        let webhook = Webhook::answering(&[document(json!([
            verb, {"on": {"event": "continue", "next": "/c"}}, {"on": {"event": "hangup", "next": "/h"}},
        ]))]);
        let (bench, mask) = stage(&webhook).await;
        bench.call(json!({"from": CALLER, "to": mask, "caller_key": pressed})).await;
        assert_eq!(webhook.results_to(), [path], "{verb} {pressed}");
        let action = webhook.posts()[1].1["result"]["actions"].clone();
        let told = (&action["disposition"], &action["duration"]);
        assert_eq!(told, (&json!(disposition), &json!(duration)), "{verb} {pressed}");
    }
}

#[actix_web::test]
async fn an_unassigned_number_is_not_in_service() {
    let bench = Bench::new();
    let trace = bench.call(json!({"from": CALLER, "to": "+14075550150"})).await;
    assert_eq!(trace["outcome"], "not-in-service");
    assert!(trace["steps"].to_string().contains("SIP 404"));
}

#[actix_web::test]
async fn a_voice_launch_calls_a_phone_which_hears_the_code() {
    let webhook = Webhook::answering(&[document(json!([
        {"call": {"to": OWNER, "from": "+14075550150", "network": "PSTN", "channel": "VOICE"}},
        {"say": [{"value": "Your code is 4, 0, 7, 1, 2, 3."}, {"value": "Again: 4, 0, 7, 1, 2, 3."}]},
        {"on": {"event": "hangup", "next": "/h"}},
    ]))]);
    let bench = Bench::new();
    let application = bench.application(&webhook.url("/voice?key=k")).await;
    let token = bench.token(&application, "voice").await;
    assert_eq!(token.len(), 88);
    let launch = bench
        .request(Method::POST, "/1.0/sessions")
        .json(&json!({"token": token, "verification": "opaque", "tries": 3}));
    let (status, reply) = answer(launch).await;
    let expected = vector("session-api-create-json");
    assert_eq!(status, expected["expected"]["status"]);
    assert_eq!((&reply["success"], &reply["token"]), (&json!(true), &json!(token)));
    let trace = bench.launched().await;
    assert_eq!(reply["id"].as_str().unwrap().trim(), trace["session"].as_str().unwrap());
    assert_eq!(trace["rang"], json!([OWNER]));
    let session = webhook.posts()[0].1["session"].clone();
    let recorded = vector("own-session-token-launch")["input"]["session"].clone();
    for field in ["userType", "initialText", "callId", "to", "from"] {
        assert_eq!(session.get(field), recorded.get(field), "{field}");
    }
    let parameters = json!({"token": token, "action": "create", "verification": "opaque", "tries": "3"});
    assert_eq!(session["parameters"], parameters);
    let phone = bench.get(&format!("/simulator/phones/{OWNER}")).await;
    assert_eq!(phone["codes"], json!(["407123"]));
    assert_eq!(phone["calls"][0]["outcome"], "answered");
    assert_eq!(phone["calls"][0]["from"], "+14075550150");
    assert_eq!(webhook.results_to(), ["/h"]);
    assert_eq!(webhook.posts()[1].1["result"]["state"], "DISCONNECTED");
}

#[actix_web::test]
async fn a_launched_call_that_nobody_takes_is_incomplete() {
    let webhook = Webhook::answering(&[document(json!([
        {"call": {"to": OWNER}}, {"say": "never heard"}, {"on": {"event": "incomplete", "next": "/i"}},
    ]))]);
    let bench = Bench::new();
    let application = bench.application(&webhook.url("/voice?key=k")).await;
    let token = bench.token(&application, "voice").await;
    let behaviour = bench.request(Method::PUT, &format!("/simulator/phones/{OWNER}"));
    assert_eq!(answer(behaviour.json(&json!({"answer": "busy"}))).await.0, 200);
    bench.post("/1.0/sessions", json!({"token": token})).await;
    let trace = bench.launched().await;
    assert_eq!((&trace["outcome"], &trace["heard"]), (&json!("busy"), &json!([])));
    assert_eq!(webhook.results_to(), ["/i"]);
    assert_eq!(webhook.posts()[1].1["result"]["state"], "FAILED");
}

#[actix_web::test]
async fn a_messaging_launch_sends_a_text() {
    let webhook = Webhook::answering(&[(
        "/voice?key=k",
        json!({"tropo": [{"message": {"to": [OWNER, CALLER], "network": "SMS", "say": {"value": "Maskline: 123456"}}}]}),
    )]);
    let (bench, _) = stage(&webhook).await;
    let application = bench.get("/v1/applications").await[0]["id"].as_str().unwrap().to_owned();
    let token = bench.token(&application, "messaging").await;
    let query = format!("/1.0/sessions?action=create&token={token}&msg=the%20sky");
    let reply = bench.request(Method::GET, &query).send().await.unwrap().text().await.unwrap();
    assert!(reply.starts_with("<session><success>true</success>"), "{reply}");
    bench.launched().await;
    assert_eq!(webhook.posts()[0].1["session"]["parameters"]["msg"], "the sky");
    let phone = bench.get(&format!("/simulator/phones/{OWNER}")).await;
    assert_eq!(phone["texts"][0]["text"], "Maskline: 123456");
    assert_eq!(phone["texts"][0]["from"], "+14075550150");
    assert_eq!(phone["codes"], json!(["123456"]));
    let second = bench.get(&format!("/simulator/phones/{CALLER}")).await;
    assert_eq!(second["texts"], json!([]), "of several only the first gets a text");
}

#[actix_web::test]
async fn a_text_to_a_mask_reaches_the_application_and_is_answered() {
    let webhook = Webhook::answering(&[document(json!([
        {"ask": {"name": "first", "choices": {"value": "[ANY]"}}}, {"say": "Thank you."},
        {"on": {"event": "continue", "next": "/c"}}, {"on": {"event": "incomplete", "next": "/c"}},
    ]))]);
    let (bench, mask) = stage(&webhook).await;
    let wanted = json!({"from": CALLER, "to": mask, "text": "At the dentist."});
    let (status, trace) = bench.post("/simulator/texts", wanted).await;
    assert_eq!((status, &trace["outcome"]), (201, &json!("delivered")));
    let session = webhook.posts()[0].1["session"].clone();
    assert_eq!(session["initialText"], "At the dentist.");
    assert_eq!(
        session["from"],
        json!({"id": "14155550123", "e164Id": "14155550123", "name": null, "channel": "TEXT", "network": "SMS"})
    );
    assert_eq!(
        webhook.posts()[1].1["result"]["actions"]["value"],
        "At the dentist.",
        "the text answers the first ask"
    );
    let phone = bench.get(&format!("/simulator/phones/{CALLER}")).await;
    assert_eq!(phone["texts"][0]["text"], "Thank you.");
    assert_eq!(phone["sent"][0]["text"], "At the dentist.");
}

#[actix_web::test]
async fn numbers_of_areas_without_texts_take_and_send_none() {
    let message =
        json!({"message": {"to": OWNER, "from": "+442079460150", "network": "SMS", "say": "Hello"}});
    let webhook =
        Webhook::answering(&[document(json!([message, {"on": {"event": "incomplete", "next": "/i"}}]))]);
    let (bench, _) = stage(&webhook).await;
    let application = bench.get("/v1/applications").await[0]["id"].as_str().unwrap().to_owned();
    let london = bench.number(&application, "4420").await;
    let wanted = json!({"from": CALLER, "to": london, "text": "Hello"});
    let (_, trace) = bench.post("/simulator/texts", wanted).await;
    assert_eq!((&trace["outcome"], webhook.posts().len()), (&json!("failed"), 0));
    let token = bench.token(&application, "messaging").await;
    bench.post("/1.0/sessions", json!({"token": token})).await;
    bench.launched().await;
    assert_eq!(webhook.results_to(), ["/i"]);
    let phone = bench.get(&format!("/simulator/phones/{OWNER}")).await;
    assert_eq!(phone["texts"], json!([]));
}

#[actix_web::test]
async fn signals_interrupt_what_allows_them() {
    for (dial, expected) in [
        (json!({"to": OWNER, "choices": {"terminator": "*"}}), "/signalled"),
        (json!({"to": OWNER, "choices": {"terminator": "*"}, "allowSignals": ""}), "/c"),
        (json!({"to": OWNER}), "/c"),
    ] {
        let webhook = Webhook::answering(&[document(json!([
            {"transfer": dial}, {"on": {"event": "leave", "next": "/signalled"}}, {"on": {"event": "continue", "next": "/c"}},
        ]))]);
        let (bench, mask) = stage(&webhook).await;
        let live = json!({"from": CALLER, "to": mask, "answer": "answered", "live": true});
        let (status, trace) = bench.post("/simulator/calls", live).await;
        assert_eq!(status, 202);
        let path = format!("/simulator/calls/{}", trace["id"].as_str().unwrap());
        let session = loop {
            let trace = bench.get(&path).await;
            if trace["steps"].to_string().contains("rings") {
                break trace["session"].as_str().unwrap().to_owned();
            }
        };
        let signals = format!("/1.0/sessions/{session}/signals");
        let (_, reply) = bench.post(&signals, json!({"signal": "leave"})).await;
        assert_eq!(reply, vector("session-api-signal-json")["expected"]["body"]);
        if expected == "/c" {
            // What is not allowed is thrown away; the caller hangs up so that nobody waits for the talk.
            bench.post(&format!("{path}/hangup"), Value::Null).await;
        }
        let trace = loop {
            let trace = bench.get(&path).await;
            if !trace["outcome"].is_null() {
                break trace;
            }
        };
        assert_eq!(webhook.results_to(), [expected], "{dial}: {trace}");
        let (_, gone) = bench.post(&signals, json!({"signal": "leave"})).await;
        assert_eq!(gone, json!({"status": "NOTFOUND"}));
    }
}

#[actix_web::test]
async fn launches_and_signals_answer_in_the_language_of_the_question() {
    let webhook = Webhook::answering(&[]);
    let bench = Bench::new();
    let application = bench.application(&webhook.url("/voice?key=k")).await;
    let token = bench.token(&application, "voice").await;
    for (name, vector) in vectors("session-api-grails-launch") {
        let mut form = vector["input"]["params"].as_object().unwrap().clone();
        form.insert("token".into(), json!(token));
        let request = bench.request(Method::POST, vector["input"]["path"].as_str().unwrap());
        let reply = request.form(&form).send().await.unwrap().text().await.unwrap();
        assert!(reply.starts_with(&format!("success=true&token={token}&id=")), "{name}: {reply}");
    }
    let xml = format!(
        "<session><token>{token}</token><var name=\"customerName\" value=\"John &lt;3\"></var></session>"
    );
    let request = bench.request(Method::POST, "/1.0/sessions").header("content-type", "text/xml").body(xml);
    let reply = request.send().await.unwrap().text().await.unwrap();
    let id =
        reply.split("<id>").nth(1).and_then(|rest| rest.split("</id>").next()).unwrap().trim().to_owned();
    assert!(reply.starts_with(&format!("<session><success>true</success><token>{token}</token>")), "{reply}");
    let posted = loop {
        let posted = webhook.posts().into_iter().find(|(_, body)| body["session"]["id"] == json!(id));
        if let Some((_, body)) = posted {
            break body;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(posted["session"]["parameters"]["customerName"], "John <3");
    let signal =
        bench.request(Method::POST, "/1.0/sessions/unknown/signals").header("content-type", "text/xml");
    let reply =
        signal.body("<signal><value>exit</value></signal>").send().await.unwrap().text().await.unwrap();
    assert_eq!(reply, "<signal><status>NOTFOUND</status></signal>");
    let form = vector("session-api-signal-value-form")["input"]["params"].clone();
    let request = bench.request(Method::POST, "/v1/sessions/unknown/signals").form(&form);
    assert_eq!(request.send().await.unwrap().text().await.unwrap(), "status=NOTFOUND");
    for (path, body, status) in
        [("/1.0/sessions", json!({}), 406), ("/1.0/sessions", json!({"token": "wrong"}), 400)]
    {
        assert_eq!(bench.post(path, body).await.0, status);
    }
    assert_eq!(answer(bench.request(Method::GET, "/1.0/sessions")).await.0, 501);
}

/// `continue` alone, as the PHP library's README has it.
#[actix_web::test]
async fn what_continue_says_is_heard_once() {
    let webhook = Webhook::answering(&[document(json!([
        {"ask": {
            "say": [{"value": "What is your favorite programming language?"}],
            "choices": {"value": "PHP, Ruby(Ruby, Rails, Ruby on Rails), Python"},
        }},
        {"on": [{"event": "continue", "say": {"value": "Fantastic! I love that, too!"}}]},
    ]))]);
    let (bench, mask) = stage(&webhook).await;
    let trace = bench.call(json!({"from": CALLER, "to": mask, "caller_presses": ["Rails"]})).await;
    let heard = ["What is your favorite programming language?", "Fantastic! I love that, too!"];
    assert_eq!(trace["heard"], json!(heard));
}

/// What the current Python library writes for `on={"say": …, "wait": …}`.
#[actix_web::test]
async fn a_connect_handler_may_wait() {
    let webhook = Webhook::answering(&[document(json!([
        {"transfer": {"to": OWNER, "on": [
            {"event": "connect", "say": {"value": "hello"}}, {"event": "connect", "wait": {"milliseconds": 3000}},
        ]}},
        {"on": {"event": "continue", "next": "/c"}},
    ]))]);
    let (bench, mask) = stage(&webhook).await;
    bench.call(json!({"from": CALLER, "to": mask, "answer": "answered", "seconds": 10})).await;
    let action = webhook.posts()[1].1["result"]["actions"].clone();
    assert_eq!(action["connectedDuration"], 10 + 3 + 1, "the wait and what is said count");
}

/// The documentation's own number, and the two ways to write the address of a SIP phone.
#[actix_web::test]
async fn digits_behind_a_number_are_dialled_and_addresses_with_an_at_sign_are_sip() {
    let webhook = Webhook::answering(&[
        document(json!([
            {"transfer": {"to": "+14155551212;postd=1234pp56;pause=5s"}},
            {"transfer": {"to": "9991436228@sip.tropo.com"}},
            {"transfer": {"to": "sip:9991436228@sip.tropo.com;transport=udp"}},
            {"transfer": {"to": "TEL:+14155551212"}},
            {"transfer": {"to": "+14075550151;postd=4321"}},
        ])),
        (
            "/menu",
            json!({"tropo": [
                {"ask": {"say": "Your PIN?", "choices": {"value": "[4 DIGITS]"}}}, {"on": {"event": "continue", "next": "/pin"}},
            ]}),
        ),
    ]);
    let (bench, mask) = stage(&webhook).await;
    let menu = bench.application(&webhook.url("/menu")).await;
    assert_eq!(bench.number(&menu, "1407").await, "+14075550151");
    let call = json!({"from": CALLER, "to": mask, "answer": "answered", "seconds": 0});
    let trace = bench.call(call).await;
    let sip = "sip:9991436228@sip.tropo.com";
    assert_eq!(trace["rang"], json!(["+14155551212", sip, sip, "+14155551212", "+14075550151"]));
    assert_eq!(trace["dialled"], json!(["1234", "56", "4321"]));
    let steps = trace["steps"].as_array().unwrap();
    let second = |words: &str| {
        let step = steps.iter().find(|step| step["text"].as_str().unwrap().contains(words)).unwrap();
        step["second"].as_u64().unwrap()
    };
    assert_eq!(second("dials 56") - second("dials 1234"), 2);
    let (_, pin) = webhook.posts().into_iter().find(|(path, _)| path == "/pin").unwrap();
    assert_eq!(
        pin["result"]["actions"]["value"], "4321",
        "the application of a rented number hears the digits"
    );
}

#[actix_web::test]
async fn callers_without_a_number_have_the_same_text_in_both_ids() {
    for (from, id, e164_id) in [
        ("Unknown", "Unknown", "Unknown"),
        ("pengxli@example.com", "pengxli", "pengxli"),
        ("sip:9992801029@10.140.254.38", "9992801029", "9992801029"),
        ("+14155550123", "4155550123", "14155550123"),
        ("+442079460123", "442079460123", "442079460123"),
        // What carriers send for hidden callers: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on the keys.
        ("+266696687", "266696687", "266696687"),
        ("+7378742833", "7378742833", "7378742833"),
        ("7378742833", "7378742833", "17378742833"),
        ("+2562533", "2562533", "2562533"),
        ("+8656696", "8656696", "8656696"),
        ("+86282452253", "86282452253", "86282452253"),
    ] {
        let webhook = Webhook::answering(&[document(json!([{"reject": null}]))]);
        let (bench, mask) = stage(&webhook).await;
        bench.call(json!({"from": from, "to": mask})).await;
        let session = webhook.posts()[0].1["session"].clone();
        assert_eq!(
            (&session["from"]["id"], &session["from"]["e164Id"]),
            (&json!(id), &json!(e164_id)),
            "{from}"
        );
    }
    let webhook = Webhook::answering(&[document(json!([]))]);
    let (bench, _) = stage(&webhook).await;
    let application = bench.get("/v1/applications").await[0]["id"].as_str().unwrap().to_owned();
    let london = bench.number(&application, "4420").await;
    bench.call(json!({"from": CALLER, "to": london})).await;
    let from = webhook.posts()[0].1["session"]["from"].clone();
    assert_eq!((&from["id"], &from["e164Id"]), (&json!("14155550123"), &json!("14155550123")));
}

/// The questions of the node library's `say-event-ask` sample and of the documentation's whisper, with attempts.
#[actix_web::test]
async fn a_question_says_what_fits_the_failure_before_it_on_either_side() {
    let ask = json!({
        "name": "foo", "attempts": 3, "bargein": false, "required": true, "timeout": 5,
        "choices": {"value": "[5 DIGITS]"},
        "say": [
            {"value": "Sorry, I did not hear anything.", "event": "timeout"},
            {"value": "Sorry, that was not a valid option.", "event": "nomatch:1"},
            {"value": "Nope, still not a valid response", "event": "nomatch:2"},
            {"value": "Please enter your 5 digit zip code."},
        ],
    });
    let question = "Please enter your 5 digit zip code.";
    let heard = json!([
        question,
        "Sorry, that was not a valid option.",
        question,
        "Nope, still not a valid response",
        question,
    ]);
    let presses = json!(["1", "2", "94070"]);
    let webhook = Webhook::answering(&[document(json!([
        {"ask": ask}, {"on": {"event": "continue", "next": "/c"}},
    ]))]);
    let (bench, mask) = stage(&webhook).await;
    let trace = bench.call(json!({"from": CALLER, "to": mask, "caller_presses": presses})).await;
    assert_eq!(trace["heard"], heard);
    let action = webhook.posts()[1].1["result"]["actions"].clone();
    let recorded = vector("result-two-asks-array-java")["input"]["result"]["actions"][0].clone();
    for field in recorded.as_object().unwrap().keys() {
        assert!(!action[field].is_null(), "{field}: {action}");
    }
    assert_eq!((&action["attempts"], &action["utterance"]), (&json!(3), &json!("9 4 0 7 0")));

    let webhook = Webhook::answering(&[document(json!([
        {"transfer": {"to": OWNER, "on": {"event": "connect", "ask": ask}}},
        {"on": {"event": "continue", "next": "/c"}}, {"on": {"event": "incomplete", "next": "/i"}},
    ]))]);
    let (bench, mask) = stage(&webhook).await;
    let call = json!({"from": CALLER, "to": mask, "answer": "answered", "callee_presses": presses});
    let trace = bench.call(call).await;
    assert_eq!((&trace["callee_heard"], webhook.results_to()), (&heard, vec!["/c".to_owned()]));
}

#[actix_web::test]
async fn a_choice_with_a_concept_is_told_as_documented() {
    let webhook = Webhook::answering(&[document(json!([
        {"ask": {"say": {"value": "Color?"}, "choices": {"value": "red(red,1), green(green,2)"}}},
        {"on": {"event": "continue", "next": "/c"}},
    ]))]);
    let (bench, mask) = stage(&webhook).await;
    bench.call(json!({"from": CALLER, "to": mask, "caller_presses": ["1"]})).await;
    let action = webhook.posts()[1].1["result"]["actions"].clone();
    let told = ["concept", "value", "interpretation", "utterance"].map(|field| action[field].clone());
    assert_eq!(told, ["red", "red", "1", "1"]);
}

#[actix_web::test]
async fn whoever_subscribed_hears_of_each_call_that_was_answered() {
    let webhook = Webhook::answering(&[document(json!([{"transfer": {
        "to": OWNER, "from": CALLER, "label": "sales", "callbackUrl": "/detail",
    }}]))]);
    let (bench, mask) = stage(&webhook).await;
    for (event, resource, enabled) in [
        ("cdrCreated", "call", true),
        ("cdrRated", "all", true),
        ("cdrCreated", "all", false),
        ("cdrRated", "sms", true),
    ] {
        let target = webhook.url(&format!("/records/{event}/{resource}/{enabled}"));
        let wanted = json!({
            "event": event, "resource": resource, "enabled": enabled, "targetUrl": target, "name": "records",
            "payload": {"apiKey": "opaque"},
        });
        assert_eq!(bench.post("/v1/webhooks", wanted).await.0, 200);
    }
    bench.call(json!({"from": CALLER, "to": mask, "answer": "answered", "seconds": 12})).await;
    let created = "/records/cdrCreated/call/true";
    let rated = "/records/cdrRated/all/true";
    assert_eq!(webhook.results_to(), [created, rated, "/detail", created, rated]);
    let posts = webhook.posts();
    let [transfer, rated, own] = [1, 2, 4].map(|at: usize| posts[at].1.clone());
    assert_eq!((&transfer["event"], &transfer["resource"]), (&json!("cdrCreated"), &json!("call")));
    assert_eq!(transfer["payload"]["apiKey"], "opaque");
    let data = &transfer["data"];
    let session = &posts[0].1["session"];
    assert_eq!((&data["sessionId"], &data["parentCallId"]), (&session["id"], &session["callId"]));
    assert_eq!(
        (&data["to"], &data["label"], &data["direction"]),
        (&json!(OWNER), &json!("sales"), &json!("out"))
    );
    assert_eq!(
        (&data["startTime"], &data["duration"]),
        (&json!("2026-03-01T12:00:04.000+0000"), &json!(12_000))
    );
    assert_eq!((&rated["data"]["duration"], &rated["data"]["roundedDuration"]), (&json!(12), &json!(60)));
    let data = &own["data"];
    assert_eq!((&data["callId"], &data["direction"]), (&session["callId"], &json!("in")));
    assert_eq!(
        (&data["from"], &data["to"], &data["duration"]),
        (&json!(CALLER), &json!(mask), &json!(16_000))
    );
    let unanswered = webhook.posts().len();
    bench.call(json!({"from": CALLER, "to": "+14075550199"})).await;
    assert_eq!(webhook.posts().len(), unanswered);
}
