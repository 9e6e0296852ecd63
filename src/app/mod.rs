//! What the product does: one public method is one unit of work, used by pages, webhooks, the worker and the
//! command line alike.
//!
//! Knows no HTTP, no SQL and no company's protocol.

pub mod accounts;
pub mod admin;
pub mod areas;
mod background;
mod callers;
pub mod calls;
pub mod caps;
pub mod code_delivery;
pub mod codes;
pub mod devices;
pub mod directory;
mod hash_queue;
pub mod housekeeping;
pub mod keeping;
pub mod keys;
pub mod letters;
mod lost;
pub mod mailed_links;
pub mod masks;
pub mod numbers;
pub mod operations;
pub mod orphans;
pub mod overview;
pub mod passwords;
mod purchases;
pub mod quotas;
pub mod reconciliation;
pub mod recorder;
mod refusals;
pub mod searches;
mod seen;
pub mod servers;
pub mod sessions;
mod settings_there;
pub mod sign_ins;
mod slots;
pub mod spending;
mod texts;
pub mod users;
pub mod waiting;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::carrier::Carrier;
use crate::clock::Clock;
use crate::db::Db;
use crate::db::rates::{Bucket, Rule};
use crate::domain::call_book::CallBook;
use crate::domain::limits::{Limits, Rate};
use crate::domain::phone::{Allowed, Country, PhoneNumber};
use crate::mail::Mailer;
use crate::metrics::{Metrics, Pool};
use crate::seal::frames::FrameKeys;
use crate::seal::{RootKeys, Sealer};
use crate::secrets;

/// The rules of a deployment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where people reach us, without a slash at the end: what mailed links begin with.
    pub public_url: String,
    /// How a number without a country code is read.
    pub default_country: Country,
    /// Where real numbers may be.
    pub number_countries: Vec<Country>,
    /// Where masks may be.
    pub mask_countries: Vec<Country>,
    /// Which kinds of numbers may be real numbers, beside landlines and mobile phones.
    pub allowed: Allowed,
    /// The number that codes are sent from, which is nobody's mask; without one none are sent.
    pub code_sender: Option<PhoneNumber>,
    /// Whether the carrier can be asked to call, and to text.
    pub channels: Channels,
    /// The currency of all amounts, by its three letters.
    pub currency: String,
    /// The limits.
    pub limits: Limits,
}

/// By which ways codes can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// A call that says the digits.
    pub voice: bool,
    /// A text.
    pub text: bool,
}

/// Connections to the database, in pools of their own, so that nobody takes another's turn.
pub struct Pools {
    /// Pages and commands.
    pub pages: Db,
    /// Calls: what is kept and written beside them, and codes that the carrier asks for.
    pub calls: Db,
    /// The worker.
    pub work: Db,
}

impl Pools {
    /// One pool for all, as a command has it.
    pub fn one(db: Db) -> Self {
        Self { pages: db.clone(), calls: db.clone(), work: db }
    }
}

/// The product.
pub struct App {
    db: Db,
    calls_db: Db,
    work_db: Db,
    clock: Clock,
    sealer: Arc<Sealer>,
    carrier: Arc<dyn Carrier>,
    mailer: Arc<Mailer>,
    settings: Settings,
    code_key: [u8; 32],
    bucket_key: [u8; 32],
    form_key: [u8; 32],
    cookie_key: [u8; 32],
    device_key: [u8; 32],
    call_key: [u8; 32],
    file_keys: FrameKeys,
    spool_keys: FrameKeys,
    search_keys: FrameKeys,
    directory: directory::Directory,
    book: Arc<Mutex<CallBook>>,
    recorder: recorder::Recorder,
    hashing: Arc<hash_queue::HashQueue>,
    judging: Arc<hash_queue::HashQueue>,
    refusals: refusals::Refusals,
    /// Rings when an operation was written that is due at once.
    wake: Notify,
    /// Rings when a letter was written into the queue.
    wake_letters: Arc<Notify>,
    areas: Arc<Mutex<areas::KeptAreas>>,
    background: background::Background,
    metrics: Arc<Metrics>,
}

