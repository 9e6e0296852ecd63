//! A deployment as `maskline serve` makes it, but for its carrier and its limits, in a PostgreSQL of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use diesel::prelude::*;
use maskline::app::{App, Channels, Settings};
use maskline::carrier::tropo::webhook::Proof;
use maskline::clock::Clock;
use maskline::cluster::{self, Cluster};
use maskline::db::{self, Db};
use maskline::domain::limits::Limits;
use maskline::domain::phone::Country;
use maskline::domain::user::Role;
use maskline::mail::Mailer;
use maskline::seal::{RootKeys, Sealer};
use maskline::secrets::{Secret, random_token};
use maskline::{web, worker};

use crate::carrier::NoCarrier;
use crate::people;

/// As in `src/cli/compose.rs`.
const WIDTH: u32 = 12;
const WIDTH_OF_CALLS: u32 = 4;
const DECISION_TIME: Duration = Duration::from_millis(300);

/// The database, before anything runs on it.
pub(crate) struct Database {
    pub(crate) url: String,
    roots: RootKeys,
    sealer: Sealer,
    _cluster: Cluster,
}

/// What runs.
pub(crate) struct Deployment {
    app: Arc<App>,
    pub(crate) address: SocketAddr,
    key: String,
    http: reqwest::Client,
}

impl Database {
    /// A durable one, with all masks in it, that ends with this process.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let cluster = cluster::start(&cluster::Settings {
            directory: concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-postgres").into(),
            durable: true,
            tied_to_this_process: true,
        })?;
        let url = cluster.url("postgres");
        db::migrate(&url)?;
        let roots = RootKeys::parse(&RootKeys::generate())?;
        let sealer = Sealer::new(&roots);
        people::fill(&url, &sealer)?;
        Ok(Self { url, roots, sealer, _cluster: cluster })
    }

    /// The one value that a query gives.
    pub(crate) fn ask(&self, query: &str) -> anyhow::Result<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            value: String,
        }
        let row: Row = diesel::sql_query(query).get_result(&mut PgConnection::establish(&self.url)?)?;
        Ok(row.value)
    }
}

impl Deployment {
    /// Starts the server and the worker.
    pub(crate) fn start(database: &Database, workers: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, key) = (listener.local_addr()?, random_token());
        let public_url = format!("http://{address}");
        let us: Country = "US".parse()?;
        let settings = Settings {
            public_url: public_url.clone(),
            default_country: us,
            number_countries: vec![us],
            mask_countries: vec![us],
            voip: false,
            code_sender: None,
            currency: "USD".into(),
            channels: Channels { voice: true, text: true },
            limits: Limits {
                calls_per_mask: (u32::MAX, u32::MAX, u32::MAX),
                calls_per_caller: (u32::MAX, u32::MAX),
                calls_in_a_loop: u32::MAX,
                ..Limits::default()
            },
        };
        let mailer = Mailer::folder(std::env::temp_dir(), "maskline@localhost")?;
        let db = Db::new(&database.url, WIDTH);
        let calls_db = Db::new(&database.url, WIDTH_OF_CALLS);
        let carrier = Arc::new(NoCarrier);
        let app = App::new(db, calls_db, Clock::System, &database.roots, carrier, mailer, settings);
        let app = Arc::new(app);
        let web = web::Settings {
            public_url: public_url.parse()?,
            trusted_proxies: vec![],
            webhook: Proof::new(&[Secret::new(key.as_str())], Some("33932".into()), vec![]),
            simulator_url: None,
            workers,
            decision_time: DECISION_TIME,
        };
        tokio::spawn(web::serve(listener, app.clone(), web)?);
        let work = app.clone();
        tokio::spawn(async move {
            let (_running, stopped) = tokio::sync::watch::channel(false);
            worker::run(work, stopped).await;
        });
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Ok(Self { app, address, key, http: http.build()? })
    }

    /// Where sessions are posted to, with the key.
    pub(crate) fn webhook(&self) -> String {
        format!("http://{}/tropo/transfer?key={}", self.address, self.key)
    }

    /// Posts a session and answers with the document.
    pub(crate) async fn call(&self, body: String) -> anyhow::Result<String> {
        let request = self.http.post(self.webhook()).header("content-type", "application/json");
        let answer = request.body(body).send().await?.error_for_status()?;
        Ok(answer.text().await?)
    }

    /// Signs somebody with three masks up, and in, as a browser does; answers with the cookie.
    pub(crate) async fn sign_in(&self, database: &Database) -> anyhow::Result<(String, [String; 3])> {
        let email = "reader@example.com";
        let link = self.app.invite(email.parse()?, Role::User).await?;
        let page = self.http.get(&link).send().await?.error_for_status()?;
        let form_cookie = cookie(&page)?;
        let text = page.text().await?;
        let csrf = text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let fields = [
            ("csrf", csrf.context("a form without a token")?),
            ("new_password", "copper violin seventeen marsh"),
        ];
        let signed_in = self.http.post(&link).header("cookie", form_cookie).form(&fields).send().await?;
        ensure!(signed_in.status() == 303, "signing up was answered {}", signed_in.status());
        let cookie = signed_in.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let cookie =
            cookie.filter_map(|value| value.split(';').next()).find(|value| value.starts_with("sid="));
        let masks = people::give_masks(&database.url, &database.sealer, email)?;
        Ok((cookie.context("nobody is signed in")?.to_owned(), masks))
    }

    /// The page of masks as that cookie sees it.
    pub(crate) async fn masks(&self, cookie: &str) -> anyhow::Result<String> {
        let request = self.http.get(format!("http://{}/masks", self.address)).header("cookie", cookie);
        Ok(request.send().await?.error_for_status()?.text().await?)
    }
}

fn cookie(page: &reqwest::Response) -> anyhow::Result<String> {
    let value = page.headers().get("set-cookie").context("a form without a cookie")?.to_str()?;
    Ok(value.split(';').next().unwrap_or_default().to_owned())
}
