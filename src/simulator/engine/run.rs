//! The course of a session: document after document, verb after verb, and which handler hears of what.
//!
//! The rules are those of `tropo.md` section 3.4. Where they leave a gap: an event that nobody handles (not
//! even `continue`) ends the call, and verbs behind it are not reached.

use serde_json::Value;
use url::Url;

use super::Outcome;
use super::document::{Allowed, Document, Handler, Verb};
use super::session::{LegState, Session, show};
use super::signals::Interruption;
use crate::simulator::trace::Kind;

/// What a handler can be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Continue,
    Incomplete,
    Error,
    Hangup,
    Signal(String),
}

impl Event {
    fn name(&self) -> &str {
        match self {
            Self::Continue => "continue",
            Self::Incomplete => "incomplete",
            Self::Error => "error",
            Self::Hangup => "hangup",
            Self::Signal(name) => name,
        }
    }
}

/// What follows a verb.
#[derive(Debug)]
pub(super) enum Flow {
    /// The next verb.
    On,
    /// An event; the rest of the document is dropped.
    Happened(Event),
    /// The session is over and nobody is told.
    Over,
}

/// Where the story goes on after a document.
enum Onward {
    Ask(Url),
    /// The call is over; the answer does not matter any more.
    TellLast(Url),
    Over,
}

/// How a session ended.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// How long it took and how long its call was connected, in milliseconds.
    pub(super) elapsed: u64,
    pub(super) connected: u64,
}

impl Session {
    /// Posts the session and does what is asked until nothing is left to do.
    pub(super) async fn run(mut self, first: Url, body: Value) -> Ended {
        let mut question = Some((first, body));
        while let Some((url, body)) = question.take() {
            match self.converse(url, &body).await {
                Ok(document) => question = self.follow(document).await,
                Err(why) => self.give_up(&why),
            }
        }
        self.post_details().await;
        self.close()
    }

    /// Carries a document out, and says what to post where, if the answer matters.
    async fn follow(&mut self, document: Document) -> Option<(Url, Value)> {
        match self.carry_out(&document).await {
            Onward::Ask(url) => Some((url, self.result())),
            Onward::TellLast(url) => {
                let result = self.result();
                self.notify(url.as_str(), &result).await;
                None
            }
            Onward::Over => None,
        }
    }

    async fn carry_out(&mut self, document: &Document) -> Onward {
        self.actions.clear();
        for verb in &document.verbs {
            match self.perform(verb).await {
                Flow::On => {}
                Flow::Over => return Onward::Over,
                Flow::Happened(event) => return self.fire(&event, document).await,
            }
        }
        self.fire(&Event::Continue, document).await
    }

    async fn perform(&mut self, verb: &Verb) -> Flow {
        match verb {
            Verb::Transfer(dial) => self.transfer(dial).await,
            Verb::Call(dial) => self.call(dial).await,
            Verb::Message(dial) => self.message(dial).await,
            Verb::Say(say) => self.say(&say.sentences, &say.allowed).await,
            Verb::Ask(ask) => self.ask(ask).await,
            Verb::Record(record) => self.record_voice(record).await,
            Verb::Conference(conference) => self.conference(conference).await,
            Verb::Wait { milliseconds, allowed } => self.wait(*milliseconds, allowed).await,
            Verb::Answer => self.answer(),
            Verb::Reject => self.reject(),
            Verb::Redirect(to) => self.redirect(to),
            Verb::Hangup => self.hang_up_when_asked(),
            Verb::On => Flow::On,
            Verb::Recording(name) => self.note(&format!("{name}: a machine without sound records nothing.")),
            Verb::LogSecurity(how) => self.note(&format!("Tropo's own log is set to \"{how}\".")),
            Verb::Unknown(name) => self.note(&format!("\"{name}\" is not a verb of Tropo's. It is ignored.")),
            Verb::Broken { verb, lacks } => {
                self.tell(Kind::Problem, format!("\"{verb}\" lacks \"{lacks}\", so it is an error."));
                Flow::Happened(Event::Error)
            }
        }
    }

    pub(super) fn note(&self, text: &str) -> Flow {
        self.tell(Kind::Note, text);
        Flow::On
    }

