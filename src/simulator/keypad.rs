//! Keys that somebody presses in a call that goes on, at the page or by a script.
//!
//! A call goes on for as long as things take only while it is watched: where a script asked for `live`, or, if an
//! application placed it, where somebody follows `/simulator/events`, as the pages do. Any other call is over at once;
//! what is pressed in it is said before: `caller_presses` and `callee_presses` of `POST /simulator/calls`, and for
//! calls that an application places `PUT /simulator/phones/{number}` with `{"presses": ["1"]}`, one entry for each
//! question. A phone that was told nothing presses the key that such a call offers first; `{"presses": []}` makes it
//! press nothing, as an answering machine does.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Path};
use serde::Deserialize;

use super::engine::signals::{Side, are_keys};
use super::scripts::{nothing_here, read, unprocessable};
use super::switchboard::Switchboard;

/// How many keys can be pressed at once.
const MOST_KEYS: usize = 32;

/// Why keys are not pressed.
pub(crate) enum NotPressed {
    /// The call is not known, or over.
    Over,
    NoKeys,
}

/// Presses keys on one side of a call that goes on. They wait until something listens: a question, or a transfer that
/// a key can end.
pub(crate) fn press(board: &Switchboard, call: &str, by: Side, keys: &str) -> Result<(), NotPressed> {
    if !are_keys(keys) || keys.len() > MOST_KEYS {
        return Err(NotPressed::NoKeys);
    }
    let session = board.trace(call).and_then(|trace| trace.session);
    let signals = session.and_then(|session| board.session(&session)).ok_or(NotPressed::Over)?;
    signals.press(by, keys);
    Ok(())
}

/// Keys as scripts press them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    keys: String,
    /// `caller`: whoever the application talks to, which in a call that it placed is the phone that it called.
    /// `callee`: whom a transfer rang.
    #[serde(default)]
    by: Side,
}

