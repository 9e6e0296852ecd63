//! Faults that can be switched on, to see what a client does when the carrier is not well.
//!
//! They stand before the REST, session and signal calls only; never before the pages and scripts.

use std::io;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::Refusal;
use super::rest::{self, reply};
use super::switchboard::Switchboard;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// It is done, but the answer comes late.
    Slow,
    /// Nothing is done; the answer is a 500.
    ServerError,
    /// It is done; the answer is a 500 all the same.
    ServerErrorAfter,
    /// Nothing is done; the answer is a page for people.
    Html,
    /// It is done; the answer is a page for people all the same.
    HtmlAfter,
    /// It is done; the connection breaks in the middle of the answer.
    Truncated,
    /// It is done; the answer is JSON, but none that was asked for.
    OtherJson,
    /// Nothing is done; the connection breaks.
    ResetBefore,
    /// It is done; the connection breaks instead of an answer.
    ResetAfter,
    /// A purchase finds no number.
    NoneFree,
    /// The user or password is refused.
    Unauthorized,
    /// The account may not do this.
    Forbidden,
    /// An application's list of addresses is empty.
    EmptyList,
    /// It lacks every second of its numbers.
    HalfList,
    /// It names everything twice.
    DoubledList,
    /// It is the whole account's.
    AccountList,
}

impl Kind {
    fn is_about_lists(self) -> bool {
        matches!(self, Self::EmptyList | Self::HalfList | Self::DoubledList | Self::AccountList)
    }
}

/// A fault that is switched on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// Only requests with this method.
    #[serde(default)]
    method: Option<String>,
    /// Only requests for this resource: `applications`, `addresses`, `exchanges`, `sessions`, `signals`.
    #[serde(default)]
    resource: Option<String>,
    /// How many requests it spoils before it is spent; without end when absent.
    #[serde(default)]
    times: Option<u32>,
    /// How late a slow answer comes.
    #[serde(default = "fifteen_seconds")]
    milliseconds: u64,
}

const fn fifteen_seconds() -> u64 {
    15_000
}

impl Fault {
    /// Says what is wrong with the fault as it was asked for.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let known = ["applications", "addresses", "exchanges", "sessions", "signals"];
        if self.resource.as_deref().is_some_and(|resource| !known.contains(&resource)) {
            return Err("resource is one of applications, addresses, exchanges, sessions, signals");
        }
        if self.times == Some(0) {
            return Err("times is at least 1");
        }
        Ok(())
    }

    fn strikes(&self, method: &Method, path: &str) -> bool {
        let buys = *method == Method::POST && resource(path) == Some("addresses");
        let lists = *method == Method::GET && path.contains("/applications/") && path.ends_with("/addresses");
        self.times != Some(0)
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
            && self.resource.as_deref().is_none_or(|wanted| Some(wanted) == resource(path))
            && (self.kind != Kind::NoneFree || buys)
            && (!self.kind.is_about_lists() || lists)
    }
}

/// The last segment of the path that names a resource.
fn resource(path: &str) -> Option<&str> {
    let known = ["applications", "addresses", "exchanges", "sessions", "signals"];
    path.rsplit('/').find(|segment| known.contains(segment))
}

/// Takes the first fault that strikes this request, and counts it.
fn take(faults: &mut Vec<Fault>, method: &Method, path: &str) -> Option<Fault> {
    let fault = faults.iter_mut().find(|fault| fault.strikes(method, path))?;
    fault.times = fault.times.map(|times| times - 1);
    let struck = fault.clone();
    faults.retain(|fault| fault.times != Some(0));
    Some(struck)
}

/// The middleware that lets a fault strike.
pub(crate) async fn strike(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let board = request.app_data::<Data<Switchboard>>().cloned();
    let fault =
        board.and_then(|board| board.faults_mut(|faults| take(faults, request.method(), request.path())));
    let Some(fault) = fault else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let instead = match fault.kind {
        Kind::Slow
        | Kind::ServerErrorAfter
        | Kind::HtmlAfter
        | Kind::Truncated
        | Kind::OtherJson
        | Kind::ResetAfter => {
            return after_the_effect(&fault, next.call(request).await?.map_into_boxed_body()).await;
        }
        Kind::EmptyList | Kind::HalfList | Kind::DoubledList | Kind::AccountList => {
            return with_another_list(fault.kind, next.call(request).await?.map_into_boxed_body()).await;
        }
        Kind::ServerError => server_error(),
        Kind::Html => page_for_people(),
        Kind::ResetBefore => broken(),
        Kind::NoneFree => reply::refused(&Refusal::NoneFree),
        Kind::Unauthorized => reply::unauthorized(),
        Kind::Forbidden => reply::refused(&Refusal::NotAllowed("this is not allowed for the account")),
    };
    Ok(request.into_response(instead))
}

async fn after_the_effect(
    fault: &Fault,
    response: ServiceResponse,
) -> Result<ServiceResponse, actix_web::Error> {
    match fault.kind {
        Kind::ServerErrorAfter => Ok(response.into_response(server_error())),
        Kind::ResetAfter => Ok(response.into_response(broken())),
        Kind::HtmlAfter => Ok(response.into_response(page_for_people())),
        Kind::OtherJson => Ok(response.into_response(HttpResponse::Ok().json(json!({"status": "queued"})))),
        Kind::Truncated => Ok(truncated(response).await),
        _ => {
            tokio::time::sleep(Duration::from_millis(fault.milliseconds)).await;
            Ok(response)
        }
    }
}

/// The list that was asked for, spoiled.
async fn with_another_list(
    kind: Kind,
    response: ServiceResponse,
) -> Result<ServiceResponse, actix_web::Error> {
    let (request, answer) = response.into_parts();
    let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap_or_default();
    let mut list: Vec<Value> = serde_json::from_slice(&body).unwrap_or_default();
    match kind {
        Kind::EmptyList => list.clear(),
        Kind::HalfList => {
            let mut counted = 0;
            list.retain(|address| {
                counted += usize::from(address["type"] == "number");
                address["type"] != "number" || counted % 2 == 0
            });
        }
        Kind::DoubledList => list = [list.clone(), list].concat(),
        _ => {
            let board = request.app_data::<Data<Switchboard>>();
            list = board.map(|board| rest::every_address(board)).unwrap_or_default();
        }
    }
    Ok(ServiceResponse::new(request, HttpResponse::Ok().json(list)))
}

/// The first half of the answer; without one, none at all.
async fn truncated(response: ServiceResponse) -> ServiceResponse {
    let (request, answer) = response.into_parts();
    let mut half = HttpResponse::build(answer.status());
    let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap_or_default();
    let parts = [Ok(body.slice(..body.len() / 2)), Err(reset())];
    ServiceResponse::new(request, half.content_type("application/json").streaming(stream::iter(parts)))
}

fn page_for_people() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body("<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>")
}

fn server_error() -> HttpResponse {
    HttpResponse::build(StatusCode::INTERNAL_SERVER_ERROR).json(json!({"error": "internal server error"}))
}

/// An answer that breaks the connection before its first byte.
fn broken() -> HttpResponse {
    HttpResponse::Ok().streaming(stream::iter([Err::<Bytes, _>(reset())]))
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "switched on at /simulator/faults")
}
