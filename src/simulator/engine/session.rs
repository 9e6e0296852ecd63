//! One session: its call, its time, and its conversation with the application.
//!
//! It must not know the verbs: it gives them what they need (time that passes, steps that are told, results
//! that are posted).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use url::Url;

use super::Outcome;
use super::details::{Detail, Tags};
use super::document::{Allowed, Document, Verb};
use super::script::Script;
use super::signals::{Interruption, Side, Signals, Woken};
use crate::domain::phone::PhoneNumber;
use crate::simulator::account::Application;
use crate::simulator::switchboard::Switchboard;
use crate::simulator::trace::{Kind, Recorder, Step};

/// How many documents one session may be given: beyond that it is a circle.
const MOST_DOCUMENTS: u32 = 50;
/// The longest a session lives, as Tropo's did: 4 hours.
const LONGEST_SESSION: u64 = 4 * 3600 * 1000;
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 256 * 1024;
/// The longest that anybody who watches is made to wait for one thing, in milliseconds.
const LONGEST_WATCHED: u64 = 10_000;
/// The longest that whoever watches has for pressing a key, in milliseconds.
const LONGEST_LISTENED: u64 = 60_000;

/// What a session's call is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LegState {
    /// There is none: a launch that has not called anybody.
    None,
    Ringing,
    Answered,
    Failed,
    Ended,
}

impl LegState {
    fn name(self) -> &'static str {
        match self {
            Self::Ringing => "RINGING",
            Self::Answered => "ANSWERED",
            Self::Failed => "FAILED",
            Self::None | Self::Ended => "DISCONNECTED",
        }
    }
}

/// The call, or the exchange of texts, that the session is about.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    pub(super) state: LegState,
    /// Who is at the other end, as shown.
    pub(super) party: String,
    /// The rented number, or the caller ID that the party sees.
    pub(super) line: String,
    pub(super) call_id: Option<String>,
    /// The entry of the party's phone.
    pub(super) phone_call: Option<u64>,
    pub(super) is_text: bool,
    /// When it was answered, in the session's own time.
    pub(super) answered_at: Option<u64>,
    /// Of a call that the application placed: what it said about its record.
    pub(super) placed: Option<Tags>,
}

/// A session that goes on.
pub(super) struct Session {
    pub(super) board: Arc<Switchboard>,
    pub(super) record: Recorder,
    pub(super) application: Application,
    pub(super) id: String,
    pub(super) leg: Leg,
    pub(super) script: Script,
    /// What the party still has to press, one entry for each question.
    pub(super) presses: VecDeque<String>,
    /// Whether the party presses the key that a question offers first, as nobody is there to press another.
    pub(super) obliging: bool,
    /// The text that began the session, until a question takes it as its answer.
    pub(super) initial_text: Option<String>,
    /// How many rented numbers lead here, one behind the other.
    pub(super) depth: u8,
    pub(super) actions: Vec<Value>,
    /// The transfers that were connected.
    pub(super) details: Vec<Detail>,
    pub(super) outcome: Option<Outcome>,
    /// The document's own address, against which others are read.
    url: Url,
    started: DateTime<Utc>,
    /// Milliseconds since then, in the session's own time.
    pub(super) elapsed: u64,
    sequence: u32,
    documents: u32,
    signals: Arc<Signals>,
}

/// What a session begins with.
pub(super) struct Beginning {
    pub(super) application: Application,
    pub(super) id: String,
    pub(super) url: Url,
    pub(super) leg: Leg,
    pub(super) script: Script,
    pub(super) depth: u8,
}

impl Session {
    /// Opens a session; signals can reach it from now on.
    pub(super) fn open(board: &Arc<Switchboard>, record: &Recorder, beginning: Beginning) -> Self {
        let Beginning { application, id, url, leg, script, depth } = beginning;
        record.change(|trace| trace.session = trace.session.take().or_else(|| Some(id.clone())));
        Self {
            signals: board.open_session(&id),
            started: board.clock.now(),
            board: Arc::clone(board),
            record: record.clone(),
            presses: script.caller_presses.clone().into(),
            obliging: false,
            application,
            id,
            leg,
            script,
            depth,
            url,
            initial_text: None,
            actions: Vec::new(),
            details: Vec::new(),
            outcome: None,
            elapsed: 0,
            sequence: 0,
            documents: 0,
        }
    }

