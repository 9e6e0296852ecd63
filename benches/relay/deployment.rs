//! A deployment: a PostgreSQL of its own with a database for each number of masks, and the program as people run it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use diesel::prelude::*;
use maskline::cluster::{self, Cluster};
use maskline::db;
use maskline::seal::{RootKeys, Sealer};
use maskline::secrets::random_token;

use crate::people;

/// Calls that are looked at closely before anything is measured.
const SAMPLE: u32 = 50;
const PATIENCE: Duration = Duration::from_mins(2);

/// The database server, before anything runs on it.
pub(crate) struct Database {
    cluster: Cluster,
    folder: PathBuf,
    secret_key: String,
    sealer: Sealer,
}

/// A database with so many masks.
pub(crate) struct Masks {
    pub(crate) count: u32,
    pub(crate) url: String,
}

impl Database {
    /// A durable one that ends with this process.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let target = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target"));
        let cluster = cluster::start(&cluster::Settings {
            directory: target.join("bench-postgres"),
            durable: true,
            tied_to_this_process: true,
        })?;
        let folder = target.join("bench-state");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder)?;
        let secret_key = RootKeys::generate();
        let sealer = Sealer::new(&RootKeys::parse(&secret_key)?);
        Ok(Self { cluster, folder, secret_key, sealer })
    }

    /// A database of its own with so many masks.
    pub(crate) fn with_masks(&self, count: u32) -> anyhow::Result<Masks> {
        let name = format!("masks_{count}");
        db::execute(&self.cluster.url("postgres"), &format!("CREATE DATABASE {name}"))?;
        let url = self.cluster.url(&name);
        db::migrate(&url)?;
        people::fill(&url, &self.sealer, count)?;
        Ok(Masks { count, url })
    }

    /// Gives somebody who has an account three masks.
    pub(crate) fn give_masks(&self, masks: &Masks, email: &str) -> anyhow::Result<[String; 3]> {
        people::give_masks(&masks.url, &self.sealer, email)
    }

    /// Its version.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let query = "SELECT split_part(current_setting('server_version'), ' ', 1) AS value";
        ask(&self.cluster.url("postgres"), query)
    }

    /// Stops it, as a machine that fails does, and waits until it is gone.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        let process = PathBuf::from("/proc").join(self.process()?);
        self.signal("QUIT")?;
        let patience = Instant::now() + PATIENCE;
        while process.exists() {
            ensure!(Instant::now() < patience, "PostgreSQL does not stop");
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Lets it hang, or go on.
    pub(crate) fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let process = self.process()?;
        let script = format!("kill -{signal} {process} $(pgrep -P {process})");
        // A backend may end while it is looked at.
        Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status()?;
        Ok(())
    }

    fn process(&self) -> anyhow::Result<String> {
        let text = fs::read_to_string(self.cluster.directory().join("data/postmaster.pid"))?;
        Ok(text.lines().next().context("no process")?.trim().to_owned())
    }

    /// Starts it again.
    pub(crate) fn start(&self) -> anyhow::Result<()> {
        self.cluster.ensure_running()?;
        Ok(())
    }

    /// Figures count only if what was answered was right: every call handed over, and each written down once.
    pub(crate) fn check(masks: &Masks, calls: f64) -> anyhow::Result<()> {
        let count = |which: &str| -> anyhow::Result<f64> {
            Ok(ask(&masks.url, &format!("SELECT count(*)::text AS value FROM calls WHERE {which}"))?
                .parse()?)
        };
        let (handed_over, refused) = (count("decision = 'connected'")?, count("decision <> 'connected'")?);
        println!("Of {calls} calls that were answered, {handed_over} are written down as handed over.");
        ensure!(refused == 0.0, "{refused} calls were refused");
        ensure!(handed_over >= calls, "{} calls are missing", calls - handed_over);
        Ok(())
    }
}

