//! Mail out: by SMTP, or into a folder where a developer finds it.
//!
//! Knows nothing of what is written; it takes an address, a subject and a plain text, and makes one complete message of
//! them (RFC 5322, MIME) that a receiver who checks such things takes.

use std::error::Error as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use uuid::Uuid;

use crate::domain::user::{EmailAddress, ascii_domain};

/// How long a mail server may take until it is connected to.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long it may take for a whole message. The transport itself would wait for an answer for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// An e-mail in plain text.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Whom it goes to.
    pub to: EmailAddress,
    /// Its subject, one line.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// Why a message was not sent, or a mailer not made.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The address of the mail server cannot be read.
    #[error("expected smtp://USER:PASSWORD@HOST:PORT (with ?tls=required for STARTTLS) or smtps://…")]
    Server,
    /// The sender is no mailbox.
    #[error("expected a mailbox such as Maskline <maskline@example.com>")]
    Sender,
    /// The name is none that a mail server takes.
    #[error(
        "mail servers need a full host name such as masks.example.com: set MASKLINE_MAIL_HOST_NAME where the host of \
         MASKLINE_PUBLIC_URL is none"
    )]
    HostName,
    /// The message cannot be written.
    #[error("the message cannot be written: {0}")]
    Unwritable(String),
    /// The mail server says for good that nobody receives mail at this address: another try would be refused too.
    #[error("the message was refused: {0}")]
    Refused(String),
    /// The mail server, or the folder, did not take it now, or for a reason that an operator can mend.
    #[error("the message was not taken: {0}")]
    NotTaken(String),
}

/// The name that this deployment gives mail servers: a full host name, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(ClientId);

impl HostName {
    /// Reads a host as URLs have it, IPv6 in brackets or not. `localhost` is one; a bare name of a machine is not.
    pub fn parse(host: &str) -> Result<Self, MailError> {
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(IpAddr::V4(address)) => return Ok(Self(ClientId::Ipv4(address))),
            Ok(IpAddr::V6(address)) => return Ok(Self(ClientId::Ipv6(address))),
            Err(_) => {}
        }
        let name = ascii_domain(host).ok_or(MailError::HostName)?;
        if name.contains('.') || name == "localhost" {
            Ok(Self(ClientId::Domain(name)))
        } else {
            Err(MailError::HostName)
        }
    }
}

enum Transport {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Folder(PathBuf),
}

/// Sends mail.
pub struct Mailer {
    from: Mailbox,
    host: HostName,
    transport: Transport,
    patience: Duration,
}

impl Mailer {
    /// A mailer that sends through the mail server at a `smtp:` or `smtps:` URL, and greets it as `host`.
    pub fn smtp(url: &str, from: &str, host: HostName) -> Result<Self, MailError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| MailError::Server)?
            .hello_name(host.0.clone())
            .timeout(Some(CONNECTING))
            .build();
        let transport = Transport::Smtp(Box::new(transport));
        Ok(Self { from: mailbox(from)?, host, transport, patience: PATIENCE })
    }

    /// A mailer that puts every message into a folder, as an `.eml` file that only we can read.
    pub fn folder(folder: PathBuf, from: &str, host: HostName) -> Result<Self, MailError> {
        Ok(Self { from: mailbox(from)?, host, transport: Transport::Folder(folder), patience: PATIENCE })
    }

    /// Sends the letter, written at that time. Each try of one letter has the same `id`, so that a receiver who got it
    /// twice can tell.
    pub async fn send(&self, letter: &Letter, id: Uuid, written: DateTime<Utc>) -> Result<(), MailError> {
        let message = self.message(letter, id, written)?;
        match &self.transport {
            Transport::Smtp(transport) => {
                let sent = tokio::time::timeout(self.patience, transport.send(message)).await;
                let sent =
                    sent.map_err(|_| MailError::NotTaken("the mail server did not answer in time".into()))?;
                sent.map(|_| ()).map_err(|error| failure(&error, &letter.to))
            }
            Transport::Folder(folder) => put(folder, &message.formatted())
                .await
                .map_err(|error| MailError::NotTaken(error.to_string())),
        }
    }

    fn message(&self, letter: &Letter, id: Uuid, written: DateTime<Utc>) -> Result<Message, MailError> {
        let unwritable = |why: &dyn std::fmt::Display| MailError::Unwritable(why.to_string());
        let to: Address = letter.to.as_str().parse().map_err(|_| unwritable(&"its address"))?;
        let subject: String = letter
            .subject
            .chars()
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        // RFC 3834: no vacation notice is sent in answer to it.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        MessageBuilder::new()
            .message_id(Some(format!("<{id}@{}>", self.host.0)))
            .date(SystemTime::from(written))
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .body(letter.text.clone())
            .map_err(|error| unwritable(&error))
    }
}

