//! The verbs by which a session rings somebody: transfer, call, message.

use serde_json::{Value, json};

use super::ask::{Asked, Asking};
use super::details::Tags;
use super::document::{Allowed, Dial, Sentence, whole};
use super::options::Tone;
use super::parties::{HIDDEN, Target, caller_id};
use super::ring::{Picked, Ringtime, Rung};
use super::run::{Event, Flow};
use super::script::Answer;
use super::session::{Leg, LegState, Session, show};
use super::signals::Interruption;
use super::speak::{speaking_time, while_joined};
use super::{Outcome, inbound};
use crate::domain::phone::PhoneNumber;
use crate::simulator::switchboard::hex_id;
use crate::simulator::trace::Kind;

/// Why the other side was not joined although it picked up.
enum Unjoined {
    /// It was asked, and its answer did not fit: the disposition.
    Refused(&'static str),
    Interrupted(Interruption),
}

impl Dial {
    fn ringtime<'a>(&self, allowed: &'a Allowed) -> Ringtime<'a> {
        Ringtime {
            milliseconds: whole(self.timeout * 1000.0),
            allowed,
            terminator: None,
            caller_listens: false,
        }
    }
}

impl Session {
    /// Rings somebody else and joins the two.
    pub(super) async fn transfer(&mut self, dial: &Dial) -> Flow {
        if !self.on_the_line() || self.leg.is_text {
            return self.note("There is no call that could be transferred.");
        }
        self.pick_up();
        let shown = dial.from.as_deref().map_or_else(|| self.leg.party.clone(), caller_id);
        for handler in dial.handlers.iter().filter(|handler| handler.event == "ring") {
            self.say(&handler.say, &Allowed::none()).await;
        }
        let allowed = while_joined(dial.terminator.as_ref(), &dial.allowed);
        let began = self.elapsed;
        let terminator = dial.terminator.as_deref();
        let ringtime = Ringtime { terminator, caller_listens: true, ..dial.ringtime(&allowed) };
        let rung = self.ring(&dial.to, &shown, ringtime).await;
        let flow = self.transferred(dial, rung, &shown, began, &allowed).await;
        self.drop_keys();
        flow
    }

    /// What comes of the ringing.
    async fn transferred(
        &mut self,
        dial: &Dial,
        rung: Rung,
        shown: &str,
        began: u64,
        allowed: &Allowed,
    ) -> Flow {
        let (outcome, disposition) = match rung {
            Rung::Picked(picked) => return self.join(dial, picked, began, allowed).await,
            Rung::Rented(number, tones) => {
                return self.join_rented(dial, &number, shown, began, &tones).await;
            }
            Rung::Cancelled => return self.cancel(dial, began),
            Rung::CallerHungUp => return self.caller_hangs_up(),
            Rung::Interrupted(interruption) => {
                self.act(dial, began, 0, "EXTERNAL_EVENT");
                return self.interrupted_by(interruption);
            }
            Rung::Busy => (Outcome::Busy, "BUSY"),
            Rung::NoAnswer => (Outcome::NoAnswer, "TIMEOUT"),
            Rung::Rejected => (Outcome::Rejected, "REJECTED"),
            Rung::Nowhere => (Outcome::NotInService, "FAILED"),
        };
        self.outcome = Some(outcome);
        self.act(dial, began, 0, disposition);
        Flow::Happened(Event::Incomplete)
    }

    /// The caller ended it with a key. Tropo's server called that a choice, which the application hears of as
    /// `continue`; a disposition for it is not documented.
    fn cancel(&mut self, dial: &Dial, began: u64) -> Flow {
        self.tell(Kind::Ends, "The transfer is cancelled.");
        self.outcome = Some(Outcome::Cancelled);
        self.act(dial, began, 0, None);
        Flow::Happened(Event::Continue)
    }

    /// The other side has picked up: what it is told and asked first, then the talk.
    async fn join(&mut self, dial: &Dial, mut picked: Picked, began: u64, allowed: &Allowed) -> Flow {
        let answered_at = self.elapsed;
        match self.greet(dial, &mut picked).await {
            Ok(()) => {}
            Err(Unjoined::Refused(disposition)) => {
                self.tell(Kind::Ends, format!("{} is dropped.", show(&picked.phone)));
                self.outcome = Some(Outcome::Rejected);
                self.act(dial, began, 0, disposition);
                return Flow::Happened(Event::Incomplete);
            }
            Err(Unjoined::Interrupted(interruption)) => {
                self.act(dial, began, 0, "EXTERNAL_EVENT");
                return self.interrupted_by(interruption);
            }
        }
        self.outcome = Some(Outcome::Answered);
        self.tell(Kind::Connects, format!("{} and {} talk.", show(&self.leg.party), show(&picked.phone)));
        let interruption = self.pass(u64::from(picked.seconds) * 1000, allowed).await;
        let connected = self.elapsed - answered_at;
        self.note_talk(&picked, connected / 1000);
        self.keep_detail(dial, connected);
        match interruption {
            Some(interruption) => {
                self.act(dial, began, connected, "EXTERNAL_EVENT");
                let flow = self.interrupted_by(interruption);
                self.outcome = Some(Outcome::Answered);
                flow
            }
            None if picked.answer == Answer::AnsweredCallerHangsUp => {
                let flow = self.caller_hangs_up();
                self.outcome = Some(Outcome::Answered);
                flow
            }
            None => {
                self.tell(Kind::Ends, format!("{} hangs up.", show(&picked.phone)));
                self.act(dial, began, connected, "SUCCESS");
                Flow::On
            }
        }
    }

