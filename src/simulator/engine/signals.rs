//! What reaches a session from outside: signals by the API, keys that people press, and a caller who hangs up.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::Notify;

use super::document::Allowed;

/// How many signals, and how many keys of each side, wait at most; more are dropped.
const WAITING: usize = 100;

/// Something that ends what a session is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// A signal by its name.
    Signal(String),
    /// The caller hangs up, at the page.
    CallerHangsUp,
}

/// Whose keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// Whoever the session talks to: the caller, or the phone that the application called.
    #[default]
    Caller,
    /// Whom a transfer rang.
    Callee,
}

/// Why a wait ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Woken {
    Interrupted(Interruption),
    /// There is a key to take.
    Key,
}

/// The door to one session. Signals and keys are taken in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    interruptions: VecDeque<Interruption>,
    caller_keys: VecDeque<char>,
    callee_keys: VecDeque<char>,
}

impl Waiting {
    fn keys(&mut self, side: Side) -> &mut VecDeque<char> {
        match side {
            Side::Caller => &mut self.caller_keys,
            Side::Callee => &mut self.callee_keys,
        }
    }
}

impl Signals {
    /// Queues a signal.
    pub(crate) fn send(&self, name: &str) {
        self.push(Interruption::Signal(name.to_owned()));
    }

    /// Lets the caller hang up.
    pub(crate) fn hang_up(&self) {
        self.push(Interruption::CallerHangsUp);
    }

    fn push(&self, interruption: Interruption) {
        let mut waiting = self.waiting();
        if waiting.interruptions.len() < WAITING {
            waiting.interruptions.push_back(interruption);
        }
        self.arrived.notify_one();
    }

    /// Presses keys. They wait until something listens for that side's keys.
    pub(crate) fn press(&self, side: Side, keys: &str) {
        let mut waiting = self.waiting();
        let queue = waiting.keys(side);
        queue.extend(keys.chars().take(WAITING - queue.len()));
        self.arrived.notify_one();
    }

    /// The next key of a side, if one waits.
    pub(crate) fn take_key(&self, side: Side) -> Option<char> {
        self.waiting().keys(side).pop_front()
    }

    /// Forgets the keys that nothing listened for.
    pub(crate) fn drop_keys(&self) {
        let mut waiting = self.waiting();
        waiting.caller_keys.clear();
        waiting.callee_keys.clear();
    }

    /// What ends a wait already: the next interruption that is allowed, those before it being thrown away, or a key
    /// of the side that is listened to, which stays to be taken.
    pub(crate) fn take(&self, allowed: &Allowed, listening_to: Option<Side>) -> Option<Woken> {
        let mut waiting = self.waiting();
        while let Some(next) = waiting.interruptions.pop_front() {
            match &next {
                Interruption::Signal(name) if !allowed.allows(name) => {}
                _ => return Some(Woken::Interrupted(next)),
            }
        }
        let side = listening_to?;
        (!waiting.keys(side).is_empty()).then_some(Woken::Key)
    }

    /// Waits for that.
    pub(crate) async fn next(&self, allowed: &Allowed, listening_to: Option<Side>) -> Woken {
        loop {
            let arrived = self.arrived.notified();
            if let Some(woken) = self.take(allowed, listening_to) {
                return woken;
            }
            arrived.await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether all of it can be pressed on a phone.
pub(crate) fn are_keys(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|key| matches!(key, b'0'..=b'9' | b'*' | b'#'))
}
