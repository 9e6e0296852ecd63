//! What must be nowhere: real numbers, callers, codes, passwords, tokens and keys, in tables, logs, addresses and
//! other people's pages.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use chrono::TimeDelta;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Client, PASSWORD, Page, TestApp, WEBHOOK_KEY};

/// Numbers of this test alone, so that what other tests log is not taken for its own.
const ADA: &str = "+14075550141";
const BOB: &str = "+442079460987";
const CALLER: &str = "+14155550142";
const HIS_SECOND: &str = "+13125550143";
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
    let filter = EnvFilter::new("trace,maskline::simulator=off,tokio=info,mio=info");
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

/// A browser that remembers where it was sent.
async fn location(page: &Page, all: &mut Vec<String>) -> String {
    all.push(page.location());
    page.location()
}

async fn signed_up(app: &TestApp, client: &mut Client, email: &str, password: &str) -> String {
    client.submit("/sign-up", "/sign-up", &[("email", email)]).await;
    let link = app.mailed_link(email).await;
    let page = client.submit(&link, &link, &[("new_password", password)]).await;
    assert_eq!(page.location(), "/masks", "{}", page.text);
    link
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_a_number_or_a_secret_where_it_does_not_belong() {
    let lines = LINES.clone();
    let app = TestApp::start().await;
    let (mut ada, mut bob, mut admin) = (app.anonymous(), app.signed_in("bob").await, app.admin().await);
    let mut locations = vec![];

    // Signs up, fails to sign in, proves a number after wrong codes.
    let link = signed_up(&app, &mut ada, EMAIL, SECRET).await;
    assert_eq!(app.anonymous().sign_in(EMAIL, WRONG).await.status, 422);
    let weak = ada
        .submit("/account", "/account/password", &[("current_password", WRONG), ("new_password", WRONG)])
        .await;
    assert_eq!(weak.status, 422);
    let page = ada.submit("/numbers/new", "/numbers", &[("number", "(407) 555-0141")]).await;
    let verification = location(&page, &mut locations).await;
    location(&ada.submit(&verification, &verification, &[("channel", "text")]).await, &mut locations).await;
    let code = app.simulator.code(ADA).await;
    let typed = format!("{verification}/code");
    for guess in ["000000", "111111"].iter().filter(|guess| **guess != code) {
        assert_eq!(ada.submit(&verification, &typed, &[("code", guess)]).await.status, 422);
    }
    location(&ada.submit(&verification, &typed, &[("code", &code)]).await, &mut locations).await;
    let number = verification.split('/').nth(2).unwrap().to_owned();
    // Refused numbers, one of somebody else, a second of the own.
    for number in ["+14155550142;ext=5", "+1 415 555 0142 9", "415-555-0142x7"] {
        ada.submit("/numbers/new", "/numbers", &[("number", number)]).await;
    }
    location(&bob.submit("/numbers/new", "/numbers", &[("number", ADA)]).await, &mut locations).await;
    app.prove(&mut bob, BOB).await;
    app.clock.advance(TimeDelta::minutes(5));
    let second = app.prove(&mut ada, HIS_SECOND).await;

    // A mask, and calls of every kind.
    let (mask, e164) = app.mask(&mut ada, &number).await;
    for (from, answer) in [
        (CALLER, "answered"),
        ("Unknown", "answered"),
        (BOB, "busy"),
        (ADA, "answered"),
        (CALLER, "no-answer"),
        (CALLER, "rejected"),
        (CALLER, "caller-hangs-up"),
    ] {
        app.clock.advance(TimeDelta::minutes(3));
        app.simulator.call(from, &e164, answer, 12).await;
    }
    // What the carrier should not send, but may.
    for body in [
        format!(
            r#"{{"session":{{"id":"a1","accountId":"33932","to":{{"id":"{}"}},"from":{{"id":"sip:{CALLER}@example.com"}}}}}}"#,
            &e164[2..]
        ),
        format!(
            r#"{{"session":{{"id":"{CALLER}","accountId":"33932","to":{{"e164Id":"{ADA}"}},"from":{{"e164Id":"{CALLER}"}}}}}}"#
        ),
        format!(r#"{{"session":{{"id":"a2","accountId":"{CALLER}","to":{{"e164Id":"{ADA}"}}}}}}"#),
        format!(r#"{{"result":{{"sessionId":"{CALLER}","error":"{ADA}"}}}}"#),
        format!(r#"{{"session": "{CALLER}""#),
    ] {
        app.webhook("/tropo/transfer", body).await;
    }
    let log = ada.get(&mask).await;
    assert!(is_told(&log.text, CALLER) && is_told(&log.text, ADA), "the owner sees both: {}", log.text);

    // Nobody else's page, as an admin, another user, or nobody, searching for it too.
    let mut others = vec![];
    for path in
        ["/admin/masks", "/admin/masks?q=4075550141", "/masks", &mask, &format!("/admin{mask}/revocation")]
    {
        others.push(admin.get(path).await.text.replace("value=\"4075550141\"", ""));
        others.push(bob.get(path).await.text);
        others.push(app.anonymous().get(path).await.text);
    }
    assert!(others[0].contains("··41"), "an admin sees two digits: {}", others[0]);
    for text in &others {
        for number in [CALLER, HIS_SECOND] {
            assert!(!is_told(text, number), "{number} in {text}");
        }
    }
    // Bob typed Ada's number himself: on his own list it stands, and nowhere else.
    for text in others.iter().enumerate().filter(|(place, _)| place % 3 != 1).map(|(_, text)| text) {
        assert!(!is_told(text, ADA) && !is_told(text, BOB), "{text}");
    }

    // Ends: an admin revokes the mask, the number is removed, the password changed, the carrier fails.
    let revoked = admin
        .submit(
            &format!("/admin{mask}/revocation"),
            &format!("/admin{mask}/revocation"),
            &[("reason", "Complaints")],
        )
        .await;
    location(&revoked, &mut locations).await;
    let letter = app.simulator.letter_that(EMAIL, |letter| letter.contains("Complaints")).await;
    assert!(!is_told(&letter, ADA) && !is_told(&letter, CALLER), "{letter}");
    let masked = app.database.dump().await;
    location(
        &ada.submit(&format!("/numbers/{number}/removal"), &format!("/numbers/{number}/removal"), &[]).await,
        &mut locations,
    )
    .await;
    app.simulator.fault(serde_json::json!({ "kind": "server-error", "times": 1 })).await;
    ada.wish(&second, &[("area", "same")]).await;
    app.database.let_in(false).await;
    ada.get("/masks").await;
    app.webhook("/tropo/transfer", format!(r#"{{"session":{{"id":"a3","accountId":"33932","to":{{"e164Id":"{e164}"}},"from":{{"e164Id":"{CALLER}"}}}}}}"#)).await;
    app.database.let_in(true).await;
    ada.until("/masks", |page| page.status == 200).await;

    let token = link.strip_prefix("/links/").unwrap();
    for dump in [masked, app.database.dump().await] {
        assert!(dump.contains(EMAIL) && dump.contains(&e164), "the tables were looked at: {dump}");
        for number in [ADA, BOB, CALLER, HIS_SECOND] {
            assert!(!is_told(&dump, number), "{number} in the tables: {}", around(&dump, number));
            let hexadecimal: String = number.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(!dump.contains(&hexadecimal[2..]), "{number} in bytes");
        }
        for secret in [SECRET, WRONG, PASSWORD, token, WEBHOOK_KEY] {
            assert!(!dump.contains(secret), "{secret} in the tables");
        }
        assert!(!dump.contains(&format!("|{code}|")), "the code in the tables");
    }
    for location in &locations {
        for number in [ADA, BOB, CALLER, HIS_SECOND] {
            assert!(!is_told(location, number), "{location}");
        }
    }

    let text = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    for said in ["answered", "/tropo/transfer", "a sign-in failed"] {
        assert!(text.contains(said), "the log was looked at: {said}");
    }
    for number in [ADA, BOB, CALLER, HIS_SECOND] {
        assert!(!is_told_in_a_line(&text, number), "{number} in the log: {}", around(&text, number));
    }
    for secret in [
        EMAIL,
        SECRET,
        WRONG,
        "quartz+heron",
        "quartz%20heron",
        token,
        &ada.cookies["sid"],
        WEBHOOK_KEY,
        "not a secret",
    ] {
        assert!(!text.contains(secret), "{secret} in the log: {}", around(&text, secret));
    }
    let of_code = text
        .lines()
        .find(|line| line.split(|letter: char| !letter.is_ascii_digit()).any(|word| word == code));
    assert_eq!(of_code, None, "the code in the log");
}

fn is_told_in_a_line(text: &str, number: &str) -> bool {
    text.lines().any(|line| is_told(line, number))
}

fn around(text: &str, what: &str) -> String {
    let what = what.strip_prefix("+1").or_else(|| what.strip_prefix("+44")).unwrap_or(what);
    text.lines().filter(|line| line.contains(what)).take(3).collect::<Vec<_>>().join("\n")
}
