//! The metrics, on a listener of their own: nobody who comes by the public one reads them.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::{App as Service, HttpResponse, dev::Server, web};

use super::connections::Pace;
use super::listener::{self, Bounds};
use crate::app::App;
use crate::metrics::MEDIA_TYPE;

/// Scrapes are few, and each waits for the database.
const WORKERS: usize = 1;
/// Whoever scrapes keeps one.
const CONNECTIONS: usize = 32;

/// Serves `/metrics`, and nothing else, on a listening socket.
pub fn serve(listener: TcpListener, app: Arc<App>) -> std::io::Result<Server> {
    let bounds =
        Bounds { workers: WORKERS, connections: CONNECTIONS, pace: Pace::of(&app.settings().limits) };
    let app = web::Data::from(app);
    listener::serve(listener.into(), bounds, Arc::default(), Arc::new(|| ()), move || {
        Service::new().app_data(app.clone()).route("/metrics", web::get().to(scrape))
    })
}

async fn scrape(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().content_type(MEDIA_TYPE).body(app.scrape().await)
}
