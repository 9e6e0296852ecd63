//! What the webhook is sent: published sessions and results, and whatever else may come.

use serde_json::{Value, json};

use super::{vector, vectors};
use crate::carrier::Channel;
use crate::carrier::tropo::wire::{CallEvent, CallResult, Event, Party, Session, Unreadable, ending, read};
use crate::domain::call::Ending;
use crate::domain::phone::PhoneNumber;

fn session(body: &Value) -> Session {
    match read(body.to_string().as_bytes()) {
        Ok(Event::Session(session)) => session,
        other => panic!("{other:?}"),
    }
}

fn result(body: &Value) -> CallResult {
    match read(body.to_string().as_bytes()) {
        Ok(Event::Result(result)) => result,
        other => panic!("{other:?}"),
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

#[test]
fn sessions_of_every_age_are_read() {
    for (name, case) in vectors("session") {
        let told = &case["input"]["session"];
        let read = session(&case["input"]);
        assert_eq!(read.id.as_deref(), text(&told["id"]), "{name}");
        assert_eq!(read.account_id.as_deref(), text(&told["accountId"]), "{name}");
        assert_eq!(read.call_id.as_deref(), text(&told["callId"]), "{name}");
        assert_eq!(read.user_type.as_deref(), text(&told["userType"]), "{name}");
        assert_eq!(read.initial_text.as_deref(), text(&told["initialText"]), "{name}");
        assert_eq!(read.to.is_some(), told["to"].is_object(), "{name}");
        let parameters = told["parameters"].as_object().cloned().unwrap_or_default();
        assert_eq!(json!(read.parameters), Value::Object(parameters), "{name}");
        let channel = match text(&told["to"]["channel"]) {
            Some("VOICE") => Some(Channel::Voice),
            Some("TEXT") => Some(Channel::Text),
            _ => None,
        };
        assert_eq!(read.channel(), channel, "{name}");
    }
}

#[test]
fn the_parties_of_published_sessions_are_recognised() {
    for (name, to, from) in [
        ("own-session-voice-pstn", Some("+14075550150"), Some("+14155550123")),
        ("own-session-voice-pstn-old", Some("+14075550150"), Some("+14155550123")),
        ("own-session-voice-from-abroad", Some("+14075550150"), Some("+442079460123")),
        ("own-session-voice-hidden", Some("+14075550150"), None),
        ("own-session-token-launch", None, None),
        ("session-token-launch-2010", None, None),
        ("session-voice-2010-minimal", None, None),
        ("session-sms-inbound-2012", Some("+14153334444"), Some("+14155550123")),
    ] {
        let read = session(&vector(name)["input"]);
        let [to, from] = [to, from].map(|text| text.and_then(PhoneNumber::from_e164));
        assert_eq!(read.to.as_ref().and_then(Party::number), to, "{name}");
        assert_eq!(read.from.as_ref().and_then(Party::number), from, "{name}");
        let candidates: Vec<_> = read.to.iter().flat_map(Party::candidates).collect();
        assert!(to.is_none_or(|number| candidates.contains(&number)), "{name}");
    }
}

#[test]
fn results_of_every_age_are_read() {
    for (name, case) in vectors("result") {
        let told = &case["input"]["result"];
        let read = result(&case["input"]);
        assert_eq!(read.session_id.as_deref(), text(&told["sessionId"]), "{name}");
        assert_eq!(read.call_id.as_deref(), text(&told["callId"]), "{name}");
        let state = text(&told["state"]).or(text(&told["callState"]));
        assert_eq!(read.state.as_deref(), state, "{name}");
        assert_eq!(json!(read.session_duration), told["sessionDuration"], "{name}");
        assert_eq!(json!(read.sequence), told["sequence"], "{name}");
        assert_eq!(json!(read.error), told["error"], "{name}");
        let actions = match &told["actions"] {
            Value::Array(actions) => actions.clone(),
            Value::Null => vec![],
            action => vec![action.clone()],
        };
        assert_eq!(read.actions.len(), actions.len(), "{name}");
        for (read, told) in read.actions.iter().zip(&actions) {
            assert_eq!(read.name.as_deref(), text(&told["name"]), "{name}");
            assert_eq!(read.disposition.as_deref(), text(&told["disposition"]), "{name}");
            assert_eq!(json!(read.duration), told["duration"], "{name}");
            assert_eq!(json!(read.connected_duration), told["connectedDuration"], "{name}");
        }
    }
}

#[test]
fn a_finished_call_is_told_with_the_carriers_talk_time() {
    let answered = result(&vector("own-result-transfer-answered")["input"]);
    let expected = Some(Ending::Answered { seconds: Some(145) });
    assert_eq!(ending(CallEvent::Continue, &answered, None), expected);
    let published = result(&vector("result-transfer-success-2017")["input"]);
    assert_eq!(ending(CallEvent::Continue, &published, None), expected);
    let gave_up = result(&vector("own-result-caller-hung-up")["input"]);
    assert_eq!(ending(CallEvent::Hangup, &gave_up, None), Some(Ending::CallerHungUp));
    let empty = result(&json!({ "result": {} }));
    assert_eq!(empty, CallResult::default());
    assert_eq!(ending(CallEvent::Incomplete, &empty, None), Some(Ending::DidNotConnect));
}

#[test]
fn what_is_broken_in_a_session_reads_as_absent() {
    let read = session(&json!({ "session": {
        "id": null, "accountId": 33932, "callId": ["x"], "to": 4_075_550_150_u64, "from": [1, "x", {"id": 1}],
        "headers": [[{"key": []}]], "parameters": {"a": 1, "b": "x", "c": null}, "initialText": {}, "userType": true,
        "timestamp": -1.5e300, "surprise": {"deep": [{}]},
    } }));
    assert_eq!((read.id, read.account_id.as_deref(), read.call_id), (None, Some("33932"), None));
    assert_eq!((read.to, read.from, read.initial_text, read.user_type), (None, None, None, None));
    assert_eq!(json!(read.parameters), json!({ "b": "x" }));
    for broken in [json!(null), json!(7), json!("x"), json!([]), json!(false), json!({})] {
        assert_eq!(session(&json!({ "session": broken })), Session::default());
        assert_eq!(result(&json!({ "result": broken })), CallResult::default());
    }
}

#[test]
fn names_are_bounded_and_printable() {
    for (id, kept) in [
        ("a".repeat(128), true),
        ("a".repeat(129), false),
        (String::new(), false),
        ("a\u{0}b".to_owned(), false),
        ("a b".to_owned(), false),
        ("\u{202e}abc".to_owned(), false),
    ] {
        let read = session(&json!({ "session": { "id": id, "callId": id } }));
        assert_eq!((read.id.is_some(), read.call_id.is_some()), (kept, kept), "{id:?}");
    }
    assert_eq!(session(&json!({ "session": { "id": "abc\r\n" } })).id.as_deref(), Some("abc"));
}

#[test]
fn broken_figures_of_a_result_read_as_absent() {
    let read = result(&json!({ "result": {
        "state": 5, "callState": "answered", "sessionDuration": "158", "sequence": -1, "error": "call to +14075550150",
        "actions": [{ "disposition": "success", "connectedDuration": 144.9, "duration": 1e300 }, null, 3, "x"],
    } }));
    assert_eq!(
        (read.state.as_deref(), read.session_duration, read.sequence),
        (Some("ANSWERED"), Some(158), None)
    );
    assert_eq!(read.error.as_deref(), Some("call to …"));
    assert_eq!((read.actions.len(), read.disposition()), (1, Some("SUCCESS")));
    assert_eq!((read.actions[0].duration, read.talk_seconds(None)), (None, Some(144)));
}

#[test]
fn only_what_is_no_session_and_no_result_is_refused() {
    for (body, refusal) in [
        ("", Unreadable::NotJson),
        ("session", Unreadable::NotJson),
        ("{\"session\":{}", Unreadable::NotJson),
        ("{\"session\":{}} x", Unreadable::NotJson),
        ("session=x&result=y", Unreadable::NotJson),
        ("null", Unreadable::Neither),
        ("[{\"session\":{}}]", Unreadable::Neither),
        ("{}", Unreadable::Neither),
        ("{\"Session\":{}}", Unreadable::Neither),
        ("{\"a\":{\"session\":{}}}", Unreadable::Neither),
    ] {
        assert_eq!(read(body.as_bytes()), Err(refusal), "{body}");
    }
}

#[test]
fn twenty_levels_are_read_and_no_more() {
    let nested = |levels: usize| {
        let lists = levels - 2;
        format!("{{\"session\":{{\"id\":\"[[[{{\\\"\",\"x\":{}{}}}}}", "[".repeat(lists), "]".repeat(lists))
    };
    assert!(read(nested(20).as_bytes()).is_ok());
    assert_eq!(read(nested(21).as_bytes()), Err(Unreadable::TooDeep));
    assert_eq!(read(nested(8000).as_bytes()), Err(Unreadable::TooDeep));
    assert_eq!(read("[".repeat(16_000).as_bytes()), Err(Unreadable::TooDeep));
}

#[test]
fn careless_json_is_read_all_the_same() {
    let id = |body: &[u8]| match read(body) {
        Ok(Event::Session(session)) => (session.id, session.initial_text),
        other => panic!("{other:?}"),
    };
    let read_as = |text: &str| (Some("a".to_owned()), Some(text.to_owned()));
    assert_eq!(id(b"\xef\xbb\xbf{\"session\":{\"id\":\"a\",\"initialText\":\"x\"}}"), read_as("x"));
    assert_eq!(id(b"{\"session\":{\"id\":\"a\",\"initialText\":\"Z\xfcrich\"}}"), read_as("Zürich"));
    assert_eq!(
        id(br#"{"session":{"id":"a","initialText":"\ud83d!\udc00\ud83d\ude00\\ud83d"}}"#),
        read_as("\u{fffd}!\u{fffd}😀\\ud83d")
    );
    assert_eq!(id(br#"{"session":{"id":"z","id":"a","initialText":"\u0078"}}"#), read_as("x"));
    assert_eq!(id(br#"{"session":{"id":"a","initialText":"x","y":1e999}}"#), read_as("x"));
    assert_eq!(id(br#"{"session":{"id":1e999,"initialText":"x"}}"#), (None, None));
    assert_eq!(read(b"{\"session\":{\"id\":\"\xfc}}"), Err(Unreadable::NotJson));
}

#[test]
fn a_session_shows_no_numbers_or_texts_in_debug() {
    for (name, case) in vectors("session") {
        let shown = format!("{:?}", session(&case["input"]));
        for hidden in ["555", "4444", "Wal-mart", "opaque-id", "token"] {
            assert!(!shown.contains(hidden), "{name}: {shown}");
        }
    }
}
