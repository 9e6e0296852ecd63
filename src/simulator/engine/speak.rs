//! The verbs by which a session speaks and listens: say, ask, record, conference.

use serde_json::{Value, json};

use super::Outcome;
use super::document::{Allowed, Ask, Conference, Record, Sentence, whole};
use super::run::{Event, Flow};
use super::session::{Session, show};
use crate::simulator::phones::PhoneCall;
use crate::simulator::stock::{self, Area};
use crate::simulator::trace::Kind;

/// How long a recorded message is, in milliseconds.
const MESSAGE: u64 = 5_000;

impl Session {
    /// Says sentences to the session's own party; a text session sends them as texts.
    pub(super) async fn say(&mut self, sentences: &[Sentence], allowed: &Allowed) -> Flow {
        if !self.on_the_line() {
            return self.note("There is nobody on the line to hear it.");
        }
        self.pick_up();
        for sentence in sentences.iter().filter(|sentence| sentence.event.is_none()) {
            if let Some(flow) = self.say_one(&sentence.text, allowed).await {
                return flow;
            }
        }
        Flow::On
    }

    async fn say_one(&mut self, text: &str, allowed: &Allowed) -> Option<Flow> {
        if self.leg.is_text {
            let (line, party) = (self.leg.line.clone(), self.leg.party.clone());
            return (!self.text(&line, &party, text)).then_some(Flow::Happened(Event::Incomplete));
        }
        self.heard(text);
        self.outcome.get_or_insert(Outcome::Spoken);
        let interruption = self.pass(speaking_time(text), allowed).await?;
        Some(self.interrupted_by(interruption))
    }

    fn heard(&self, text: &str) {
        self.tell(Kind::Says, format!("{} hears: “{text}”", show(&self.leg.party)));
        self.record.change(|trace| trace.heard.push(text.to_owned()));
        self.phone_goes_on(self.leg.phone_call, |call| call.heard.push(text.to_owned()));
    }

    /// Delivers a text; false where the number cannot send any.
    pub(super) fn text(&mut self, from: &str, to: &str, text: &str) -> bool {
        if stock::area_of(from).is_some_and(|area| !Area::texts(area)) {
            self.tell(Kind::Problem, format!("{} cannot send texts.", show(from)));
            return false;
        }
        self.tell(Kind::Says, format!("{} gets a text from {}: “{text}”", show(to), show(from)));
        self.board.phone_text(to, true, from, text);
        self.record.change(|trace| trace.heard.push(text.to_owned()));
        self.outcome = Some(Outcome::Delivered);
        true
    }

    /// Goes on with a phone's entry, and tells those who watch.
    pub(super) fn phone_goes_on(&self, id: Option<u64>, change: impl FnOnce(&mut PhoneCall)) {
        let Some(id) = id else { return };
        let phone = self.board.phones_mut(|phones| {
            let mut phone = None;
            phones.go_on(id, |call| {
                change(call);
                phone = Some(call.phone.clone());
            });
            phone
        });
        if let Some(phone) = phone {
            self.board.phone_changed(&phone);
        }
    }

