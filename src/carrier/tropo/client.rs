//! Tropo's REST API as a [`Carrier`]: what is free, buying, releasing, launches and signals.
//!
//! Made from plain values; must not know settings, the worker or the database.

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::carrier::{Answer, Area, Arrangement, Carrier, CarrierError, Channel};
use crate::domain::phone::PhoneNumber;
use crate::secrets::Secret;

use super::arrangement::Addresses;
use super::errors::Nature;
use super::replies::{Address, Created, Exchange, Launched, Signalled};
pub use super::transport::Timeouts;
use super::transport::Transport;

/// The variable of a launch that carries our reference; it comes back among the session's parameters.
pub const REFERENCE: &str = "verification";

/// What the client needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The provisioning API, such as `https://api.tropo.com/v1/`, with or without a slash at the end. Launches
    /// and signals go to `/1.0/sessions` of the same host.
    pub url: Url,
    /// The account's user name.
    pub username: String,
    /// The account's password.
    pub password: Secret,
    /// The id of the application that holds our numbers.
    pub application: String,
    /// Starts calls.
    pub voice_token: Option<Secret>,
    /// Starts texts.
    pub messaging_token: Option<Secret>,
}

/// Tropo, as one application of one account.
///
/// A request is sent once, follows no redirect and ends within 10 s. One that changes something and goes wrong
/// half-way is [`CarrierError::Unclear`]; one that only reads is [`CarrierError::Unavailable`] then, as it had no
/// effect and may be tried again.
pub struct Tropo {
    pub(super) transport: Transport,
    pub(super) application: String,
    pub(super) voice_token: Option<Secret>,
    pub(super) messaging_token: Option<Secret>,
    pub(super) reached_at: Addresses,
}

impl Tropo {
    /// A client with the usual time-outs: 3 s to connect, 10 s in all.
    pub fn new(settings: Settings) -> Result<Self, CarrierError> {
        Self::with_timeouts(settings, Timeouts::default())
    }

    /// A client with other time-outs.
    pub fn with_timeouts(settings: Settings, timeouts: Timeouts) -> Result<Self, CarrierError> {
        let Settings { url, username, password, application, voice_token, messaging_token } = settings;
        let tokens = [&voice_token, &messaging_token].into_iter().flatten().cloned().collect();
        let transport = Transport::new(&url, username, password, tokens, timeouts)?;
        let reached_at = Addresses::default();
        Ok(Self { transport, application, voice_token, messaging_token, reached_at })
    }

    /// The same, for a deployment that is reached there. Without it, no address of the application is wrong.
    #[must_use]
    pub fn reached_at(self, reached_at: Addresses) -> Self {
        Self { reached_at, ..self }
    }

    /// All addresses of an application.
    pub(super) async fn addresses(&self, application: &str) -> Result<Vec<Address>, CarrierError> {
        let path = ["applications", application, "addresses"];
        self.transport.read(self.transport.provisioning(Method::GET, &path)).await
    }

