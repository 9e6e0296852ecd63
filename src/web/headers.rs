//! What every answer has: a name, headers that keep browsers strict, and one line in the log.
//!
//! The log has the pattern of a route, never its path or query: those may hold tokens and keys.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use tracing::Instrument as _;

use super::running::Traffic;
use super::{Settings, address, connections};
use crate::app::App;
use crate::secrets;

/// The name of a request, as in the log and on an error page.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// For how long only https is spoken to us.
const YEAR: &str = "max-age=31536000; includeSubDomains";

const ALWAYS: [(&str, &str); 7] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
];

pub(super) async fn every_answer(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    connections::begin(&mut request);
    let upgrades = request.head().upgrade();
    let id = secrets::hex(&secrets::random_bytes::<8>());
    request.extensions_mut().insert(RequestId(id.clone()));
    let settings = request.app_data::<web::Data<Settings>>().cloned();
    let client = settings.as_ref().map(|settings| address::client(request.request(), settings));
    let app = request.app_data::<web::Data<App>>().cloned();
    let traffic = request.app_data::<web::Data<Traffic>>().cloned().map(web::Data::into_inner);
    let _under_way = traffic.as_ref().map(Traffic::request);
    let method = named(request.method());
    let https = settings.is_some_and(|settings| settings.is_https());
    // At every level, so that each cause in the log has the request's name.
    let span = tracing::error_span!("request", request = %id);
    let mut answered = next.call(request).instrument(span).await;
    let (route, status) = match &mut answered {
        Ok(answer) => {
            complete(answer.response_mut().headers_mut(), &id, https);
            if is_last(traffic.as_ref(), upgrades) {
                answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            (answer.request().match_pattern(), answer.status())
        }
        Err(error) => {
            let mut answer = error.error_response();
            complete(answer.headers_mut(), &id, https);
            if is_last(traffic.as_ref(), upgrades) {
                answer.head_mut().set_connection_type(ConnectionType::Close);
            }
            let status = answer.status();
            answered = Err(InternalError::from_response(status, answer).into());
            (None, status)
        }
    };
    if let Some(app) = app {
        app.metrics().answered(status.as_u16());
    }
    tracing::info!(
        request = %id,
        %method,
        route = route.as_deref().unwrap_or("unknown"),
        status = status.as_u16(),
        milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        network = %client.map_or(String::new(), crate::app::network),
        "answered"
    );
    answered
}

/// A method as the log names it: a stranger can send any word of any length.
fn named(method: &Method) -> &'static str {
    const NAMES: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    NAMES.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

/// The same for the carrier, which is no browser. What was answered as it should has only what keeps it from being taken for
/// a page, and no line in the log: each call has a row of its own, and is counted.
pub(super) async fn every_answer_to_carrier(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    connections::begin(&mut request);
    let upgrades = request.head().upgrade();
    let traffic = request.app_data::<web::Data<Traffic>>().cloned().map(web::Data::into_inner);
    let _under_way = traffic.as_ref().map(Traffic::request);
    let mut answer = next.call(request).await?;
    let status = answer.status();
    let settings = answer.request().app_data::<web::Data<Settings>>().cloned();
    let https = settings.as_ref().is_some_and(|settings| settings.is_https());
    if status == StatusCode::OK {
        spare(answer.response_mut().headers_mut(), https);
    } else {
        let id = secrets::hex(&secrets::random_bytes::<8>());
        complete(answer.response_mut().headers_mut(), &id, https);
        let client = settings.map(|settings| address::client(answer.request(), &settings));
        tracing::info!(
            request = %id,
            route = answer.request().match_pattern().as_deref().unwrap_or("unknown"),
            status = status.as_u16(),
            network = %client.map_or(String::new(), crate::app::network),
            "answered"
        );
    }
    if is_last(traffic.as_ref(), upgrades) {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Some(app) = answer.request().app_data::<web::Data<App>>() {
        app.metrics().answered(status.as_u16());
    }
    Ok(answer)
}

/// What a document for the carrier has.
fn spare(headers: &mut HeaderMap, https: bool) {
    for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if https {
        headers.insert(HeaderName::from_static("strict-transport-security"), HeaderValue::from_static(YEAR));
    }
}

/// Whether the client shall come back on another connection: as we stop, or as it wanted this one for another protocol,
/// which the HTTP library would otherwise agree to.
fn is_last(traffic: Option<&Arc<Traffic>>, upgrades: bool) -> bool {
    upgrades || traffic.is_some_and(|traffic| traffic.is_ending())
}

fn complete(headers: &mut HeaderMap, id: &str, https: bool) {
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if https {
        headers.insert(HeaderName::from_static("strict-transport-security"), HeaderValue::from_static(YEAR));
    }
    let no_store = HeaderName::from_static("cache-control");
    if !headers.contains_key(&no_store) {
        headers.insert(no_store, HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}
