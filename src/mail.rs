//! Letters out: by SMTP, or into a folder where a developer finds them.
//!
//! Knows nothing of what is written; it takes an address, a subject and a plain text.

use std::path::{Path, PathBuf};

use lettre::message::{Mailbox, header::ContentType};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::domain::user::EmailAddress;

/// A letter in plain text.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Whom it goes to.
    pub to: EmailAddress,
    /// Its subject, one line.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// Why a letter was not sent, or a mailer not made.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The address of the mail server cannot be read.
    #[error("expected smtp://USER:PASSWORD@HOST:PORT (with ?tls=required for STARTTLS) or smtps://…")]
    Server,
    /// The sender is no mailbox.
    #[error("expected a mailbox such as Maskline <maskline@example.com>")]
    Sender,
    /// The letter cannot be written.
    #[error("the letter cannot be written: {0}")]
    Letter(String),
    /// The mail server, or the folder, did not take it.
    #[error("the letter was not taken: {0}")]
    NotTaken(String),
}

enum Transport {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Folder(PathBuf),
}

/// Sends letters.
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

impl Mailer {
    /// One that sends through the mail server at a `smtp:` or `smtps:` URL.
    pub fn smtp(url: &str, from: &str) -> Result<Self, MailError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| MailError::Server)?
            .timeout(Some(std::time::Duration::from_secs(10)))
            .build();
        Ok(Self { from: mailbox(from)?, transport: Transport::Smtp(Box::new(transport)) })
    }

    /// One that lays every letter into a folder, as an `.eml` file that only we can read.
    pub fn folder(folder: PathBuf, from: &str) -> Result<Self, MailError> {
        Ok(Self { from: mailbox(from)?, transport: Transport::Folder(folder) })
    }

    /// Sends the letter.
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let to = letter.to.as_str().parse().map_err(|_| MailError::Letter("the address".into()))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.clone())
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())
            .map_err(|error| MailError::Letter(error.to_string()))?;
        match &self.transport {
            Transport::Smtp(transport) => {
                let sent = transport.send(message).await;
                sent.map(|_| ()).map_err(|error| MailError::NotTaken(told(&error)))
            }
            Transport::Folder(folder) => lay(folder, &message.formatted())
                .await
                .map_err(|error| MailError::NotTaken(error.to_string())),
        }
    }
}

/// What went wrong, without the server's own words: those may repeat the address.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let kind = match () {
        () if error.is_timeout() => "the mail server took too long",
        () if error.is_tls() => "no encrypted connection to the mail server",
        () if error.is_permanent() => "the mail server refused it",
        () if error.is_transient() => "the mail server wants it later",
        () if error.is_response() => "the mail server's answer cannot be read",
        () if error.is_client() => "the mail server lacks something that we ask for",
        () => "the mail server cannot be reached",
    };
    error.status().map_or_else(|| kind.to_owned(), |code| format!("{kind} ({code})"))
}

fn mailbox(text: &str) -> Result<Mailbox, MailError> {
    text.parse().map_err(|_| MailError::Sender)
}

/// Writes beside the folder's letters and renames, so that a reader never sees half a letter.
async fn lay(folder: &Path, letter: &[u8]) -> std::io::Result<()> {
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?;
    let name = uuid::Uuid::new_v4();
    let unfinished = folder.join(format!("{name}.unfinished"));
    tokio::fs::write(&unfinished, letter).await?;
    tokio::fs::rename(&unfinished, folder.join(format!("{name}.eml"))).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_a_mail_server_says_of_an_address_stays_out_of_the_error() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", server.local_addr().unwrap());
        tokio::spawn(async move {
            let (client, _) = server.accept().await.unwrap();
            let (lines, mut out) = client.into_split();
            let mut lines = BufReader::new(lines).lines();
            out.write_all(b"220 mail.example.com\r\n").await.unwrap();
            while let Ok(Some(line)) = lines.next_line().await {
                let answer =
                    if line.starts_with("RCPT") { "550 no ada@example.com here" } else { "250 fine" };
                out.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            }
        });
        let mailer = Mailer::smtp(&url, "Maskline <maskline@example.com>").unwrap();
        let to = "ada@example.com".parse().unwrap();
        let error = mailer.send(&Letter { to, subject: "A".into(), text: "b".into() }).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("550") && !shown.contains("ada"), "{shown}");
    }
}
