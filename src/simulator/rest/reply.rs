//! How the REST API answers: the documented statuses and bodies.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::simulator::account::{Account, Refusal};
use crate::simulator::switchboard::Switchboard;

/// A result as an answer.
pub(crate) fn answer(result: Result<Value, Refusal>) -> HttpResponse {
    match result {
        Ok(body) => HttpResponse::Ok().json(body),
        Err(refusal) => refused(&refusal),
    }
}

/// A refusal as an answer.
pub(crate) fn refused(refusal: &Refusal) -> HttpResponse {
    let status = match refusal {
        Refusal::Invalid(_) => StatusCode::BAD_REQUEST,
        Refusal::NotAllowed(_) => StatusCode::FORBIDDEN,
        Refusal::NotFound => StatusCode::NOT_FOUND,
        Refusal::NoneFree => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::State(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    HttpResponse::build(status).json(json!({"error": refusal.to_string()}))
}

/// Wrong user or password: the recorded answer has no body.
pub(crate) fn unauthorized() -> HttpResponse {
    HttpResponse::Unauthorized().insert_header(("www-authenticate", "Basic realm=\"Tropo\"")).finish()
}

/// A path that the API does not have.
pub(crate) async fn nothing_here() -> HttpResponse {
    refused(&Refusal::NotFound)
}

/// What a successful deletion says.
pub(crate) fn deleted() -> Value {
    json!({"message": "delete successful"})
}

/// A change of the account, made durable before it is answered.
pub(crate) fn change(
    board: &Switchboard,
    change: impl FnOnce(&mut Account) -> Result<Value, Refusal>,
) -> HttpResponse {
    answer(board.account.change(change))
}

/// The address of a resource, with the path that the replies of Tropo's last years had.
pub(crate) fn href(board: &Switchboard, path: &str) -> String {
    format!("http://{}/rest/v1/{path}", board.address)
}

/// The number of an application in a path; one that is none cannot be found.
pub(crate) fn id(segment: &str) -> Result<u32, Refusal> {
    segment.parse().map_err(|_| Refusal::NotFound)
}
