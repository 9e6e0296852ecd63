//! `/exchanges`: the areas in which numbers can be had, which is no promise that one is free.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::reply::{self, href};
use crate::simulator::account::Refusal;
use crate::simulator::stock::{self, Area};
use crate::simulator::switchboard::Switchboard;

/// The number of the first exchange.
const FIRST_ID: usize = 2001;

/// `GET /exchanges`
pub(crate) async fn list(board: Data<Switchboard>) -> HttpResponse {
    let all = stock::areas().iter().enumerate().map(|(at, area)| object(&board, at, area));
    reply::answer(Ok(all.collect()))
}

/// `GET /exchanges/{id}`
pub(crate) async fn show(board: Data<Switchboard>, path: Path<usize>) -> HttpResponse {
    let at = path.checked_sub(FIRST_ID).unwrap_or(usize::MAX);
    let found = stock::areas().get(at).map(|area| object(&board, at, area));
    reply::answer(found.ok_or(Refusal::NotFound))
}

/// An exchange as it was recorded in 2016, with the description of 2011.
fn object(board: &Switchboard, at: usize, area: &Area) -> Value {
    let id = at + FIRST_ID;
    let mut object = json!({
        "id": id,
        "href": href(board, &format!("exchanges/{id}")),
        "prefix": area.prefix,
        "areaCode": area.area_code(),
        "country": area.country,
        "countryDialingCode": area.calling_code(),
        "description": description(area),
        "tollFree": area.toll_free(),
        "smsEnabled": area.texts(),
        "requiresVerification": false,
        "amountNumbersToOrder": 25,
        "minNumbersInExchange": 10,
    });
    if !area.toll_free() {
        object["city"] = json!(area.city);
        object["state"] = json!(area.state);
    }
    object
}

fn description(area: &Area) -> &'static str {
    match (area.toll_free(), area.texts()) {
        (true, _) => "Toll Free Phone Number",
        (false, true) => "Phone Number w/ SMS",
        (false, false) => "International Phone Number",
    }
}
