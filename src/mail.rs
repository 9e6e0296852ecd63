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
                sent.map(|_| ()).map_err(|error| MailError::NotTaken(error.to_string()))
            }
            Transport::Folder(folder) => lay(folder, &message.formatted())
                .await
                .map_err(|error| MailError::NotTaken(error.to_string())),
        }
    }
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
