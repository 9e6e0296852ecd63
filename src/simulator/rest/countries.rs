//! `/countries`: where numbers can be had, with the states of those that have some.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::reply::{self, href};
use crate::simulator::account::Refusal;
use crate::simulator::stock;
use crate::simulator::switchboard::Switchboard;

/// The number of the first country.
const FIRST_ID: usize = 36;

/// `GET /countries`
pub(crate) async fn list(board: Data<Switchboard>) -> HttpResponse {
    let object = |(at, name): (usize, &str)| {
        let path = format!("countries/{}", FIRST_ID + at);
        let mut object = json!({
            "id": (FIRST_ID + at).to_string(),
            "name": name,
            "code": code(name),
            "href": href(&board, &path),
        });
        if !states(name).is_empty() {
            object["states"] = json!(href(&board, &format!("{path}/states")));
        }
        object
    };
    reply::answer(Ok(countries().into_iter().enumerate().map(object).collect()))
}

/// `GET /countries/{id}/states`
pub(crate) async fn list_states(board: Data<Switchboard>, path: Path<usize>) -> HttpResponse {
    let country = path.checked_sub(FIRST_ID).and_then(|at| countries().into_iter().nth(at));
    let object = |(at, code): (usize, &str)| -> Value {
        let id = at + 1;
        let path = format!("countries/{path}/states/{id}");
        json!({"id": id.to_string(), "name": code, "code": code, "href": href(&board, &path)})
    };
    let listed = |country| states(country).into_iter().enumerate().map(object).collect();
    reply::answer(country.map(listed).ok_or(Refusal::NotFound))
}

fn countries() -> BTreeSet<&'static str> {
    stock::areas().iter().map(|area| area.country).collect()
}

fn states(country: &str) -> BTreeSet<&'static str> {
    let areas = stock::areas().iter().filter(|area| area.country == country && !area.state.is_empty());
    areas.map(|area| area.state).collect()
}

fn code(country: &str) -> &'static str {
    match country {
        "Canada" => "CA",
        "United Kingdom" => "GB",
        _ => "US",
    }
}
