//! HTTP in, HTML out; and the carrier's webhook, JSON both ways.
//!
//! Builds the server: the command line and the tests do it by the same function. Decides nothing that `app` decides.

mod account;
mod address;
mod admin;
mod assets;
mod connections;
mod device;
mod error;
mod flash;
mod forms;
mod guard;
mod headers;
mod health;
mod home;
mod listener;
mod masks;
pub mod metrics;
mod numbers;
mod origin;
mod page;
mod routes;
mod running;
mod sent_letter;
mod session;
mod sign_in;
mod tropo;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use actix_web::cookie::{Cookie, CookieBuilder, SameSite};
use actix_web::{App as Service, web};
use url::Url;

use crate::app::App;
use crate::carrier::tropo::webhook::{Network, Proof};

pub use listener::{Listener, Listeners};
pub use routes::ROUTES;
pub use running::{Ending, Running};

use connections::{OnEviction, Pace};
use listener::Bounds;
use running::Traffic;

/// What the server needs to know.
#[derive(Clone)]
pub struct Settings {
    /// Where people reach us; decides whether cookies are for https alone.
    pub public_url: Url,
    /// Whose word on where a request came from counts.
    pub trusted_proxies: Vec<Network>,
    /// What the carrier's requests have to show.
    pub webhook: Proof,
    /// Where the simulator is, in development.
    pub simulator_url: Option<String>,
    /// How many threads answer requests.
    pub workers: usize,
    /// How many connections there may be; where there is no room for another, one of those that are not the carrier's goes.
    pub connections: usize,
    /// How long a call waits for its decision until it is told that we are not available.
    pub decision_time: Duration,
}

impl Settings {
    fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// What a cookie of ours is called: behind https bound to the host.
    fn cookie_name(&self, name: &str) -> String {
        if self.is_https() { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// A cookie of ours, as strict as all are.
    fn cookie(&self, name: &str, value: impl Into<Cow<'static, str>>) -> CookieBuilder<'static> {
        Cookie::build(self.cookie_name(name), value)
            .path("/")
            .secure(self.is_https())
            .http_only(true)
            .same_site(SameSite::Lax)
    }
}

/// The share of connections that the carrier has where it comes in by a socket of its own.
const CARRIERS_SHARE: usize = 4;

/// Serves the product on its listening sockets, until the server is told to stop.
pub fn serve(listeners: impl Into<Listeners>, app: Arc<App>, settings: Settings) -> std::io::Result<Running> {
    let Listeners { pages, webhook } = listeners.into();
    let traffic = Arc::<Traffic>::default();
    let carriers = if webhook.is_some() { settings.connections / CARRIERS_SHARE } else { 0 };
    let bounds = |connections| Bounds {
        workers: settings.workers,
        connections,
        pace: Pace::of(&app.settings().limits),
    };
    let (of_pages, of_webhook) = (bounds(settings.connections - carriers), bounds(carriers));
    let on_eviction: OnEviction = {
        let app = app.clone();
        Arc::new(move || app.metrics().connection_evicted())
    };
    let (app, settings) = (web::Data::from(app), web::Data::new(settings));
    let shared = (app.clone(), settings.clone(), web::Data::from(traffic.clone()));
    let with_shared = move |service: &mut web::ServiceConfig| {
        let (app, settings, traffic) = shared.clone();
        service.app_data(app).app_data(settings).app_data(traffic);
    };
    let with_shared_too = with_shared.clone();
    let mut servers =
        vec![listener::serve(pages, of_pages, traffic.clone(), on_eviction.clone(), move || {
            let routes = |service: &mut web::ServiceConfig| routes::routes(service, &app, &settings);
            Service::new().configure(&with_shared).configure(routes)
        })?];
    if let Some(webhook) = webhook {
        servers.push(listener::serve(webhook, of_webhook, traffic.clone(), on_eviction, move || {
            Service::new().configure(&with_shared_too).configure(routes::carriers_alone)
        })?);
    }
    Ok(Running::new(servers, traffic))
}
