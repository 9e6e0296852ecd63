//! A whole deployment per test: a database of its own, a simulator of its own, a clock that is moved by hand.

mod agreement;
mod beside;
mod client;
mod database;
mod line;
mod people;
mod program;
mod settling;
mod simulated;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use maskline::app::keeping::Keeping;
use maskline::app::servers::Reach;
use maskline::app::{App, Channels, Pools, Settings};
use maskline::carrier::Channel;
use maskline::carrier::tropo::arrangement::Addresses;
use maskline::carrier::tropo::client::{Settings as TropoSettings, Tropo};
use maskline::carrier::tropo::setup::{ApplicationWish, Partition};
use maskline::carrier::tropo::webhook::{Network, Proof};
use maskline::clock::Clock;
use maskline::db::Db;
use maskline::domain::limits::Limits;
use maskline::domain::phone::{Allowed, Country, PhoneNumber};
use maskline::domain::user::Role;
use maskline::mail::{HostName, Mailer};
use maskline::seal::RootKeys;
use maskline::secrets::Secret;
use maskline::simulator::{self, Simulator};
use maskline::{web, worker};

pub(crate) use agreement::agreement;
pub(crate) use beside::{Beside, called};
pub(crate) use client::{Client, Page, grouped, http};
pub(crate) use database::Database;
pub(crate) use line::Line;
pub(crate) use people::Person;
pub(crate) use program::{Installation, Running, free_address, is_alive, send};
pub(crate) use settling::{calls, settle, stranger};
pub(crate) use simulated::Simulated;

/// A real number that people in tests have, and somebody who calls.
pub(crate) const REAL: &str = "+14075550101";
pub(crate) const CALLER: &str = "+14155550123";
/// The number that codes come from.
pub(crate) const CODE_SENDER: &str = "+19895550150";
pub(crate) const PASSWORD: &str = "copper violin seventeen marsh";
pub(crate) const WEBHOOK_KEY: &str = "a-webhook-key-of-tests-0123456789";
pub(crate) const ACCOUNT: &str = "33932";
/// How long a start waits for the database where it knows where numbers lead.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// The id of the first application that is made in a simulator, which is a deployment's own.
pub(crate) const OUR_APPLICATION: &str = "300001";

/// A deployment that runs for one test.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Clock,
    pub(crate) address: SocketAddr,
    pub(crate) database: Database,
    /// The way from the server to its database.
    pub(crate) line: Line,
    pub(crate) simulator: Simulated,
    pub(crate) mail: PathBuf,
    mail_server: Option<String>,
    stop: tokio::sync::watch::Sender<bool>,
    server: web::Ending,
    carrier: Option<Simulator>,
    /// The root keys, as the setting has them.
    pub(crate) keys: String,
    tropo: Arc<Tropo>,
    _folder: tempfile::TempDir,
}

/// What a test changes about the deployment.
pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) public_url: Option<String>,
    pub(crate) trusted_proxies: Vec<&'static str>,
    pub(crate) work: bool,
    pub(crate) decision_time: Duration,
    pub(crate) connections: usize,
    pub(crate) channels: Channels,
    pub(crate) webhook_keys: Vec<&'static str>,
    pub(crate) webhook_networks: Vec<&'static str>,
    /// The root keys, as the setting has them.
    pub(crate) keys: String,
    /// Whether Maskline's pages lead to the simulator, as in a development start.
    pub(crate) development: bool,
    /// A database that is there already.
    pub(crate) database: Option<Database>,
    /// Whether there is a number to send codes from.
    pub(crate) code_sender: bool,
    /// The mail server; else mail goes into a folder, where the simulator finds it.
    pub(crate) mail_server: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            public_url: None,
            trusted_proxies: vec![],
            work: true,
            decision_time: Duration::from_secs(20),
            connections: 1000,
            channels: Channels { voice: true, text: true },
            webhook_keys: vec![WEBHOOK_KEY],
            webhook_networks: vec![],
            keys: RootKeys::generate(),
            development: false,
            database: None,
            code_sender: true,
            mail_server: None,
        }
    }
}