    /// The time in the session.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.started + TimeDelta::milliseconds(i64::try_from(self.elapsed).unwrap_or(i64::MAX))
    }

    /// The time in the session, as Tropo writes it.
    pub(super) fn timestamp(&self) -> String {
        self.now().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Adds a step to the story.
    pub(super) fn tell(&self, kind: Kind, text: impl Into<String>) {
        self.tell_with(kind, text, None);
    }

    fn tell_with(&self, kind: Kind, text: impl Into<String>, data: Option<Value>) {
        let (at, second) = (self.now(), self.elapsed / 1000);
        self.record.step(Step { at, second, kind, text: text.into(), data });
    }

    /// Lets time pass, at once unless somebody watches; gives back what interrupts it.
    pub(super) async fn pass(&mut self, milliseconds: u64, allowed: &Allowed) -> Option<Interruption> {
        match self.pass_or_key(milliseconds, allowed, None).await? {
            Woken::Interrupted(interruption) => Some(interruption),
            Woken::Key => None,
        }
    }

    /// The same; a key of the side that is listened to ends it too, and is to be taken.
    pub(super) async fn pass_or_key(
        &mut self,
        milliseconds: u64,
        allowed: &Allowed,
        listening_to: Option<Side>,
    ) -> Option<Woken> {
        self.pass_at_most(milliseconds, LONGEST_WATCHED, allowed, listening_to).await
    }

    /// Waits for a key; whoever watches has the time that a person takes to find it.
    pub(super) async fn wait_for_key(
        &mut self,
        milliseconds: u64,
        allowed: &Allowed,
        side: Side,
    ) -> Option<Woken> {
        self.pass_at_most(milliseconds, LONGEST_LISTENED, allowed, Some(side)).await
    }

    async fn pass_at_most(
        &mut self,
        milliseconds: u64,
        watched: u64,
        allowed: &Allowed,
        listening_to: Option<Side>,
    ) -> Option<Woken> {
        if let Some(woken) = self.signals.take(allowed, listening_to) {
            return Some(woken);
        }
        if self.script.live {
            let began = tokio::time::Instant::now();
            let signals = Arc::clone(&self.signals);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(milliseconds.min(watched))) => {}
                woken = signals.next(allowed, listening_to) => {
                    let passed = u64::try_from(began.elapsed().as_millis()).unwrap_or(milliseconds);
                    self.elapsed += passed.min(milliseconds);
                    return Some(woken);
                }
            }
        }
        self.elapsed += milliseconds;
        None
    }

    /// The next key of a side, if one was pressed.
    pub(super) fn take_key(&self, side: Side) -> Option<char> {
        self.signals.take_key(side)
    }

    /// Forgets the keys that nothing listened for.
    pub(super) fn drop_keys(&self) {
        self.signals.drop_keys();
    }

    /// Whether there is a call that can be talked on.
    pub(super) fn on_the_line(&self) -> bool {
        matches!(self.leg.state, LegState::Ringing | LegState::Answered)
    }

    /// Answers a call that still rings, as verbs that speak do by themselves.
    pub(super) fn pick_up(&mut self) {
        if self.leg.state == LegState::Ringing {
            self.leg.state = LegState::Answered;
            self.leg.answered_at = Some(self.elapsed);
        }
    }

    /// Ends the call, if there is one.
    pub(super) fn hang_up(&mut self, who: &str) {
        if self.on_the_line() {
            self.leg.state = LegState::Ended;
            if !self.leg.is_text {
                self.tell(Kind::Ends, format!("{who} up."));
            }
        }
    }

    /// How long the call was connected so far, in milliseconds.
    pub(super) fn connected(&self) -> u64 {
        self.leg.answered_at.map_or(0, |answered_at| self.elapsed - answered_at)
    }

    /// The address that a handler or a link of the current document means.
    pub(super) fn resolve(&self, reference: &str) -> Option<Url> {
        self.url.join(reference).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
    }

    /// Posts a session or a result, and reads the document that comes back.
    pub(super) async fn converse(&mut self, url: Url, body: &Value) -> Result<Document, String> {
        self.documents += 1;
        if self.documents > MOST_DOCUMENTS {
            return Err(format!(
                "gave {MOST_DOCUMENTS} documents in one session, so it goes round in circles"
            ));
        }
        if self.elapsed > LONGEST_SESSION {
            return Err("kept the session for more than 4 hours".to_owned());
        }
        let answer = self.post(&url, body).await?;
        let (document, value) =
            Document::read(&answer).map_err(|why| format!("gave an answer that {why}"))?;
        self.tell_with(
            Kind::Answers,
            format!("The application answers: {}.", in_short(&document)),
            Some(value),
        );
        self.url = url;
        Ok(document)
    }

    /// Posts a body that asks for no document.
    pub(super) async fn notify(&mut self, reference: &str, body: &Value) {
        let Some(url) = self.resolve(reference) else {
            return self
                .tell(Kind::Problem, format!("\"{reference}\" is not an address that can be posted to."));
        };
        if let Err(why) = self.post(&url, body).await {
            self.tell(Kind::Problem, format!("The application {why}."));
        }
    }

    async fn post(&self, url: &Url, body: &Value) -> Result<Vec<u8>, String> {
        let what = if body.get("session").is_some() { "session" } else { "result" };
        let text = format!("Tropo posts the {what} to {}.", url.path());
        self.tell_with(Kind::Asks, text, Some(body.clone()));
        let request = self.board.http.post(url.clone()).json(body);
        let mut response = request.send().await.map_err(|error| unreachable_because(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("answered with status {}, which is not 2xx", status.as_u16()));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable_because(&error))? {
            answer.extend_from_slice(&chunk);
            if answer.len() > LONGEST_ANSWER {
                return Err(format!("gave an answer of more than {LONGEST_ANSWER} bytes"));
            }
        }
        Ok(answer)
    }

    /// The next result, with what the verbs did.
    pub(super) fn result(&mut self) -> Value {
        self.sequence += 1;
        let mut body = self.short_result();
        let actions = std::mem::take(&mut self.actions);
        match actions.as_slice() {
            [] => {}
            [one] => body["result"]["actions"] = one.clone(),
            _ => body["result"]["actions"] = Value::Array(actions),
        }
        body
    }

    /// A result without what the verbs did, as a handler's `post` gets it.
    pub(super) fn short_result(&self) -> Value {
        json!({"result": {
            "sessionId": self.id,
            "callId": self.leg.call_id,
            "state": self.leg.state.name(),
            "sessionDuration": self.elapsed / 1000,
            "sequence": self.sequence,
            "complete": true,
            "error": null,
            "calledid": PhoneNumber::from_e164(&self.leg.line).map(|line| line.digits()),
        }})
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.board.close_session(&self.id);
    }
}

/// The verbs of a document, and what its handlers are for.
fn in_short(document: &Document) -> String {
    let verbs: Vec<&str> = document.verbs.iter().map(Verb::name).filter(|name| *name != "on").collect();
    let events: Vec<&str> = document.handlers.iter().map(|handler| handler.event.as_str()).collect();
    let verbs = if verbs.is_empty() { "nothing to do".to_owned() } else { verbs.join(", ") };
    if events.is_empty() { verbs } else { format!("{verbs}; it wants to hear of {}", events.join(", ")) }
}

fn unreachable_because(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "did not answer in time".to_owned()
    } else if error.is_connect() {
        "cannot be reached: nothing listens at its address".to_owned()
    } else {
        "broke the connection".to_owned()
    }
}

/// A number as people read it; anything else as it is.
pub(super) fn show(address: &str) -> String {
    match PhoneNumber::from_e164(address) {
        Some(number) => number.grouped(),
        None if address == super::parties::HIDDEN => "a hidden number".to_owned(),
        None => address.to_owned(),
    }
}
