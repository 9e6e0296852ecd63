//! Questions: what is said before each attempt, which keys or words come back, and what a result says of them.
//!
//! The session's own party is asked by the verb `ask`; the other side of a transfer by one in a `connect` handler,
//! by the same rules.

use serde_json::{Value, json};

use super::choices::Match;
use super::document::{Ask, Sentence, whole};
use super::ring::Picked;
use super::run::{Event, Flow};
use super::session::{Session, show};
use super::signals::{Interruption, Side, Woken};
use super::speak::speaking_time;
use super::terminator::BEFORE_THE_KEY;
use crate::simulator::trace::Kind;

/// Who is asked.
pub(super) enum Asked<'a> {
    Party,
    Callee(&'a mut Picked),
}

/// What came of a question.
pub(super) enum Asking {
    /// The answer was taken, at that attempt.
    Taken(u64, Match),
    /// No attempt brought one; how the last went.
    Failed(Failure),
    Interrupted(Interruption),
    /// A text session's question could not be sent.
    Unsent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    NoMatch,
    Timeout,
}

impl Failure {
    /// As results call it.
    pub(super) fn disposition(self) -> &'static str {
        match self {
            Self::NoMatch => "FAILED",
            Self::Timeout => "TIMEOUT",
        }
    }

    /// What the sentences are for that are said after it.
    fn event(self) -> &'static str {
        match self {
            Self::NoMatch => "nomatch",
            Self::Timeout => "timeout",
        }
    }
}

impl Asked<'_> {
    fn side(&self) -> Side {
        match self {
            Self::Party => Side::Caller,
            Self::Callee(_) => Side::Callee,
        }
    }
}

