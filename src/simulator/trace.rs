//! The story of one call or text, step by step, as it is shown on the page and answered to scripts.
//!
//! It must not know how a session is carried out: it only writes down what it is told.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::events::Events;

/// What kind of thing a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Somebody dials or writes.
    Begins,
    /// The carrier tells the application.
    Asks,
    /// The application's document.
    Answers,
    /// A phone rings.
    Rings,
    /// A phone is picked up, or two are joined.
    Connects,
    /// A sentence is spoken or a text delivered.
    Says,
    /// Somebody hangs up, is busy, refuses.
    Ends,
    /// Something worth knowing.
    Note,
    /// Something went wrong.
    Problem,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    pub(crate) at: DateTime<Utc>,
    /// Seconds since the beginning, in the call's own time.
    pub(crate) second: u64,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// The JSON that went one way or the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Value>,
}

/// The whole story so far.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Trace {
    pub(crate) id: String,
    /// The id of the session that the application was told first.
    pub(crate) session: Option<String>,
    /// `call`, `text` or `launch`.
    pub(crate) what: &'static str,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) steps: Vec<Step>,
    /// How it ended; nothing while it goes on.
    pub(crate) outcome: Option<&'static str>,
    /// The numbers dialled, in order.
    pub(crate) rang: Vec<String>,
    /// The caller ID shown on the last phone that rang.
    pub(crate) shown: Option<String>,
    /// The sentences that the caller heard, or the texts that came back.
    pub(crate) heard: Vec<String>,
    /// The sentences that the other side heard before it was connected.
    pub(crate) callee_heard: Vec<String>,
    /// The digits that Tropo dialled on the other side's line once it had answered.
    pub(crate) dialled: Vec<String>,
    /// How long the two were connected, in whole seconds.
    pub(crate) seconds: u64,
}

/// Writes a story down and tells those who watch.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    trace: Arc<Mutex<Trace>>,
    events: Events,
}

impl Recorder {
    /// Begins a story.
    pub(crate) fn new(trace: Trace, events: Events) -> Self {
        events.tell(&json!({"type": "begin", "trace": trace}));
        Self { trace: Arc::new(Mutex::new(trace)), events }
    }

    /// The story as it stands.
    pub(crate) fn trace(&self) -> Trace {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this is the story with that id.
    pub(crate) fn is(&self, id: &str) -> bool {
        self.change(|trace| trace.id == id)
    }

    /// Adds a step.
    pub(crate) fn step(&self, step: Step) {
        let id = self.change(|trace| trace.id.clone());
        self.events.tell(&json!({"type": "step", "id": id, "step": step}));
        self.change(|trace| trace.steps.push(step));
    }

    /// Changes what the story says besides its steps.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Trace) -> R) -> R {
        change(&mut self.trace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the story.
    pub(crate) fn end(&self, outcome: &'static str) {
        self.change(|trace| trace.outcome = Some(outcome));
        let Trace { id, seconds, .. } = self.trace();
        self.events.tell(&json!({"type": "end", "id": id, "outcome": outcome, "seconds": seconds}));
    }
}
