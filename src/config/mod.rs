//! Settings: typed, read from a map of variables, every problem told at once.
//!
//! Each command has a struct here with what it needs, so that `migrate` does not ask for a carrier's password. The
//! process environment and files are read by [`environment`] alone. Only `cli` imports this; everybody else gets
//! plain values.

mod assignments;
mod development;
mod env_file;
pub mod environment;
mod limits;
mod listen;
mod names;
mod reader;
mod sections;
#[cfg(test)]
mod tests;
mod tropo;

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

pub use listen::Listen;
pub use names::all as all_names;
pub use reader::{Problems, Variables};
pub use sections::{Database, Mail, Rules, Site, is_loopback};
pub use tropo::{Account, Provisioned, Webhook};

use crate::carrier::tropo::webhook::Network;
use crate::domain::phone::{Country, PhoneNumber};
use crate::seal::RootKeys;
use crate::telemetry;
use reader::Reader;

/// What the server needs.
#[derive(Debug)]
pub struct Serve {
    /// Where it listens and how it is reached.
    pub site: Site,
    /// Where rows are kept.
    pub database: Database,
    /// Where what a server itself knows is kept.
    pub state: PathBuf,
    /// What numbers are sealed with.
    pub secret_key: RootKeys,
    /// How we sign in at the carrier.
    pub account: Account,
    /// What we have at the carrier; `application` is set.
    pub provisioned: Provisioned,
    /// How the carrier proves itself.
    pub webhook: Webhook,
    /// Where the carrier comes in, if not where everybody does.
    pub webhook_listen: Option<Listen>,
    /// How letters leave.
    pub mail: Mail,
    /// Whose word on forwarded addresses counts.
    pub trusted_proxies: Vec<Network>,
    /// Countries and limits.
    pub rules: Rules,
    /// Where the simulator's page is, for a link on ours.
    pub simulator_url: Option<Url>,
    /// Where metrics are served, if they are.
    pub metrics: Option<SocketAddr>,
    /// What is logged.
    pub log: telemetry::Settings,
    /// Where it ends as if it were killed.
    #[cfg(debug_assertions)]
    pub failpoint: Option<crate::failpoint::Point>,
}

impl Serve {
    /// Reads what the server needs.
    pub fn read(variables: &Variables) -> Result<Self, Problems> {
        let mut reader = Reader::new(variables);
        let site = Site::read(&mut reader);
        let database = Database::read(&mut reader);
        let state = sections::state(&mut reader);
        let secret_key = sections::secret_key(&mut reader);
        let account = Account::read(&mut reader);
        let provisioned = Provisioned::read(&mut reader);
        let webhook = Webhook::read(&mut reader);
        let webhook_listen = sections::webhook_listen(&mut reader, site.as_ref());
        tropo::require_setup(&mut reader);
        let mail = Mail::read(&mut reader, site.as_ref().is_none_or(Site::is_loopback));
        let trusted_proxies = sections::trusted_proxies(&mut reader);
        let mut places = webhook_listen.iter().chain(site.iter().map(|site| &site.listen));
        let is_at_a_port = places.any(|place| place.port().is_some());
        let needs_proxy = is_at_a_port && site.as_ref().is_some_and(Site::is_https);
        if needs_proxy && reader.written("MASKLINE_TRUSTED_PROXIES").is_none() {
            let expected =
                "to be set where MASKLINE_PUBLIC_URL is https: the proxy whose X-Forwarded-Proto is believed";
            reader.complain("MASKLINE_TRUSTED_PROXIES", expected);
        }
        let rules = Rules::read(&mut reader);
        let simulator_url = sections::simulator_url(&mut reader);
        let metrics = sections::metrics_listen(&mut reader);
        let log = sections::log(&mut reader);
        #[cfg(debug_assertions)]
        let failpoint = reader.optional(names::FAILPOINT, "a point", crate::failpoint::Point::parse);
        let read = || {
            Some(Self {
                site: site?,
                database: database?,
                state: state?,
                secret_key: secret_key?,
                account: account?,
                provisioned,
                webhook,
                webhook_listen,
                mail: mail?,
                trusted_proxies,
                rules: rules?,
                simulator_url,
                metrics,
                log: log?,
                #[cfg(debug_assertions)]
                failpoint,
            })
        };
        let read = read();
        reader.finish(read)
    }
}