impl Session {
    /// The verb: asks the session's own party.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Flow {
        if !self.on_the_line() {
            return self.note("There is nobody on the line to ask.");
        }
        self.pick_up();
        let name = ask.name.as_deref().unwrap_or("ask");
        match self.question(ask, &mut Asked::Party).await {
            Asking::Taken(attempt, taken) => {
                self.actions.push(answered(name, attempt, &taken));
                Flow::On
            }
            Asking::Failed(failure) => {
                let disposition = failure.disposition();
                self.actions
                    .push(json!({"name": name, "attempts": ask.attempts, "disposition": disposition}));
                Flow::Happened(Event::Incomplete)
            }
            Asking::Interrupted(interruption) => self.interrupted_by(interruption),
            Asking::Unsent => Flow::Happened(Event::Incomplete),
        }
    }

    /// Asks until an answer fits or the attempts are used up.
    pub(super) async fn question(&mut self, ask: &Ask, asked: &mut Asked<'_>) -> Asking {
        let mut failed = None;
        for attempt in 1..=ask.attempts {
            if let Some(cut_off) = self.prompt(ask, asked, &prompts(&ask.say, failed, attempt)).await {
                return cut_off;
            }
            let given = match self.listen(ask, asked).await {
                Ok(given) => given,
                Err(interruption) => return Asking::Interrupted(interruption),
            };
            let who = self.who(asked);
            let Some(given) = given else {
                let answers = if self.leg.is_text { "writes" } else { "presses" };
                self.tell(Kind::Note, format!("{who} {answers} nothing."));
                failed = Some(Failure::Timeout);
                continue;
            };
            if let Some(taken) = ask.choices.take(&given, self.leg.is_text) {
                self.tell(Kind::Note, format!("{who} answers “{given}”{}.", meaning(&taken)));
                return Asking::Taken(attempt, taken);
            }
            self.tell(Kind::Note, format!("{who} answers “{given}”, which is none of the choices."));
            failed = Some(Failure::NoMatch);
        }
        Asking::Failed(failed.unwrap_or(Failure::Timeout))
    }

    /// Says the sentences; a key that is pressed meanwhile cuts them short, where the question lets it.
    async fn prompt(&mut self, ask: &Ask, asked: &mut Asked<'_>, sentences: &[Sentence]) -> Option<Asking> {
        let listening_to = ask.bargein.then(|| asked.side());
        for Sentence { text, .. } in sentences {
            match asked {
                Asked::Party if self.leg.is_text => {
                    if !self.text_party(text) {
                        return Some(Asking::Unsent);
                    }
                    continue;
                }
                Asked::Party => self.heard(text),
                Asked::Callee(picked) => self.heard_by_callee(picked, text),
            }
            match self.pass_or_key(speaking_time(text), &ask.allowed, listening_to).await {
                None => {}
                Some(Woken::Key) => return None,
                Some(Woken::Interrupted(interruption)) => return Some(Asking::Interrupted(interruption)),
            }
        }
        None
    }

    /// What is given for an answer: the text that began a text session, keys that somebody presses now, or what was
    /// said before that would be pressed. Nothing once the time is over.
    async fn listen(&mut self, ask: &Ask, asked: &mut Asked<'_>) -> Result<Option<String>, Interruption> {
        if self.leg.is_text {
            return Ok(self.initial_text.take());
        }
        let mut keys = String::new();
        loop {
            while let Some(key) = self.take_key(asked.side()) {
                keys.push(key);
                if ask.choices.complete(&keys) {
                    return Ok(Some(keys));
                }
            }
            if keys.is_empty()
                && let Some(given) = self.would_press(ask, asked)
            {
                return Ok(Some(given));
            }
            let patience = whole(1000.0 * if keys.is_empty() { ask.timeout } else { ask.interdigit_timeout });
            let scripted =
                matches!(asked, Asked::Party) && keys.is_empty() && self.script.caller_key.is_some();
            let time = if scripted { patience.min(BEFORE_THE_KEY) } else { patience };
            match self.wait_for_key(time, &ask.allowed, asked.side()).await {
                Some(Woken::Key) => {}
                Some(Woken::Interrupted(interruption)) => return Err(interruption),
                None if time < patience => keys.extend(self.script.caller_key.take()),
                None => return Ok((!keys.is_empty()).then_some(keys)),
            }
            if ask.choices.complete(&keys) && !keys.is_empty() {
                return Ok(Some(keys));
            }
        }
    }

    fn would_press(&mut self, ask: &Ask, asked: &mut Asked<'_>) -> Option<String> {
        match asked {
            Asked::Callee(picked) => picked.presses.pop_front(),
            Asked::Party if self.obliging => ask.choices.first_offered().map(str::to_owned),
            Asked::Party => self.presses.pop_front(),
        }
    }

    fn who(&self, asked: &Asked<'_>) -> String {
        match asked {
            Asked::Party => show(&self.leg.party),
            Asked::Callee(picked) => show(&picked.phone),
        }
    }
}

fn answered(name: &str, attempt: u64, taken: &Match) -> Value {
    json!({
        "name": name,
        "attempts": attempt,
        "disposition": "SUCCESS",
        "confidence": 100,
        "interpretation": taken.interpretation,
        "utterance": taken.utterance,
        "value": taken.value,
        "concept": taken.value,
    })
}

fn meaning(taken: &Match) -> String {
    if taken.value == taken.interpretation {
        String::new()
    } else {
        format!(", which is “{}”", taken.value)
    }
}

/// What is said before an attempt: what fits the failure before it, and then the question.
fn prompts(say: &[Sentence], failed: Option<Failure>, attempt: u64) -> Vec<Sentence> {
    let fits = |event: &str| {
        let (name, number) = event.split_once(':').unwrap_or((event, ""));
        let number_fits = number.is_empty() || number.parse() == Ok(attempt - 1);
        number_fits && failed.is_some_and(|failure| failure.event() == name)
    };
    let again = say.iter().filter(|sentence| {
        sentence.event.as_deref().is_some_and(|events| events.split_whitespace().any(fits))
    });
    let question = say.iter().filter(|sentence| sentence.event.is_none());
    again.chain(question).map(|sentence| Sentence { text: sentence.text.clone(), event: None }).collect()
}
