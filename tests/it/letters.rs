//! Mail on its way: what a mail server that says "later", "never" or nothing does to a link, and what its reader is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use maskline::app::App;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Client, Options, Page, TestApp};

/// A mail server: what it answers to recipients, one after the other and the last for ever, and what it was told.
#[derive(Clone)]
struct MailServer {
    url: String,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    async fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("smtp://{}", listener.local_addr().unwrap()),
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
            told: Arc::default(),
        };
        let own = server.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(own.clone().serve(client));
            }
        });
        server
    }

    async fn serve(self, client: TcpStream) {
        let (lines, mut out) = client.into_split();
        let mut lines = BufReader::new(lines).lines();
        let _ = out.write_all(b"220 mx.example.com\r\n").await;
        let mut is_data = false;
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match line.as_str() {
                "." => "250 2.0.0 kept",
                _ if is_data => "",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                line if line.starts_with("RCPT") => self.to_recipient(),
                _ => "250 fine",
            };
            is_data = (is_data || answer.starts_with("354")) && line != ".";
            self.told.lock().unwrap().push(line);
            if !answer.is_empty() {
                let _ = out.write_all(format!("{answer}\r\n").as_bytes()).await;
            }
        }
    }

    fn to_recipient(&self) -> &'static str {
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0] }
    }

    fn count(&self, start: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }

    /// Waits until it has been told a line that begins so that often.
    async fn until(&self, start: &str, times: usize) {
        let patience = Instant::now() + Duration::from_mins(1);
        while self.count(start) < times {
            assert!(Instant::now() < patience, "{:#?}", self.told.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn deployment(server: &MailServer) -> TestApp {
    TestApp::with(Options { mail_server: Some(server.url.clone()), ..Options::default() }).await
}

async fn ask(client: &mut Client, path: &str, email: &str) -> Page {
    let asked = client.submit(path, path, &[("email", email)]).await;
    assert_eq!(asked.status, 303, "{}", asked.words());
    client.get(&asked.location()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_wants_it_later_gets_it_later_and_the_page_says_so() {
    let later = "451 4.7.1 Greylisting in action, please come back later";
    let server = MailServer::start(&[later, later, later, "250 2.1.5 fine"]).await;
    let app = deployment(&server).await;
    app.signed_in("known").await;
    let mut ada = app.anonymous();
    let mut told = vec![];
    for email in ["ada@bücher.example", "known@example.com"] {
        let page = ask(&mut ada, "/sign-up", email).await;
        for words in [email, "hasn’t gone out yet", "we’re still trying, for another 30 minutes at most"]
        {
            assert!(page.words().contains(words), "no {words:?} in {}", page.words());
        }
        assert!(!page.words().contains("We sent"), "{}", page.words());
        told.push(page.words().replace(email, "EMAIL"));
    }
    assert_eq!(told[0], told[1], "nobody learns who has an account");
    // Nobody else's browser learns of it, whatever cookie it makes up.
    for cookie in ["", "AQAB", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let mut eve = app.anonymous();
        eve.cookies.insert("letter".into(), cookie.into());
        let page = eve.get("/sign-up/sent").await;
        assert!(page.status == 200 && !page.words().contains("example"), "{}", page.words());
    }
    // What waits says nothing to whoever reads the database.
    let rows = app.database.rows("SELECT encode(sealed, 'escape') || state FROM letters").await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| !row.contains("example") && !row.contains("links")), "{rows:?}");
    assert_eq!(server.count("DATA"), 0);

    // The process that sent one dies; another server of the deployment sends both, each once.
    app.clock.advance(TimeDelta::seconds(10));
    server.until("RCPT TO:", 4).await;
    app.app.letters_sent().await;
    app.clock.advance(TimeDelta::seconds(20));
    app.app.letters_sent().await;
    server.until("DATA", 2).await;
    assert_eq!(app.database.count("letters").await, 0, "what was sent is erased");
    assert_eq!((server.count("DATA"), server.count("EHLO masks.example.com")), (2, server.count("EHLO")));
    let page = ada.get("/sign-up/sent").await;
    assert!(page.words().contains("We sent a link to known@example.com"), "{}", page.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_outlives_the_process_that_was_sending_it_and_many_servers_send_it_once() {
    let server = MailServer::start(&["450 4.2.0 later", "250 2.1.5 fine"]).await;
    let app = deployment(&server).await;
    let page = ask(&mut app.anonymous(), "/forgotten-password", "ada@example.com").await;
    assert!(page.words().contains("hasn’t gone out yet"), "{}", page.words());
    app.clock.advance(TimeDelta::seconds(10) - TimeDelta::milliseconds(1));
    // One that was killed in the middle of a try leaves its claim behind.
    let claim =
        "UPDATE letters SET attempts = attempts + 1, next_at = created_at, lease_until = clock_timestamp() +";
    app.database.execute(&format!("{claim} interval '1 hour'")).await;
    assert!(!app.app.send_due_letters().await.unwrap(), "it is somebody's until the lease ends");
    app.database.execute(&format!("{claim} interval '-1 second'")).await;
    let servers: Vec<_> = (0..4).map(|_| app.worker(TimeDelta::zero()).0).collect();
    futures_util::future::join_all(servers.iter().map(App::send_due_letters)).await;
    app.app.letters_sent().await;
    assert_eq!((server.count("DATA"), app.database.count("letters").await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_or_too_late_is_told_and_erased() {
    let server = MailServer::start(&["550 5.1.1 no such mailbox", "421 4.3.2 shutting down"]).await;
    let app = deployment(&server).await;
    let mut ada = app.anonymous();
    let page = ask(&mut ada, "/sign-up", "typo@example.com").await;
    assert!(page.words().contains("refused our mail to typo@example.com"), "{}", page.words());
    app.clock.advance(TimeDelta::minutes(5));
    app.app.letters_sent().await;
    assert_eq!(
        (server.count("RCPT"), app.database.one("SELECT sealed IS NULL FROM letters").await),
        (1, "true".into())
    );

    let page = ask(&mut ada, "/sign-up", "ada@example.com").await;
    assert!(page.words().contains("hasn’t gone out yet"), "{}", page.words());
    for minutes in [1, 2, 4, 8, 14] {
        app.clock.advance(TimeDelta::minutes(minutes));
        app.app.letters_sent().await;
    }
    let page = ada.get("/sign-up/sent").await;
    assert!(
        page.words().contains("couldn’t get the link to ada@example.com delivered in time"),
        "{}",
        page.words()
    );
    let tried = server.count("RCPT");
    app.clock.advance(TimeDelta::hours(1));
    app.app.letters_sent().await;
    assert_eq!(server.count("RCPT"), tried, "a link that has expired is not sent any more");
    assert_eq!(app.database.one("SELECT count(*) FROM letters WHERE sealed IS NOT NULL").await, "0");
}
