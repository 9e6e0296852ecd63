//! `/simulator/faults`: which faults are switched on.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data};
use serde_json::json;

use super::faults::Fault;
use super::scripts::unprocessable;
use super::switchboard::Switchboard;

/// `GET /simulator/faults`
pub(crate) async fn list(board: Data<Switchboard>) -> HttpResponse {
    HttpResponse::Ok().json(board.faults_mut(|faults| faults.clone()))
}

/// `POST /simulator/faults`: switches one more on.
pub(crate) async fn add(board: Data<Switchboard>, body: Bytes) -> HttpResponse {
    let fault: Fault = match serde_json::from_slice(&body) {
        Ok(fault) => fault,
        Err(error) if error.is_data() => return unprocessable(&error.to_string()),
        Err(_) => return HttpResponse::BadRequest().json(json!({"error": "The body is not JSON."})),
    };
    if let Err(why) = fault.check() {
        return unprocessable(why);
    }
    board.faults_mut(|faults| faults.push(fault.clone()));
    HttpResponse::Created().json(fault)
}

/// `DELETE /simulator/faults`: switches all off.
pub(crate) async fn clear(board: Data<Switchboard>) -> HttpResponse {
    board.faults_mut(Vec::clear);
    HttpResponse::NoContent().finish()
}