/// What went wrong, without the server's own words: those may repeat the address.
///
/// Only what is about the recipient's address is for good. Everything else may be mended while the letter waits: how we sign
/// in, what the server lets us send, how much and from whom, or a mailbox that is full.
fn failure(error: &lettre::transport::smtp::Error, to: &EmailAddress) -> MailError {
    let kind = match () {
        () if error.is_timeout() => "the mail server took too long",
        () if error.is_tls() => "no encrypted connection to the mail server",
        () if error.is_permanent() => "the mail server refused it",
        () if error.is_transient() => "the mail server wants it later",
        () if error.is_response() => "the mail server's answer cannot be read",
        () if error.is_client() => "the mail server lacks something that we ask for",
        () => "the mail server cannot be reached",
    };
    let Some(code) = error.status() else { return MailError::NotTaken(kind.to_owned()) };
    let reply = error.source().map(ToString::to_string).unwrap_or_default();
    let status = enhanced_status(&reply);
    let words = match status {
        Some([class, subject, detail]) => format!("{kind} ({code}, {class}.{subject}.{detail})"),
        None => format!("{kind} ({code})"),
    };
    let names_recipient = || reply.to_lowercase().contains(&to.as_str().to_lowercase());
    let is_about_recipient = match (u16::from(code), status) {
        // No such mailbox or domain, a name that none can have, moved away, a domain without mail; or a mailbox that is closed.
        (_, Some([5, 1, 1..=4 | 6 | 10] | [5, 2, 1])) => true,
        // Each is said of senders, and of relaying, as well.
        (_, Some([5, 1, 0])) | (550 | 551 | 553, None) => names_recipient(),
        _ => false,
    };
    if error.is_permanent() && is_about_recipient {
        MailError::Refused(words)
    } else {
        MailError::NotTaken(words)
    }
}

/// The enhanced status code of a reply (RFC 3463), which its text begins with (RFC 2034) or has behind a `#`, as qmail does.
fn enhanced_status(reply: &str) -> Option<[u16; 3]> {
    let read = |text: &str| {
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let numbers: Option<Vec<u16>> = text[..end].split('.').map(|number| number.parse().ok()).collect();
        <[u16; 3]>::try_from(numbers?).ok().filter(|[class, ..]| matches!(class, 4 | 5))
    };
    read(reply).or_else(|| reply.split('#').skip(1).find_map(read))
}

/// A sender, its domain as it goes over the wire.
fn mailbox(text: &str) -> Result<Mailbox, MailError> {
    let Mailbox { name, email } = text.parse().map_err(|_| MailError::Sender)?;
    let domain = ascii_domain(email.domain()).ok_or(MailError::Sender)?;
    if !email.user().is_ascii() {
        return Err(MailError::Sender);
    }
    let email = Address::new(email.user(), domain).map_err(|_| MailError::Sender)?;
    Ok(Mailbox::new(name, email))
}

