//! A user's account: password, signed-in browsers, time zone.

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono_tz::Tz;
use serde::Deserialize;
use uuid::Uuid;

use super::error::PageError;
use super::flash::Flash;
use super::forms::Form;
use super::guard::{SignedIn, shown, shown_again, shown_for_later};
use super::page::{Errors, Moment, Page, moment, wait};
use super::session;
use super::sign_in::{Nothing, too_many_tries};
use crate::app::accounts::PasswordError;
use crate::domain::ids::SessionId;
use crate::domain::password::SHORTEST_PASSWORD;
use crate::domain::time_zone;

struct SessionView {
    id: SessionId,
    device: String,
    last_seen: Moment,
    current: bool,
}

#[derive(Template)]
#[template(path = "accounts/account.html")]
struct AccountPage {
    page: Page,
    errors: Errors,
    email: String,
    least: u32,
    zones: Vec<(&'static str, Vec<&'static str>)>,
    zone: String,
    zone_is_known: bool,
    sessions: Vec<SessionView>,
}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    #[serde(default)]
    current_password: String,
    #[serde(default)]
    new_password: String,
}

#[derive(Deserialize)]
pub(super) struct TimeZoneForm {
    #[serde(default)]
    time_zone: String,
}

/// Zones to choose from, by continent; the saved one too, where it is no place.
fn zones(saved: Option<Tz>) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut zones: Vec<(&str, Vec<&str>)> = Vec::new();
    let odd = saved.map(Tz::name).filter(|saved| time_zone::places().all(|place| place != *saved));
    for name in time_zone::places().chain(odd) {
        let continent = name.split_once('/').map_or("Others", |(continent, _)| continent);
        match zones.last_mut() {
            Some((last, names)) if *last == continent => names.push(name),
            _ => zones.push((continent, vec![name])),
        }
    }
    zones
}

async fn page(signed_in: &SignedIn, errors: Errors) -> Result<AccountPage, PageError> {
    let (now, zone) = (signed_in.app().now(), signed_in.zone());
    let mut sessions: Vec<SessionView> = signed_in
        .app()
        .sessions(signed_in.user.id)
        .await?
        .into_iter()
        .map(|session| SessionView {
            id: session.id,
            device: session.device,
            last_seen: moment(session.seen_at, now, zone),
            current: session.id == signed_in.session_id,
        })
        .collect();
    sessions.sort_by_key(|session| !session.current);
    let saved = time_zone::known(&signed_in.user.time_zone);
    Ok(AccountPage {
        page: signed_in.visitor.page("Your account"),
        errors,
        email: signed_in.user.email.to_string(),
        least: SHORTEST_PASSWORD,
        zones: zones(saved),
        zone: saved.map_or_else(|| signed_in.user.time_zone.clone(), |zone| zone.name().to_owned()),
        zone_is_known: saved.is_some(),
        sessions,
    })
}

pub(super) async fn show(signed_in: SignedIn) -> Result<HttpResponse, PageError> {
    shown(&page(&signed_in, Errors::default()).await?)
}

/// Where password managers send people whose password should be changed (W3C, "A Well-Known URL for Changing Passwords").
pub(super) async fn where_passwords_change() -> HttpResponse {
    HttpResponse::SeeOther().insert_header(("location", "/account#password-title")).finish()
}

pub(super) async fn change_password(
    signed_in: SignedIn,
    form: Form<PasswordForm>,
) -> Result<HttpResponse, PageError> {
    let PasswordForm { current_password, new_password } = form.0;
    let (app, visitor) = (signed_in.app(), &signed_in.visitor);
    let later = async |until, errors| shown_for_later(&page(&signed_in, errors).await?, until - app.now());
    let errors = match app.change_password(&signed_in.user, &current_password, &new_password).await {
        Ok(user) => {
            session::begin(&visitor.session, &user, &visitor.device())?;
            return visitor.remembered(visitor.redirect("/account", Some(Flash::PasswordChanged)), &user);
        }
        Err(PasswordError::Db(error)) => return Err(error.into()),
        Err(PasswordError::Busy(_)) => return Err(PageError::Busy),
        Err(PasswordError::Unchanged) => {
            Errors::one("new_password", "That is the password you have now. Choose another.")
        }
        Err(PasswordError::Weak(weak)) => Errors::one("new_password", weak.to_string()),
        Err(PasswordError::TooMany { until }) => {
            let when = wait(until, app.now());
            let error = format!("There were too many wrong passwords. You can try again {when}.");
            return later(until, Errors::one("current_password", error)).await;
        }
        Err(PasswordError::TooManyTries { until }) => {
            return later(until, too_many_tries(until, app.now())).await;
        }
        Err(PasswordError::WrongCurrent | PasswordError::LinkGone) => {
            Errors::one("current_password", "That is not your password. Nothing was changed.")
        }
    };
    shown_again(&page(&signed_in, errors).await?)
}

pub(super) async fn set_time_zone(
    signed_in: SignedIn,
    form: Form<TimeZoneForm>,
) -> Result<HttpResponse, PageError> {
    match time_zone::known(&form.0.time_zone) {
        Some(zone) => {
            signed_in.app().set_time_zone(signed_in.user.id, zone).await?;
            Ok(signed_in.visitor.redirect("/account", Some(Flash::TimeZoneSaved)))
        }
        None => shown_again(
            &page(&signed_in, Errors::one("time_zone", "Choose a time zone from the list.")).await?,
        ),
    }
}

pub(super) async fn end_session(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    if signed_in.app().end_session(signed_in.user.id, SessionId(*id)).await? {
        Ok(signed_in.visitor.redirect("/account", Some(Flash::SessionEnded)))
    } else {
        Err(PageError::NotFound)
    }
}

pub(super) async fn end_other_sessions(
    signed_in: SignedIn,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    signed_in.app().end_other_sessions(signed_in.user.id, signed_in.session_id).await?;
    Ok(signed_in.visitor.redirect("/account", Some(Flash::OtherSessionsEnded)))
}
