//! The simulator's pages for people: place calls and texts, see what happens, read the mail.
//!
//! Every page works without JavaScript: a call is then carried out at once and its story shown. It must not
//! know more than scripts do: it asks the same functions.

mod frame;
mod home;
mod mail;
mod phone;
mod story;
#[cfg(test)]
mod tests;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Path, ServiceConfig};
use askama::Template;
use chrono::{DateTime, Utc};

use self::frame::Frame;
use super::account::Action;
use super::stock;
use super::switchboard::Switchboard;
use crate::domain::phone::PhoneNumber;

/// The routes for people.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(home::show))
        .route("/calls", web::post().to(home::call))
        .route("/texts", web::post().to(home::text))
        .route("/calls/{id}", web::get().to(story::show))
        .route("/calls/{id}/story", web::get().to(story::fragment))
        .route("/calls/{id}/hangup", web::post().to(story::hang_up))
        .route("/calls/{id}/keys", web::post().to(story::press))
        .route("/phones", web::get().to(phone::fragment))
        .route("/phones/{number}", web::get().to(phone::show))
        .route("/phones/{number}", web::post().to(phone::behave))
        .route("/mail", web::get().to(mail::show))
        .route("/ledger", web::get().to(ledger))
        .route("/faults/clear", web::post().to(clear_faults))
        .route("/simulator/static/{file}", web::get().to(file))
        .default_service(web::to(nowhere));
}

/// A page.
fn page(template: &impl Template) -> HttpResponse {
    page_with(StatusCode::OK, template)
}

fn page_with(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(html),
        Err(error) => {
            tracing::error!(%error, "a page of the simulator could not be made");
            HttpResponse::InternalServerError().body("This page could not be made.")
        }
    }
}

/// Off to another page, by GET.
fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// A number as people read it; anything else as it is.
fn grouped(address: &str) -> String {
    PhoneNumber::from_e164(address).map_or_else(|| address.to_owned(), |number| number.grouped())
}

/// A moment as a page writes it; the script turns it into the reader's own time.
struct Moment {
    exact: String,
    text: String,
}

impl Moment {
    fn new(at: DateTime<Utc>) -> Self {
        Self { exact: at.to_rfc3339(), text: at.format("%-d %b %H:%M:%S UTC").to_string() }
    }
}

#[derive(Template)]
#[template(path = "simulator/ledger.html")]
struct LedgerPage {
    frame: Frame,
    rented: usize,
    entries: Vec<Entry>,
}

struct Entry {
    at: Moment,
    bought: bool,
    number: String,
    place: String,
    application: String,
}

async fn ledger(board: Data<Switchboard>) -> HttpResponse {
    let rented = super::scripts::rented(&board).len();
    let entries = board.account.read(|account| {
        let name = |id: &str| {
            let application = id.parse().ok().and_then(|id| account.application(id).ok());
            application.map_or_else(|| format!("application {id}"), |application| application.name.clone())
        };
        let entry = |entry: &super::account::Entry| Entry {
            at: Moment::new(entry.at),
            bought: entry.action == Action::Purchase,
            number: grouped(&entry.number),
            place: place(&entry.number),
            application: name(&entry.application),
        };
        account.ledger.iter().rev().map(entry).collect()
    });
    page(&LedgerPage { frame: Frame::of(&board, "ledger"), rented, entries })
}

/// Where a number of the stock is.
fn place(number: &str) -> String {
    match stock::area_of(number) {
        Some(area) if area.state.is_empty() => format!("{}, {}", area.city, area.country),
        Some(area) => format!("{}, {}", area.city, area.state),
        None => String::new(),
    }
}

async fn clear_faults(board: Data<Switchboard>) -> HttpResponse {
    board.faults_mut(Vec::clear);
    see("/")
}

async fn file(path: Path<String>) -> HttpResponse {
    let (kind, content) = match path.as_str() {
        "simulator.css" => {
            ("text/css; charset=utf-8", include_str!("../../../static/simulator/simulator.css"))
        }
        "simulator.js" => {
            ("text/javascript; charset=utf-8", include_str!("../../../static/simulator/simulator.js"))
        }
        "icon.svg" => ("image/svg+xml", include_str!("../../../static/simulator/icon.svg")),
        _ => return HttpResponse::NotFound().finish(),
    };
    HttpResponse::Ok().content_type(kind).insert_header((header::CACHE_CONTROL, "no-cache")).body(content)
}

#[derive(Template)]
#[template(path = "simulator/nowhere.html")]
struct NowherePage {
    frame: Frame,
}

async fn nowhere(board: Data<Switchboard>) -> HttpResponse {
    page_with(StatusCode::NOT_FOUND, &NowherePage { frame: Frame::of(&board, "") })
}