    fn note_talk(&self, picked: &Picked, seconds: u64) {
        self.record.change(|trace| trace.seconds = seconds);
        self.phone_goes_on(picked.call, |call| call.seconds = seconds);
    }

    /// What is dialled on the other side, then what `connect` handlers say to it and ask of it.
    async fn greet(&mut self, dial: &Dial, picked: &mut Picked) -> Result<(), Unjoined> {
        self.dial_tones(picked).await.map_err(Unjoined::Interrupted)?;
        for handler in dial.handlers.iter().filter(|handler| handler.event == "connect") {
            self.say_to_callee(picked, &handler.say).await.map_err(Unjoined::Interrupted)?;
            if let Some(milliseconds) = handler.wait {
                self.note(&format!("{} waits {milliseconds} milliseconds.", show(&picked.phone)));
                if let Some(interruption) = self.pass(milliseconds, &Allowed::none()).await {
                    return Err(Unjoined::Interrupted(interruption));
                }
            }
            if let Some(ask) = &handler.ask {
                match self.question(ask, &mut Asked::Callee(picked)).await {
                    Asking::Taken(..) => {}
                    Asking::Failed(failure) => return Err(Unjoined::Refused(failure.disposition())),
                    Asking::Unsent => return Err(Unjoined::Refused("FAILED")),
                    Asking::Interrupted(interruption) => return Err(Unjoined::Interrupted(interruption)),
                }
            }
            if let Some(post) = &handler.post {
                let result = self.short_result();
                self.notify(post, &result).await;
            }
            if handler.next.is_some() {
                self.note("\"next\" in a connect handler has no documented effect. It is ignored.");
            }
        }
        Ok(())
    }

    /// Dials the digits that stand behind the address.
    async fn dial_tones(&mut self, picked: &Picked) -> Result<(), Interruption> {
        for tone in &picked.tones {
            match tone {
                Tone::Pause(milliseconds) => {
                    self.note(&format!("Tropo waits {milliseconds} milliseconds before it dials on."));
                    if let Some(interruption) = self.pass(*milliseconds, &Allowed::none()).await {
                        return Err(interruption);
                    }
                }
                Tone::Keys(keys) => self.dialled(&picked.phone, keys),
            }
        }
        Ok(())
    }

    fn dialled(&self, whose: &str, keys: &str) {
        self.tell(Kind::Note, format!("Tropo dials {keys} on the line of {}.", show(whose)));
        self.record.change(|trace| trace.dialled.push(keys.to_owned()));
    }

    async fn say_to_callee(&mut self, picked: &Picked, sentences: &[Sentence]) -> Result<(), Interruption> {
        for sentence in sentences.iter().filter(|sentence| sentence.event.is_none()) {
            self.heard_by_callee(picked, &sentence.text);
            if let Some(interruption) = self.pass(speaking_time(&sentence.text), &Allowed::none()).await {
                return Err(interruption);
            }
        }
        Ok(())
    }

    /// The number dialled is itself rented: its application gets a session of its own, whose questions the digits
    /// behind the address answer first.
    async fn join_rented(
        &mut self,
        dial: &Dial,
        number: &PhoneNumber,
        shown: &str,
        began: u64,
        tones: &[Tone],
    ) -> Flow {
        let answered_at = self.elapsed;
        let mut script = self.script.clone();
        for tone in tones.iter().rev() {
            if let Tone::Keys(keys) = tone {
                script.caller_presses.insert(0, keys.clone());
                self.dialled(&number.e164(), keys);
            }
        }
        let call = inbound::Call { from: inbound::party(shown), to: *number, script, depth: self.depth + 1 };
        let ended = Box::pin(inbound::connect(&self.board, &self.record, call)).await;
        self.elapsed = answered_at + ended.elapsed;
        self.outcome = Some(ended.outcome);
        if ended.outcome == Outcome::CallerHungUp {
            let flow = self.caller_hangs_up();
            return flow;
        }
        if ended.connected == 0 {
            self.act(dial, began, 0, "REJECTED");
            return Flow::Happened(Event::Incomplete);
        }
        self.keep_detail(dial, ended.connected);
        self.act(dial, began, ended.connected, "SUCCESS");
        Flow::On
    }

