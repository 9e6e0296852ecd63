//! A server beside the first one, over the same database, with a way of its own to it and a state folder of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use maskline::app::keeping::Keeping;
use maskline::app::{App, Pools, Settings};
use maskline::carrier::tropo::webhook::Proof;
use maskline::db::Db;
use maskline::secrets::{self, Secret};
use maskline::web;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{ACCOUNT, Client, FIRST_LOOK, Line, PASSWORD, Page, TestApp, WEBHOOK_KEY, http};

pub(crate) struct Beside {
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    pub(crate) line: Line,
    folder: Option<tempfile::TempDir>,
    server: web::Ending,
    stop: watch::Sender<bool>,
    keeping: Option<JoinHandle<()>>,
}

impl Beside {
    /// Starts a server with the keys and the rules of the first, but for what is changed.
    pub(crate) async fn start(first: &TestApp, keys: &str, change: impl FnOnce(&mut Settings)) -> Self {
        Self::in_folder(first, keys, change, tempfile::tempdir().unwrap(), true).await
    }

    async fn in_folder(
        first: &TestApp,
        keys: &str,
        change: impl FnOnce(&mut Settings),
        folder: tempfile::TempDir,
        reaches_database: bool,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = Line::to(&first.database.url).await;
        line.is_alive(reaches_database);
        let [pages, calls, work] = [4, 4, 2].map(|width| Db::new(&line.url, width));
        let app = Arc::new(first.again(Pools { pages, calls, work }, keys, change));
        let state = folder.path().join("servers");
        let keeping = Keeping::open(&app, &state, "beside", FIRST_LOOK).await.unwrap();
        let settings = web::Settings {
            public_url: format!("http://{address}").parse().unwrap(),
            trusted_proxies: vec![],
            webhook: Proof::new(&[Secret::new(WEBHOOK_KEY)], Some(ACCOUNT.into()), vec![]),
            simulator_url: None,
            workers: 1,
            connections: 1000,
            decision_time: Duration::from_secs(20),
        };
        let server = web::serve(listener, app.clone(), settings).unwrap();
        let ending = server.ending();
        tokio::spawn(server);
        let (stop, stopped) = watch::channel(false);
        let keeping = Some(tokio::spawn(keeping.run(stopped)));
        Self { app, address, line, folder: Some(folder), server: ending, stop, keeping }
    }

    /// Stops it and starts it again.
    pub(crate) async fn again(mut self, first: &TestApp, reaches_database: bool) -> Self {
        self.stop().await;
        self.begin(first, reaches_database).await
    }

    /// Starts it after a stop with what it has on disk, and the database within its reach or not.
    pub(crate) async fn begin(mut self, first: &TestApp, reaches_database: bool) -> Self {
        let folder = self.folder.take().unwrap();
        Self::in_folder(first, &first.keys, |_| {}, folder, reaches_database).await
    }

    /// Stops it, as SIGTERM does.
    pub(crate) async fn stop(&mut self) {
        self.stop.send_replace(true);
        self.keeping.take().unwrap().await.unwrap();
        self.server.now().await;
    }

    /// The file of that name in which it keeps what it knows.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let servers = self.folder.as_ref().unwrap().path().join("servers");
        let mut folders = std::fs::read_dir(servers).unwrap();
        folders.next().unwrap().unwrap().path().join(name)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(format!("http://{}", self.address))
    }

    /// Signs somebody in who has an account.
    pub(crate) async fn signed_in(&self, name: &str) -> Client {
        let mut client = self.client();
        let page = client.sign_in(&format!("{name}@example.com"), PASSWORD).await;
        assert_eq!(page.status, 303, "{}", page.words());
        client
    }

    /// Tells this server of a call, as the carrier does; the answer is what it shall do.
    pub(crate) async fn called(&self, from: &str, mask: &str) -> String {
        called(self.address, from, mask).await
    }
}

/// Tells a server of a call, as the carrier does; the answer is what it shall do.
pub(crate) async fn called(server: SocketAddr, from: &str, mask: &str) -> String {
    let session = json!({ "session": {
        "id": secrets::random_token(), "accountId": ACCOUNT,
        "to": { "e164Id": mask }, "from": { "e164Id": from },
    } });
    let url = format!("http://{server}/tropo/transfer?key={WEBHOOK_KEY}");
    let answer = Page::of(http().post(url).json(&session).send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        drop(self.server.now());
    }
}
