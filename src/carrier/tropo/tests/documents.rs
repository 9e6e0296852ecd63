//! The documents that we answer.

use serde_json::{Value, json};

use super::{number, vector};
use crate::carrier::tropo::wire::{
    CallEvent, document, hangup_document, message_document, question_document, say_document,
};
use crate::domain::call::Instruction;

fn connect() -> Instruction {
    Instruction::Connect { to: number("+14075550101"), shown: number("+14155550123"), ring_seconds: 25 }
}

fn address(event: CallEvent) -> String {
    format!("/tropo/calls/abc/{event}?key=k")
}

fn parsed(document: &str) -> Value {
    serde_json::from_str(document).unwrap()
}

#[test]
fn a_transfer_begins_as_the_original_one_did() {
    let expected = &vector("own-transfer-document")["expected"]["first_verb"];
    let document = document(&connect(), None);
    assert!(
        document.starts_with("{\"tropo\":[{\"transfer\":{\"to\":\"+14075550101\",\"from\":\"+14155550123\"")
    );
    let first = &parsed(&document)["tropo"][0]["transfer"];
    assert_eq!(first["to"], expected["transfer"]["to"]);
    assert_eq!(first["from"], expected["transfer"]["from"]);
    assert_eq!(first["timeout"], 25);
    assert_eq!(parsed(&document)["tropo"].as_array().unwrap().len(), 1);
}

#[test]
fn a_followed_transfer_tells_us_of_the_answer_and_of_each_end() {
    let document = parsed(&document(&connect(), Some(&address)));
    let verbs = document["tropo"].as_array().unwrap();
    assert_eq!(
        verbs[0]["transfer"]["on"],
        json!({ "event": "connect", "post": "/tropo/calls/abc/connect?key=k" })
    );
    let handlers: Vec<_> = verbs[1..].iter().map(|verb| verb["on"].clone()).collect();
    let expected = ["continue", "incomplete", "error", "hangup"]
        .map(|event| json!({ "event": event, "next": format!("/tropo/calls/abc/{event}?key=k") }));
    assert_eq!(handlers, expected);
    let routed = vector("own-event-routing-no-answer");
    for verb in routed["input"]["document"]["tropo"].as_array().unwrap().iter().skip(1) {
        assert!(handlers.iter().any(|handler| handler["event"] == verb["on"]["event"]), "{verb}");
    }
}

#[test]
fn a_caller_who_rings_nobody_waits_as_long_and_is_followed_to_each_end() {
    let ring_out = Instruction::RingOut { ring_seconds: 25 };
    let document = parsed(&document(&ring_out, Some(&address)));
    let verbs = document["tropo"].as_array().unwrap();
    let choices = json!({ "value": "*", "mode": "dtmf" });
    let waits = json!({ "name": "ringing", "attempts": 1, "timeout": 25, "choices": choices });
    assert_eq!(verbs[0]["ask"], waits);
    let handlers: Vec<_> = verbs[1..].iter().map(|verb| verb["on"].clone()).collect();
    let expected =
        [("continue", "incomplete"), ("incomplete", "ringing"), ("error", "error"), ("hangup", "hangup")]
            .map(|(event, next)| json!({ "event": event, "next": format!("/tropo/calls/abc/{next}?key=k") }));
    assert_eq!(handlers, expected);
}

#[test]
fn a_sentence_is_said_plainly_before_the_hangup() {
    let say = Instruction::Say("Not <b>in</b> service: http://evil.example/a.mp3".to_owned());
    assert_eq!(
        document(&say, Some(&address)),
        r#"{"tropo":[{"say":{"value":"Not b in b service http evil.example a.mp3"}},{"hangup":null}]}"#
    );
    assert_eq!(document(&Instruction::Reject, None), r#"{"tropo":[{"reject":null}]}"#);
    assert_eq!(hangup_document(), r#"{"tropo":[{"hangup":null}]}"#);
}

#[test]
fn a_launch_calls_and_asks_for_a_key_and_says_nothing_else() {
    let (to, from) = (number("+14075550101"), number("+14155550150"));
    let document = parsed(&question_document(to, from, "This is us. Press 1.", &address));
    let verbs = document["tropo"].as_array().unwrap();
    assert_eq!(
        verbs[0]["call"],
        json!({"to": "+14075550101", "from": "+14155550150", "network": "PSTN", "channel": "VOICE", "machineDetection": true})
    );
    let ask = &verbs[1]["ask"];
    assert_eq!(ask["choices"], json!({"value": "1", "mode": "dtmf"}));
    assert_eq!((&ask["name"], &ask["say"]), (&json!("key"), &json!({"value": "This is us. Press 1."})));
    let events: Vec<_> = verbs[2..].iter().map(|verb| verb["on"]["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["continue", "incomplete", "error", "hangup"]);
    assert_eq!(say_document("1, 2."), r#"{"tropo":[{"say":{"value":"1, 2."}},{"hangup":null}]}"#);
}

#[test]
fn a_text_is_one_message_and_we_hear_what_became_of_it() {
    let (to, from) = (number("+14075550101"), number("+14155550150"));
    let document = parsed(&message_document(to, from, "123456 is it.\n\n@a.example #123456", &address));
    assert_eq!(
        document["tropo"][0]["message"],
        json!({"say": {"value": "123456 is it.\n\n@a.example #123456"}, "to": "+14075550101", "from": "+14155550150", "network": "SMS", "channel": "TEXT"})
    );
    assert_eq!(document["tropo"][2]["on"]["event"], "incomplete");
}