    /// Notes what a transfer did, for the result.
    fn act(&mut self, dial: &Dial, began: u64, connected: u64, disposition: impl Into<Option<&'static str>>) {
        let mut action = json!({
            "name": dial.name.as_deref().unwrap_or("transfer"),
            "duration": (self.elapsed - began) / 1000,
            "connectedDuration": connected / 1000,
            "timestamp": self.timestamp(),
        });
        if let Some(disposition) = disposition.into() {
            action["disposition"] = Value::from(disposition);
        }
        if dial.detects_machines && connected > 0 {
            action["userType"] = Value::from("HUMAN");
        }
        self.actions.push(action);
    }

    /// Calls somebody, who becomes the session's own party.
    pub(super) async fn call(&mut self, dial: &Dial) -> Flow {
        if self.on_the_line() {
            return self.note("\"call\" works only where there is no call yet. It is ignored.");
        }
        let line = dial.from.as_deref().map_or_else(|| HIDDEN.to_owned(), caller_id);
        if dial.is_text() {
            return self.begin_texting(&dial.to[0], line);
        }
        let rung = self.ring(&dial.to, &line, dial.ringtime(&dial.allowed)).await;
        let Rung::Picked(picked) = rung else {
            self.leg.state = LegState::Failed;
            self.outcome = Some(rung.outcome());
            return match rung {
                Rung::Interrupted(interruption) => self.interrupted_by(interruption),
                _ => Flow::Happened(Event::Incomplete),
            };
        };
        self.outcome = Some(Outcome::Answered);
        self.leg = Leg {
            state: LegState::Answered,
            party: picked.phone.clone(),
            line,
            call_id: Some(hex_id()),
            phone_call: picked.call,
            is_text: false,
            answered_at: Some(self.elapsed),
            placed: Some(Tags::of(dial)),
        };
        let dialled = self.dial_tones(&picked).await;
        self.obliging = picked.untold && !self.script.live;
        self.presses = picked.presses;
        dialled.map_or_else(|interruption| self.interrupted_by(interruption), |()| Flow::On)
    }

    fn begin_texting(&mut self, to: &str, line: String) -> Flow {
        let Target::Phone(party) = Target::find(&self.board, to) else {
            return self.undeliverable(to);
        };
        self.leg = Leg {
            state: LegState::Answered,
            party,
            line,
            call_id: Some(hex_id()),
            phone_call: None,
            is_text: true,
            answered_at: None,
            placed: None,
        };
        Flow::On
    }

    /// Sends a text, or calls somebody, says something and hangs up.
    pub(super) async fn message(&mut self, dial: &Dial) -> Flow {
        if dial.is_text() {
            return self.send_text(dial);
        }
        let shown = dial.from.as_deref().map_or_else(|| HIDDEN.to_owned(), caller_id);
        let rung = self.ring(&dial.to, &shown, dial.ringtime(&dial.allowed)).await;
        let Rung::Picked(picked) = rung else {
            self.outcome = Some(rung.outcome());
            return Flow::Happened(Event::Incomplete);
        };
        let began = self.elapsed;
        let said = match self.dial_tones(&picked).await {
            Ok(()) => self.say_to_callee(&picked, &dial.say).await,
            interrupted => interrupted,
        };
        if let Err(interruption) = said {
            return self.interrupted_by(interruption);
        }
        self.note_talk(&picked, (self.elapsed - began) / 1000);
        self.outcome = Some(Outcome::Answered);
        self.tell(Kind::Ends, "Tropo hangs up.");
        Flow::On
    }

    /// Of several that a text is for, only the first gets it. Its sender has to be a number of the account;
    /// without one, it is the application's first number, or unknown.
    fn send_text(&mut self, dial: &Dial) -> Flow {
        let Target::Phone(to) = Target::find(&self.board, &dial.to[0]) else {
            return self.undeliverable(&dial.to[0]);
        };
        let own = self.application.addresses.iter().find(|address| address.kind == "number");
        let from = match dial.from.as_deref().map(caller_id) {
            Some(from) if self.board.account.read(|account| account.holder(&from).is_none()) => {
                self.tell(Kind::Problem, format!("{} is no number of this account's.", show(&from)));
                return Flow::Happened(Event::Incomplete);
            }
            Some(from) => from,
            None => own.map_or_else(|| HIDDEN.to_owned(), |address| address.value.clone()),
        };
        let text = dial.say.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>().join(" ");
        if self.text(&from, &to, &text) { Flow::On } else { Flow::Happened(Event::Incomplete) }
    }

    fn undeliverable(&mut self, to: &str) -> Flow {
        self.tell(Kind::Problem, format!("A text to {} cannot be delivered.", show(to)));
        self.outcome = Some(Outcome::NotInService);
        Flow::Happened(Event::Incomplete)
    }
}
