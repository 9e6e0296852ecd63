//! The measure of the webhook: an actix handler that parses the same JSON and answers a constant.
//!
//! Knows nothing of Maskline.

use std::net::{SocketAddr, TcpListener};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;

/// The few fields that the webhook reads of a call.
#[derive(Deserialize)]
struct Body {
    session: Session,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    id: String,
    account_id: String,
    to: Party,
    from: Party,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Party {
    id: String,
    e164_id: String,
}

async fn constant(body: web::Json<Body>, document: web::Data<String>) -> HttpResponse {
    let Session { id, account_id, to, from } = &body.session;
    if [id, account_id, &to.id, &to.e164_id, &from.id, &from.e164_id].iter().any(|field| field.is_empty()) {
        return HttpResponse::BadRequest().finish();
    }
    HttpResponse::Ok().content_type("application/json; charset=utf-8").body(document.as_str().to_owned())
}

/// Starts it; it answers every session with the document.
pub(crate) fn serve(document: &str, workers: usize) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let document = web::Data::new(document.to_owned());
    let service =
        move || App::new().app_data(document.clone()).route("/tropo/transfer", web::post().to(constant));
    tokio::spawn(HttpServer::new(service).workers(workers).disable_signals().listen(listener)?.run());
    Ok(address)
}
