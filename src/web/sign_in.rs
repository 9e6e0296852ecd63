//! Coming in: sign up, sign in, sign out, mailed links.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::error::PageError;
use super::flash::Flash;
use super::forms::Form;
use super::guard::{Visitor, shown, shown_again, shown_for_later};
use super::page::{Errors, Page, wait};
use super::{sent_letter, session};
use crate::app::accounts::PasswordError;
use crate::app::letters::LetterTicket;
use crate::app::mailed_links::{LinkError, LinkWish};
use crate::app::sign_ins::SignInError;
use crate::domain::password::SHORTEST_PASSWORD;
use crate::domain::user::EmailAddress;

#[derive(Template)]
#[template(path = "accounts/sign_up.html")]
struct SignUpPage {
    page: Page,
    errors: Errors,
    email: String,
}

#[derive(Template)]
#[template(path = "accounts/forgotten.html")]
struct ForgottenPage {
    page: Page,
    errors: Errors,
    email: String,
}

#[derive(Template)]
#[template(path = "accounts/sign_in.html")]
struct SignInPage {
    page: Page,
    errors: Errors,
    email: String,
}

#[derive(Template)]
#[template(path = "accounts/choose_password.html")]
struct ChoosePasswordPage {
    page: Page,
    errors: Errors,
    email: String,
    action: String,
    new_account: bool,
    least: u32,
}

#[derive(Deserialize)]
pub(super) struct EmailForm {
    #[serde(default)]
    email: String,
}

#[derive(Deserialize)]
pub(super) struct SignInForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
pub(super) struct NewPasswordForm {
    #[serde(default)]
    new_password: String,
    /// Where the browser's clocks are, if it says so; for a new account.
    #[serde(default)]
    time_zone: String,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn sign_up(visitor: Visitor) -> Result<HttpResponse, PageError> {
    if visitor.user.is_some() {
        return Ok(visitor.redirect("/masks", None));
    }
    shown(&SignUpPage { page: visitor.page("Get started"), errors: Errors::default(), email: String::new() })
}

pub(super) async fn mail_sign_up(visitor: Visitor, form: Form<EmailForm>) -> Result<HttpResponse, PageError> {
    match mail(&visitor, &form.0.email, LinkWish::SignUp).await? {
        Ok(ticket) => sent_letter::sent(&visitor, "/sign-up/sent", &ticket),
        Err(errors) => {
            shown_again(&SignUpPage { page: visitor.page("Get started"), errors, email: form.0.email })
        }
    }
}

pub(super) async fn sign_up_sent(visitor: Visitor) -> Result<HttpResponse, PageError> {
    sent_letter::page(&visitor, "/sign-up").await
}

pub(super) async fn forgotten(visitor: Visitor) -> Result<HttpResponse, PageError> {
    shown(&ForgottenPage {
        page: visitor.page("Forgotten password"),
        errors: Errors::default(),
        email: String::new(),
    })
}

pub(super) async fn mail_new_password(
    visitor: Visitor,
    form: Form<EmailForm>,
) -> Result<HttpResponse, PageError> {
    match mail(&visitor, &form.0.email, LinkWish::NewPassword).await? {
        Ok(ticket) => sent_letter::sent(&visitor, "/forgotten-password/sent", &ticket),
        Err(errors) => shown_again(&ForgottenPage {
            page: visitor.page("Forgotten password"),
            errors,
            email: form.0.email,
        }),
    }
}

pub(super) async fn new_password_sent(visitor: Visitor) -> Result<HttpResponse, PageError> {
    sent_letter::page(&visitor, "/forgotten-password").await
}

/// Mails a link to what was typed, if that is an address.
async fn mail(
    visitor: &Visitor,
    email: &str,
    wish: LinkWish,
) -> Result<Result<LetterTicket, Errors>, PageError> {
    let address: EmailAddress = match email.parse() {
        Ok(address) => address,
        Err(error) => return Ok(Err(Errors::one("email", format!("{error}")))),
    };
    match visitor.app.mail_link(address, wish, visitor.address).await {
        Ok(letter) => Ok(Ok(LetterTicket { letter, typed: email.trim().to_owned() })),
        Err(LinkError::Mailbox { until }) => {
            let again = wait(until, visitor.app.now());
            let error = format!(
                "This address was sent as many links as it may be. Use the newest one, or ask again {again}."
            );
            Ok(Err(Errors::one("email", error)))
        }
        Err(LinkError::Deployment { until }) => {
            Err(PageError::TooMany { what: "We have sent as many e-mails as we may for the moment.", until })
        }
        Err(LinkError::TooMany { until }) => {
            Err(PageError::TooMany { what: "Many links were asked for from your network.", until })
        }
        Err(LinkError::Db(error)) => Err(error.into()),
    }
}

pub(super) async fn form(visitor: Visitor) -> Result<HttpResponse, PageError> {
    if visitor.user.is_some() {
        return Ok(visitor.redirect("/masks", None));
    }
    shown(&SignInPage { page: visitor.page("Sign in"), errors: Errors::default(), email: String::new() })
}

pub(super) async fn sign_in(visitor: Visitor, form: Form<SignInForm>) -> Result<HttpResponse, PageError> {
    let form = form.0;
    let device = visitor.known_as();
    let error = match visitor.app.sign_in(&form.email, &form.password, visitor.address, device.as_deref()).await {
        Ok(user) => {
            session::begin(&visitor.session, &user, &visitor.device())?;
            return visitor.remembered(visitor.redirect("/masks", Some(Flash::SignedIn)), &user);
        }
        Err(SignInError::Db(error)) => return Err(error.into()),
        Err(SignInError::Busy(_)) => return Err(PageError::Busy),
        Err(SignInError::Wrong) => {
            "That e-mail address and password do not match. Check both, or choose a new password."
                .to_owned()
        }
        Err(SignInError::LinkNeeded) => "There were very many wrong passwords for that address. To be safe, choose a new password with a mailed link.".to_owned(),
        Err(SignInError::TooMany { until }) => {
            return later(&visitor, form.email, "There were too many wrong passwords.", until);
        }
        Err(SignInError::TooOften { until }) => {
            return later(&visitor, form.email, "There were too many sign-ins to this account.", until);
        }
    };
    shown_again(&SignInPage {
        page: visitor.page("Sign in"),
        errors: Errors::one("password", error),
        email: form.email,
    })
}

/// The form again, for somebody who has to wait until then.
fn later(
    visitor: &Visitor,
    email: String,
    why: &str,
    until: DateTime<Utc>,
) -> Result<HttpResponse, PageError> {
    let now = visitor.app.now();
    let error = format!("{why} You can try again {}.", wait(until, now));
    let (page, errors) = (visitor.page("Sign in"), Errors::one("password", error));
    shown_for_later(&SignInPage { page, errors, email }, until - now)
}

pub(super) async fn sign_out(visitor: Visitor, _form: Form<Nothing>) -> Result<HttpResponse, PageError> {
    visitor.session.purge();
    let mut answer = visitor.redirect("/", Some(Flash::SignedOut));
    // No page is in a cache (`no-store`), and emptying it stalls browsers for seconds. "cookies" would take those of
    // our neighbors under the same domain, too, and what this browser is known by when its user comes back.
    answer
        .headers_mut()
        .insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"storage\""));
    Ok(answer)
}

