//! Forms: read in one piece, believed only from the browser they were made for.
//!
//! Each form holds a token that is a keyed digest of a random cookie and of who is signed in; nothing is stored for it.
//! What the browser says about the page that sent a form is checked before (`guard::frame`).

use std::future::Future;
use std::pin::Pin;

use actix_session::SessionExt as _;
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_ENCODING;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::error::PageError;
use super::{connections, session};
use crate::app::App;
use crate::domain::ids::UserId;
use crate::secrets;

/// The longest form, in bytes.
pub(super) const LONGEST_FORM: usize = 16 * 1024;

/// The random value that a browser's forms are bound to.
#[derive(Clone)]
pub(super) struct FormCookie {
    pub(super) value: String,
    pub(super) is_new: bool,
}

/// What the cookie is called that a browser's forms are bound to.
pub(super) const COOKIE: &str = "form";

/// The token that the forms of this browser hold.
pub(super) fn token(app: &App, cookie: &str, user: Option<UserId>) -> String {
    let whose = user.map_or_else(|| "-".to_owned(), |user| user.to_string());
    URL_SAFE_NO_PAD.encode(secrets::keyed_digest(app.form_key(), format!("{cookie}|{whose}").as_bytes()))
}

/// What a form holds, once it is sure where it comes from.
pub(super) struct Form<T>(pub(super) T);

#[derive(Deserialize)]
struct Token {
    csrf: String,
}

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = web::Bytes::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            if foreign_encoding(&request).is_some() {
                return Err(PageError::Encoded);
            }
            let body = body.await.map_err(|error| {
                let status = error.as_response_error().status_code();
                if connections::is_late(&request) { PageError::TooSlow } else { PageError::of_status(status) }
            })?;
            connections::is_whole(&request);
            if request.content_type() != "application/x-www-form-urlencoded" {
                return Err(PageError::Unreadable);
            }
            let text = std::str::from_utf8(&body).map_err(|_| PageError::Unreadable)?;
            if is_garbled(text) {
                return Err(PageError::Unreadable);
            }
            let token = web::Query::<Token>::from_query(text).map_err(|_| PageError::ForeignForm)?;
            if !is_ours(&request, &token.csrf) {
                return Err(PageError::ForeignForm);
            }
            let form = web::Query::<T>::from_query(text).map_err(|_| PageError::Unreadable)?;
            Ok(Self(form.into_inner()))
        })
    }
}

/// What the body is packed with, if it is: nothing is unpacked here.
pub(super) fn foreign_encoding(request: &HttpRequest) -> Option<String> {
    let mut named = request.headers().get_all(CONTENT_ENCODING);
    let foreign = named.find(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))?;
    Some(String::from_utf8_lossy(foreign.as_bytes()).into_owned())
}

/// Whether escapes stand for bytes that are no text: each is read as U+FFFD, so that two passwords could be the same.
fn is_garbled(form: &str) -> bool {
    let has_lost = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    form_urlencoded::parse(form.as_bytes()).any(|(name, value)| has_lost(&name) || has_lost(&value))
}

fn is_ours(request: &HttpRequest, shown: &str) -> bool {
    let cookie = request.extensions().get::<FormCookie>().cloned();
    let (Some(cookie), Some(app)) = (cookie, request.app_data::<web::Data<App>>()) else { return false };
    let user = session::read(&request.get_session()).map(|(user, _)| user);
    !cookie.is_new && secrets::same(token(app, &cookie.value, user).as_bytes(), shown.as_bytes())
}
