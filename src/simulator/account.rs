//! The one Tropo account: its applications, what leads to them, and the ledger of what was bought.
//!
//! Pure bookkeeping: it must not know HTTP or the disk, and takes the time as an argument.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keep::KeepError;
use super::stock::{self, Area};

/// The number of the first application, less one.
const BEFORE_THE_FIRST: u32 = 300_000;

/// What the account holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    applications: BTreeMap<u32, Application>,
    /// Every purchase and release, oldest first.
    pub(crate) ledger: Vec<Entry>,
    created: u32,
    /// Areas whose stock was set to another size than the table's.
    stock: BTreeMap<String, usize>,
    /// Who wants to hear of calls once they are over.
    #[serde(default)]
    pub(crate) subscriptions: Vec<Subscription>,
}

/// Where records of calls and texts are to be posted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: u32,
    /// `cdrCreated`, `cdrRated` or `smsdlr`.
    pub(crate) event: String,
    pub(crate) name: String,
    /// Of `call`, `sms`, `transcription` and `all`, with commas between.
    pub(crate) resource: String,
    pub(crate) target_url: String,
    /// What is sent along, as it was given.
    pub(crate) payload: Value,
    pub(crate) enabled: bool,
}

impl Subscription {
    /// Whether it is about calls, texts and so on.
    pub(crate) fn is_about(&self, resource: &str) -> bool {
        let mut own = self.resource.split(',').map(str::trim);
        own.any(|own| own == "all" || own.eq_ignore_ascii_case(resource))
    }
}

/// A purchase or a release of a number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: DateTime<Utc>,
    pub(crate) action: Action,
    pub(crate) number: String,
    pub(crate) application: String,
}

/// What happened to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Purchase,
    Release,
}

/// Something that answers calls and texts, at two URLs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Application {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) platform: String,
    pub(crate) partition: String,
    pub(crate) voice_url: Option<String>,
    pub(crate) messaging_url: Option<String>,
    pub(crate) addresses: Vec<Address>,
}

/// What leads to an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    /// `number`, `token`, `sip`, `skype`, `jabber` and so on.
    pub(crate) kind: String,
    /// The number in E.164, the token, or the user's name.
    pub(crate) value: String,
    /// Of a token: `voice` or `messaging`.
    pub(crate) channel: Option<String>,
}

/// Why the account does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotAllowed(&'static str),
    #[error("not found")]
    NotFound,
    #[error("no numbers available for the parameters specified")]
    NoneFree,
    #[error("unsupported media type")]
    Unsupported,
    #[error(transparent)]
    State(#[from] KeepError),
}

impl Account {
    /// Makes an application; it is born with a SIP and a Skype address.
    pub(crate) fn create(&mut self, mut application: Application) -> u32 {
        self.created += 1;
        let id = BEFORE_THE_FIRST + self.created;
        application.id = id;
        application.addresses = vec![
            Address { kind: "sip".into(), value: format!("9990{id}@sip.tropo.com"), channel: None },
            Address { kind: "skype".into(), value: format!("+9900093699990{id}"), channel: None },
        ];
        self.applications.insert(id, application);
        id
    }

    /// All applications, oldest first.
    pub(crate) fn applications(&self) -> impl Iterator<Item = &Application> {
        self.applications.values()
    }

    /// One application.
    pub(crate) fn application(&self, id: u32) -> Result<&Application, Refusal> {
        self.applications.get(&id).ok_or(Refusal::NotFound)
    }

    /// One application, to be changed.
    pub(crate) fn application_mut(&mut self, id: u32) -> Result<&mut Application, Refusal> {
        self.applications.get_mut(&id).ok_or(Refusal::NotFound)
    }

    /// Deletes an application; its numbers go back to the stock.
    pub(crate) fn delete(&mut self, id: u32, now: DateTime<Utc>) -> Result<(), Refusal> {
        let gone = self.applications.remove(&id).ok_or(Refusal::NotFound)?;
        for address in gone.addresses.iter().filter(|address| address.kind == "number") {
            self.enter(Action::Release, &address.value, id, now);
        }
        Ok(())
    }