pub(super) async fn link(visitor: Visitor, token: web::Path<String>) -> Result<HttpResponse, PageError> {
    shown(&choice(&visitor, &token, Errors::default()).await?)
}

async fn choice(visitor: &Visitor, token: &str, errors: Errors) -> Result<ChoosePasswordPage, PageError> {
    let link = visitor.app.open_link(token).await?.ok_or(PageError::LinkGone)?;
    Ok(ChoosePasswordPage {
        page: visitor.page(if link.has_account { "Choose a new password" } else { "Choose a password" }),
        errors,
        email: link.email.to_string(),
        action: format!("/links/{token}"),
        new_account: !link.has_account,
        least: SHORTEST_PASSWORD,
    })
}

pub(super) async fn choose_password(
    visitor: Visitor,
    token: web::Path<String>,
    form: Form<NewPasswordForm>,
) -> Result<HttpResponse, PageError> {
    let NewPasswordForm { new_password, time_zone } = form.0;
    match visitor.app.choose_password(&token, &new_password, &time_zone).await {
        Ok((user, is_new)) => {
            session::begin(&visitor.session, &user, &visitor.device())?;
            let flash = if is_new { Flash::Welcome } else { Flash::PasswordChosen };
            visitor.remembered(visitor.redirect("/masks", Some(flash)), &user)
        }
        Err(PasswordError::Weak(weak)) => {
            shown_again(&choice(&visitor, &token, Errors::one("new_password", weak.to_string())).await?)
        }
        Err(PasswordError::TooManyTries { until }) => {
            let error = too_many_tries(until, visitor.app.now());
            shown_for_later(&choice(&visitor, &token, error).await?, until - visitor.app.now())
        }
        Err(PasswordError::Db(error)) => Err(error.into()),
        Err(PasswordError::Busy(_)) => Err(PageError::Busy),
        Err(_) => Err(PageError::LinkGone),
    }
}

/// What is said where too many new passwords were tried, on any page with the field.
pub(super) fn too_many_tries(until: DateTime<Utc>, now: DateTime<Utc>) -> Errors {
    let when = wait(until, now);
    Errors::one("new_password", format!("You tried many new passwords. You can try again {when}."))
}
