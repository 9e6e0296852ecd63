//! The settings in groups, each with what is expected of it.
//!
//! Parses and checks; opens and connects nothing, but for the file that holds the secret key.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::limits;
use super::listen::{self, Listen};
use super::reader::Reader;
use crate::carrier::tropo::webhook::Network;
use crate::domain::limits::Limits;
use crate::domain::phone::{Allowed, Country, PhoneNumber};
use crate::mail::{HostName, MailError, Mailer};
use crate::seal::RootKeys;
use crate::secrets::Secret;
use crate::telemetry;

/// Who letters come from where nobody but ourselves reads them.
const LOCAL_SENDER: &str = "Maskline <maskline@localhost>";
/// What nobody may do with a key file: whoever is not of its group anything, and the group more than read it.
const NOT_FOR_KEYS: u32 = 0o037;
/// In bytes; a list of a thousand keys is shorter.
const LONGEST_KEY_FILE: u64 = 64 * 1024;

/// Where we listen, and how others reach us.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where we listen.
    pub listen: Listen,
    public_url: Option<Url>,
}

impl Site {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let listen = reader.required("MASKLINE_LISTEN", listen::EXPECTED, |text| text.parse().ok());
        let expected = "an address such as https://masks.example.com, without a path; http only on loopback";
        let public_url = reader.optional("MASKLINE_PUBLIC_URL", expected, public_url);
        let listen: Listen = listen?;
        if reader.written("MASKLINE_PUBLIC_URL").is_none() && !is_on_loopback(listen.port()) {
            let expected = "to be set where MASKLINE_LISTEN is not on loopback, to https://…";
            reader.complain("MASKLINE_PUBLIC_URL", expected);
        }
        Some(Self { listen, public_url })
    }

    /// How people and the carrier reach us, given the port at which we really listen (0 takes any).
    pub fn address(&self, bound: Option<SocketAddr>) -> Url {
        self.public_url.clone().unwrap_or_else(|| {
            // Where there is no port, the settings are refused without it. And an address and a port always make a URL.
            let bound = bound.map_or_else(|| "localhost".to_owned(), |bound| bound.to_string());
            Url::parse(&format!("http://{bound}")).unwrap_or_else(|_| unreachable!("{bound} is an address"))
        })
    }

    /// Whether it may listen there: on loopback, or where it is said how it is reached.
    pub fn may_listen(&self, bound: Option<SocketAddr>) -> bool {
        is_on_loopback(bound) || self.public_url.is_some()
    }

    /// Whether the carrier may come in there by a way of its own: a Unix socket is as near as loopback.
    pub fn may_take_calls(&self, bound: Option<SocketAddr>) -> bool {
        bound.is_none() || self.may_listen(bound)
    }

    /// Whether people and the carrier reach us by https, and so by a proxy.
    pub(super) fn is_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    /// Whether only this machine reaches us.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.address(self.listen.port()))
    }
}

/// Where rows are kept.
#[derive(Debug, Clone)]
pub struct Database {
    /// A database that somebody else runs.
    pub url: Option<Secret>,
    /// Where our own lies, if nobody else runs one.
    pub private: PathBuf,
}

impl Database {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let expected = "postgres://USER:PASSWORD@HOST/DATABASE, with %40 for @ and %2F for / in a password";
        let url =
            reader.optional("DATABASE_URL", expected, |text| is_postgres(text).then(|| Secret::new(text)));
        Some(Self { url, private: state(reader)?.join("postgres") })
    }
}

/// Whether it is a URL of a database in which libpq would not take a part of the password for something else, and
/// name it in an error.
fn is_postgres(text: &str) -> bool {
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let server = |rest: &str| rest.split(['/', '?']).next().map(|server| server.matches('@').count());
    rest.is_some_and(|rest| server(rest) == Some(rest.matches('@').count().min(1)))
}

/// How letters leave.
#[derive(Debug, Clone)]
pub struct Mail {
    transport: Transport,
    from: String,
    host: Option<HostName>,
}

#[derive(Debug, Clone)]
enum Transport {
    Smtp(Secret),
    Folder(PathBuf),
}

impl Mail {
    pub(super) fn read(reader: &mut Reader, local: bool) -> Option<Self> {
        let expected =
            "smtps://USER:PASSWORD@HOST, smtp://USER:PASSWORD@HOST:587?tls=required, or folder:PATH";
        let from = match reader.written("MASKLINE_MAIL_FROM") {
            None if local => Some(LOCAL_SENDER.to_owned()),
            _ => reader.required(
                "MASKLINE_MAIL_FROM",
                "a mailbox such as Maskline <masks@example.com>",
                sender,
            ),
        };
        let transport = match reader.written("MASKLINE_MAIL") {
            None if local => Some(Transport::Folder(state(reader)?.join("mail"))),
            _ => reader.required("MASKLINE_MAIL", expected, transport),
        };
        let expected = "a full host name such as masks.example.com";
        let host = reader.optional("MASKLINE_MAIL_HOST_NAME", expected, |text| HostName::parse(text).ok());
        Some(Self { transport: transport?, from: from?, host })
    }