/// `POST /simulator/calls/{id}/keys` with `{"keys": "1"}`, and `"by": "callee"` for the other side of a transfer.
pub(crate) async fn pressed(board: Data<Switchboard>, path: Path<String>, body: Bytes) -> HttpResponse {
    let wanted = match read::<Keys>(&body) {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal.into(),
    };
    match press(&board, &path, wanted.by, &wanted.keys) {
        Ok(()) => HttpResponse::Accepted().finish(),
        Err(NotPressed::Over) => nothing_here(),
        Err(NotPressed::NoKeys) => {
            unprocessable(&format!("\"keys\" are 1 to {MOST_KEYS} of the keys 0 to 9, * and #."))
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use serde_json::{Value, json};

    use crate::simulator::testing::{Bench, Webhook, answer};

    const CALLER: &str = "+14155550123";
    const OWNER: &str = "+14075550101";

    /// A story, once it is so far.
    async fn once(bench: &Bench, id: &str, so_far: impl Fn(&Value) -> bool) -> Value {
        loop {
            let trace = bench.get(&format!("/simulator/calls/{id}")).await;
            if so_far(&trace) {
                return trace;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    fn heard(trace: &Value, count: usize) -> bool {
        trace["heard"].as_array().unwrap().len() >= count
    }

    fn code_call() -> Value {
        json!({"tropo": [
            {"call": {"to": OWNER, "from": "+14075550150"}},
            {"ask": {
                "attempts": 2, "timeout": 10, "name": "ready",
                "say": [{"value": "Press 1 to hear your code."}, {"value": "Please.", "event": "timeout"}],
                "choices": {"value": "1", "mode": "dtmf"},
            }},
            {"say": {"value": "4, 0, 7, 1, 2, 3."}},
        ]})
    }

    async fn launch(bench: &Bench, webhook: &Webhook) {
        let application = bench.application(&webhook.url("/")).await;
        let token = bench.token(&application, "voice").await;
        assert_eq!(bench.post("/1.0/sessions", json!({"token": token})).await.0, 200);
    }

    #[actix_web::test]
    async fn a_phone_that_an_application_calls_presses_what_it_was_told() {
        for (presses, heard) in [
            (json!(["1"]), vec!["Press 1 to hear your code.", "4, 0, 7, 1, 2, 3."]),
            (
                json!(["5", "1"]),
                vec!["Press 1 to hear your code.", "Press 1 to hear your code.", "4, 0, 7, 1, 2, 3."],
            ),
            (json!([]), vec!["Press 1 to hear your code.", "Please.", "Press 1 to hear your code."]),
            (Value::Null, vec!["Press 1 to hear your code.", "4, 0, 7, 1, 2, 3."]),
        ] {
            let webhook = Webhook::answering(&[("/", code_call())]);
            let bench = Bench::new();
            let phone = bench.request(Method::PUT, &format!("/simulator/phones/{OWNER}"));
            assert_eq!(answer(phone.json(&json!({"presses": presses}))).await.0, 200);
            launch(&bench, &webhook).await;
            assert_eq!(bench.launched().await["heard"], json!(heard), "{presses}");
        }
    }

    #[actix_web::test]
    async fn somebody_who_watches_presses_the_keys_of_a_call_that_an_application_places() {
        let webhook = Webhook::answering(&[("/", code_call())]);
        let bench = Bench::new();
        let _watching = bench.request(Method::GET, "/simulator/events").send().await.unwrap();
        launch(&bench, &webhook).await;
        let id = bench.get("/simulator/calls").await[0]["id"].as_str().unwrap().to_owned();
        once(&bench, &id, |trace| heard(trace, 1)).await;
        let page = bench.request(Method::GET, &format!("/calls/{id}/story")).send().await.unwrap();
        let page = page.text().await.unwrap();
        assert!(page.contains("+1 407-555-0101 presses") && !page.contains("value=\"callee\""), "{page}");
        let form = bench.request(Method::POST, &format!("/calls/{id}/keys"));
        assert_eq!(form.form(&[("by", "caller"), ("keys", "1")]).send().await.unwrap().status(), 200);
        let trace = once(&bench, &id, |trace| heard(trace, 2)).await;
        assert_eq!(trace["heard"], json!(["Press 1 to hear your code.", "4, 0, 7, 1, 2, 3."]));
        assert_eq!(bench.get(&format!("/simulator/phones/{OWNER}")).await["codes"], json!(["407123"]));
    }

    #[actix_web::test]
    async fn a_caller_ends_a_transfer_with_its_key_before_it_connects() {
        let transfer = |choices: Value| {
            json!({"tropo": [
                {"transfer": {"to": OWNER, "from": CALLER, "choices": choices}},
                {"on": {"event": "incomplete", "next": "/i"}}, {"on": {"event": "continue", "next": "/c"}},
            ]})
        };
        for (choices, key, outcome, phone) in [
            (json!({"terminator": "*"}), "*", "cancelled", "missed"),
            (json!({"terminator": "#"}), "#", "cancelled", "missed"),
            (json!({"terminator": "*"}), "5", "answered", "answered"),
            (Value::Null, "*", "answered", "answered"),
        ] {
            let webhook = Webhook::answering(&[("/", transfer(choices.clone()))]);
            let bench = Bench::new();
            let application = bench.application(&webhook.url("/")).await;
            let mask = bench.number(&application, "1407").await;
            let trace = bench.call(json!({"from": CALLER, "to": mask, "caller_key": key})).await;
            assert_eq!(trace["outcome"], outcome, "{choices} {key}");
            assert_eq!(webhook.results_to(), ["/c"], "{choices} {key}");
            let action = webhook.posts()[1].1["result"]["actions"].clone();
            let disposition = if outcome == "cancelled" { Value::Null } else { json!("SUCCESS") };
            assert_eq!(action["disposition"], disposition, "{choices} {key}");
            let rang = bench.get(&format!("/simulator/phones/{OWNER}")).await["calls"][0].clone();
            assert_eq!(rang["outcome"], phone, "{choices} {key}");
        }
    }

    #[actix_web::test]
    async fn keys_are_pressed_on_either_side_while_a_call_goes_on() {
        let whisper = json!({"event": "connect", "ask": {
            "say": {"value": "Press 1 to accept this call or any other key to decline"},
            "choices": {"value": "1", "mode": "dtmf"}, "name": "transfer", "interdigitTimeout": 1,
        }});
        let transfer = json!({"to": OWNER, "choices": {"terminator": "*"}, "on": [whisper]});
        for (by, keys, outcome) in [("caller", "*", "cancelled"), ("callee", "1", "answered")] {
            let webhook = Webhook::answering(&[("/", json!({"tropo": [{"transfer": transfer}]}))]);
            let bench = Bench::new();
            let application = bench.application(&webhook.url("/")).await;
            let mask = bench.number(&application, "1407").await;
            let live = json!({"from": "Unknown", "to": mask, "seconds": 0, "live": true});
            let (_, trace) = bench.post("/simulator/calls", live).await;
            let id = trace["id"].as_str().unwrap();
            once(&bench, id, |trace| trace["rang"] == json!([OWNER])).await;
            let path = format!("/simulator/calls/{id}/keys");
            for wrong in
                [json!({"keys": ""}), json!({"keys": "x"}), json!({"keys": "1", "by": "me"}), json!({})]
            {
                assert_eq!(bench.post(&path, wrong.clone()).await.0, 422, "{wrong}");
            }
            assert_eq!(bench.post(&path, json!({"keys": keys, "by": by})).await.0, 202);
            let trace = once(&bench, id, |trace| !trace["outcome"].is_null()).await;
            assert_eq!(trace["outcome"], outcome, "{trace}");
            assert_eq!(bench.post(&path, json!({"keys": keys})).await.0, 404, "it is over");
        }
    }
}
