//! What goes wrong on a page, and the one table from that to a status, a heading and a sentence.
//!
//! Causes go to the log; a page never shows them.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use askama::Template as _;
use chrono::{DateTime, Utc};

use super::page::{ErrorPage, Page};
use crate::db::DbError;

/// Why a page is not what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum PageError {
    #[error("not found")]
    NotFound,
    /// A mailed link that was used, ran out, or never was.
    #[error("the link cannot be used")]
    LinkGone,
    #[error("not allowed")]
    NotAllowed,
    #[error("that method is not for this page")]
    Method,
    #[error("the form was not made for this browser")]
    ForeignForm,
    /// The browser says that a page of another origin than `ours` sent the request.
    #[error("the request comes from another origin")]
    ForeignOrigin { ours: String },
    #[error("the form cannot be read")]
    Unreadable,
    #[error("the form is too long")]
    TooLong,
    #[error("the form came too slowly")]
    TooSlow,
    /// A body that is packed, such as by gzip.
    #[error("the form is encoded")]
    Encoded,
    #[error("too many")]
    TooMany { what: &'static str, until: DateTime<Utc> },
    #[error("the database is away")]
    Unavailable,
    /// More people sign in at once than we can check.
    #[error("too many passwords at once")]
    Busy,
    #[error("a fault of ours")]
    Internal,
    /// Not signed in: the answer is a redirection.
    #[error("sign in first")]
    SignInFirst,
}

impl From<DbError> for PageError {
    fn from(error: DbError) -> Self {
        tracing::error!(%error, "a page was not made");
        if matches!(error, DbError::Unavailable(_)) { Self::Unavailable } else { Self::Internal }
    }
}

impl PageError {
    /// The error that stands for a status which something else answered with.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::Method,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLong,
            StatusCode::REQUEST_TIMEOUT => Self::TooSlow,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::Encoded,
            StatusCode::FORBIDDEN => Self::NotAllowed,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::Unreadable,
            _ => Self::Internal,
        }
    }

    fn told(&self) -> (StatusCode, &'static str, String) {
        let told = |status, heading, text: &str| (status, heading, text.to_owned());
        match self {
            Self::NotFound => told(
                StatusCode::NOT_FOUND,
                "There is nothing here",
                "The address may be mistyped, or what was here is gone.",
            ),
            Self::LinkGone => told(
                StatusCode::NOT_FOUND,
                "This link does not work any more",
                "Links in our letters work once, and not for long. Ask for another.",
            ),
            Self::NotAllowed => told(
                StatusCode::FORBIDDEN,
                "This page is not for you",
                "Only the people who run this service can open it.",
            ),
            Self::Method => told(
                StatusCode::METHOD_NOT_ALLOWED,
                "That does not work here",
                "This address takes no such request.",
            ),
            Self::ForeignForm => told(
                StatusCode::FORBIDDEN,
                "That form is too old",
                "You signed in or out since the page was opened, or cookies are switched off. Nothing was changed. Go back, reload the page and try again.",
            ),
            Self::ForeignOrigin { ours } => (
                StatusCode::FORBIDDEN,
                "That came from another site",
                format!(
                    "Your browser says that this form was not sent from a page of ours. Nothing was changed. Open {ours} and try again there."
                ),
            ),
            Self::Unreadable => told(
                StatusCode::BAD_REQUEST,
                "We could not read that",
                "The form came in broken. Nothing was changed. Go back and try again.",
            ),
            Self::TooLong => told(
                StatusCode::PAYLOAD_TOO_LARGE,
                "That is too much",
                "The form is longer than we take. Nothing was changed.",
            ),
            Self::TooSlow => told(
                StatusCode::REQUEST_TIMEOUT,
                "That took too long",
                "The form did not arrive in full. Nothing was changed. Look at your connection and try again.",
            ),
            Self::Encoded => told(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "We could not read that",
                "The form came in compressed, which we do not take. Nothing was changed.",
            ),
            Self::TooMany { what, until } => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many tries",
                format!("{what} It can be tried again at {} UTC.", until.format("%H:%M")),
            ),
            Self::Unavailable => told(
                StatusCode::SERVICE_UNAVAILABLE,
                "We cannot show this now",
                "Our database does not answer. Please try again in a minute. If you were saving something, look whether it was saved before you try again.",
            ),
            Self::Busy => told(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many people sign in right now",
                "We could not look at your password. Nothing was changed, and it does not count as a try. Please try again in a minute.",
            ),
            Self::Internal | Self::SignInFirst => told(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here",
                "That is a fault of ours, and it is written down. Please try again.",
            ),
        }
    }

    /// The error as a page in the frame of whoever is looking.
    pub(super) fn page(&self, mut page: Page, reference: Option<String>) -> HttpResponse {
        let (status, heading, text) = self.told();
        heading.clone_into(&mut page.title);
        let (next_href, next_label) = match (self, &page.user) {
            (Self::LinkGone, None) => ("/forgotten-password", "Ask for another link"),
            (_, Some(_)) => ("/masks", "To your masks"),
            (_, None) => ("/", "To the first page"),
        };
        let shown =
            ErrorPage { page, status: status.as_u16(), heading, text, reference, next_href, next_label };
        let mut answer = HttpResponse::build(status);
        match self {
            Self::TooMany { .. } | Self::Busy => drop(answer.insert_header(("retry-after", "60"))),
            Self::Encoded => drop(answer.insert_header(("accept-encoding", "identity"))),
            _ => {}
        }
        match shown.render() {
            Ok(body) => answer.content_type("text/html; charset=utf-8").body(body),
            Err(_) => answer.content_type("text/plain; charset=utf-8").body(heading),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.told().0
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::SignInFirst => HttpResponse::SeeOther().insert_header(("location", "/sign-in")).finish(),
            // The frame around pages makes it again, for whoever is looking, where it can.
            _ => self.page(Page::bare(), None),
        }
    }
}