    /// The folder that letters are laid into, if they do not leave at all.
    pub fn folder(&self) -> Option<&Path> {
        match &self.transport {
            Transport::Smtp(_) => None,
            Transport::Folder(folder) => Some(folder),
        }
    }

    /// What sends them, for a deployment that people reach there.
    pub fn mailer(&self, public_url: &Url) -> Result<Mailer, MailError> {
        let host = match &self.host {
            Some(host) => host.clone(),
            None => HostName::parse(public_url.host_str().unwrap_or_default())?,
        };
        match &self.transport {
            Transport::Smtp(url) => Mailer::smtp(url.expose(), &self.from, host),
            Transport::Folder(folder) => Mailer::folder(folder.clone(), &self.from, host),
        }
    }
}

fn transport(text: &str) -> Option<Transport> {
    if let Some(folder) = text.strip_prefix("folder:") {
        return (!folder.is_empty()).then(|| Transport::Folder(folder.into()));
    }
    let host = HostName::parse("localhost").ok()?;
    Mailer::smtp(text, LOCAL_SENDER, host).is_ok().then(|| Transport::Smtp(Secret::new(text)))
}

fn sender(text: &str) -> Option<String> {
    let host = HostName::parse("localhost").ok()?;
    Mailer::folder(PathBuf::new(), text, host).is_ok().then(|| text.to_owned())
}

/// Countries, kinds of numbers, limits.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How a number without a country code is read.
    pub country: Country,
    /// Where real numbers may be.
    pub number_countries: Vec<Country>,
    /// Where masks may be.
    pub mask_countries: Vec<Country>,
    /// Which kinds of numbers may be real numbers, beside landlines and mobile phones.
    pub allowed: Allowed,
    /// The number that codes are sent from.
    pub caller_id: Option<PhoneNumber>,
    /// The currency of all amounts, by its three letters.
    pub currency: String,
    /// The limits.
    pub limits: Limits,
}

impl Rules {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let expected = "two-letter country codes such as US, with commas between them";
        let country = |text: &str| text.parse::<Country>().ok();
        let own = own_country(reader);
        let mut countries = |name| {
            let listed = reader.list(name, expected, country);
            if listed.is_empty() { own.into_iter().collect() } else { listed }
        };
        let number_countries = countries("MASKLINE_NUMBER_COUNTRIES");
        let mask_countries = countries("MASKLINE_MASK_COUNTRIES");
        let voip = reader.required("MASKLINE_VOIP", "yes or no", yes_or_no);
        let new_ranges = reader.required("MASKLINE_NEW_RANGES", "yes or no", yes_or_no);
        let caller_id = caller_id(reader);
        let currency =
            reader.required("MASKLINE_CURRENCY", "the three letters of a currency such as USD", |text| {
                let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
                is_code.then(|| text.to_owned())
            });
        let limits = limits::read(reader);
        Some(Self {
            country: own?,
            number_countries,
            mask_countries,
            allowed: Allowed { voip: voip?, new_ranges: new_ranges? },
            caller_id,
            currency: currency?,
            limits,
        })
    }
}

/// How a number without a country code is read.
pub(super) fn own_country(reader: &mut Reader) -> Option<Country> {
    reader.required("MASKLINE_COUNTRY", "a two-letter country code such as US", |text| text.parse().ok())
}

/// The number that codes are sent from.
pub(super) fn caller_id(reader: &mut Reader) -> Option<PhoneNumber> {
    let expected = "a number of the Tropo account with plus and country code, such as +14075550100";
    reader.optional("TROPO_CALLER_ID", expected, PhoneNumber::from_e164)
}

/// What numbers are sealed with, from the setting or from the file that it names.
pub(super) fn secret_key(reader: &mut Reader) -> Option<RootKeys> {
    let (key, file) = ("MASKLINE_SECRET_KEY", "MASKLINE_SECRET_KEY_FILE");
    let expected =
        "32 random bytes in base64 (`openssl rand -base64 32`), or 2:BASE64,1:BASE64 to replace a key";
    if reader.written(key).and(reader.written(file)).is_some() {
        reader.complain(file, "to be absent where MASKLINE_SECRET_KEY is set");
    }
    let (name, read) = if let Some(path) = reader.written(file) {
        (file, key_file(Path::new(path)).and_then(|text| roots(&text)))
    } else {
        reader.require(key, expected);
        (key, roots(reader.written(key)?))
    };
    let what = if name == file { format!("a file with {expected}") } else { expected.to_owned() };
    read.map_err(|mistake| reader.complain(name, &format!("{what}; {mistake}"))).ok()
}

