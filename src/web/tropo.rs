//! Tropo's webhook: a session or a result in, a document out.
//!
//! Whatever fails, the answer is something that the carrier can carry out. Who has no valid key learns nothing at all.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::{ACCEPT_ENCODING, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{FutureExt as _, StreamExt as _};
use url::form_urlencoded;
use uuid::Uuid;

use super::{Settings, address, connections, forms};
use crate::app::App;
use crate::app::calls::{Followed, IncomingCall, Routed, Undecided};
use crate::carrier::Channel;
use crate::carrier::tropo::client::REFERENCE;
use crate::carrier::tropo::wire::{
    CallEvent, CallResult, Event, KEY, Party, Session, document, ending, hangup_document, message_document,
    question_document, read, ring_left, say_document, undelivered,
};
use crate::domain::call::{Ending, Instruction, PickedUp};
use crate::domain::ids::CallId;
use crate::metrics::CallOutcome;

/// How often at most the log tells of keys that came where others could read them.
const WARNING: Duration = Duration::from_mins(1);
static WARNED: Mutex<Option<Instant>> = Mutex::new(None);
/// The longest body, in bytes.
const LONGEST_BODY: usize = 16 * 1024;
/// How many times as long as a caller's decision a code may take: nobody is on the line yet.
const PATIENCE_FOR_CODES: u32 = 8;

/// A request that has proved where it comes from.
struct Proved {
    app: web::Data<App>,
    settings: web::Data<Settings>,
    /// The key that it showed, which the addresses that follow carry on.
    key: String,
    body: Vec<u8>,
}

/// What is answered to whoever has no key: always the same, whatever was asked.
pub(super) async fn nothing() -> HttpResponse {
    nobody()
}

fn nobody() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("There is nothing here.")
}

/// Voice: a call comes in, or a code that is to be spoken is asked for.
pub(super) async fn transfer(request: HttpRequest, body: web::Payload) -> HttpResponse {
    answered(request, body, |proved| async move { session(proved, Channel::Voice).await }).await
}

/// Text: a code that is to be written is asked for.
pub(super) async fn message(request: HttpRequest, body: web::Payload) -> HttpResponse {
    answered(request, body, |proved| async move { session(proved, Channel::Text).await }).await
}

/// How a call goes on.
pub(super) async fn call_event(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Payload,
) -> HttpResponse {
    let (call, event) = path.into_inner();
    answered(request, body, |proved| async move { follow(proved, &call, &event).await }).await
}

/// How a call or text that carries a code goes on.
pub(super) async fn code_event(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Payload,
) -> HttpResponse {
    let (code, event) = path.into_inner();
    answered(request, body, |proved| async move { follow_code(proved, &code, &event).await }).await
}

/// Proves the sender, reads the body, and sees to it that a document comes out, even of a panic.
async fn answered<F, A>(request: HttpRequest, body: web::Payload, act: F) -> HttpResponse
where
    F: FnOnce(Proved) -> A,
    A: Future<Output = HttpResponse>,
{
    let (Some(app), Some(settings)) =
        (request.app_data::<web::Data<App>>().cloned(), request.app_data::<web::Data<Settings>>().cloned())
    else {
        return nobody();
    };
    let Some(key) = proof(&request, &settings) else { return nobody() };
    connections::is_carriers(&request);
    let body = match whole(&request, body).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let acted = AssertUnwindSafe(act(Proved { app, settings, key, body })).catch_unwind().await;
    acted.unwrap_or_else(|_| {
        tracing::error!("the webhook panicked");
        spoken(document(&App::unavailable(), None))
    })
}

/// The key that the request shows, if it is one of ours and all else is as it must be.
fn proof(request: &HttpRequest, settings: &Settings) -> Option<String> {
    let fields = form_urlencoded::parse(request.query_string().as_bytes());
    let shown = fields.filter(|(name, _)| name == "key").map(|(_, key)| key);
    let key = settings.webhook.accepted_key(shown);
    let is_private = address::is_private(request, settings);
    if key.is_some() && !is_private {
        warn_of_open_way();
    }
    let is_from_there = settings.webhook.accepts_source(address::client(request, settings));
    key.filter(|_| is_from_there & is_private & (request.method() == Method::POST)).map(Cow::into_owned)
}

/// Without it, a proxy that is not trusted would silence every call and leave no trace.
fn warn_of_open_way() {
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.is_none_or(|at| at.elapsed() >= WARNING) {
        *warned = Some(Instant::now());
        tracing::warn!(
            "a request with the webhook's key was refused: it came by no proxy of MASKLINE_TRUSTED_PROXIES that says \
             X-Forwarded-Proto: https"
        );
    }
}

async fn whole(request: &HttpRequest, mut payload: web::Payload) -> Result<Vec<u8>, HttpResponse> {
    if let Some(encoding) = forms::foreign_encoding(request) {
        let why = format!("the body has the encoding {encoding:?}, and identity is taken alone");
        let mut answer = refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, &why);
        answer.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        return Err(answer);
    }
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| {
            if connections::is_late(request) {
                refused(StatusCode::REQUEST_TIMEOUT, "the body came too slowly")
            } else {
                refused(StatusCode::BAD_REQUEST, "the body broke off")
            }
        })?;
        if body.len() + chunk.len() > LONGEST_BODY {
            return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 16 KiB"));
        }
        body.extend_from_slice(&chunk);
    }
    connections::is_whole(request);
    Ok(body)
}

fn refused(status: StatusCode, why: &str) -> HttpResponse {
    let body = serde_json::json!({ "error": why }).to_string();
    HttpResponse::build(status).content_type("application/json; charset=utf-8").body(body)
}

fn spoken(document: String) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json; charset=utf-8").body(document)
}