pub(crate) fn start_of_time() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 9, 30, 0).unwrap()
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mail = folder.path().join("mail");
        let clock = Clock::by_hand(start_of_time());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let simulator = simulator::start(
            simulator::Settings {
                listen: "127.0.0.1:0".into(),
                state_dir: folder.path().join("simulator"),
                mail_dir: Some(mail.clone()),
                username: "tester".into(),
                password: "not a secret".into(),
                account_id: ACCOUNT.into(),
                maskline_url: options.development.then(|| format!("http://{address}/")),
                webhook_timeout: Duration::from_secs(30),
            },
            clock.clone(),
        )
        .unwrap();
        let (tropo, code_sender) = set_up(simulator.address(), address).await;
        let tropo = Arc::new(tropo);
        let database = match options.database {
            Some(database) => database,
            None => Database::create().await,
        };
        let public_url = options.public_url.unwrap_or_else(|| format!("http://{address}"));
        let settings = Settings {
            public_url: public_url.clone(),
            default_country: Country::US,
            number_countries: ["US", "CA", "GB"].map(|country| country.parse().unwrap()).to_vec(),
            mask_countries: ["US", "CA"].map(|country| country.parse().unwrap()).to_vec(),
            allowed: Allowed::default(),
            code_sender: options.code_sender.then_some(code_sender),
            channels: options.channels,
            currency: "USD".into(),
            limits: options.limits,
        };
        let keys: Vec<Secret> = options.webhook_keys.into_iter().map(Secret::new).collect();
        let roots = RootKeys::parse(&options.keys).unwrap();
        let mailer_here = mailer(options.mail_server.as_deref(), mail.clone());
        let line = Line::to(&database.url).await;
        let [pages, calls, work] = [8, 4, 4].map(|width| Db::new(&line.url, width));
        let pools = Pools { pages, calls, work };
        let app = Arc::new(App::new(pools, clock.clone(), &roots, tropo.clone(), mailer_here, settings));
        let keeping = Keeping::open(&app, &folder.path().join("servers"), "here", FIRST_LOOK).await.unwrap();
        let server = web::serve(
            listener,
            app.clone(),
            web::Settings {
                public_url: public_url.parse().unwrap(),
                trusted_proxies: networks(&options.trusted_proxies),
                webhook: Proof::new(&keys, Some(ACCOUNT.into()), networks(&options.webhook_networks)),
                simulator_url: options.development.then(|| format!("http://{}/", simulator.address())),
                workers: 1,
                connections: options.connections,
                decision_time: options.decision_time,
            },
        )
        .unwrap();
        let ending = server.ending();
        tokio::spawn(server);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        tokio::spawn(keeping.run(stopped.clone()));
        tokio::spawn(worker::letters(app.clone(), stopped.clone()));
        if options.work {
            tokio::spawn(worker::run(app.clone(), stopped));
        }
        let simulated = Simulated::of(simulator.address(), app.clone());
        Self {
            app,
            clock,
            address,
            database,
            line,
            simulator: simulated,
            mail,
            mail_server: options.mail_server,
            stop,
            server: ending,
            carrier: Some(simulator),
            keys: options.keys,
            tropo,
            _folder: folder,
        }
    }

    /// The same deployment with other rules, for what neither answers calls nor pages.
    pub(crate) fn with_rules(&self, change: impl FnOnce(&mut Settings)) -> App {
        self.again(Pools::one(Db::new(&self.database.url, 4)), &self.keys, change)
    }

    fn again(&self, pools: Pools, keys: &str, change: impl FnOnce(&mut Settings)) -> App {
        let mut settings = self.app.settings().clone();
        change(&mut settings);
        let mailer = mailer(self.mail_server.as_deref(), self.mail.clone());
        let roots = RootKeys::parse(keys).unwrap();
        App::new(pools, self.clock.clone(), &roots, self.tropo.clone(), mailer, settings)
    }

    /// Another server of the deployment.
    pub(crate) async fn beside(&self) -> Beside {
        Beside::start(self, &self.keys, |_| {}).await
    }

    /// Another worker of the deployment, which routes no calls and whose clock is wrong by so much.
    pub(crate) fn worker(&self, wrong: TimeDelta) -> (App, Clock) {
        let clock = Clock::by_hand(self.clock.now() + wrong);
        let mailer = mailer(self.mail_server.as_deref(), self.mail.clone());
        let roots = RootKeys::parse(&self.keys).unwrap();
        let [pages, calls, work] = [4, 1, 4].map(|width| Db::new(&self.database.url, width));
        let (pools, settings) = (Pools { pages, calls, work }, self.app.settings().clone());
        (App::new(pools, clock.clone(), &roots, self.tropo.clone(), mailer, settings), clock)
    }

    /// Waits until the servers know all that is in the database, also what a test wrote there.
    pub(crate) async fn settled(&self) {
        assert_eq!(self.app.reached().await, Reach::Everywhere);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Somebody who is not signed in.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.url(""))
    }

    /// Somebody who has an account and is signed in.
    pub(crate) async fn signed_in(&self, name: &str) -> Client {
        self.invited(name, Role::User).await
    }

    /// An admin who is signed in.
    pub(crate) async fn admin(&self) -> Client {
        self.invited("admin", Role::Admin).await
    }

    /// The path of the link in a letter to an address, once there is one.
    pub(crate) async fn mailed_link(&self, email: &str) -> String {
        self.newer_link(email, &[]).await
    }

    /// The path of a mailed link that is none of the known ones.
    pub(crate) async fn newer_link(&self, email: &str, known: &[&str]) -> String {
        let is_new =
            |letter: &str| letter.contains("/links/") && !known.iter().any(|link| letter.contains(link));
        let letter = self.simulator.letter_that(email, is_new).await;
        letter[letter.find("/links/").unwrap()..].split_whitespace().next().unwrap().to_owned()
    }

    /// Somebody who was invited, in that role.
    pub(crate) async fn invited(&self, name: &str, role: Role) -> Client {
        let email = format!("{name}@example.com").parse().unwrap();
        let link = self.app.invite(email, role).await.unwrap();
        let path = link[link.find("/links/").unwrap()..].to_owned();
        let mut client = self.anonymous();
        let page = client.submit(&path, &path, &[("new_password", PASSWORD)]).await;
        assert_eq!(page.status, 303, "{}", page.text);
        client
    }

    /// Somebody who comes back and signs in with the password that everybody here has.
    pub(crate) async fn back_again(&self, name: &str) -> Client {
        let mut client = self.anonymous();
        let email = format!("{name}@example.com");
        let fields = [("email", email.as_str()), ("password", PASSWORD)];
        let page = client.submit("/sign-in", "/sign-in", &fields).await;
        assert_eq!(page.status, 303, "{}", page.words());
        client
    }

    /// Somebody who has proved a number, and its id.
    pub(crate) async fn with_number(&self, name: &str, number: &str) -> (Client, String) {
        let mut client = self.signed_in(name).await;
        let id = self.prove(&mut client, number).await;
        (client, id)
    }

    /// Registers a number; the answer is the path where it is proved.
    pub(crate) async fn register(&self, client: &mut Client, number: &str) -> String {
        client.register(number).await
    }

    /// Registers and proves a number, as a person does it.
    pub(crate) async fn prove(&self, client: &mut Client, number: &str) -> String {
        client.prove(&self.simulator, number).await
    }

    /// Asks for a mask in the number's own area and waits until it is there; the answer is its path and its number.
    pub(crate) async fn mask(&self, client: &mut Client, number_id: &str) -> (String, String) {
        client.mask(number_id).await
    }

    /// Lets the worker do all that is due now.
    pub(crate) async fn work(&self) {
        while self.app.step().await.unwrap() {}
        self.settled().await;
    }

    /// Time passes, for the clock of the servers and for that of the database alike.
    pub(crate) async fn later(&self, time: TimeDelta) {
        self.clock.advance(time);
        let seconds = time.num_seconds();
        let statement =
            format!("UPDATE operations SET lease_until = lease_until - interval '{seconds} seconds'");
        self.database
            .execute(&format!("{statement}; {}", statement.replace("operations", "reconciliation")))
            .await;
    }

    /// The carrier is gone: nothing listens at its address any more.
    pub(crate) async fn without_carrier(&mut self) {
        self.carrier.take().unwrap().stop().await;
    }

    /// From now on the carrier asks another server.
    pub(crate) async fn carrier_asks(&self, server: SocketAddr) {
        let applications = self.tropo.applications().await.unwrap();
        self.tropo.update_application(&applications[0].id, &wish(server)).await.unwrap();
    }

    /// Posts to the webhook as the carrier does.
    pub(crate) async fn webhook(&self, path: &str, body: impl Into<String>) -> Page {
        let url = self.url(&format!("{path}?key={WEBHOOK_KEY}"));
        let request = http().post(url).header("content-type", "application/json");
        Page::of(request.body(body.into()).send().await.unwrap()).await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        drop(self.server.now());
    }
}

