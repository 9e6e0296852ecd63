//! Keys that end what goes on by itself: a transfer that rings, a recording, a conference.

use super::document::Allowed;
use super::session::{Session, show};
use super::signals::{Interruption, Side, Woken};
use crate::simulator::trace::Kind;

/// How long a caller waits before it presses the key of its script, in milliseconds.
pub(super) const BEFORE_THE_KEY: u64 = 2_000;

/// What ended it early.
pub(super) enum Cut {
    Interrupted(Interruption),
    /// The party pressed the terminating key.
    ByKey,
}

impl Session {
    /// Lets time pass, unless a signal or the party's key ends it.
    pub(super) async fn until_key(
        &mut self,
        milliseconds: u64,
        allowed: &Allowed,
        terminator: Option<&str>,
    ) -> Option<Cut> {
        let ends_at = self.elapsed + milliseconds;
        let key_at = self.elapsed + BEFORE_THE_KEY;
        let mut scripted = self.script.caller_key.take();
        loop {
            let until = if scripted.is_some() { key_at.min(ends_at) } else { ends_at };
            let wait = until.saturating_sub(self.elapsed);
            let pressed = match self.pass_or_key(wait, allowed, Some(Side::Caller)).await {
                Some(Woken::Interrupted(interruption)) => return Some(Cut::Interrupted(interruption)),
                Some(Woken::Key) => self.take_key(Side::Caller),
                None if self.elapsed >= ends_at => return None,
                None => scripted.take(),
            };
            if pressed.is_some_and(|key| self.terminates(key, terminator)) {
                return Some(Cut::ByKey);
            }
        }
    }

    fn terminates(&self, key: char, terminator: Option<&str>) -> bool {
        let ends = terminator.is_some_and(|terminator| terminator.contains(key));
        let effect = if ends { "which ends it" } else { "which does nothing here" };
        self.tell(Kind::Note, format!("{} presses {key}, {effect}.", show(&self.leg.party)));
        ends
    }
}