async fn session(proved: Proved, channel: Channel) -> HttpResponse {
    let session = match read(&proved.body) {
        Ok(Event::Session(session)) => session,
        // The result of nothing of ours: there is nothing more to do.
        Ok(Event::Result(_)) => return spoken(hangup_document()),
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if !proved.settings.webhook.accepts_account(session.account_id.as_deref()) {
        return refused(StatusCode::BAD_REQUEST, "another account");
    }
    if let Some(reference) = session.parameters.get(REFERENCE) {
        let id = session.id.as_deref().unwrap_or_default();
        let time = proved.settings.decision_time * PATIENCE_FOR_CODES;
        let launched =
            tokio::time::timeout(time, launched(&proved.app, &proved.key, reference, id, channel)).await;
        return spoken(launched.unwrap_or_else(|_| {
            tracing::error!("a code that was to be sent took too long");
            hangup_document()
        }));
    }
    match channel {
        Channel::Voice => spoken(routed(proved, session).await),
        Channel::Text => spoken(hangup_document()),
    }
}

async fn launched(app: &App, key: &str, reference: &str, session: &str, channel: Channel) -> String {
    match app.code_to_send(reference, session, channel).await {
        Ok(Some(code)) => {
            let start = format!("/tropo/codes/{}/", code.id);
            let follow = next(&start, key);
            match channel {
                Channel::Voice => question_document(code.to, code.from, &code.text, &follow),
                Channel::Text => message_document(code.to, code.from, &code.text, &follow),
            }
        }
        Ok(None) => hangup_document(),
        Err(error) => {
            tracing::error!(%error, "a code was not sent");
            hangup_document()
        }
    }
}

async fn routed(proved: Proved, session: Session) -> String {
    let incoming = IncomingCall {
        event: session.id,
        called: session.to.iter().flat_map(Party::candidates).collect(),
        caller: session.from.as_ref().and_then(Party::number),
    };
    let Proved { app, settings, key, .. } = proved;
    let begun = Instant::now();
    let decided = app.route_call(incoming, settings.decision_time).await;
    let outcome = match &decided {
        Ok(routed) => routed.outcome,
        Err(Undecided::TooLate) => CallOutcome::TooLate,
        Err(_) => CallOutcome::Failed,
    };
    app.metrics().call(outcome, begun.elapsed());
    match decided {
        Ok(Routed { instruction, call: Some(call), .. }) => {
            document(&instruction, Some(&next(&format!("/tropo/calls/{call}/"), &key)))
        }
        Ok(Routed { instruction, call: None, .. }) => document(&instruction, None),
        Err(error) => {
            tracing::error!(%error, "a call was not routed");
            document(&App::unavailable(), None)
        }
    }
}

/// Where under a path Tropo shall report events, with the key carried on; relative, so that it holds for whatever address
/// Tropo knows us by.
fn next<'a>(start: &'a str, key: &str) -> impl Fn(CallEvent) -> String + use<'a> {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("key", key).finish();
    move |event| [start, event.name(), "?", &query].concat()
}

async fn follow(proved: Proved, call: &str, event: &str) -> HttpResponse {
    let result = match read(&proved.body) {
        Ok(Event::Result(result)) => result,
        Ok(Event::Session(_)) => return spoken(hangup_document()),
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let (Ok(call), Ok(event)) = (call.parse::<Uuid>().map(CallId), event.parse::<CallEvent>()) else {
        return spoken(hangup_document());
    };
    let app = proved.app;
    if event == CallEvent::Ringing
        && let Some(ring_seconds) = ring_left(&result, app.ring_seconds())
    {
        return spoken(document(
            &Instruction::RingOut { ring_seconds },
            Some(&next(&format!("/tropo/calls/{call}/"), &proved.key)),
        ));
    }
    let followed = if event == CallEvent::Connect {
        app.note_answer(call, result.session_duration);
        Followed::Silent
    } else {
        let patience = proved.settings.decision_time;
        app.note_ending(call, patience, |picked_up| told(event, &result, picked_up)).await
    };
    spoken(match followed {
        Followed::Told(ending) if is_on_the_line(event) => document(&App::not_taken(ending), None),
        _ => hangup_document(),
    })
}

/// Whether the caller is still there to hear something. One who pressed the key that gives up is, whether Tropo calls that
/// `continue` or `incomplete`.
fn is_on_the_line(event: CallEvent) -> bool {
    matches!(event, CallEvent::Continue | CallEvent::Incomplete | CallEvent::Ringing)
}

async fn follow_code(proved: Proved, code: &str, event: &str) -> HttpResponse {
    let result = match read(&proved.body) {
        Ok(Event::Result(result)) => result,
        Ok(Event::Session(_)) => return spoken(hangup_document()),
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let Ok(event) = event.parse::<CallEvent>() else { return spoken(hangup_document()) };
    let pressed = event == CallEvent::Continue && result.was_pressed(KEY);
    let session = result.session_id.as_deref().unwrap_or_default();
    let time = proved.settings.decision_time * PATIENCE_FOR_CODES;
    let followed = proved.app.code_event(code, session, pressed, undelivered(event, &result));
    spoken(match tokio::time::timeout(time, followed).await {
        Ok(Ok(Some(sentence))) => say_document(&sentence),
        Ok(Ok(None)) => hangup_document(),
        Ok(Err(error)) => {
            tracing::error!(%error, "a code was not said");
            hangup_document()
        }
        Err(_) => {
            tracing::error!("a code that was to be said took too long");
            hangup_document()
        }
    })
}

fn told(event: CallEvent, result: &CallResult, picked_up: Option<PickedUp>) -> Option<Ending> {
    let answer = picked_up
        .map(|picked_up| CallResult { session_duration: picked_up.session_seconds, ..CallResult::default() });
    ending(event, result, answer.as_ref())
}
