//! What the simulator's own tests share: a simulator of their own, and an application that answers it.

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use chrono::{DateTime, TimeZone as _, Utc};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Settings, Simulator, start};
use crate::clock::Clock;

/// A simulator with a folder and a clock of its own.
pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) clock: Clock,
    pub(crate) folder: TempDir,
    http: reqwest::Client,
}

/// When the tests happen.
pub(crate) fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()
}

pub(crate) fn settings(folder: &TempDir) -> Settings {
    Settings {
        listen: "127.0.0.1:0".into(),
        state_dir: folder.path().join("state"),
        mail_dir: Some(folder.path().join("mail")),
        username: "ada".into(),
        password: "secret".into(),
        account_id: "33932".into(),
        maskline_url: Some("http://127.0.0.1:8080/".into()),
        webhook_timeout: Duration::from_secs(15),
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), |_| {})
    }

    pub(crate) fn with(folder: TempDir, change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Clock::by_hand(noon());
        let mut settings = settings(&folder);
        change(&mut settings);
        let simulator = start(settings, clock.clone()).unwrap();
        Self { simulator, clock, folder, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// The same simulator, stopped and started again.
    pub(crate) async fn restart(self) -> Self {
        self.simulator.stop().await;
        Self::with(self.folder, |_| {})
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.simulator.address())
    }

    /// A request without a user.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// A request as the account's user.
    pub(crate) fn rest(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).basic_auth("ada", Some("secret"))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = answer(self.rest(Method::GET, path)).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.rest(Method::POST, path).json(&body)).await
    }

    /// An application whose two URLs are the given one; its number.
    pub(crate) async fn application(&self, url: &str) -> String {
        let wanted = json!({"name": "masks", "platform": "webapi", "voiceUrl": url, "messagingUrl": url});
        let (status, body) = self.post("/v1/applications", wanted).await;
        assert_eq!(status, 200, "{body}");
        last_segment(&body["href"])
    }

    /// A number that leads to the application.
    pub(crate) async fn number(&self, application: &str, prefix: &str) -> String {
        let wanted = json!({"type": "number", "prefix": prefix});
        let (status, body) = self.post(&format!("/v1/applications/{application}/addresses"), wanted).await;
        assert_eq!(status, 200, "{body}");
        last_segment(&body["href"])
    }

    pub(crate) async fn token(&self, application: &str, channel: &str) -> String {
        let wanted = json!({"type": "token", "channel": channel});
        let (status, body) = self.post(&format!("/v1/applications/{application}/addresses"), wanted).await;
        assert_eq!(status, 200, "{body}");
        last_segment(&body["href"])
    }

    /// A call by a script, and its trace.
    pub(crate) async fn call(&self, wanted: Value) -> Value {
        let (status, trace) = self.post("/simulator/calls", wanted).await;
        assert_eq!(status, 201, "{trace}");
        trace
    }

    /// The story of a launch, once it is over.
    pub(crate) async fn launched(&self) -> Value {
        loop {
            let traces = self.get("/simulator/calls").await;
            let launch = traces.as_array().unwrap().iter().find(|trace| trace["what"] == "launch");
            if let Some(launch) = launch.filter(|trace| !trace["outcome"].is_null()) {
                return launch.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The status and the JSON of an answer; null where there is none.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

pub(crate) fn last_segment(href: &Value) -> String {
    href.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// An application on a port of its own: what it answers by path, and what it was posted.
pub(crate) struct Webhook {
    base: String,
    posts: Arc<Mutex<Vec<(String, Value)>>>,
}

struct Told {
    answers: HashMap<&'static str, (u16, String)>,
    posts: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Webhook {
    /// Answers each path with its document, and any other with an empty one.
    pub(crate) fn answering(documents: &[(&'static str, Value)]) -> Self {
        Self::raw(documents.iter().map(|(path, document)| (*path, (200, document.to_string()))))
    }

    /// Answers each path with a status and a body.
    pub(crate) fn raw(answers: impl IntoIterator<Item = (&'static str, (u16, String))>) -> Self {
        let posts = Arc::default();
        let told = Data::new(Told { answers: answers.into_iter().collect(), posts: Arc::clone(&posts) });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = move || App::new().app_data(told.clone()).default_service(web::to(hear));
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        tokio::spawn(server);
        Self { base, posts }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// All that was posted, with its path.
    pub(crate) fn posts(&self) -> Vec<(String, Value)> {
        self.posts.lock().unwrap().clone()
    }

    /// The paths of all that was posted after the session.
    pub(crate) fn results_to(&self) -> Vec<String> {
        self.posts().into_iter().skip(1).map(|(path, _)| path).collect()
    }
}

async fn hear(told: Data<Told>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let answer = told.answers.get(path.as_str()).cloned();
    told.posts.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap_or_default()));
    let (status, body) = answer.unwrap_or((200, r#"{"tropo":[]}"#.into()));
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).content_type("application/json").body(body)
}

/// The vectors whose names begin so, with their names.
pub(crate) fn vectors(beginning: &str) -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tropo");
    let mut vectors: Vec<(String, Value)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, path)| name.starts_with(beginning) && path.extension().is_some_and(|it| it == "json"))
        .map(|(name, path)| (name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap()))
        .collect();
    vectors.sort_by(|left, right| left.0.cmp(&right.0));
    assert!(!vectors.is_empty(), "no vectors {beginning}");
    vectors
}

/// One vector.
pub(crate) fn vector(name: &str) -> Value {
    vectors(name).swap_remove(0).1
}
