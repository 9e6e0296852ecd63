//! What interrupts a session from outside: signals by the API, or the caller who hangs up.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::document::Allowed;

/// How many signals wait at most; more are dropped.
const WAITING: usize = 100;

/// Something that came from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// A signal by its name.
    Signal(String),
    /// The caller hangs up, at the page.
    CallerHangsUp,
}

/// The queue of one session, first in, first out.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    queue: Mutex<VecDeque<Interruption>>,
    arrived: Notify,
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
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() < WAITING {
            queue.push_back(interruption);
        }
        self.arrived.notify_one();
    }

    /// The next that the verb allows; those before it are thrown away.
    pub(crate) fn take(&self, allowed: &Allowed) -> Option<Interruption> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(next) = queue.pop_front() {
            match &next {
                Interruption::Signal(name) if !allowed.allows(name) => {}
                _ => return Some(next),
            }
        }
        None
    }

    /// Waits for the next that the verb allows.
    pub(crate) async fn next(&self, allowed: &Allowed) -> Interruption {
        loop {
            let arrived = self.arrived.notified();
            if let Some(interruption) = self.take(allowed) {
                return interruption;
            }
            arrived.await;
        }
    }
}
