//! The verbs by which a session speaks: say, record, conference. What is asked is in `ask`.

use serde_json::json;

use super::Outcome;
use super::document::{Allowed, Conference, Record, Sentence};
use super::ring::Picked;
use super::run::{Event, Flow};
use super::session::{Session, show};
use super::terminator::Cut;
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
            return (!self.text_party(text)).then_some(Flow::Happened(Event::Incomplete));
        }
        self.heard(text);
        let interruption = self.pass(speaking_time(text), allowed).await?;
        Some(self.interrupted_by(interruption))
    }

    /// The session's own party hears a sentence.
    pub(super) fn heard(&mut self, text: &str) {
        self.phone_goes_on(self.leg.phone_call, |call| call.heard.push(text.to_owned()));
        self.record.change(|trace| trace.heard.push(text.to_owned()));
        self.tell(Kind::Says, format!("{} hears: “{text}”", show(&self.leg.party)));
        self.outcome.get_or_insert(Outcome::Spoken);
    }

    /// The other side of a transfer, or whom a message is for, hears a sentence.
    pub(super) fn heard_by_callee(&self, picked: &Picked, text: &str) {
        self.tell(Kind::Says, format!("{} hears: “{text}”", show(&picked.phone)));
        self.record.change(|trace| trace.callee_heard.push(text.to_owned()));
        self.phone_goes_on(picked.call, |call| call.heard.push(text.to_owned()));
    }

    /// Texts the session's own party; false where the number cannot send any.
    pub(super) fn text_party(&mut self, text: &str) -> bool {
        let (line, party) = (self.leg.line.clone(), self.leg.party.clone());
        self.text(&line, &party, text)
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

    /// Records the party's voice, which a machine without sound can only pretend.
    pub(super) async fn record_voice(&mut self, record: &Record) -> Flow {
        match self.say(&record.say, &record.allowed).await {
            Flow::On if self.on_the_line() => {}
            other => return other,
        }
        self.tell(
            Kind::Note,
            "A message of up to 5 seconds is recorded, without sound. Nothing is uploaded.",
        );
        let began = self.elapsed;
        let cut = self.until_key(MESSAGE, &record.allowed, record.terminator.as_deref()).await;
        if let Some(Cut::Interrupted(interruption)) = cut {
            return self.interrupted_by(interruption);
        }
        self.actions.push(json!({
            "name": record.name.as_deref().unwrap_or("record"),
            "attempts": 1,
            "disposition": "SUCCESS",
            "duration": (self.elapsed - began) / 1000,
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
        let began = self.elapsed;
        let (flow, disposition) = match self.until_key(stay, &allowed, conference.terminator.as_deref()).await
        {
            Some(Cut::Interrupted(interruption)) => return self.interrupted_by(interruption),
            Some(Cut::ByKey) => (Flow::On, "SUCCESS"),
            None => (self.caller_hangs_up(), "HANGUP"),
        };
        let name = conference.name.as_deref().unwrap_or("conference");
        let seconds = (self.elapsed - began) / 1000;
        self.actions.push(json!({"name": name, "duration": seconds, "disposition": disposition}));
        flow
    }
}

/// While two are joined, signals act only where a key could end it too.
pub(super) fn while_joined(terminator: Option<&String>, allowed: &Allowed) -> Allowed {
    if terminator.is_some() { allowed.clone() } else { Allowed::none() }
}

/// How long a sentence takes: a second and one more for every fifteen characters, in milliseconds.
pub(super) fn speaking_time(text: &str) -> u64 {
    1000 + u64::try_from(text.chars().count()).unwrap_or(0) * 1000 / 15
}
