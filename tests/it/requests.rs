//! Requests as slow, odd or broken clients send them: each gets an answer or an end, and none keeps calls away.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::{join, join_all};
use maskline::domain::limits::Limits;
use maskline::seal::RootKeys;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::support::{
    ACCOUNT, CALLER, Database, Installation, Options, PASSWORD, Running, TestApp, WEBHOOK_KEY,
};

/// Past this a test fails; nothing is said about how long anything takes.
const PATIENCE: Duration = Duration::from_mins(1);

async fn connected(address: SocketAddr, sent: &str) -> TcpStream {
    let mut stream = timeout(PATIENCE, TcpStream::connect(address)).await.expect("nobody takes it").unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

/// All that the server says until it hangs up.
async fn until_the_end(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    // What was sent and not read any more makes a reset of the end.
    drop(ended.unwrap_or_else(|_| panic!("nobody hangs up after {said:?}")));
    said
}

/// The first answer, headers and body.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&said).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length: ").map(|length| length.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let read = timeout(PATIENCE, stream.read_buf(&mut said)).await;
        let count = read.unwrap_or_else(|_| panic!("no answer but {text:?}")).unwrap();
        assert!(count > 0, "an end instead of an answer: {text:?}");
    }
}

async fn answered(address: SocketAddr, sent: &str) -> String {
    answer(&mut connected(address, sent).await).await
}

fn call(id: &str, fields: &str) -> String {
    let session = json!({ "id": id, "accountId": ACCOUNT, "to": { "e164Id": "+14155550149" }, "from": { "e164Id": CALLER } });
    let body = json!({ "session": session }).to_string();
    format!("{}Content-Length: {}\r\n{fields}\r\n{body}", webhook("/tropo/transfer"), body.len())
}

/// The head of a request that has the key, without its end.
fn webhook(path: &str) -> String {
    format!("POST {path}?key={WEBHOOK_KEY} HTTP/1.1\r\nHost: masks\r\nContent-Type: application/json\r\n")
}

fn form(path: &str, fields: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: masks\r\nContent-Type: application/x-www-form-urlencoded\r\n{fields}\r\n"
    )
}

