//! Chromium, driven over the `WebDriver` protocol by a chromedriver of the test's own, which ends with it.

use std::fmt;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::{free_address, http};
use serde_json::{Value, json};

/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
];

pub(crate) struct WebDriver {
    process: Child,
    /// Kept, so that chromedriver can go on writing.
    _words: BufReader<ChildStdout>,
    port: u16,
    session: String,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

/// Why the browser did not do something.
pub(crate) struct Refusal {
    pub(crate) kind: String,
    message: String,
}

impl fmt::Debug for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind, self.message)
    }
}

impl WebDriver {
    /// A browser with a profile of its own; without a script where one is not wanted.
    pub(crate) async fn start(script: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new("chromedriver")
            // One below those that the system gives out: chromedriver wants it for IPv4 and IPv6 alike.
            .arg(format!("--port={}", free_address().port()))
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("chromedriver cannot be started ({error}): `script/bootstrap test` installs it")
            });
        let mut words = BufReader::new(process.stdout.take().unwrap());
        let port = port_told_by(&mut words);
        let http = http();
        let mut driver = Self { process, _words: words, port, session: String::new(), http, folder };
        let begun = driver.call("/session", driver.wish(script)).await;
        let begun = begun.unwrap_or_else(|why| {
            panic!("Chromium cannot be started ({why:?}): `script/bootstrap test` installs it")
        });
        begun["sessionId"].as_str().unwrap().clone_into(&mut driver.session);
        driver
    }

    fn wish(&self, script: bool) -> Value {
        let mut flags = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", self.folder.path().join("profile").display()));
        let mut options = json!({ "args": flags });
        if !script {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        json!({ "capabilities": { "alwaysMatch": wanted } })
    }

    /// Posts a command to chromedriver.
    async fn call(&self, path: &str, body: Value) -> Result<Value, Refusal> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let response = self.http.post(url).json(&body).send().await.unwrap();
        let done = response.status().is_success();
        let mut answer: Value = response.json().await.unwrap();
        let value = answer["value"].take();
        if done {
            return Ok(value);
        }
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Err(Refusal { kind: text("error"), message: text("message") })
    }

    /// Posts a command of this session.
    pub(crate) async fn command(&self, command: &str, body: Value) -> Result<Value, Refusal> {
        self.call(&format!("/session/{}/{command}", self.session), body).await
    }

    /// A command of Chromium's own.
    pub(crate) async fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await.unwrap()
    }

    /// Runs a script in the page, whether the page itself may run any or not.
    pub(crate) async fn run(&self, script: &str, arguments: Value) -> Result<Value, Refusal> {
        self.command("execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// Acts on an element that a script answered with.
    pub(crate) async fn act(&self, element: &Value, act: &str, body: Value) -> Result<Value, Refusal> {
        let id = element[ELEMENT].as_str().unwrap();
        self.command(&format!("element/{id}/{act}"), body).await
    }

    pub(crate) async fn forget_cookies(&self) {
        self.chromium("Network.clearBrowserCookies", json!({})).await;
    }

    /// What the console was told since it was last asked.
    pub(crate) async fn console(&self) -> Vec<Value> {
        let entries = self.command("se/log", json!({ "type": "browser" })).await.unwrap();
        entries.as_array().unwrap().clone()
    }
}

fn port_told_by(words: &mut impl BufRead) -> u16 {
    let mut told = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(words.read_line(&mut line).unwrap(), 0, "chromedriver ended at once: {told}");
        told += &line;
        if let Some((_, port)) = line.split_once("successfully on port ") {
            return port.trim().trim_end_matches('.').parse().unwrap();
        }
    }
}

impl Drop for WebDriver {
    /// Asks chromedriver to end with its browser, also when the test has failed; waits until both are gone.
    fn drop(&mut self) {
        let asked = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
            stream.read_to_end(&mut Vec::new())
        });
        if asked.is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
