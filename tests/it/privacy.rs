//! What must be nowhere: real numbers, callers, codes, passwords, tokens and keys, in tables, logs, addresses and
//! other people's pages.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use chrono::TimeDelta;
use maskline::secrets;
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Client, PASSWORD, TestApp, WEBHOOK_KEY};

/// Numbers of this test alone, so that what other tests log is not taken for its own.
const ADA: &str = "+14075550141";
const BOB: &str = "+442079460987";
const CALLER: &str = "+14155550142";
const HER_SECOND: &str = "+13125550143";
const EMAIL: &str = "ada.of.privacy@example.com";
const SECRET: &str = "quartz heron eleven gravel";
const WRONG: &str = "basalt otter twelve meadow";

/// Every line that is logged in this process from now on.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

static LINES: LazyLock<Lines> = LazyLock::new(|| {
    let lines = Lines::default();
    // Whatever an operator could switch on of ours and of the libraries; the simulator is another company.
    let filter = EnvFilter::new("debug,maskline=trace,maskline::simulator=off");
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(lines.clone());
    log.try_init().expect("nobody else listens to the log of tests");
    lines
});

/// How a number may be written: its national digits, whatever stands between them.
fn is_told(text: &str, number: &str) -> bool {
    let national = number.strip_prefix("+1").or_else(|| number.strip_prefix("+44")).unwrap();
    if text.contains(national) {
        return true;
    }
    // Grouped by blanks, hyphens, dots or brackets.
    let close: String =
        text.chars().filter(|letter| !matches!(letter, ' ' | '-' | '.' | '(' | ')' | '\u{a0}')).collect();
    close.contains(national)
}

/// Ada, who has everything to hide, with another user and an admin beside her.
struct Story {
    app: TestApp,
    ada: Client,
    bob: Client,
    admin: Client,
    /// Ada's mailed token and the code that proved her number.
    token: String,
    code: String,
    number: String,
    second: String,
    mask: String,
    e164: String,
    /// Everywhere that anybody was sent.
    locations: Vec<String>,
}

impl Story {
    /// Ada signs up, mistypes passwords and codes, proves two numbers and gets a mask; Bob tries to add hers.
    async fn begin() -> Self {
        let app = TestApp::start().await;
        let (mut ada, mut bob, admin) = (app.anonymous(), app.signed_in("bob").await, app.admin().await);
        let mut locations = vec![];
        ada.submit("/sign-up", "/sign-up", &[("email", EMAIL)]).await;
        let link = app.mailed_link(EMAIL).await;
        locations.push(ada.submit(&link, &link, &[("new_password", SECRET)]).await.location());
        assert_eq!(app.anonymous().sign_in(EMAIL, WRONG).await.status, 422);
        let wrong = [("current_password", WRONG), ("new_password", WRONG)];
        assert_eq!(ada.submit("/account", "/account/password", &wrong).await.status, 422);

        let page = ada.submit("/numbers/new", "/numbers", &[("number", "(407) 555-0141")]).await;
        let verification = page.location();
        locations.push(ada.submit(&verification, &verification, &[("channel", "text")]).await.location());
        let (code, typed) = (app.simulator.code(ADA).await, format!("{verification}/code"));
        for guess in ["000000", "111111"].iter().filter(|guess| **guess != code) {
            assert_eq!(ada.submit(&verification, &typed, &[("code", guess)]).await.status, 422);
        }
        locations.push(ada.submit(&verification, &typed, &[("code", &code)]).await.location());
        for refused in ["+14155550142;ext=5", "+1 415 555 0142 9", "415-555-0142x7"] {
            assert_eq!(ada.submit("/numbers/new", "/numbers", &[("number", refused)]).await.status, 422);
        }
        locations.push(bob.submit("/numbers/new", "/numbers", &[("number", ADA)]).await.location());
        app.prove(&mut bob, BOB).await;
        let second = app.prove(&mut ada, HER_SECOND).await;
        let number = verification.split('/').nth(2).unwrap().to_owned();
        let (mask, e164) = app.mask(&mut ada, &number).await;
        locations.extend([verification, mask.clone()]);
        let token = link.trim_start_matches("/links/").to_owned();
        Self { app, ada, bob, admin, token, code, number, second, mask, e164, locations }
    }

    /// Calls of every kind, and what a carrier should not send, but may.
    async fn is_called(&mut self) {
        for (from, answer) in [
            (CALLER, "answered"),
            ("Unknown", "answered"),
            (BOB, "busy"),
            (ADA, "answered"),
            (CALLER, "no-answer"),
            (CALLER, "rejected"),
            (CALLER, "caller-hangs-up"),
        ] {
            self.app.clock.advance(TimeDelta::minutes(3));
            self.app.simulator.call(from, &self.e164, answer, 12).await;
        }
        let mask = &self.e164[2..];
        for body in [
            json!({ "session": { "id": "a1", "accountId": "33932", "to": { "id": mask }, "from": { "id": format!("sip:{CALLER}@example.com") } } }),
            json!({ "session": { "id": CALLER, "accountId": "33932", "to": { "e164Id": ADA }, "from": { "e164Id": CALLER } } }),
            json!({ "session": { "id": "a2", "accountId": CALLER, "to": { "e164Id": ADA } } }),
            json!({ "result": { "sessionId": CALLER, "error": ADA } }),
            json!({ CALLER: ADA }),
        ] {
            self.app.webhook("/tropo/transfer", body.to_string()).await;
        }
        let log = self.ada.get(&self.mask).await;
        assert!(is_told(&log.text, CALLER) && is_told(&log.text, ADA), "the owner sees both: {}", log.text);
    }

