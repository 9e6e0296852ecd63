//! Who may call: anybody, somebody signed in, an admin, as types in a handler's signature; and the frame around pages.

use std::future::Future;
use std::pin::Pin;

use actix_session::{Session, SessionExt as _};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::cookie::Cookie;
use actix_web::cookie::time::Duration;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, web};
use askama::Template;
use chrono_tz::Tz;

use super::error::PageError;
use super::flash::{self, Flash};
use super::forms::{self, FormCookie};
use super::headers::RequestId;
use super::page::{Page, UserView};
use super::{Settings, address, device, origin, session};
use crate::app::App;
use crate::db::users::User;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::user::Role;
use crate::secrets;

/// The cookie of a browser in which somebody signed in.
const DEVICE: &str = "device";
/// How long such a browser is known.
const DEVICE_DAYS: i64 = 365;

/// Anybody, signed in or not.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) app: web::Data<App>,
    pub(super) settings: web::Data<Settings>,
    pub(super) user: Option<User>,
    pub(super) session: Session,
    pub(super) address: std::net::IpAddr,
    session_id: Option<SessionId>,
    request: HttpRequest,
}

impl FromRequest for Visitor {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = request.app_data::<web::Data<App>>().cloned().ok_or(PageError::Internal)?;
            let settings = request.app_data::<web::Data<Settings>>().cloned().ok_or(PageError::Internal)?;
            let session = request.get_session();
            let (mut user, mut session_id) = (None, None);
            if let Some((id, name)) = session::read(&session) {
                user = app.user(id).await?;
                session_id = Some(name);
                if user.is_none() {
                    session.purge();
                }
            }
            let address = address::client(&request, &settings);
            request.extensions_mut().insert(Looking(user.as_ref().map(UserView::from)));
            Ok(Self { app, settings, user, session, address, session_id, request })
        })
    }
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self { email: user.email.to_string(), admin: user.role == Role::Admin }
    }
}

/// Who looks at an error page.
#[derive(Clone)]
struct Looking(Option<UserView>);

/// What was said on the page before, for this one to show.
#[derive(Clone, Copy)]
struct Waiting(&'static str, &'static str);

impl Visitor {
    /// The frame of a page with that title.
    pub(super) fn page(&self, title: &str) -> Page {
        let extensions = self.request.extensions();
        let cookie = extensions.get::<FormCookie>().map_or("", |cookie| cookie.value.as_str());
        let flash = extensions.get::<Waiting>().map(|Waiting(kind, text)| (*kind, *text));
        let user = self.user.as_ref();
        Page {
            title: title.to_owned(),
            csrf: forms::token(&self.app, cookie, user.map(|user| user.id)),
            user: user.map(UserView::from),
            flash: flash.map(|(kind, text)| super::page::FlashView { kind, text: text.to_owned() }),
            path: self.request.path().to_owned(),
            simulator_url: self.settings.simulator_url.clone(),
        }
    }

    /// What the browser says it is, in two words.
    pub(super) fn device(&self) -> String {
        let agent = self.request.headers().get("user-agent").and_then(|value| value.to_str().ok());
        device::name(agent.unwrap_or_default())
    }

    /// What the browser was given when somebody signed in here before.
    pub(super) fn known_as(&self) -> Option<String> {
        self.cookie(DEVICE)
    }

    /// The value of one of our cookies.
    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        self.request.cookie(&self.settings.cookie_name(name)).map(|cookie| cookie.value().to_owned())
    }

    /// The answer to a browser that is to be known when this user signs in here again.
    pub(super) fn remembered(
        &self,
        mut answer: HttpResponse,
        user: &User,
    ) -> Result<HttpResponse, PageError> {
        let cookie = self.settings.cookie(DEVICE, self.app.device_of(user));
        let cookie = cookie.max_age(Duration::days(DEVICE_DAYS)).finish();
        answer.add_cookie(&cookie).map_err(|_| PageError::Internal)?;
        Ok(answer)
    }

    /// Sends the browser on, with something to say there.
    pub(super) fn redirect(&self, to: &str, flash: Option<Flash>) -> HttpResponse {
        let mut answer = HttpResponse::SeeOther();
        answer.insert_header(("location", to));
        if let Some(flash) = flash {
            answer.cookie(flash::cookie(flash, &self.settings));
        }
        answer.finish()
    }
}

/// Somebody who is signed in.
pub(super) struct SignedIn {
    pub(super) visitor: Visitor,
    pub(super) user: User,
    pub(super) session_id: SessionId,
}

impl FromRequest for SignedIn {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visitor = Visitor::from_request(request, payload);
        Box::pin(async move {
            let visitor = visitor.await?;
            match (visitor.user.clone(), visitor.session_id) {
                (Some(user), Some(session_id)) => Ok(Self { visitor, user, session_id }),
                _ => Err(PageError::SignInFirst),
            }
        })
    }
}

impl SignedIn {
    pub(super) fn app(&self) -> &App {
        &self.visitor.app
    }

    /// Whether there is such a zone as the user has saved; if not, they read UTC.
    pub(super) fn zone_is_known(&self) -> bool {
        self.user.time_zone.parse::<Tz>().is_ok()
    }

    /// The clocks that the user reads.
    pub(super) fn zone(&self) -> Tz {
        self.user.time_zone.parse().unwrap_or(Tz::UTC)
    }
}

/// An admin.
pub(super) struct Admin(pub(super) SignedIn);

impl FromRequest for Admin {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let signed_in = SignedIn::from_request(request, payload);
        Box::pin(async move {
            let signed_in = signed_in.await?;
            if signed_in.user.role == Role::Admin { Ok(Self(signed_in)) } else { Err(PageError::NotAllowed) }
        })
    }
}