fn ask(url: &str, query: &str) -> anyhow::Result<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        value: String,
    }
    let row: Row = diesel::sql_query(query).get_result(&mut PgConnection::establish(url)?)?;
    Ok(row.value)
}

/// The program.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    metrics: SocketAddr,
    key: String,
    variables: Vec<(&'static str, String)>,
    http: reqwest::blocking::Client,
}

impl Server {
    /// Starts it and waits until it answers.
    pub(crate) fn start(database: &Database, masks: &Masks, state: &str) -> anyhow::Result<Self> {
        let server = Self::begin(database, masks, state)?;
        let patience = Instant::now() + PATIENCE;
        while server.http.get(server.url("/readyz")).send().map_or(0, |answer| answer.status().as_u16())
            != 200
        {
            ensure!(Instant::now() < patience, "the server does not become ready");
            sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// Starts it.
    pub(crate) fn begin(database: &Database, masks: &Masks, state: &str) -> anyhow::Result<Self> {
        let (address, metrics, key) = (free()?, free()?, random_token());
        let state = database.folder.join(state);
        fs::create_dir_all(&state)?;
        let plenty = "1000000";
        let mut variables = vec![
            ("MASKLINE_LISTEN", address.to_string()),
            ("MASKLINE_METRICS_LISTEN", metrics.to_string()),
            ("MASKLINE_STATE", state.display().to_string()),
            ("MASKLINE_SECRET_KEY", database.secret_key.clone()),
            ("MASKLINE_TRUSTED_PROXIES", "127.0.0.1".into()),
            ("DATABASE_URL", masks.url.clone()),
            ("TROPO_URL", "http://127.0.0.1:9/v1/".into()),
            ("TROPO_USERNAME", "bench".into()),
            ("TROPO_PASSWORD", "not a secret".into()),
            ("TROPO_MASKING_APP_ID", "1".into()),
            ("TROPO_ACCOUNT_ID", "33932".into()),
            ("TROPO_WEBHOOK_KEY", key.clone()),
        ];
        variables.extend(
            [
                "MASKLINE_LIMIT_CALLS_PER_MASK_AN_HOUR",
                "MASKLINE_LIMIT_CALLS_PER_MASK_A_DAY",
                "MASKLINE_LIMIT_CALLS_PER_MASK_AT_ONCE",
                "MASKLINE_LIMIT_CALLS_PER_CALLER_IN_10_MINUTES",
                "MASKLINE_LIMIT_CALLS_PER_CALLER_A_DAY",
                "MASKLINE_LIMIT_CALLS_IN_A_LOOP",
            ]
            .map(|name| (name, plenty.to_owned())),
        );
        let log = File::options().create(true).append(true).open(state.join("log"))?;
        let mut command = program(&variables);
        let child = command.arg("serve").stdout(log.try_clone()?).stderr(log).spawn()?;
        let http =
            reqwest::blocking::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Ok(Self { child, address, metrics, key, variables, http: http.build()? })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where sessions are posted to, with the key.
    pub(crate) fn webhook(&self) -> String {
        self.url(&format!("/tropo/transfer?key={}", self.key))
    }

    /// Posts a session; the document, if there is one.
    pub(crate) fn call(&self, body: String) -> Option<String> {
        let request = self.http.post(self.webhook()).header("content-type", "application/json");
        request.body(body).send().ok()?.error_for_status().ok()?.text().ok()
    }

    /// Calls some masks and sees to it that each call is handed over to the right phone.
    pub(crate) fn sample(&self, masks: &Masks) -> anyhow::Result<()> {
        for nth in 0..SAMPLE {
            let place = nth * (masks.count / SAMPLE);
            let document = self.call(filled(&format!("5a{nth:030}"), &people::mask(place)));
            let document = document.context("a call without an answer")?;
            let read: serde_json::Value = serde_json::from_str(&document)?;
            let to = &read["tropo"][0]["transfer"]["to"];
            ensure!(to == &people::real(place), "a call to mask {place} was answered {document}");
        }
        Ok(())
    }

    /// How long it takes until a call is handed over, from now.
    pub(crate) fn first_call(&self, begun: Instant) -> anyhow::Result<Duration> {
        let patience = Instant::now() + PATIENCE;
        let mut nth = 0;
        loop {
            nth += 1;
            let document = self.call(filled(&format!("6c{nth:030}"), &people::mask(0)));
            if document.is_some_and(|document| document.contains(&people::real(0))) {
                return Ok(begun.elapsed());
            }
            ensure!(Instant::now() < patience, "no call is handed over");
            sleep(Duration::from_millis(2));
        }
    }

    /// Waits until all that happened to calls is in the database.
    pub(crate) fn drained(&self, patience: Duration) -> anyhow::Result<()> {
        let patience = Instant::now() + patience;
        loop {
            let text = self.http.get(format!("http://{}/metrics", self.metrics)).send()?.text()?;
            let figure = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.and_then(|value| value.trim().parse::<f64>().ok())
            };
            let (queued, spool) =
                (figure("maskline_records_queued "), figure("maskline_records_spool_bytes "));
            if (queued, spool) == (Some(0.0), Some(0.0)) {
                return Ok(());
            }
            if Instant::now() > patience {
                bail!("records still wait: {queued:?} in memory, {spool:?} bytes on disk");
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Signs somebody with three masks up, and in, as a browser does; answers with the cookie and the masks.
    pub(crate) fn sign_in(
        &self,
        database: &Database,
        masks: &Masks,
    ) -> anyhow::Result<(String, [String; 3])> {
        let email = "reader@example.com";
        let made = program(&self.variables).args(["user", "create", email]).output()?;
        let link = String::from_utf8(made.stdout)?.trim().to_owned();
        let (csrf, form_cookie) = self.form(&link)?;
        let fields = [("csrf", csrf.as_str()), ("new_password", "copper violin seventeen marsh")];
        let signed_in = self.http.post(&link).header("cookie", form_cookie).form(&fields).send()?;
        ensure!(signed_in.status() == 303, "signing up was answered {}", signed_in.status());
        let cookies = signed_in.headers().get_all("set-cookie").iter();
        let mut cookies = cookies.filter_map(|value| value.to_str().ok()?.split(';').next());
        let cookie =
            cookies.find(|value| value.starts_with("sid=")).context("nobody is signed in")?.to_owned();
        Ok((cookie, database.give_masks(masks, email)?))
    }

    /// The token of a form, and the cookie that it belongs to.
    pub(crate) fn form(&self, url: &str) -> anyhow::Result<(String, String)> {
        let page = self.http.get(url).send()?.error_for_status()?;
        let value = page.headers().get("set-cookie").context("a form without a cookie")?.to_str()?;
        let cookie = value.split(';').next().unwrap_or_default().to_owned();
        let text = page.text()?;
        let csrf = text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        Ok((csrf.context("a form without a token")?.to_owned(), cookie))
    }

    /// The page of masks as that cookie sees it.
    pub(crate) fn masks(&self, cookie: &str) -> anyhow::Result<String> {
        let request = self.http.get(self.url("/masks")).header("cookie", cookie);
        Ok(request.send()?.error_for_status()?.text()?)
    }

    /// Stops it, as systemd does, and waits for its end.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").args(["-TERM", &self.id().to_string()]).status()?;
        ensure!(self.child.wait()?.success(), "the server did not end well");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A session of that name to that mask, as the carrier sends it.
pub(crate) fn filled(id: &str, mask: &str) -> String {
    include_str!("session.json")
        .replace("@SESSION@", id)
        .replace("@MASK@", mask)
        .replace("@CALLER@", "6465550123")
}

fn program(variables: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maskline"));
    command.stdin(Stdio::null()).envs(variables.iter().map(|(name, value)| (name, value)));
    command
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