    /// Everybody else looks, and searches for it too.
    async fn others_look(&mut self) {
        let revocation = format!("/admin{}/revocation", self.mask);
        let mut searches = vec![];
        for (list, q) in [("/admin/masks", "4075550141"), ("/admin/masks", EMAIL), ("/admin/users", EMAIL)] {
            let (address, page) = self.admin.search(list, &[("q", q)]).await;
            assert!(!is_told(&page.text.replace(&format!("value=\"{q}\""), ""), ADA), "{}", page.text);
            assert!(!address.contains(EMAIL), "{address}");
            searches.push(address);
        }
        for path in ["/admin/masks", "/masks", &self.mask, &revocation] {
            let admin = self.admin.get(path).await.text;
            let (bob, nobody) = (self.bob.get(path).await.text, self.app.anonymous().get(path).await.text);
            assert!(path != "/admin/masks" || admin.contains("··41"), "an admin sees two digits: {admin}");
            for number in [ADA, BOB, CALLER, HER_SECOND] {
                assert!(!is_told(&admin, number) && !is_told(&nobody, number), "{number} in {path}");
                // Bob typed Ada's number himself: in his own list it waits to be proved.
                let typed = path == "/masks" && (number == ADA || number == BOB);
                assert!(typed || !is_told(&bob, number), "{number} in {path}");
            }
        }
        self.locations.extend(searches);
    }

    /// An admin revokes the mask, the number goes, the carrier fails, the database is away.
    async fn end(&mut self) {
        let revocation = format!("/admin{}/revocation", self.mask);
        let revoked = self.admin.submit(&revocation, &revocation, &[("reason", "Complaints")]).await;
        let letter = self.app.simulator.letter_that(EMAIL, |letter| letter.contains("Complaints")).await;
        assert!(!is_told(&letter, ADA) && !is_told(&letter, CALLER), "{letter}");
        let removal = format!("/numbers/{}/removal", self.number);
        let removed = self.ada.submit(&removal, &removal, &[]).await;
        self.app.simulator.fault(json!({ "kind": "server-error", "times": 1 })).await;
        let wished = self.ada.wish(&self.second, &[("area", "same")]).await;
        self.locations.extend([revoked.location(), removed.location(), wished.location()]);
        self.app.database.let_in(false).await;
        let call = json!({ "session": { "id": "a3", "accountId": "33932", "to": { "e164Id": self.e164 }, "from": { "e164Id": CALLER } } });
        let (mut ada, call) = (self.ada.clone(), call.to_string());
        let (page, _) = tokio::join!(ada.get("/masks"), self.app.webhook("/tropo/transfer", call));
        let log = String::from_utf8(LINES.0.lock().unwrap().clone()).unwrap();
        let cause = format!("request{{request={}}}", page.header("x-request-id"));
        assert!(
            log.lines().any(|line| line.contains("ERROR") && line.contains(&cause)),
            "the cause has no name of its request"
        );
        self.app.database.let_in(true).await;
        self.ada.until("/masks", |page| page.status == 200).await;
    }

    fn assert_sealed(&self, dump: &str) {
        assert!(dump.contains(EMAIL) && dump.contains(&self.e164), "the tables were looked at: {dump}");
        for number in [ADA, BOB, CALLER, HER_SECOND] {
            assert!(!is_told(dump, number), "{number} in the tables: {}", around(dump, number));
            let in_bytes = secrets::hex(&number.as_bytes()[2..]);
            assert!(!dump.contains(&in_bytes), "{number} in bytes: {}", around(dump, &in_bytes));
        }
        for secret in [SECRET, WRONG, PASSWORD, &self.token, WEBHOOK_KEY, &self.ada.cookies["sid"]] {
            assert!(!dump.contains(secret), "{secret} in the tables: {}", around(dump, secret));
        }
        let as_text = |mark: char| format!("{mark}{}", self.code);
        assert!(
            !['"', ' ', ':', '|'].iter().any(|mark| dump.contains(&as_text(*mark))),
            "the code in the tables"
        );
    }

    fn assert_silent(&self, log: &str) {
        for said in ["answered", "/tropo/transfer", "a sign-in failed"] {
            assert!(log.contains(said), "the log was looked at: {said}");
        }
        for number in [ADA, BOB, CALLER, HER_SECOND] {
            let told = log.lines().find(|line| is_told(line, number));
            assert_eq!(told, None, "{number} in the log");
        }
        let sid = &self.ada.cookies["sid"];
        let secrets = [
            EMAIL,
            SECRET,
            WRONG,
            "quartz+heron",
            "quartz%20heron",
            &self.token,
            sid,
            WEBHOOK_KEY,
            "not a secret",
        ];
        for secret in secrets {
            assert!(!log.contains(secret), "{secret} in the log: {}", around(log, secret));
        }
        let digits =
            |line: &&str| line.split(|letter: char| !letter.is_ascii_digit()).any(|word| word == self.code);
        // Times of day have as many digits as a code; what stands behind them is looked at.
        let lines = log.lines().filter_map(|line| line.split_once('Z').map(|(_, rest)| rest));
        assert_eq!(lines.into_iter().find(|line| digits(line)), None, "the code in the log");
    }
}

fn around(text: &str, what: &str) -> String {
    text.lines().filter(|line| line.contains(what)).take(3).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_a_number_or_a_secret_where_it_does_not_belong() {
    let lines = LINES.clone();
    let mut story = Story::begin().await;
    story.is_called().await;
    story.others_look().await;
    let before = story.app.database.dump().await;
    story.end().await;
    story.assert_sealed(&before);
    story.assert_sealed(&story.app.database.dump().await);
    for location in &story.locations {
        let told = [ADA, BOB, CALLER, HER_SECOND].iter().find(|number| is_told(location, number));
        assert!(location.starts_with('/') && told.is_none(), "{location}");
    }
    let log = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    story.assert_silent(&log);
}
