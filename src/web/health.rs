//! Whether we live, and whether we are ready: a bare word each.

use actix_web::{HttpResponse, web};

use super::running::Traffic;
use crate::app::App;

pub(super) async fn healthz() -> HttpResponse {
    word(HttpResponse::Ok(), "ok")
}

pub(super) async fn readyz(app: web::Data<App>, traffic: web::Data<Traffic>) -> HttpResponse {
    if !traffic.is_ending() && app.is_ready().await {
        word(HttpResponse::Ok(), "ready")
    } else {
        word(HttpResponse::ServiceUnavailable(), "not ready")
    }
}

fn word(mut answer: actix_web::HttpResponseBuilder, word: &'static str) -> HttpResponse {
    answer.content_type("text/plain; charset=utf-8").insert_header(("cache-control", "no-store")).body(word)
}
