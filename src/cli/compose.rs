//! Puts the parts together from settings: the only place that knows both.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use url::Url;

use super::database::Database;
use super::error::CliError;
use crate::app::{self, App, Channels, Pools};
use crate::carrier::CarrierError;
use crate::carrier::tropo::arrangement::Addresses;
use crate::carrier::tropo::client::{self, Tropo};
use crate::carrier::tropo::webhook::Proof;
use crate::clock::Clock;
use crate::config::{Account, Provisioned, Rules, Serve, Users, is_loopback};
use crate::mail::{HostName, Mailer};
use crate::secrets::Secret;
use crate::web;

/// Connections of a server to its database for pages; PostgreSQL has 100 to give by default.
const WIDTH: u32 = 8;
/// Connections of a server to its database for calls alone.
const WIDTH_OF_CALLS: u32 = 4;
/// Connections of a server to its database for the worker alone.
const WIDTH_OF_WORK: u32 = 4;
/// How long a call waits for its decision; past that the carrier's caller would wonder.
const DECISION_TIME: Duration = Duration::from_millis(300);
/// Connections of a command.
const NARROW: u32 = 1;

/// A runtime for asynchronous work.
pub(super) fn runtime() -> Result<Runtime, CliError> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// A client of the carrier.
pub(super) fn tropo(account: &Account, provisioned: &Provisioned) -> Result<Tropo, CliError> {
    Tropo::new(client::Settings {
        url: account.url.clone(),
        username: account.username.clone(),
        password: account.password.clone(),
        application: provisioned.application.clone().unwrap_or_default(),
        voice_token: provisioned.voice_token.clone(),
        messaging_token: provisioned.messaging_token.clone(),
    })
    .map_err(|error| tropo_fault(account, error))
}

/// What Tropo did not do, with what to look at.
pub(super) fn tropo_fault(account: &Account, source: CarrierError) -> CliError {
    let hint = match source {
        CarrierError::Refused(_) => "see TROPO_USERNAME, TROPO_PASSWORD and the rights of that account",
        CarrierError::Unavailable(_) | CarrierError::Unclear(_) => "see TROPO_URL, or try again later",
        CarrierError::NotFound | CarrierError::NoneFree => "see TROPO_URL",
    };
    CliError::Tropo { url: account.url.to_string(), source, hint }
}

/// The product as a server has it.
pub(super) fn app(config: &Serve, public_url: &Url, database: &Database) -> Result<Arc<App>, CliError> {
    let carrier = tropo(&config.account, &config.provisioned)?.reached_at(addresses(config, public_url));
    let channels = Channels {
        voice: config.provisioned.voice_token.is_some(),
        text: config.provisioned.messaging_token.is_some(),
    };
    Ok(Arc::new(App::new(
        Pools {
            pages: database.pool(WIDTH),
            calls: database.pool(WIDTH_OF_CALLS),
            work: database.pool(WIDTH_OF_WORK),
        },
        Clock::System,
        &config.secret_key,
        Arc::new(carrier),
        config.mail.mailer(public_url)?,
        rules(&config.rules, public_url, channels),
    )))
}

/// Where Tropo reaches this server, unless it cannot: a server on loopback leaves an application that is elsewhere alone.
fn addresses(config: &Serve, public_url: &Url) -> Addresses {
    if is_loopback(public_url) && !is_loopback(&config.account.url) {
        return Addresses::default();
    }
    Addresses::of(public_url, &config.webhook.keys)
}

/// Refuses keys that open none of the numbers: with them, no call could be put through. A database that is away is no
/// reason not to start.
pub(super) async fn check_keys(app: &App) -> Result<(), CliError> {
    match app.has_the_right_keys().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::OtherKeys),
        Err(error) => {
            tracing::warn!(%error, "whether the keys are the right ones could not be looked at");
            Ok(())
        }
    }
}

/// The product as commands about users have it: they neither ask the carrier nor send letters.
pub(super) fn app_of_a_command(config: &Users, database: &Database) -> Result<App, CliError> {
    let public_url = config.site.address(config.site.listen.port());
    let nobody = Account { url: public_url.clone(), username: String::new(), password: Secret::new("") };
    let nothing = Provisioned { application: None, voice_token: None, messaging_token: None };
    Ok(App::new(
        Pools::one(database.pool(NARROW)),
        Clock::System,
        &config.secret_key,
        Arc::new(tropo(&nobody, &nothing)?),
        Mailer::folder(std::path::PathBuf::new(), "maskline@localhost", HostName::parse("localhost")?)?,
        rules(&config.rules, &public_url, Channels { voice: false, text: false }),
    ))
}

fn rules(rules: &Rules, public_url: &Url, channels: Channels) -> app::Settings {
    app::Settings {
        public_url: public_url.origin().ascii_serialization(),
        default_country: rules.country,
        number_countries: rules.number_countries.clone(),
        mask_countries: rules.mask_countries.clone(),
        allowed: rules.allowed,
        code_sender: rules.caller_id,
        channels,
        currency: rules.currency.clone(),
        limits: rules.limits.clone(),
    }
}

/// What this server is called among several: as its machine is.
pub(super) fn name_of_server() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|character| !character.is_control()).take(80).collect();
    if name.is_empty() { "a server".into() } else { name }
}

/// What the web server needs, which may have so many connections.
pub(super) fn web(config: Serve, public_url: Url, connections: usize) -> web::Settings {
    let webhook = config.webhook;
    web::Settings {
        public_url,
        trusted_proxies: config.trusted_proxies,
        webhook: Proof::new(&webhook.keys, webhook.account_id, webhook.networks),
        simulator_url: config.simulator_url.map(String::from),
        decision_time: DECISION_TIME,
        connections,
        workers: thread::available_parallelism().map_or(2, usize::from).max(2),
    }
}
