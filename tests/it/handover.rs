//! A server that is replaced while calls come in: the socket stays, and nobody is refused or left without an answer.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use maskline::seal::RootKeys;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{CALLER, Client, Database, Installation, Running, WEBHOOK_KEY, free_address};

/// How often the server is replaced under load.
const REPLACEMENTS: usize = 10;

/// Whoever holds the socket, as systemd does, and what every version is started with.
struct Holder {
    house: Installation,
    database: Database,
    socket: TcpListener,
    address: SocketAddr,
    metrics: SocketAddr,
    key: String,
}

impl Holder {
    async fn new() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (house, database) = (Installation::new(), Database::create().await);
        Self { house, database, socket, address, metrics: free_address(), key: RootKeys::generate() }
    }

    /// Starts a version, to which the socket is handed over, and waits until it is ready.
    async fn start(&self) -> Running {
        let mut running = self.begin();
        running.until("ready").await;
        running
    }

    fn begin(&self) -> Running {
        // The shell moves the socket to where systemd would put it, and becomes the server.
        let script = "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" serve 3<&0 0</dev/null";
        let mut command = self.house.bare("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_maskline")]);
        command.stdin(Stdio::from(OwnedFd::from(self.socket.try_clone().unwrap())));
        command.env("MASKLINE_LISTEN", self.house.address.to_string());
        command.env("MASKLINE_METRICS_LISTEN", self.metrics.to_string());
        command.env("DATABASE_URL", &self.database.url).env("MASKLINE_SECRET_KEY", &self.key);
        command.env("TROPO_URL", "http://127.0.0.1:9/v1/").env("TROPO_MASKING_APP_ID", "1");
        command.env("TROPO_USERNAME", "tester").env("TROPO_PASSWORD", "not a secret");
        command.env("TROPO_WEBHOOK_KEY", WEBHOOK_KEY).env("MASKLINE_LOG_FORMAT", "text");
        // Half of a call may wait for its other half.
        command
            .env("MASKLINE_LIMIT_REQUEST_SECONDS", "600")
            .env("MASKLINE_LIMIT_REQUEST_BYTES_A_SECOND", "1");
        Running::start(&mut command)
    }
}

/// A connection that does nothing behind our back: no second try, no pool.
struct Connection(TcpStream);

/// What came back on it.
struct Answer {
    status: u16,
    is_last: bool,
    body: String,
}

impl Connection {
    async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("refused"))
    }

    async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.expect("nobody reads");
    }

    async fn answer(&mut self) -> Answer {
        let mut received = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&received).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let field = |name: &str| {
                    head.lines().find_map(|line| line.to_lowercase().strip_prefix(name).map(str::to_owned))
                };
                let length: usize = field("content-length: ").unwrap().parse().unwrap();
                if body.len() >= length {
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    let is_last = field("connection: ").is_some_and(|how| how == "close");
                    return Answer { status, is_last, body: body.to_owned() };
                }
            }
            let count = self.0.read_buf(&mut received).await.expect("reset");
            assert!(count > 0, "closed without an answer, after {text:?}");
        }
    }
}

fn call(id: &str) -> (String, String) {
    let session = json!({ "id": id, "to": { "e164Id": "+14155550149" }, "from": { "e164Id": CALLER } });
    let body = json!({ "session": session }).to_string();
    let head = format!(
        "POST /tropo/transfer?key={WEBHOOK_KEY} HTTP/1.1\r\nHost: masks\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head, body)
}

fn is_document(answer: &Answer) -> bool {
    let document: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    answer.status == 200 && document["tropo"].is_array()
}

/// Calls one after the other until told to stop, each on a connection of its own or as many on one as it takes.
async fn caller(
    address: SocketAddr,
    name: usize,
    keeps: bool,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
) {
    let mut connection = Connection::to(address).await;
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let (head, body) = call(&format!("caller {name} call {count}"));
        connection.send(&format!("{head}{body}")).await;
        let answer = connection.answer().await;
        assert!(is_document(&answer), "{}: {}", answer.status, answer.body);
        if answer.is_last || !keeps {
            connection = Connection::to(address).await;
        }
        count += 1;
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_versions_take_over_from_each_other_under_load_and_no_call_is_lost() {
    let holder = Holder::new().await;
    let mut old = holder.start().await;
    let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let callers: Vec<_> = (0..8)
        .map(|name| tokio::spawn(caller(holder.address, name, name % 2 == 0, stop.clone(), answered.clone())))
        .collect();
    for round in 0..REPLACEMENTS {
        let before = answered.load(Ordering::Relaxed);
        // By turns: the new one is there before the old one goes, and only afterwards, as systemd restarts.
        old = if round % 2 == 0 {
            let new = holder.start().await;
            old.signal("TERM");
            assert_eq!(old.ended().await.code, Some(0));
            new
        } else {
            old.signal("TERM");
            assert_eq!(old.ended().await.code, Some(0));
            holder.start().await
        };
        while answered.load(Ordering::Relaxed) < before + 50 {
            assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller was let down");
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    // The last one is the one that is observed, and nobody listens where nobody was to.
    old.until("metrics are served").await;
    let metrics = Client::new(format!("http://{}", holder.metrics)).get("/metrics").await;
    assert!(metrics.text.contains("maskline_calls_total"), "{}", metrics.text);
    assert!(TcpStream::connect(holder.house.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so_finishes_what_is_under_way_and_leaves_the_rest_to_the_next() {
    let holder = Holder::new().await;
    let mut running = holder.start().await;
    let mut health = Connection::to(holder.address).await;
    let ready = "GET /readyz HTTP/1.1\r\nHost: masks\r\n\r\n";
    health.send(ready).await;
    let answer = health.answer().await;
    assert_eq!((answer.status, answer.is_last), (200, false), "{}", answer.body);
    // Half of a call has come when it is to stop.
    let mut under_way = Connection::to(holder.address).await;
    let (head, body) = call("under way");
    let (first, rest) = body.split_at(10);
    under_way.send(&format!("{head}{first}")).await;
    running.signal("TERM");
    running.until("stopping").await;

    health.send(ready).await;
    let answer = health.answer().await;
    assert_eq!((answer.status, answer.is_last), (503, true), "{}", answer.body);
    let mut late = Connection::to(holder.address).await;
    let (head, whole) = call("late");
    late.send(&format!("{head}{whole}")).await;
    under_way.send(rest).await;
    let answer = under_way.answer().await;
    assert!(is_document(&answer) && answer.is_last, "{}: {}", answer.status, answer.body);
    assert_eq!(running.ended().await.code, Some(0));
    let _next = holder.start().await;
    assert!(is_document(&late.answer().await), "whoever came meanwhile waits for the next one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_cannot_be_used_is_refused_in_words() {
    let mut holder = Holder::new().await;
    holder.socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let ended = holder.begin().ended().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("set MASKLINE_PUBLIC_URL"), "{}", ended.err);
    let script = "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" serve 3</dev/null";
    let mut command = holder.house.bare("sh");
    let ended = Running::start(command.args(["-c", script, env!("CARGO_BIN_EXE_maskline")])).ended().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("systemd handed over") && ended.err.contains("not a socket"), "{}", ended.err);
}