    /// Attaches any free number whose area answers to the prefix.
    pub(crate) fn buy_by_prefix(
        &mut self,
        id: u32,
        prefix: &str,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        self.application(id)?;
        if toll_free(prefix) {
            return Err(Refusal::NotAllowed("toll free numbers need a payment method on the account"));
        }
        let number = self.free(prefix).into_iter().next().ok_or(Refusal::NoneFree)?;
        self.attach_number(id, &number, now)
    }

    /// Attaches a given number: one that is free, or that this application has already.
    ///
    /// Tropo's answer to a number that somebody else has is not known. Here one of another application of
    /// the account is refused as not allowed, and one that is not in stock as none free.
    pub(crate) fn buy_number(
        &mut self,
        id: u32,
        number: &str,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        self.application(id)?;
        match self.holder(number) {
            Some(holder) if holder.id == id => Ok(number.to_owned()),
            Some(_) => Err(Refusal::NotAllowed("the number belongs to another application")),
            None if self.in_stock(number) => self.attach_number(id, number, now),
            None => Err(Refusal::NoneFree),
        }
    }

    fn attach_number(&mut self, id: u32, number: &str, now: DateTime<Utc>) -> Result<String, Refusal> {
        self.attach(id, Address { kind: "number".into(), value: number.to_owned(), channel: None })?;
        self.enter(Action::Purchase, number, id, now);
        Ok(number.to_owned())
    }

    /// Attaches an address that costs nothing.
    pub(crate) fn attach(&mut self, id: u32, address: Address) -> Result<(), Refusal> {
        let application = self.application_mut(id)?;
        if !application.addresses.contains(&address) {
            application.addresses.push(address);
        }
        Ok(())
    }

    /// Takes an address away from an application; a number goes back to the stock.
    pub(crate) fn detach(
        &mut self,
        id: u32,
        kind: &str,
        value: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let application = self.application_mut(id)?;
        let before = application.addresses.len();
        application.addresses.retain(|address| !(address.kind == kind && address.value == value));
        if application.addresses.len() == before {
            return Err(Refusal::NotFound);
        }
        if kind == "number" {
            self.enter(Action::Release, value, id, now);
        }
        Ok(())
    }

    /// The application that a number leads to.
    pub(crate) fn holder(&self, number: &str) -> Option<&Application> {
        self.with_address("number", number)
    }

    /// The application that has the address.
    pub(crate) fn with_address(&self, kind: &str, value: &str) -> Option<&Application> {
        let has = |address: &Address| address.kind == kind && address.value == value;
        self.applications().find(|application| application.addresses.iter().any(has))
    }

    /// The numbers in stock that nobody has, those first that were never rented, then those that rest
    /// longest.
    pub(crate) fn free(&self, prefix: &str) -> Vec<String> {
        let held: HashSet<&str> = self
            .applications()
            .flat_map(|application| &application.addresses)
            .map(|address| address.value.as_str())
            .collect();
        let last_entry: HashMap<&str, usize> =
            self.ledger.iter().enumerate().map(|(at, entry)| (entry.number.as_str(), at + 1)).collect();
        let mut free: Vec<String> = stock::areas()
            .iter()
            .filter(|area| area.answers_to(prefix))
            .flat_map(|area| area.first(self.stock_of(area)))
            .filter(|number| !held.contains(number.as_str()))
            .collect();
        free.sort_by_key(|number| last_entry.get(number.as_str()).copied().unwrap_or(0));
        free
    }

    /// How many numbers an area has, rented or not.
    pub(crate) fn stock_of(&self, area: &Area) -> usize {
        self.stock.get(area.prefix).copied().unwrap_or(area.numbers)
    }

    /// Gives an area another stock than the table's.
    pub(crate) fn set_stock(&mut self, area: &Area, numbers: usize) {
        self.stock.insert(area.prefix.to_owned(), numbers.min(stock::MOST_PER_AREA));
    }

    fn in_stock(&self, number: &str) -> bool {
        stock::area_of(number).is_some_and(|area| area.first(self.stock_of(area)).any(|own| own == number))
    }

    fn enter(&mut self, action: Action, number: &str, application: u32, now: DateTime<Utc>) {
        let application = application.to_string();
        self.ledger.push(Entry { at: now, action, number: number.to_owned(), application });
    }
}

fn toll_free(prefix: &str) -> bool {
    stock::areas().iter().any(|area| area.toll_free() && prefix.starts_with(area.prefix))
}