    async fn exchanges(&self) -> Result<Vec<Area>, CarrierError> {
        let request = self.transport.provisioning(Method::GET, &["exchanges"]);
        let entries: Vec<Value> = self.transport.read(request).await?;
        let exchanges = entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok());
        Ok(exchanges.filter_map(Exchange::area).collect())
    }

    async fn free_numbers(&self, prefix: &str) -> Result<Vec<PhoneNumber>, CarrierError> {
        check_prefix(prefix)?;
        let query = [("available", "true"), ("type", "NUMBER"), ("prefix", prefix)];
        let request = self.transport.provisioning(Method::GET, &["addresses"]).query(&query);
        let addresses: Vec<Address> = match self.transport.read(request).await {
            Err(CarrierError::NoneFree) => Vec::new(),
            read => read?,
        };
        let numbers = addresses.into_iter().filter(Address::is_number).filter_map(Address::phone_number);
        Ok(numbers.filter(|number| number.digits().starts_with(prefix)).collect())
    }

    /// All numbers of an application, those of others left out should the list hold any. One that cannot be read
    /// fails the whole list: left out, it would look lost.
    pub async fn numbers_of(&self, application: &str) -> Result<Vec<PhoneNumber>, CarrierError> {
        let addresses = self.addresses(application).await?;
        addresses
            .into_iter()
            .filter(|address| address.is_number() && !address.is_of_another(application))
            .map(|address| {
                address
                    .phone_number()
                    .ok_or_else(|| Nature::Reading.broken("a number in its list cannot be read"))
            })
            .collect()
    }

    /// Adds an address to an application.
    pub(super) async fn add_address(
        &self,
        application: &str,
        address: &Value,
    ) -> Result<Created, CarrierError> {
        let path = ["applications", application, "addresses"];
        self.transport.change(self.transport.provisioning(Method::POST, &path), address).await
    }

    /// Rents this very number for an application.
    pub async fn buy_for(&self, application: &str, number: PhoneNumber) -> Result<(), CarrierError> {
        let wish = json!({ "type": "number", "number": as_documented(number) });
        let bought = self.add_address(application, &wish).await?.number();
        if bought == Some(number) {
            Ok(())
        } else {
            Err(Nature::Changing.broken("it answered with another number"))
        }
    }

    async fn buy_one(&self, prefix: &str) -> Result<PhoneNumber, CarrierError> {
        check_prefix(prefix)?;
        let wish = json!({ "type": "number", "prefix": prefix });
        let bought = self.add_address(&self.application, &wish).await?.number();
        bought.ok_or_else(|| Nature::Changing.broken("it bought a number that cannot be read"))
    }

    async fn give_back(&self, number: PhoneNumber) -> Result<(), CarrierError> {
        let path = ["applications", &self.application, "addresses", "number", &number.e164()];
        done_if_unknown(self.transport.remove(self.transport.provisioning(Method::DELETE, &path)).await)
    }

    async fn start(&self, channel: Channel, reference: &str) -> Result<(), CarrierError> {
        let (token, setting) = match channel {
            Channel::Voice => (&self.voice_token, "TROPO_VOICE_TOKEN"),
            Channel::Text => (&self.messaging_token, "TROPO_MESSAGING_TOKEN"),
        };
        let token = token.as_ref().ok_or_else(|| {
            CarrierError::Refused(format!("{setting} is not set; `maskline tropo setup` makes one"))
        })?;
        let launch = json!({ "token": token.expose(), REFERENCE: reference });
        let request = self.transport.sessions(Method::POST, &[]);
        let launched: Launched = self.transport.change(request, &launch).await?;
        match launched.success() {
            Some(true) => Ok(()),
            Some(false) => Err(CarrierError::Refused("the launch was not accepted".to_owned())),
            None => Err(Nature::Changing.broken("an unreadable answer")),
        }
    }

    async fn stop(&self, session: &str) -> Result<(), CarrierError> {
        if !session.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(());
        }
        let request = self.transport.sessions(Method::POST, &[session, "signals"]);
        let signalled = self.transport.change(request, &json!({ "signal": "exit" })).await;
        match signalled.map(|reply: Signalled| reply.failed()) {
            Ok(true) => Err(CarrierError::Unavailable("the signal failed".to_owned())),
            other => done_if_unknown(other.map(|_| ())),
        }
    }
}

impl Carrier for Tropo {
    fn name(&self) -> &'static str {
        "tropo"
    }

    fn areas(&self) -> Answer<'_, Vec<Area>> {
        Box::pin(self.exchanges())
    }

    fn available<'a>(&'a self, prefix: &'a str) -> Answer<'a, Vec<PhoneNumber>> {
        Box::pin(self.free_numbers(prefix))
    }

    fn buy(&self, number: PhoneNumber) -> Answer<'_, ()> {
        Box::pin(self.buy_for(&self.application, number))
    }

    fn buy_any<'a>(&'a self, prefix: &'a str) -> Answer<'a, PhoneNumber> {
        Box::pin(self.buy_one(prefix))
    }

    fn owned(&self) -> Answer<'_, Vec<PhoneNumber>> {
        Box::pin(self.numbers_of(&self.application))
    }

    fn release(&self, number: PhoneNumber) -> Answer<'_, ()> {
        Box::pin(self.give_back(number))
    }

    fn arrangement(&self) -> Answer<'_, Arrangement> {
        Box::pin(self.look_at_application())
    }

    fn arrange(&self, billed: bool) -> Answer<'_, ()> {
        Box::pin(self.set_application(billed))
    }

    fn launch<'a>(&'a self, channel: Channel, reference: &'a str) -> Answer<'a, ()> {
        Box::pin(self.start(channel, reference))
    }

    fn end_session<'a>(&'a self, session: &'a str) -> Answer<'a, ()> {
        Box::pin(self.stop(session))
    }
}

/// A number as Tropo's documents name one to buy: ten digits for North America, else with plus.
fn as_documented(number: PhoneNumber) -> String {
    let digits = number.digits();
    match digits.strip_prefix('1') {
        Some(national) if national.len() == 10 => national.to_owned(),
        _ => number.e164(),
    }
}

fn check_prefix(prefix: &str) -> Result<(), CarrierError> {
    if (1..=15).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(())
    } else {
        Err(CarrierError::Refused("a prefix is the digits that numbers begin with".to_owned()))
    }
}

/// What is gone already needs no removal.
fn done_if_unknown(removed: Result<(), CarrierError>) -> Result<(), CarrierError> {
    match removed {
        Err(CarrierError::NotFound) => Ok(()),
        other => other,
    }
}
