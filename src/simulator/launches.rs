//! Tropo's session API: launches by token, and signals to sessions that go on.
//!
//! No Basic auth here: the token is the secret. A launch only queues; what becomes of it shows later.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::{StatusCode, header};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::account::Refusal;
use super::engine;
use super::faults;
use super::fields::{Fields, Writing, writing};
use super::rest::{self, reply};
use super::switchboard::{Switchboard, hex_id};
use super::xml;

/// The API under one of its prefixes.
pub(crate) fn api(prefix: &str) -> impl HttpServiceFactory + use<> {
    web::scope(prefix)
        .wrap(from_fn(faults::strike))
        .service(web::resource("").route(web::get().to(launch)).route(web::post().to(launch)))
        .service(
            web::resource("/{session}/signals").route(web::get().to(signal)).route(web::post().to(signal)),
        )
        .default_service(web::to(reply::nothing_here))
}

/// `GET` or `POST /1.0/sessions`
async fn launch(board: Data<Switchboard>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let fields = match read(&request, &body) {
        Ok(fields) => fields,
        Err(refusal) => return reply::refused(&refusal),
    };
    let by_get = request.method() == actix_web::http::Method::GET;
    if by_get && !fields.get("action").is_some_and(|action| action.eq_ignore_ascii_case("create")) {
        return not_launched(StatusCode::NOT_IMPLEMENTED, "action is a required parameter");
    }
    let Some(token) = fields.get("token") else {
        return not_launched(StatusCode::NOT_ACCEPTABLE, "token is a required parameter");
    };
    let application = board.account.read(|account| account.with_address("token", token).cloned());
    let Some(application) = application else {
        return not_launched(StatusCode::BAD_REQUEST, "the token is not known");
    };
    let id = hex_id();
    let reply = launched(&request, token, &id);
    let launch = engine::Launch { id, token: token.to_owned(), parameters: parameters(&fields) };
    engine::launch(board.into_inner(), application, launch);
    reply
}

/// All variables, and the action, as texts.
fn parameters(fields: &Fields) -> Map<String, Value> {
    let mut parameters: Map<String, Value> =
        fields.all().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    parameters.insert("action".into(), json!("create"));
    parameters
}

fn read(request: &HttpRequest, body: &Bytes) -> Result<Fields, Refusal> {
    let query = Fields::from_form(request.query_string().as_bytes());
    Fields::read(request, body).map(|fields| fields.and(query))
}

fn not_launched(status: StatusCode, reason: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({"success": false, "reason": reason}))
}

/// The id ends in white space, as it did in a recorded reply: clients have to trim it.
fn launched(request: &HttpRequest, token: &str, id: &str) -> HttpResponse {
    let id = format!("{id}\r\n");
    match answer_in(request) {
        Writing::Json => HttpResponse::Ok().json(json!({"success": true, "token": token, "id": id})),
        Writing::Form => form(&[("success", "true"), ("token", token), ("id", &id)]),
        Writing::Xml => in_xml("session", &[("success", "true"), ("token", token), ("id", &id)]),
    }
}

/// `GET` or `POST /1.0/sessions/{id}/signals`
async fn signal(
    board: Data<Switchboard>,
    path: Path<String>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let fields = match read(&request, &body) {
        Ok(fields) => fields,
        Err(refusal) => return reply::refused(&refusal),
    };
    let status = match (board.session(path.trim()), fields.get("signal").or_else(|| fields.get("value"))) {
        (None, _) => "NOTFOUND",
        (Some(_), None) => "FAILED",
        (Some(session), Some(signal)) => {
            session.send(signal);
            "QUEUED"
        }
    };
    match answer_in(&request) {
        Writing::Json => HttpResponse::Ok().json(json!({"status": status})),
        Writing::Form => form(&[("status", status)]),
        Writing::Xml => in_xml("signal", &[("status", status)]),
    }
}

/// What the answer is written in: what is accepted, else what the question was written in, else XML.
fn answer_in(request: &HttpRequest) -> Writing {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    match accept.unwrap_or_default() {
        accept if accept.contains("json") => Writing::Json,
        accept if accept.contains("form") => Writing::Form,
        accept if accept.contains("xml") => Writing::Xml,
        _ => writing(request).unwrap_or(Writing::Xml),
    }
}

fn form(pairs: &[(&str, &str)]) -> HttpResponse {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    HttpResponse::Ok().content_type("application/x-www-form-urlencoded").body(body)
}

fn in_xml(root: &str, elements: &[(&str, &str)]) -> HttpResponse {
    HttpResponse::Ok().content_type(rest::XML).body(xml::document(root, elements))
}
