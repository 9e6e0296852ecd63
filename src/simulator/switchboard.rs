//! What all parts of one simulator share: its settings, its state, and the sessions that are going on.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::account::Account;
use super::engine::signals::Signals;
use super::events::Events;
use super::faults::Fault;
use super::keep::{KeepError, Kept};
use super::phones::{PhoneCall, PhoneText, Phones};
use super::trace::{Recorder, Trace};
use super::{Settings, StartError};
use crate::clock::Clock;
use crate::secrets;

/// How many traces are kept to be looked at.
const TRACES: usize = 100;

/// One simulator's everything.
pub(crate) struct Switchboard {
    pub(crate) settings: Settings,
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) http: reqwest::Client,
    pub(crate) account: Kept<Account>,
    pub(crate) events: Events,
    phones: Kept<Phones>,
    faults: Mutex<Vec<Fault>>,
    sessions: Mutex<HashMap<String, Arc<Signals>>>,
    recorders: Mutex<VecDeque<Recorder>>,
}

impl Switchboard {
    /// Reads the state of an earlier run, or begins afresh.
    pub(crate) fn open(settings: Settings, address: SocketAddr, clock: Clock) -> Result<Self, StartError> {
        make_folder(&settings.state_dir)?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(settings.webhook_timeout)
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()?;
        Ok(Self {
            account: Kept::open(settings.state_dir.join("account.json"))?,
            phones: Kept::open(settings.state_dir.join("phones.json"))?,
            events: Events::new(),
            faults: Mutex::default(),
            sessions: Mutex::default(),
            recorders: Mutex::default(),
            settings,
            address,
            clock,
            http,
        })
    }

    /// Looks at or changes the faults that are switched on.
    pub(crate) fn faults_mut<R>(&self, change: impl FnOnce(&mut Vec<Fault>) -> R) -> R {
        change(&mut lock(&self.faults))
    }

    /// Begins a story and keeps it for those who ask later.
    pub(crate) fn record(&self, what: &'static str, from: &str, to: &str) -> Recorder {
        let trace = Trace {
            id: hex_id(),
            session: None,
            what,
            from: from.to_owned(),
            to: to.to_owned(),
            at: self.clock.now(),
            steps: Vec::new(),
            outcome: None,
            rang: Vec::new(),
            shown: None,
            heard: Vec::new(),
            callee_heard: Vec::new(),
            dialled: Vec::new(),
            seconds: 0,
        };
        let recorder = Recorder::new(trace, self.events.clone());
        let mut recorders = lock(&self.recorders);
        recorders.push_front(recorder.clone());
        recorders.truncate(TRACES);
        recorder
    }

    /// The stories that are kept, the latest first.
    pub(crate) fn traces(&self) -> Vec<Trace> {
        lock(&self.recorders).iter().map(Recorder::trace).collect()
    }

    /// One story.
    pub(crate) fn trace(&self, id: &str) -> Option<Trace> {
        lock(&self.recorders).iter().find(|recorder| recorder.is(id)).map(Recorder::trace)
    }

    /// Opens the door through which signals reach a session.
    pub(crate) fn open_session(&self, id: &str) -> Arc<Signals> {
        Arc::clone(lock(&self.sessions).entry(id.to_owned()).or_default())
    }

    /// Closes it when the session is over.
    pub(crate) fn close_session(&self, id: &str) {
        lock(&self.sessions).remove(id);
    }

    /// The door to a session that goes on.
    pub(crate) fn session(&self, id: &str) -> Option<Arc<Signals>> {
        lock(&self.sessions).get(id).cloned()
    }

    /// Looks at the phones.
    pub(crate) fn phones<R>(&self, look: impl FnOnce(&Phones) -> R) -> R {
        self.phones.read(look)
    }

    /// Changes the phones. A disk that refuses loses their history, never a call.
    pub(crate) fn phones_mut<R: Default>(&self, change: impl FnOnce(&mut Phones) -> R) -> R {
        self.phones.change(|phones| Ok::<_, KeepError>(change(phones))).unwrap_or_else(|error| {
            tracing::error!(%error, "the simulated phones could not be kept");
            R::default()
        })
    }

    /// A phone's call begins.
    pub(crate) fn phone_call(&self, phone: &str, received: bool, other: &str, outcome: &str) -> u64 {
        let call = PhoneCall {
            id: 0,
            phone: phone.to_owned(),
            received,
            at: self.clock.now(),
            other: other.to_owned(),
            outcome: outcome.to_owned(),
            seconds: 0,
            heard: Vec::new(),
        };
        let id = self.phones_mut(|phones| phones.begin(call));
        self.phone_changed(phone);
        id
    }

    /// A phone's text is sent or received.
    pub(crate) fn phone_text(&self, phone: &str, received: bool, other: &str, text: &str) {
        let (phone, other, text) = (phone.to_owned(), other.to_owned(), text.to_owned());
        let at = self.clock.now();
        self.phone_changed(&phone);
        self.phones_mut(|phones| phones.note(PhoneText { phone, received, at, other, text }));
    }

    /// Tells those who watch that there is something new on a phone.
    pub(crate) fn phone_changed(&self, phone: &str) {
        self.events.tell(&json!({"type": "phone", "phone": phone}));
    }
}

/// 32 hex digits, as sessions and calls are named.
pub(crate) fn hex_id() -> String {
    hex(&secrets::random_bytes::<16>())
}

/// 88 hex digits, as launch tokens are.
pub(crate) fn launch_token() -> String {
    hex(&secrets::random_bytes::<44>())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn make_folder(path: &Path) -> Result<(), KeepError> {
    std::fs::create_dir_all(path).map_err(|source| KeepError::Disk { path: path.to_owned(), source })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