/// What commands about users need.
#[derive(Debug)]
pub struct Users {
    /// How the server is reached: links begin with it.
    pub site: Site,
    /// Where rows are kept.
    pub database: Database,
    /// What the deployment's keys come from.
    pub secret_key: RootKeys,
    /// Countries and limits.
    pub rules: Rules,
}

impl Users {
    /// Reads what commands about users need.
    pub fn read(variables: &Variables) -> Result<Self, Problems> {
        let mut reader = Reader::new(variables);
        let site = Site::read(&mut reader);
        let database = Database::read(&mut reader);
        let secret_key = sections::secret_key(&mut reader);
        let rules = Rules::read(&mut reader);
        let read = || Some(Self { site: site?, database: database?, secret_key: secret_key?, rules: rules? });
        let read = read();
        reader.finish(read)
    }
}

/// What `maskline migrate` needs.
pub fn database(variables: &Variables) -> Result<Database, Problems> {
    let mut reader = Reader::new(variables);
    let database = Database::read(&mut reader);
    reader.finish(database)
}

/// What `maskline tropo setup` needs.
#[derive(Debug)]
pub struct Setup {
    /// How we sign in at the carrier.
    pub account: Account,
    /// What we have there already.
    pub provisioned: Provisioned,
    /// The keys that the webhook takes; none yet, perhaps.
    pub webhook: Webhook,
    /// How the carrier reaches us.
    pub public_url: Url,
    /// The number that codes come from, where one is named.
    pub code_sender: Option<PhoneNumber>,
    /// Where it is rented otherwise.
    pub country: Country,
}

impl Setup {
    /// Reads what the setup needs; an address that was given with the command counts before the setting.
    pub fn read(variables: &Variables, public_url: Option<&str>) -> Result<Self, Problems> {
        let mut variables = variables.clone();
        variables.extend(public_url.map(|url| ("MASKLINE_PUBLIC_URL".to_owned(), url.to_owned())));
        let mut reader = Reader::new(&variables);
        let account = Account::read(&mut reader);
        let provisioned = Provisioned::read(&mut reader);
        let webhook = Webhook::read(&mut reader);
        let site = Site::read(&mut reader);
        let code_sender = sections::caller_id(&mut reader);
        let country = sections::own_country(&mut reader);
        let read = || {
            let public_url = site.map(|site| site.address(site.listen.port()))?;
            Some(Self { account: account?, provisioned, webhook, public_url, code_sender, country: country? })
        };
        let read = read();
        reader.finish(read)
    }
}

/// What the simulator needs.
#[derive(Debug)]
pub struct Simulate {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where its state is kept.
    pub state: PathBuf,
    /// Where our letters lie, if they are laid into a folder.
    pub mail: Option<PathBuf>,
    /// The account that it pretends to have; the address in it is the real Tropo's and means nothing here.
    pub account: Account,
    /// The id of that account.
    pub account_id: String,
    /// Where Maskline is.
    pub site: Site,
    /// What is logged.
    pub log: telemetry::Settings,
}

impl Simulate {
    /// Reads what the simulator needs.
    pub fn read(variables: &Variables) -> Result<Self, Problems> {
        let mut reader = Reader::new(variables);
        let listen = sections::listen(&mut reader, "MASKLINE_SIMULATOR_LISTEN");
        let account = Account::read(&mut reader);
        let account_id = tropo::account_id(&mut reader);
        let site = Site::read(&mut reader);
        let mail = Mail::read(&mut reader, site.as_ref().is_none_or(Site::is_loopback));
        let state = sections::state(&mut reader).map(|state| state.join("simulator"));
        let log = sections::log(&mut reader);
        let read = || {
            Some(Self {
                listen: listen?,
                state: state?,
                mail: mail?.folder().map(PathBuf::from),
                account: account?,
                account_id: account_id?,
                site: site?,
                log: log?,
            })
        };
        let read = read();
        reader.finish(read)
    }
}