    /// Asks the party until an answer fits or the attempts are used up.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Flow {
        if !self.on_the_line() {
            return self.note("There is nobody on the line to ask.");
        }
        let mut disposition = "TIMEOUT";
        for attempt in 1..=ask.attempts {
            let prompts = prompts(&ask.say, disposition, attempt);
            match self.say(&prompts, &ask.allowed).await {
                Flow::On => {}
                interrupted => return interrupted,
            }
            match self.given() {
                Some(given) if fits(ask.choices.as_deref(), &given) => {
                    self.tell(Kind::Note, format!("The answer is “{given}”."));
                    self.actions.push(answered(ask, attempt, &given));
                    return Flow::On;
                }
                Some(given) => {
                    self.tell(Kind::Note, format!("“{given}” is none of the choices."));
                    disposition = "NOMATCH";
                }
                None => {
                    disposition = "TIMEOUT";
                    self.tell(Kind::Note, "Nothing is pressed.");
                    if let Some(interruption) = self.pass(whole(ask.timeout * 1000.0), &ask.allowed).await {
                        return self.interrupted_by(interruption);
                    }
                }
            }
        }
        let documented = if disposition == "NOMATCH" { "FAILED" } else { "TIMEOUT" };
        let name = ask.name.as_deref().unwrap_or("ask");
        self.actions.push(json!({"name": name, "attempts": ask.attempts, "disposition": documented}));
        Flow::Happened(Event::Incomplete)
    }

    fn given(&mut self) -> Option<String> {
        if self.leg.is_text { self.initial_text.take() } else { self.presses.pop_front() }
    }

    /// Records the party's voice, which a machine without sound can only pretend.
    pub(super) async fn record_voice(&mut self, record: &Record) -> Flow {
        match self.say(&record.say, &record.allowed).await {
            Flow::On if self.on_the_line() => {}
            other => return other,
        }
        self.tell(Kind::Note, "A message of 5 seconds is recorded, without sound. Nothing is uploaded.");
        if let Some(interruption) = self.pass(MESSAGE, &record.allowed).await {
            return self.interrupted_by(interruption);
        }
        self.actions.push(json!({
            "name": record.name.as_deref().unwrap_or("record"),
            "attempts": 1,
            "disposition": "SUCCESS",
            "duration": MESSAGE / 1000,
            "url": record.url,
        }));
        Flow::On
    }

    /// Puts the party into a room, where it stays as long as it would talk.
    pub(super) async fn conference(&mut self, conference: &Conference) -> Flow {
        if !self.on_the_line() {
            return self.note("There is nobody on the line to join the conference.");
        }
        self.pick_up();
        let welcome = self.say(&conference.welcome, &Allowed::none()).await;
        if !matches!(welcome, Flow::On) {
            return welcome;
        }
        self.tell(Kind::Connects, format!("{} is in conference {}.", show(&self.leg.party), conference.id));
        let allowed = while_joined(conference.terminator.as_ref(), &conference.allowed);
        let stay = u64::from(self.script.seconds.unwrap_or(12)) * 1000;
        if let Some(interruption) = self.pass(stay, &allowed).await {
            return self.interrupted_by(interruption);
        }
        let flow = self.caller_hangs_up();
        let name = conference.name.as_deref().unwrap_or("conference");
        self.actions.push(json!({"name": name, "duration": stay / 1000, "disposition": "HANGUP"}));
        flow
    }
}

/// While two are joined, signals act only where a key could end it too.
pub(super) fn while_joined(terminator: Option<&String>, allowed: &Allowed) -> Allowed {
    if terminator.is_some() { allowed.clone() } else { Allowed::none() }
}

fn answered(ask: &Ask, attempt: u64, given: &str) -> Value {
    json!({
        "name": ask.name.as_deref().unwrap_or("ask"),
        "attempts": attempt,
        "disposition": "SUCCESS",
        "confidence": 100,
        "interpretation": given,
        "utterance": given,
        "value": given,
        "concept": given,
    })
}

/// What is said before an attempt: what fits the failure before it, and then the question.
fn prompts(say: &[Sentence], failure: &str, attempt: u64) -> Vec<Sentence> {
    let wanted = if failure == "NOMATCH" { "nomatch" } else { "timeout" };
    let fits = |event: &str| {
        let (name, number) = event.split_once(':').unwrap_or((event, ""));
        let number_fits = number.is_empty() || number.parse() == Ok(attempt - 1);
        attempt > 1 && number_fits && name == wanted
    };
    let again = say.iter().filter(|sentence| {
        sentence.event.as_deref().is_some_and(|events| events.split_whitespace().any(fits))
    });
    let question = say.iter().filter(|sentence| sentence.event.is_none());
    again.chain(question).map(|sentence| Sentence { text: sentence.text.clone(), event: None }).collect()
}

/// Whether what was pressed or written is one of the choices: `[4-6 DIGITS]`, or words with commas between,
/// each perhaps with others that mean the same in brackets.
pub(super) fn fits(choices: Option<&str>, given: &str) -> bool {
    let Some(choices) = choices else { return true };
    let inner = choices.trim().trim_start_matches('[').trim_end_matches(']');
    if let Some((count, "DIGIT" | "DIGITS")) = inner.split_once(' ') {
        let (least, most) = count.split_once('-').unwrap_or((count, count));
        let (Ok(least), Ok(most)) = (least.parse::<usize>(), most.parse::<usize>()) else { return true };
        return given.bytes().all(|byte| byte.is_ascii_digit()) && (least..=most).contains(&given.len());
    }
    let mut words = choices.split([',', '(', ')']).map(str::trim).filter(|word| !word.is_empty());
    words.any(|word| word.eq_ignore_ascii_case(given.trim()))
}

/// How long a sentence takes: a second and one more for every fifteen characters, in milliseconds.
pub(super) fn speaking_time(text: &str) -> u64 {
    1000 + u64::try_from(text.chars().count()).unwrap_or(0) * 1000 / 15
}