fn mailer(server: Option<&str>, folder: PathBuf) -> Mailer {
    let (sender, host) = ("Maskline <maskline@example.com>", HostName::parse("masks.example.com").unwrap());
    match server {
        Some(url) => Mailer::smtp(url, sender, host),
        None => Mailer::folder(folder, sender, host),
    }
    .unwrap()
}

fn networks(texts: &[&str]) -> Vec<Network> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn wish(ours: SocketAddr) -> ApplicationWish {
    ApplicationWish {
        name: "Maskline".into(),
        voice_url: Secret::new(format!("http://{ours}/tropo/transfer?key={WEBHOOK_KEY}")),
        messaging_url: Secret::new(format!("http://{ours}/tropo/message?key={WEBHOOK_KEY}")),
        partition: Partition::Staging,
    }
}

/// What `maskline tropo setup` does.
async fn set_up(simulator: SocketAddr, ours: SocketAddr) -> (Tropo, PhoneNumber) {
    let settings = |application: String, voice_token, messaging_token| TropoSettings {
        url: format!("http://{simulator}/v1/").parse().unwrap(),
        username: "tester".into(),
        password: Secret::new("not a secret"),
        application,
        voice_token,
        messaging_token,
    };
    let tropo = Tropo::new(settings("0".into(), None, None)).unwrap();
    let application = tropo.create_application(&wish(ours)).await.unwrap();
    let voice = tropo.create_launch_token(&application, Channel::Voice).await.unwrap();
    let text = tropo.create_launch_token(&application, Channel::Text).await.unwrap();
    let codes = ApplicationWish { name: format!("Maskline codes {application}"), ..wish(ours) };
    let codes = tropo.create_application(&codes).await.unwrap();
    let sender = PhoneNumber::from_e164(CODE_SENDER).unwrap();
    tropo.buy_for(&codes, sender).await.unwrap();
    let here = format!("http://{ours}").parse().unwrap();
    let addresses = Addresses::of(&here, &[Secret::new(WEBHOOK_KEY)]);
    (Tropo::new(settings(application, Some(voice), Some(text))).unwrap().reached_at(addresses), sender)
}
