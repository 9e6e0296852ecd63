//! What we answer Tropo: documents of verbs.
//!
//! Built by serde, so that no text can change their shape; must not decide anything.

use serde::Serialize;

use crate::domain::call::Instruction;
use crate::domain::phone::PhoneNumber;

use super::super::words::{spoken, texted};
use super::ending::CallEvent;

/// The key that a caller presses to give up before the answer. Tropo acts on signals during a transfer only
/// where one is set.
const GIVE_UP_KEY: &str = "*";
/// What the verb is called that makes a caller wait.
const RINGING: &str = "ringing";

/// The key by which somebody who was called says that they listen.
pub const KEY: &str = "1";

/// As long as a document is with which a call is handed over, in bytes.
const USUAL_LENGTH: usize = 1024;

/// Where Tropo shall tell us what became of a call: the address for each event.
pub type FollowUp<'a> = &'a dyn Fn(CallEvent) -> String;

/// The document that carries out an instruction; with `follow`, Tropo tells us how a transfer goes.
pub fn document(instruction: &Instruction, follow: Option<FollowUp<'_>>) -> String {
    match instruction {
        Instruction::Connect { to, shown, ring_seconds } => transfer(*to, *shown, *ring_seconds, follow),
        Instruction::RingOut { ring_seconds } => ring_out(*ring_seconds, follow),
        Instruction::Say(sentence) => written(vec![Verb::say(sentence), Verb::Hangup(())]),
        Instruction::Reject => written(vec![Verb::Reject(())]),
    }
}

/// The document that calls somebody and asks them to press a key: the answer to a voice launch. What follows, we say only
/// once Tropo tells us that [`KEY`] was pressed.
pub fn question_document(to: PhoneNumber, from: PhoneNumber, question: &str, follow: FollowUp<'_>) -> String {
    let (to, from) = (to.e164(), from.e164());
    let ask = Ask {
        name: "key",
        attempts: 2,
        timeout: 10,
        choices: Choice { value: KEY, mode: "dtmf" },
        say: Some(Say { value: spoken(question) }),
    };
    let call = Call { to, from, network: "PSTN", channel: "VOICE", machine_detection: true };
    let mut verbs = vec![Verb::Call(call), Verb::Ask(ask)];
    verbs.extend(handlers(follow));
    written(verbs)
}

/// The document that says a sentence to whoever is on the line, and hangs up.
pub fn say_document(sentence: &str) -> String {
    written(vec![Verb::say(sentence), Verb::Hangup(())])
}

/// The document that texts somebody: the answer to a messaging launch.
pub fn message_document(to: PhoneNumber, from: PhoneNumber, text: &str, follow: FollowUp<'_>) -> String {
    let (to, from) = (to.e164(), from.e164());
    let say = Say { value: texted(text) };
    let mut verbs = vec![Verb::Message(Message { say, to, from, network: "SMS", channel: "TEXT" })];
    verbs.extend(handlers(follow));
    written(verbs)
}

/// The document that ends a call, and the answer where nothing is left to do.
pub fn hangup_document() -> String {
    written(vec![Verb::Hangup(())])
}

/// Tropo's `to` also takes SIP addresses, lists and further digits: none of them is a [`PhoneNumber`].
fn transfer(to: PhoneNumber, shown: PhoneNumber, timeout: u32, follow: Option<FollowUp<'_>>) -> String {
    let on = follow.map(|address| On::post(CallEvent::Connect, address(CallEvent::Connect)));
    let choices = Choices { terminator: GIVE_UP_KEY };
    let mut verbs = Vec::with_capacity(1 + CallEvent::FINAL.len());
    verbs.push(Verb::Transfer(Transfer { to: to.e164(), from: shown.e164(), timeout, choices, on }));
    verbs.extend(follow.into_iter().flat_map(handlers));
    written(verbs)
}

/// Keeps the caller waiting as a transfer does that nobody answers. Tropo cannot ring without dialling somebody, but a
/// transfer sounds like this question: Tropo answers the call and is silent for the time, and the key by which a caller
/// gives up ends it. Any other key ends the question too, which a transfer would not heed, so that it is asked again for the
/// rest of the time: see [`super::ring_left`].
fn ring_out(timeout: u32, follow: Option<FollowUp<'_>>) -> String {
    let choices = Choice { value: GIVE_UP_KEY, mode: "dtmf" };
    let mut verbs = vec![Verb::Ask(Ask { name: RINGING, attempts: 1, timeout, choices, say: None })];
    let over = |event| match event {
        CallEvent::Continue => CallEvent::Incomplete,
        CallEvent::Incomplete => CallEvent::Ringing,
        other => other,
    };
    let handler =
        |address: FollowUp<'_>| CallEvent::FINAL.map(|event| Verb::On(On::next(event, address(over(event)))));
    verbs.extend(follow.into_iter().flat_map(handler));
    written(verbs)
}

fn handlers(address: FollowUp<'_>) -> [Verb; 4] {
    CallEvent::FINAL.map(|event| Verb::On(On::next(event, address(event))))
}

fn written(tropo: Vec<Verb>) -> String {
    let mut text = Vec::with_capacity(USUAL_LENGTH);
    serde_json::to_writer(&mut text, &Document { tropo }).expect("verbs are plain texts and numbers");
    String::from_utf8(text).expect("JSON is UTF-8")
}

#[derive(Serialize)]
struct Document {
    tropo: Vec<Verb>,
}

/// One verb: an object with its name as the only key. `hangup` and `reject` have nothing to say.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Transfer(Transfer),
    Ask(Ask),
    Call(Call),
    Message(Message),
    Say(Say),
    On(On),
    Hangup(()),
    Reject(()),
}

impl Verb {
    fn say(sentence: &str) -> Self {
        Self::Say(Say { value: spoken(sentence) })
    }
}

#[derive(Serialize)]
struct Transfer {
    to: String,
    from: String,
    timeout: u32,
    choices: Choices,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<On>,
}

#[derive(Serialize)]
struct Choices {
    terminator: &'static str,
}

#[derive(Serialize)]
struct Ask {
    name: &'static str,
    attempts: u32,
    timeout: u32,
    choices: Choice,
    #[serde(skip_serializing_if = "Option::is_none")]
    say: Option<Say>,
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    mode: &'static str,
}

#[derive(Serialize)]
struct Call {
    to: String,
    from: String,
    network: &'static str,
    channel: &'static str,
    /// With it, results tell whether a person or a machine picked up.
    #[serde(rename = "machineDetection")]
    machine_detection: bool,
}

#[derive(Serialize)]
struct Message {
    say: Say,
    to: String,
    from: String,
    network: &'static str,
    channel: &'static str,
}

#[derive(Serialize)]
struct Say {
    value: String,
}

#[derive(Serialize)]
struct On {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<String>,
}

impl On {
    fn next(event: CallEvent, address: String) -> Self {
        Self { event: event.name(), next: Some(address), post: None }
    }

    fn post(event: CallEvent, address: String) -> Self {
        Self { event: event.name(), next: None, post: Some(address) }
    }
}