/// Writes beside the folder's messages and renames, so that a reader never sees half a message.
async fn put(folder: &Path, message: &[u8]) -> std::io::Result<()> {
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?;
    let name = Uuid::new_v4();
    let unfinished = folder.join(format!("{name}.unfinished"));
    tokio::fs::write(&unfinished, message).await?;
    tokio::fs::rename(&unfinished, folder.join(format!("{name}.eml"))).await
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    const FROM: &str = "Maskline <maskline@example.com>";

    #[tokio::test]
    async fn a_mail_server_that_says_nothing_is_not_waited_for_for_ever() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", silent.local_addr().unwrap());
        let mut mailer = Mailer::smtp(&url, FROM, host("masks.example.com")).unwrap();
        mailer.patience = Duration::from_millis(200);
        let letter =
            Letter { to: "ada@example.com".parse().unwrap(), subject: "Hello".into(), text: "Hello".into() };
        let sent = mailer.send(&letter, Uuid::nil(), DateTime::UNIX_EPOCH).await;
        assert!(matches!(sent, Err(MailError::NotTaken(_))), "{sent:?}");
    }

    fn host(name: &str) -> HostName {
        HostName::parse(name).unwrap()
    }

    /// A mail server that gives one answer to a command (at first to none, as a greeting), and keeps all that it is told.
    async fn server(command: &'static str, reply: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(vec![]));
        let keep = told.clone();
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let (lines, mut out) = client.into_split();
            let mut lines = BufReader::new(lines).lines();
            let greeting = if command.is_empty() { reply } else { "220 mail.example.com" };
            out.write_all(format!("{greeting}\r\n").as_bytes()).await.unwrap();
            let mut is_data = false;
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match line.as_str() {
                    "." if command == "." => reply,
                    "." => "250 kept",
                    _ if is_data => "",
                    line if !command.is_empty() && line.starts_with(command) => reply,
                    "DATA" => "354 go on",
                    _ => "250 fine",
                };
                is_data = (is_data || answer.starts_with("354")) && line != ".";
                keep.lock().unwrap().push(line);
                if !answer.is_empty() {
                    out.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                }
            }
        });
        (url, told)
    }

    fn letter(to: &str, subject: &str, text: &str) -> Letter {
        Letter { to: to.parse().unwrap(), subject: subject.into(), text: text.into() }
    }

    #[tokio::test]
    async fn a_message_is_complete_and_the_server_is_greeted_by_our_name() {
        let (url, told) = server("RCPT", "250 fine").await;
        let from = "Geheim & Co. Grüße <masks@bücher.example>";
        let mailer = Mailer::smtp(&url, from, host("masks.example.com")).unwrap();
        let letter = letter("Ada@Bücher.example", "Grüße\r\nBcc: eve@example.com", "Schöne Grüße.\n.\n");
        mailer.send(&letter, Uuid::nil(), DateTime::UNIX_EPOCH).await.unwrap();
        let told = told.lock().unwrap().join("\n");
        for line in [
            "EHLO masks.example.com",
            "MAIL FROM:<masks@xn--bcher-kva.example>",
            "RCPT TO:<ada@xn--bcher-kva.example>",
            "Message-ID: <00000000-0000-0000-0000-000000000000@masks.example.com>",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000",
            "MIME-Version: 1.0",
            "Auto-Submitted: auto-generated",
            "To: ada@xn--bcher-kva.example",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(told.lines().any(|told| told == line), "no {line:?} in\n{told}");
        }
        assert!(told.is_ascii(), "{told}");
        assert!(!told.lines().any(|line| line.starts_with("Bcc")), "{told}");
    }

    #[tokio::test]
    async fn only_what_is_about_the_recipient_is_for_good_and_no_error_has_the_address() {
        for (command, reply, is_for_good) in [
            ("RCPT", "550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown", true),
            ("RCPT", "550-5.1.1 The account does not exist\r\n550 5.1.1 ada@example.com", true),
            ("RCPT", "550 5.1.2 Host unknown", true),
            ("RCPT", "553 5.1.3 The address is not valid", true),
            ("RCPT", "556 5.1.10 Recipient address has null MX", true),
            (".", "550 5.2.1 The mailbox is disabled", true),
            ("RCPT", "550 #5.1.0 Address rejected Ada@Example.com", true),
            ("RCPT", "553 not to ada@example.com", true),
            ("RCPT", "550 sorry, no mailbox here by that name (#5.1.1)", true),
            ("RCPT", "451 4.7.1 greylisted, ada@example.com", false),
            ("RCPT", "450 4.1.1 ada@example.com is not there now", false),
            ("RCPT", "421 too busy", false),
            ("MAIL", "530 5.7.0 sign in first", false),
            ("MAIL", "550 5.7.0 Authentication required", false),
            ("RCPT", "504 5.5.2 need fully-qualified hostname", false),
            ("RCPT", "550 5.7.1 Relaying denied: ada@example.com", false),
            ("RCPT", "554 5.7.1 <ada@example.com>: Relay access denied", false),
            ("RCPT", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", false),
            ("RCPT", "550 relay not permitted", false),
            ("RCPT", "551 we do not relay", false),
            ("RCPT", "553 5.7.1 Sender address rejected: not owned by user", false),
            ("MAIL", "553 5.1.8 Sender address rejected: Domain not found", false),
            ("MAIL", "550 5.1.0 Sender address rejected", false),
            ("MAIL", "553 sender is not allowed", false),
            (".", "550-5.7.26 This mail has been blocked\r\n550 5.7.26 SPF and DKIM did not pass", false),
            ("", "554 5.7.1 Client host blocked", false),
            ("", "554 no SMTP service here", false),
            ("", "550 192.0.2.1 is listed", false),
            ("RCPT", "550 5.4.5 Daily sending quota exceeded", false),
            ("RCPT", "552 5.2.2 The mailbox of ada@example.com is full", false),
            ("RCPT", "554 4.3.0 ada@example.com: try again", false),
            ("DATA", "554 no valid recipients", false),
            (".", "554 it looks like spam", false),
        ] {
            let (url, _) = server(command, reply).await;
            let mailer = Mailer::smtp(&url, FROM, host("masks.example.com")).unwrap();
            let letter = letter("ada@example.com", "A", "b");
            let error = mailer.send(&letter, Uuid::nil(), DateTime::UNIX_EPOCH).await.unwrap_err();
            assert_eq!(matches!(error, MailError::Refused(_)), is_for_good, "{reply}: {error}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(&reply[..3]) && !shown.contains("ada"), "{shown}");
        }
    }

    #[test]
    fn a_greeting_is_a_full_name_or_an_address() {
        for (name, greeting) in [
            ("masks.example.com", "masks.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("192.0.2.1", "[192.0.2.1]"),
            ("[2001:db8::1]", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(host(name).0.to_string(), greeting);
        }
        for name in ["", "mailhost", "a b.example", "masks.example.com\r\nRSET", "a..b"] {
            assert!(HostName::parse(name).is_err(), "{name:?}");
        }
        assert!(matches!(
            Mailer::folder(PathBuf::new(), "grüße@example.com", host("a.example")),
            Err(MailError::Sender)
        ));
    }
}