fn is_document(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200") && answer.contains(r#"{"tropo":["#)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_is_answered_where_there_is_something_to_answer_and_then_hung_up_on() {
    let limits = Limits { request_time: TimeDelta::seconds(4), ..Limits::default() };
    let app = TestApp::with(Options { work: false, limits, ..Options::default() }).await;
    let page = "GET /sign-in HTTP/1.1\r\nHost: masks\r\n\r\n";
    let table: Vec<(String, &str, &str)> = vec![
        (form("/sign-in", "Content-Length: 100\r\n") + "email=a", "HTTP/1.1 408", "That took too long"),
        (form("/sign-up", "Transfer-Encoding: chunked\r\n") + "5\r\nemail", "HTTP/1.1 408", "text/html"),
        (webhook("/tropo/transfer") + "Content-Length: 100\r\n\r\n{", "HTTP/1.1 408", "too slowly"),
        (
            webhook("/tropo/message") + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
            "HTTP/1.1 100",
            "408",
        ),
        // A chunk of 2^64 - 1 bytes.
        (
            webhook("/tropo/transfer")
                + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{\"session\":",
            "HTTP/1.1 408",
            "application/json",
        ),
        // What is left of a body that nobody reads does not keep the connection.
        (
            "POST /tropo/transfer HTTP/1.1\r\nHost: masks\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{".into(),
            "HTTP/1.1 404",
            "There is nothing here.",
        ),
        (form("/nowhere", "Transfer-Encoding: chunked\r\n") + "9\r\na", "HTTP/1.1 404", "text/html"),
        // Heads: the first, and one after a whole request.
        ("POST /sign-in HTTP/1.1\r\nHost: ma".into(), "", ""),
        (String::new(), "", ""),
        (format!("{page}GET /sign-up HTTP/1.1\r\nHo"), "HTTP/1.1 200", "</html>"),
    ];
    let cut = table.into_iter().map(async |(sent, begins, holds)| {
        let said = until_the_end(connected(app.address, &sent).await).await;
        assert!(said.starts_with(begins) && said.contains(holds), "{sent:?}: {said}");
    });
    // Whoever asks on and on and never reads.
    let deaf = async {
        let mut deaf = connected(app.address, page).await;
        let asked = async { while deaf.write_all(page.repeat(100).as_bytes()).await.is_ok() {} };
        timeout(PATIENCE, asked).await.expect("it is still heard");
    };
    join(join_all(cut), deaf).await;
    assert!(is_document(&answered(app.address, &call("afterwards", "")).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_more_than_we_offer_is_answered_like_everything_else() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for fields in [upgrade, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n"]
    {
        let said = answered(app.address, &call("upgraded", fields)).await;
        assert!(is_document(&said) && !said.to_lowercase().contains("upgrade"), "{said}");
    }
    let page = format!("GET /sign-in HTTP/1.1\r\nHost: masks\r\n{upgrade}\r\n");
    let gzip = "Content-Encoding: gzip\r\nContent-Length: 20\r\n";
    let table = [
        (webhook("/tropo/transfer") + upgrade + "\r\n", "HTTP/1.1 400", "application/json"),
        (page, "HTTP/1.1 200", "</html>"),
        ("CONNECT masks:443 HTTP/1.1\r\nHost: masks\r\n\r\n".into(), "HTTP/1.1 4", ""),
        // What is packed is not unpacked.
        (webhook("/tropo/transfer") + gzip + "\r\n\u{1f}", "HTTP/1.1 415", r#"{"error":"#),
        (form("/sign-in", gzip), "HTTP/1.1 415", "compressed"),
        (webhook("/tropo/message") + "Content-Encoding: x-gzip\r\n\r\n", "HTTP/1.1 415", "identity"),
    ];
    for (sent, begins, holds) in table {
        let said = answered(app.address, &sent).await;
        assert!(said.starts_with(begins) && said.contains(holds), "{sent:?}: {said}");
    }
    assert!(is_document(&answered(app.address, &call("plain", "Content-Encoding: identity\r\n")).await));
    // A slash at the end.
    let slash = call("slash", "").replacen("/transfer?", "/transfer/?", 1);
    assert!(is_document(&answered(app.address, &slash).await));
    let table = [
        ("/sign-in/", "308", "location: /sign-in\r\n"),
        ("/masks//?page=2", "308", "location: /masks?page=2\r\n"),
        ("//example.com/", "404", ""),
        ("/nothing/", "404", ""),
        ("/tropo/transfer/", "404", ""),
    ];
    for (path, status, holds) in table {
        let said = answered(app.address, &format!("GET {path} HTTP/1.1\r\nHost: masks\r\n\r\n")).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")) && said.contains(holds), "{path}: {said}");
    }
    let said = answered(app.address, &form("/sign-up/", "Content-Length: 0\r\n")).await;
    assert!(said.starts_with("HTTP/1.1 308") && said.contains("location: /sign-up\r\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_room_the_silent_make_it_for_calls() {
    let limits =
        Limits { request_time: TimeDelta::minutes(10), request_bytes_a_second: 1, ..Limits::default() };
    let options = Options { work: false, connections: 8, limits, ..Options::default() };
    let app = TestApp::with(options).await;
    let mut kept = connected(app.address, &call("first", "")).await;
    assert!(is_document(&answer(&mut kept).await));
    let mut silent = vec![];
    for _ in 0..20 {
        silent.push(connected(app.address, &form("/sign-in", "Content-Length: 100\r\n")).await);
    }
    assert!(is_document(&answered(app.address, &call("second", "")).await));
    // The carrier's own connection stays.
    kept.write_all(call("third", "").as_bytes()).await.unwrap();
    assert!(is_document(&answer(&mut kept).await));
    let metrics = app.app.scrape().await;
    let evicted = metrics.lines().find_map(|line| line.strip_prefix("maskline_evicted_connections_total "));
    assert!(evicted.unwrap().parse::<u32>().unwrap() >= 12, "{evicted:?}");
    // Who came first went first.
    for stream in silent.into_iter().take(12) {
        assert_eq!(until_the_end(stream).await, "");
    }
}

/// The program as a shell starts it, over a database.
fn program(house: &Installation, database: &Database, script: &str) -> Command {
    let mut command = house.bare("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_maskline")]);
    command.env("MASKLINE_LISTEN", house.address.to_string()).env("MASKLINE_LOG_FORMAT", "text");
    command.env("DATABASE_URL", &database.url).env("MASKLINE_SECRET_KEY", RootKeys::generate());
    command.env("TROPO_URL", "http://127.0.0.1:9/v1/").env("TROPO_MASKING_APP_ID", "1");
    command.env("TROPO_USERNAME", "tester").env("TROPO_PASSWORD", "not a secret");
    command.env("TROPO_WEBHOOK_KEY", WEBHOOK_KEY);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn more_half_sent_forms_than_the_process_may_have_descriptors_keep_no_call_away() {
    let (house, database) = (Installation::new(), Database::create().await);
    // It raises the soft limit by itself.
    let script = "ulimit -S -n 40 && ulimit -H -n 300 && exec \"$0\" serve";
    let mut command = program(&house, &database, script);
    command.env("MASKLINE_LIMIT_REQUEST_SECONDS", "600").env("MASKLINE_LIMIT_REQUEST_BYTES_A_SECOND", "1");
    let mut running = Running::start(&mut command);
    running.until("ready").await;
    running.until("connections=150").await;
    let mut silent = vec![];
    for round in 0..400 {
        silent.push(connected(house.address, &form("/sign-in", "Content-Length: 100\r\n")).await);
        if round % 40 == 0 {
            assert!(is_document(&answered(house.address, &call(&format!("call {round}"), "")).await));
        }
    }
    assert!(is_document(&answered(house.address, &call("last", "")).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_unix_socket_is_a_proxy_that_is_trusted_and_the_carrier_may_have_a_way_of_its_own() {
    let (house, database) = (Installation::new(), Database::create().await);
    let path = house.path("maskline.sock");
    let place = format!("unix:{}", path.display());
    let start = |script: &str| {
        let mut command = program(&house, &database, script);
        command.env("MASKLINE_LISTEN", &place).env("MASKLINE_PUBLIC_URL", "https://masks.example.com");
        command.env("MASKLINE_MAIL", "folder:mail").env("MASKLINE_MAIL_FROM", "masks@example.com");
        command
    };
    // One that was left behind is no hindrance.
    drop(UnixListener::bind(&path).unwrap());
    let mut command = start("exec \"$0\" serve");
    command.env("MASKLINE_WEBHOOK_LISTEN", house.address.to_string());
    command.env("MASKLINE_TRUSTED_PROXIES", "127.0.0.1");
    let mut running = Running::start(&mut command);
    running.until("ready").await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let proxied = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1, 198.51.100.7\r\n";
    let by_socket = async |sent: &str| {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        answer(&mut stream).await
    };
    let page = by_socket(&format!("GET /sign-in HTTP/1.1\r\nHost: masks\r\n{proxied}\r\n")).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("__Host-form="), "{page}");
    running.until("network=198.51.100.0/24").await;
    assert!(is_document(&by_socket(&call("proxied", proxied)).await));
    assert!(
        by_socket(&call("plain", "")).await.starts_with("HTTP/1.1 404"),
        "nobody said that it came by https"
    );
    // The carrier's own: calls, and nothing else.
    assert!(is_document(&answered(house.address, &call("own", proxied)).await));
    for (asked, said) in [("/healthz", "HTTP/1.1 200"), ("/sign-in", "HTTP/1.1 404"), ("/", "HTTP/1.1 404")] {
        let head = format!("GET {asked} HTTP/1.1\r\nHost: masks\r\n{proxied}\r\n");
        assert!(answered(house.address, &head).await.starts_with(said), "{asked}");
    }
    let second = Running::start(&mut start("exec \"$0\" serve")).ended().await;
    assert!(second.err.contains(&format!("cannot listen on {place}")), "{}", second.err);
    running.signal("TERM");
    assert_eq!(running.ended().await.code, Some(0));

    // As systemd hands it over.
    let held = house.path("held.sock");
    let socket = UnixListener::bind(&held).unwrap();
    let mut command = start("export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" serve 3<&0 0</dev/null");
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    let mut running = Running::start(&mut command);
    running.until("ready").await;
    let mut stream = UnixStream::connect(&held).await.unwrap();
    stream.write_all(call("held", proxied).as_bytes()).await.unwrap();
    assert!(is_document(&answer(&mut stream).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_site_of_ipv6_counts_four_times_as_much_as_a_network_of_it() {
    let limits = Limits { failures_per_address: 2, sign_ups_per_address: 1, ..Limits::default() };
    let options = Options { work: false, trusted_proxies: vec!["127.0.0.1"], limits, ..Options::default() };
    let app = TestApp::with(options).await;
    app.signed_in("ada").await;
    let from = |network: usize| app.anonymous().at(&format!("2001:db8:7:{network:x}::1"));
    for network in 0..8 {
        let page = from(network).sign_in(&format!("nobody{network}@example.com"), "wrong password").await;
        assert_eq!(page.status, 422, "{network}: {}", page.words());
    }
    // As it was found out a moment ago, and as the database has it.
    for _ in 0..2 {
        let page = from(8).sign_in("ada@example.com", PASSWORD).await;
        assert_eq!(page.status, 429, "{}", page.words());
        app.clock.advance(TimeDelta::seconds(5));
    }
    let mut elsewhere = app.anonymous().at("2001:db8:8::1");
    assert_eq!(elsewhere.sign_in("ada@example.com", PASSWORD).await.status, 303);
    for network in 0..5 {
        let email = format!("new{network}@example.com");
        let page = from(network).submit("/sign-up", "/sign-up", &[("email", &email)]).await;
        assert_eq!(page.status, if network < 4 { 303 } else { 429 }, "{network}: {}", page.words());
    }
}