    /// What an interruption leads to.
    pub(super) fn interrupted_by(&mut self, interruption: Interruption) -> Flow {
        match interruption {
            Interruption::Signal(name) => {
                self.tell(Kind::Note, format!("The signal \"{name}\" interrupts."));
                Flow::Happened(Event::Signal(name))
            }
            Interruption::CallerHangsUp => self.caller_hangs_up(),
        }
    }

    /// The party at the other end of the session's own call hangs up.
    pub(super) fn caller_hangs_up(&mut self) -> Flow {
        let who = match self.leg.placed {
            Some(_) => format!("{} hangs", show(&self.leg.party)),
            None => "The caller hangs".to_owned(),
        };
        self.hang_up(&who);
        self.outcome = Some(Outcome::CallerHungUp);
        self.actions.clear();
        Flow::Happened(Event::Hangup)
    }

    fn hang_up_when_asked(&mut self) -> Flow {
        if !self.on_the_line() {
            return self.note("There is no call to hang up.");
        }
        self.hang_up("Tropo hangs");
        Flow::Happened(Event::Hangup)
    }

    fn answer(&mut self) -> Flow {
        self.pick_up();
        self.note("The call is answered.")
    }

    fn reject(&mut self) -> Flow {
        if self.leg.state != LegState::Ringing {
            return self.note("\"reject\" works only before a call is answered. It is ignored.");
        }
        self.leg.state = LegState::Ended;
        self.outcome.get_or_insert(Outcome::Declined);
        self.tell(Kind::Ends, "The application rejects the call; the caller hears a busy tone (SIP 603).");
        Flow::Over
    }

    fn redirect(&mut self, to: &str) -> Flow {
        if self.leg.state != LegState::Ringing {
            return self.note("\"redirect\" works only before a call is answered. It is ignored.");
        }
        self.leg.state = LegState::Ended;
        self.outcome.get_or_insert(Outcome::Redirected);
        self.tell(Kind::Ends, format!("The caller is sent on to {to} (SIP 302)."));
        Flow::Over
    }

    async fn wait(&mut self, milliseconds: u64, allowed: &Allowed) -> Flow {
        self.tell(Kind::Note, format!("Waits {milliseconds} milliseconds."));
        match self.pass(milliseconds, allowed).await {
            Some(interruption) => self.interrupted_by(interruption),
            None => Flow::On,
        }
    }

    /// Lets the handler of an event do what it says; `continue` stands in for one that is missing.
    async fn fire(&mut self, event: &Event, document: &Document) -> Onward {
        let mut heeded = vec![event.name()];
        if event.name() != "continue" {
            heeded.push("continue");
        }
        for handler in heeded.iter().filter_map(|name| document.handler(name)) {
            if let Some(onward) = self.heed(handler, event).await {
                return onward;
            }
        }
        if !self.on_the_line() || heeded.contains(&"hangup") {
            return Onward::Over;
        }
        self.hang_up("Tropo hangs");
        match document.handler("hangup") {
            Some(handler) => self.heed(handler, &Event::Hangup).await.unwrap_or(Onward::Over),
            None => Onward::Over,
        }
    }

    async fn heed(&mut self, handler: &Handler, event: &Event) -> Option<Onward> {
        if self.on_the_line() && !handler.say.is_empty() {
            self.say(&handler.say, &Allowed::none()).await;
        }
        if let Some(post) = &handler.post {
            let result = self.short_result();
            self.notify(post, &result).await;
        }
        let next = handler.next.as_deref()?;
        Some(match self.resolve(next) {
            Some(url) if *event == Event::Hangup => Onward::TellLast(url),
            Some(url) => Onward::Ask(url),
            None => {
                self.give_up(&format!("named \"{next}\", which is not an address that can be posted to"));
                Onward::Over
            }
        })
    }

    /// The application failed: the call is dropped.
    fn give_up(&mut self, why: &str) {
        self.tell(Kind::Problem, format!("The application {why}. The session ends."));
        self.outcome.get_or_insert(Outcome::Failed);
        self.hang_up("Tropo hangs");
    }

    fn close(self) -> Ended {
        let outcome = self.outcome.unwrap_or(Outcome::Done);
        let connected = self.connected();
        self.phone_goes_on(self.leg.phone_call, |call| {
            call.seconds = connected / 1000;
            if !call.received {
                outcome.name().clone_into(&mut call.outcome);
            }
        });
        Ended { outcome, elapsed: self.elapsed, connected }
    }
}