impl App {
    /// Puts the product together. Work that outlives a request goes on in the runtime in which this is called.
    pub fn new(
        pools: Pools,
        clock: Clock,
        roots: &RootKeys,
        carrier: Arc<dyn Carrier>,
        mailer: Mailer,
        settings: Settings,
    ) -> Self {
        // So that the first sign-in with an unknown address takes no longer than the second.
        secrets::is_password(b"", None);
        let metrics = Metrics::new(clock.now());
        Self {
            db: pools.pages.watched(metrics.pool(Pool::Pages)),
            calls_db: pools.calls.watched(metrics.pool(Pool::Calls)),
            work_db: pools.work.watched(metrics.pool(Pool::Worker)),
            clock,
            sealer: Arc::new(Sealer::new(roots)),
            carrier,
            mailer: Arc::new(mailer),
            settings,
            code_key: roots.derive("codes that prove numbers"),
            bucket_key: roots.derive("buckets of limits"),
            form_key: roots.derive("tokens of forms"),
            cookie_key: roots.derive("cookies of sessions"),
            device_key: roots.derive("devices that signed in before"),
            call_key: roots.derive("names of calls"),
            file_keys: FrameKeys::new(roots, "directory on disk"),
            spool_keys: FrameKeys::new(roots, "records of calls on disk"),
            search_keys: FrameKeys::new(roots, "searches of admins"),
            directory: directory::Directory::empty(),
            book: Arc::default(),
            recorder: recorder::Recorder::new(),
            hashing: passwords::hashing_queue(),
            judging: passwords::judging_queue(),
            refusals: refusals::Refusals::default(),
            wake: Notify::new(),
            wake_letters: Arc::default(),
            areas: Arc::default(),
            background: background::Background::here(),
            metrics: Arc::new(metrics),
        }
    }

    /// The rules of the deployment.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The key that binds forms to the browser they were made for.
    pub fn form_key(&self) -> &[u8; 32] {
        &self.form_key
    }

    /// The key that the cookies of sessions are encrypted with.
    pub fn cookie_key(&self) -> &[u8; 32] {
        &self.cookie_key
    }

    /// How many sealed values did not open since the start; each is an alarm, and its row is in the log.
    pub fn sealing_failures(&self) -> u64 {
        self.sealer.failures()
    }

    /// Whether the database answers.
    pub async fn is_ready(&self) -> bool {
        self.db.is_there().await
    }

    /// Waits until an operation is due at once.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    fn bucket(&self, what: &str, whose: &str) -> Bucket {
        secrets::keyed_digest(&self.bucket_key, format!("{what}|{whose}").as_bytes())
    }

    fn rule(&self, what: &str, whose: &str, rate: Rate) -> Rule {
        Rule { bucket: self.bucket(what, whose), rate, then_one_per: None }
    }

    /// The rules about where a request comes from: its network, and of IPv6 the site that the network belongs to, from
    /// which four times as much may come.
    fn rules_from(&self, what: &str, address: IpAddr, rate: Rate) -> Vec<Rule> {
        let of_site = Rate { count: rate.count.saturating_mul(4), ..rate };
        let of_site = site(address).map(|site| self.rule(what, &site, of_site));
        [self.rule(what, &network(address), rate)].into_iter().chain(of_site).collect()
    }
}

/// The network that an address belongs to, as limits count it: /24 of IPv4, /64 of IPv6.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The site that an address of IPv6 belongs to, its /48: what one customer can be given whole.
fn site(address: IpAddr) -> Option<String> {
    let IpAddr::V6(address) = address.to_canonical() else { return None };
    let [a, b, c, ..] = address.segments();
    Some(format!("{a:x}:{b:x}:{c:x}::/48"))
}