/// A template as an answer.
pub(super) fn shown(template: &impl Template) -> Result<HttpResponse, PageError> {
    answered(HttpResponse::Ok(), template)
}

/// A form that was not right, shown again.
pub(super) fn shown_again(template: &impl Template) -> Result<HttpResponse, PageError> {
    answered(HttpResponse::UnprocessableEntity(), template)
}

/// A form that was sent too often, shown again; it can be sent after so many seconds.
pub(super) fn shown_for_later(
    template: &impl Template,
    wait: chrono::TimeDelta,
) -> Result<HttpResponse, PageError> {
    let mut answer = HttpResponse::TooManyRequests();
    answer.insert_header(("retry-after", (wait.num_seconds() + 1).max(1).to_string()));
    answered(answer, template)
}

fn answered(
    mut answer: actix_web::HttpResponseBuilder,
    template: &impl Template,
) -> Result<HttpResponse, PageError> {
    let body = template.render().map_err(|error| {
        tracing::error!(%error, "a template failed");
        PageError::Internal
    })?;
    Ok(answer.content_type("text/html; charset=utf-8").body(body))
}

/// The frame around pages: the cookie of forms, what is said once, and errors as pages.
pub(super) async fn frame(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let settings = request.app_data::<web::Data<Settings>>().cloned().ok_or(PageError::Internal)?;
    let known =
        request.cookie(&settings.cookie_name(forms::COOKIE)).filter(|cookie| cookie.value().len() == 22);
    let form = match &known {
        Some(cookie) => FormCookie { value: cookie.value().to_owned(), is_new: false },
        None => FormCookie { value: secrets::random_token(), is_new: true },
    };
    let said = request.cookie(&settings.cookie_name(flash::COOKIE));
    let waiting = said.as_ref().and_then(|cookie| flash::read(cookie.value()));
    if let Some((kind, text)) = waiting {
        request.extensions_mut().insert(Waiting(kind, text));
    }
    request.extensions_mut().insert(form.clone());
    let is_read = request.method() == Method::GET;
    let answer = match foreign(&request, &settings) {
        Some(error) => request.error_response(error),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    let mut answer = with_error_page(answer).await;
    let is_page = is_html(answer.response());
    if is_page && form.is_new {
        answer.response_mut().add_cookie(&settings.cookie(forms::COOKIE, form.value).finish())?;
    }
    if is_page && is_read && said.is_some() {
        answer.response_mut().add_cookie(&flash::removal(&settings))?;
    }
    Ok(answer)
}

/// Refuses what may change something and was sent by a page of another origin, whatever it is for.
fn foreign(request: &ServiceRequest, settings: &Settings) -> Option<PageError> {
    if request.method().is_safe() || !origin::is_foreign(request.headers(), &settings.public_url) {
        return None;
    }
    tracing::info!("refused: its Sec-Fetch-Site, Origin or Referer is not that of MASKLINE_PUBLIC_URL");
    Some(PageError::ForeignOrigin { ours: settings.public_url.origin().ascii_serialization() })
}

fn is_html(answer: &HttpResponse) -> bool {
    answer.headers().get(CONTENT_TYPE).is_some_and(|media| media.as_bytes().starts_with(b"text/html"))
}

async fn with_error_page(answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let error = answer.response().error().and_then(|error| error.as_error::<PageError>()).cloned();
    let status = answer.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let error = match error {
        Some(PageError::SignInFirst) => return answer,
        Some(error) => error,
        None if is_error && !is_html(answer.response()) => PageError::of_status(status),
        None => return answer,
    };
    let request = answer.request().clone();
    let cookies: Vec<_> = answer.response().cookies().map(Cookie::into_owned).collect();
    // Asking for the session borrows what belongs to the request, so it comes first.
    let whose = session::read(&request.get_session()).map(|(user, _)| user);
    let user = looking(&request, whose).await;
    let page = {
        let extensions = request.extensions();
        let cookie = extensions.get::<FormCookie>().map_or("", |cookie| cookie.value.as_str());
        let app = request.app_data::<web::Data<App>>();
        Page {
            csrf: app.map_or_else(String::new, |app| forms::token(app, cookie, whose)),
            user,
            path: request.path().to_owned(),
            ..Page::bare()
        }
    };
    let reference = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
    let mut shown = error.page(page, reference);
    for cookie in &cookies {
        // A cookie that was fit for the answer before is fit for this one.
        let _ = shown.add_cookie(cookie);
    }
    ServiceResponse::new(request, shown)
}

/// Who looks at an error page. Where the request was refused before anybody asked for the user, that is done now.
async fn looking(request: &HttpRequest, whose: Option<UserId>) -> Option<UserView> {
    let known = request.extensions().get::<Looking>().cloned();
    if let Some(Looking(user)) = known {
        return user;
    }
    let app = request.app_data::<web::Data<App>>()?;
    app.user(whose?).await.ok().flatten().as_ref().map(UserView::from)
}

/// Around the sessions: where those cannot be read or written, the database is away, and the page says so.
pub(super) async fn without_database(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let reference = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
    let error = match next.call(request).await {
        Ok(answer) => return Ok(answer.map_into_boxed_body()),
        Err(error) => error,
    };
    let told = error.as_error::<PageError>().cloned().unwrap_or_else(|| {
        tracing::error!(request = reference, %error, "a session was not read or written");
        PageError::Unavailable
    });
    Err(InternalError::from_response(error, told.page(Page::bare(), reference)).into())
}
