//! What is counted about one server, and how Prometheus is told of it: names, units and help of every metric.
//!
//! No globals: each server has its own [`Metrics`]. Whoever counts on the way of a call has its counter in hand, so that
//! no label is looked up there. Knows the words of calls, but neither where figures come from nor who asks for them; no
//! label ever holds a number, a name or an address.

mod figures;
mod kept;
mod words;

use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub use figures::{Comparison, Figures, OpenOperations, Spending, Stored, whole};
pub use kept::Kept;
pub use words::{CallOutcome, Pool, SignInFailure};

use words::Words;

/// What a scrape is: the media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of the time that a decision about a call takes, in seconds: from a look into memory to the carrier's patience.
const DECISION_BOUNDS: [f64; 14] =
    [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 300e-3];
/// Bounds of the time that a turn is waited for, in seconds; nobody waits much longer than the last.
const WAIT_BOUNDS: [f64; 11] = [100e-6, 500e-6, 1e-3, 5e-3, 10e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1.0, 2.0];

/// A label that tells members of a family apart.
type Label = [(&'static str, &'static str); 1];

/// The metrics of a server.
pub struct Metrics {
    registry: Registry,
    calls: Vec<Counter>,
    decision: Histogram,
    sign_in_failures: Vec<Counter>,
    letter_failures: Counter,
    evictions: Counter,
    requests: Vec<Counter>,
    pools: Vec<PoolMetrics>,
}

/// How long turns of one pool are waited for.
#[derive(Clone)]
pub struct PoolMetrics {
    wait: Histogram,
    refusals: Counter,
}

impl PoolMetrics {
    /// Somebody waited so long for a turn, and has got it.
    pub fn waited(&self, time: Duration) {
        self.wait.observe(time.as_secs_f64());
    }

    /// Somebody waited as long as anybody may, in vain.
    pub fn refused(&self) {
        self.refusals.inc();
    }
}

impl Metrics {
    /// Metrics of a server that starts now.
    pub fn new(now: DateTime<Utc>) -> Self {
        let mut registry = Registry::default();
        let start = Gauge::<i64>::default();
        start.set(now.timestamp());
        registry.register_with_unit(
            "process_start_time",
            "When the server started, in seconds after 1970",
            Unit::Seconds,
            start,
        );
        let ours = registry.sub_registry_with_prefix("maskline");
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        ours.register("build", "Which Maskline this is", Info::new(version));
        let decision = Histogram::new(DECISION_BOUNDS);
        ours.register_with_unit(
            "call_decision",
            "How long a call waited for what becomes of it, from the whole request to the decision",
            Unit::Seconds,
            decision.clone(),
        );
        Self {
            calls: counters(ours, "calls", "Calls to masks, by what became of them", CallOutcome::LABEL),
            decision,
            sign_in_failures: counters(
                ours,
                "sign_in_failures",
                "Sign-ins that failed, by why",
                SignInFailure::LABEL,
            ),
            letter_failures: counter(
                ours,
                "letter_failures",
                "Letters that failed for good, or tries that failed more than five minutes after the first",
            ),
            evictions: counter(
                ours,
                "evicted_connections",
                "Connections that were closed to make room for others",
            ),
            requests: counters(
                ours,
                "http_requests",
                "Requests answered, by the class of the answer",
                CLASSES,
            ),
            pools: pools(ours),
            registry,
        }
    }

    /// A call was answered: what became of it, and how long that took to decide.
    pub fn call(&self, outcome: CallOutcome, took: Duration) {
        self.calls[outcome as usize].inc();
        self.decision.observe(took.as_secs_f64());
    }

    /// Somebody was not signed in.
    pub fn sign_in_failed(&self, why: SignInFailure) {
        self.sign_in_failures[why as usize].inc();
    }

    /// A letter failed for good, or has been failing for more than five minutes.
    pub fn letter_failed(&self) {
        self.letter_failures.inc();
    }

    /// A connection was closed to make room for another.
    pub fn connection_evicted(&self) {
        self.evictions.inc();
    }

    /// A request was answered with this status.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, CLASSES.words.len()) - 1;
        self.requests[class].inc();
    }

    /// Those of a pool.
    pub fn pool(&self, pool: Pool) -> PoolMetrics {
        self.pools[pool as usize].clone()
    }

    /// Everything that was counted, and what was looked up for this scrape, in the text format of `OpenMetrics`.
    pub fn text(&self, figures: &Figures) -> String {
        let mut text = String::new();
        let written = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &figures.registry()))
            .and_then(|()| encode_eof(&mut text));
        // A String takes all that is written to it.
        written.unwrap_or_else(|_| unreachable!("a String is never full"));
        text
    }
}

/// The classes of answers.
const CLASSES: Words = Words { label: "class", words: &["1xx", "2xx", "3xx", "4xx", "5xx"] };

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

/// A counter for each word, in the order of the words.
fn counters(registry: &mut Registry, name: &str, help: &str, words: Words) -> Vec<Counter> {
    let family = Family::<Label, Counter>::default();
    registry.register(name, help, family.clone());
    words.words.iter().map(|word| family.get_or_create_owned(&[(words.label, word)])).collect()
}

fn pools(registry: &mut Registry) -> Vec<PoolMetrics> {
    let waits =
        Family::<Label, Histogram, fn() -> Histogram>::new_with_constructor(|| Histogram::new(WAIT_BOUNDS));
    let help = "How long a turn at a bounded pool was waited for by those who got it";
    registry.register_with_unit("pool_wait", help, Unit::Seconds, waits.clone());
    let help = "Turns at a bounded pool that were waited for in vain";
    let refusals = counters(registry, "pool_refusals", help, Pool::LABEL);
    let wait = |word| waits.get_or_create_owned(&[(Pool::LABEL.label, word)]);
    let waits = Pool::LABEL.words.iter().map(|word| wait(word));
    waits.zip(refusals).map(|(wait, refusals)| PoolMetrics { wait, refusals }).collect()
}
