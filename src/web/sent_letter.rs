//! The page about a link that was asked for: to which address it goes, and whether it has gone.
//!
//! Only the browser that typed the address is told: it has a sealed cookie that names the letter.

use actix_web::HttpResponse;
use actix_web::cookie::time::Duration;
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::PageError;
use super::guard::{Visitor, shown};
use super::page::{Page, wait};
use crate::app::letters::{LetterTicket, Waiting};
use crate::db::letters::Failure;

/// The cookie that names the letter.
const COOKIE: &str = "letter";

#[derive(Template)]
#[template(path = "accounts/sign_up_sent.html")]
struct SentPage {
    page: Page,
    /// Where it goes, as it was typed; nothing where this browser asked for none.
    to: Option<String>,
    state: &'static str,
    minutes: i64,
    left: String,
    again_href: &'static str,
}

/// Sends the browser on to the page, with the cookie.
pub(super) fn sent(visitor: &Visitor, to: &str, ticket: &LetterTicket) -> Result<HttpResponse, PageError> {
    let value = URL_SAFE_NO_PAD.encode(visitor.app.seal_ticket(ticket));
    let life = visitor.app.settings().limits.link_life.num_seconds();
    let cookie = visitor.settings.cookie(COOKIE, value).max_age(Duration::seconds(life)).finish();
    let mut answer = visitor.redirect(to, None);
    answer.add_cookie(&cookie).map_err(|_| PageError::Internal)?;
    Ok(answer)
}

/// What is said after a link was asked for: the same for known and unknown addresses.
pub(super) async fn page(visitor: &Visitor, again_href: &'static str) -> Result<HttpResponse, PageError> {
    let app = &visitor.app;
    let cookie = visitor.cookie(COOKIE).and_then(|value| URL_SAFE_NO_PAD.decode(value).ok());
    let ticket = cookie.and_then(|sealed| app.read_ticket(&sealed));
    let waiting = match &ticket {
        Some(ticket) => app.letter_after_first_try(ticket.letter).await?,
        None => None,
    };
    let (title, state) = match (&ticket, waiting) {
        (None, _) => ("Check your inbox", "unknown"),
        (Some(_), None) => ("Check your inbox", "sent"),
        (Some(_), Some(Waiting::New)) => ("Sending your link", "sending"),
        (Some(_), Some(Waiting::Delayed(_))) => ("Not sent yet", "delayed"),
        (Some(_), Some(Waiting::Failed(Failure::Refused))) => ("Not sent", "refused"),
        (Some(_), Some(Waiting::Failed(Failure::Expired))) => ("Not sent", "expired"),
    };
    let left = match waiting {
        Some(Waiting::Delayed(until)) => wait(until, app.now()),
        _ => String::new(),
    };
    shown(&SentPage {
        page: visitor.page(title),
        to: ticket.map(|ticket| ticket.typed),
        state,
        minutes: app.settings().limits.link_life.num_minutes(),
        left: left.trim_start_matches("in ").to_owned(),
        again_href,
    })
}