fn roots(text: &str) -> Result<RootKeys, String> {
    RootKeys::parse(text).map_err(|mistake| mistake.to_string())
}

/// What a key file holds. One that everybody on the machine can read keeps no secret.
fn key_file(path: &Path) -> Result<String, String> {
    let cannot = |error: io::Error| format!("this one cannot be read ({error})");
    let file = File::open(path).map_err(cannot)?;
    let mode = file.metadata().map_err(cannot)?.mode();
    if mode & NOT_FOR_KEYS != 0 {
        let shown = mode & 0o777;
        return Err(format!("this one is open to others (its mode is {shown:o}): `chmod 600` it"));
    }
    let mut text = String::new();
    file.take(LONGEST_KEY_FILE).read_to_string(&mut text).map_err(cannot)?;
    Ok(text)
}

/// A list of networks.
pub(super) fn networks(reader: &mut Reader, name: &str) -> Vec<Network> {
    let expected = "addresses or networks such as 192.0.2.0/24, with commas between them";
    reader.list(name, expected, |text| text.parse().ok())
}

/// The proxies whose word on where a request comes from counts. A network that no single operator has is refused: with it
/// any client could say that it is somebody else, and no limit by address would hold.
pub(super) fn trusted_proxies(reader: &mut Reader) -> Vec<Network> {
    let name = "MASKLINE_TRUSTED_PROXIES";
    let networks = networks(reader, name);
    if networks.iter().any(|network| !network.may_be_one_operators()) {
        let expected = "the addresses of your own proxies, such as 127.0.0.1 or 10.0.0.0/8: a network as wide as one of \
                        these lets anybody write any address into X-Forwarded-For";
        reader.complain(name, expected);
    }
    networks
}

/// An address to listen on.
pub(super) fn listen(reader: &mut Reader, name: &str) -> Option<SocketAddr> {
    reader.required(name, "an address and a port such as 127.0.0.1:8080", |text| text.parse().ok())
}

fn is_on_loopback(bound: Option<SocketAddr>) -> bool {
    bound.is_some_and(|bound| bound.ip().to_canonical().is_loopback())
}

/// Where the carrier comes in, if not where everybody does.
pub(super) fn webhook_listen(reader: &mut Reader, site: Option<&Site>) -> Option<Listen> {
    let name = "MASKLINE_WEBHOOK_LISTEN";
    let listen: Option<Listen> = reader.optional(name, listen::EXPECTED, |text| text.parse().ok());
    if site.is_some_and(|site| listen.as_ref().is_some_and(|listen| !site.may_take_calls(listen.port()))) {
        reader.complain(name, "to be on loopback or a Unix socket where MASKLINE_PUBLIC_URL is not set");
    }
    listen
}

/// Where metrics are served, if they are: where strangers do not come by.
pub(super) fn metrics_listen(reader: &mut Reader) -> Option<SocketAddr> {
    let expected = "an address and a port such as 127.0.0.1:9464, on loopback or in a private network";
    reader.optional("MASKLINE_METRICS_LISTEN", expected, |text| {
        text.parse().ok().filter(|address: &SocketAddr| is_private(address.ip()))
    })
}

/// Whether an address means nothing in the internet at large.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// Where what is not in a foreign database is kept.
pub(super) fn state(reader: &mut Reader) -> Option<PathBuf> {
    reader.required("MASKLINE_STATE", "a folder", |text| Some(text.into()))
}

/// Where the simulator's page is.
pub(super) fn simulator_url(reader: &mut Reader) -> Option<Url> {
    reader.optional("MASKLINE_SIMULATOR_URL", "an address such as http://127.0.0.1:8081/", |text| {
        Url::parse(text).ok().filter(Url::has_host)
    })
}

/// What is logged, and how.
pub(super) fn log(reader: &mut Reader) -> Option<telemetry::Settings> {
    let expected = "a level such as info, or a filter such as warn,maskline=debug";
    let filter =
        reader.required("MASKLINE_LOG", expected, |text| telemetry::is_filter(text).then(|| text.to_owned()));
    let format = reader.required("MASKLINE_LOG_FORMAT", "text or json", |text| match text {
        "text" => Some(telemetry::Format::Text),
        "json" => Some(telemetry::Format::Json),
        _ => None,
    });
    Some(telemetry::Settings { filter: filter?, format: format? })
}

fn public_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    (bare && nobody && is_safe(&url)).then_some(url)
}

/// Nobody on the way can read along.
pub(super) fn is_safe(url: &Url) -> bool {
    url.has_host() && (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url))
}

/// Whether an address leads to this very machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}
