//! `/addresses`: what leads to an application, and which numbers are to be had.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::reply::{self, change, href, id};
use crate::domain::phone::PhoneNumber;
use crate::simulator::account::{Account, Address, Application, Refusal};
use crate::simulator::fields::Fields;
use crate::simulator::stock::{self, Area};
use crate::simulator::switchboard::{Switchboard, launch_token};

/// How many free numbers one listing shows at most.
const LISTED: usize = 250;

/// `GET /applications/{id}/addresses`
pub(crate) async fn list(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    reply::answer(board.account.read(|account| {
        let application = account.application(id(&path)?)?;
        Ok(application.addresses.iter().map(|address| object(&board, application, address)).collect())
    }))
}

/// `GET /applications/{id}/addresses/{type}`
pub(crate) async fn list_kind(board: Data<Switchboard>, path: Path<(String, String)>) -> HttpResponse {
    let (application, kind) = path.into_inner();
    reply::answer(board.account.read(|account| {
        let application = account.application(id(&application)?)?;
        let of_kind = application.addresses.iter().filter(|address| address.kind == kind);
        Ok(of_kind.map(|address| object(&board, application, address)).collect())
    }))
}

/// `POST /applications/{id}/addresses`: buys a number, makes a token, adds an account of a messenger.
pub(crate) async fn create(
    board: Data<Switchboard>,
    path: Path<String>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let fields = match Fields::read(&request, &body) {
        Ok(fields) => fields,
        Err(refusal) => return reply::refused(&refusal),
    };
    change(&board, |account| {
        let id = id(&path)?;
        account.application(id)?;
        let kind = fields.require("type")?.to_ascii_lowercase();
        let (kind, value) = match kind.as_str() {
            "number" | "did" => ("number", buy(&board, account, id, &fields)?),
            "token" => ("token", make_token(account, id, &fields)?),
            messenger => (messenger, add_messenger(account, id, messenger, &fields)?),
        };
        Ok(json!({"href": href(&board, &format!("applications/{id}/addresses/{kind}/{value}"))}))
    })
}

fn buy(board: &Switchboard, account: &mut Account, id: u32, fields: &Fields) -> Result<String, Refusal> {
    let now = board.clock.now();
    if let Some(number) = fields.get("number") {
        let number = e164(number).ok_or_else(|| Refusal::Invalid("number is not a phone number".into()))?;
        return account.buy_number(id, &number, now);
    }
    let prefix = fields.require("prefix")?;
    if !prefix.bytes().all(|byte| byte.is_ascii_digit()) || prefix.len() > 7 {
        let text = "prefix must be the digits of a country code and an area code";
        return Err(Refusal::Invalid(text.into()));
    }
    account.buy_by_prefix(id, prefix, now)
}

fn make_token(account: &mut Account, id: u32, fields: &Fields) -> Result<String, Refusal> {
    let channel = fields.require("channel")?.to_ascii_lowercase();
    if !matches!(channel.as_str(), "voice" | "messaging") {
        return Err(Refusal::Invalid("channel must be 'voice' or 'messaging'".into()));
    }
    let token = launch_token();
    account.attach(id, Address { kind: "token".into(), value: token.clone(), channel: Some(channel) })?;
    Ok(token)
}

fn add_messenger(account: &mut Account, id: u32, kind: &str, fields: &Fields) -> Result<String, Refusal> {
    if !matches!(kind, "jabber" | "aim" | "msn" | "yahoo" | "gtalk") {
        return Err(Refusal::Invalid("type is not one that can be added".into()));
    }
    let name = fields.require("username")?.to_owned();
    if kind != "jabber" {
        fields.require("password")?;
    }
    account.attach(id, Address { kind: kind.to_owned(), value: name.clone(), channel: None })?;
    Ok(name)
}

/// `GET /applications/{id}/addresses/{type}/{value}`
pub(crate) async fn show(board: Data<Switchboard>, path: Path<(String, String, String)>) -> HttpResponse {
    let (application, kind, value) = path.into_inner();
    reply::answer(board.account.read(|account| {
        let application = account.application(id(&application)?)?;
        let value = written(&kind, &value);
        let mut addresses = application.addresses.iter();
        let found = addresses.find(|address| address.kind == kind && address.value == value);
        found.map(|address| object(&board, application, address)).ok_or(Refusal::NotFound)
    }))
}

/// `POST /applications/{id}/addresses/{type}/{value}`: the second half of a move.
pub(crate) async fn attach(board: Data<Switchboard>, path: Path<(String, String, String)>) -> HttpResponse {
    let (application, kind, value) = path.into_inner();
    let now = board.clock.now();
    change(&board, |account| {
        let id = id(&application)?;
        if kind != "number" {
            return Err(Refusal::Invalid("only numbers can be moved".into()));
        }
        let number = account.buy_number(id, &written(&kind, &value), now)?;
        Ok(json!({"href": href(&board, &format!("applications/{id}/addresses/number/{number}"))}))
    })
}

/// `DELETE /applications/{id}/addresses/{type}/{value}`
pub(crate) async fn delete(board: Data<Switchboard>, path: Path<(String, String, String)>) -> HttpResponse {
    let (application, kind, value) = path.into_inner();
    let now = board.clock.now();
    change(&board, |account| {
        account.detach(id(&application)?, &kind, &written(&kind, &value), now)?;
        Ok(reply::deleted())
    })
}

/// `GET /addresses`: all addresses of the account, or with `available` the numbers that are to be had.
pub(crate) async fn of_account(board: Data<Switchboard>, request: HttpRequest) -> HttpResponse {
    let query = Fields::from_form(request.query_string().as_bytes());
    reply::answer(Ok(Value::Array(listed(&board, &query))))
}

fn listed(board: &Switchboard, query: &Fields) -> Vec<Value> {
    let available = query.all().any(|(name, value)| name == "available" && value != "false");
    board
        .account
        .read(|account| if available { free(board, account, query) } else { everything(board, account) })
}

/// `GET /addresses/{type}`: those of the account that are of one type, or with `available` the numbers to be had.
pub(crate) async fn kind_of_account(
    board: Data<Switchboard>,
    path: Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let query = Fields::from_form(format!("{}&type={path}", request.query_string()).as_bytes());
    let mut list = listed(&board, &query);
    list.retain(|address| address["type"] == *path);
    reply::answer(Ok(Value::Array(list)))
}

/// All addresses of the account, as the listing of an application would show them if it were not its own alone.
pub(crate) fn every_address(board: &Switchboard) -> Vec<Value> {
    board.account.read(|account| everything(board, account))
}

fn everything(board: &Switchboard, account: &Account) -> Vec<Value> {
    account
        .applications()
        .flat_map(|application| application.addresses.iter().map(move |address| (application, address)))
        .map(|(application, address)| object(board, application, address))
        .collect()
}

fn free(board: &Switchboard, account: &Account, query: &Fields) -> Vec<Value> {
    if query.get("type").is_some_and(|kind| !kind.eq_ignore_ascii_case("number")) {
        return Vec::new();
    }
    let free = account.free(query.get("prefix").unwrap_or_default()).into_iter().take(LISTED);
    free.map(|number| number_object(board, &number)).collect()
}

/// `GET /addresses/number/{number}`
pub(crate) async fn number_of_account(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let number = written("number", &path);
    reply::answer(board.account.read(|account| {
        let holder = account.holder(&number).ok_or(Refusal::NotFound)?;
        let address = Address { kind: "number".into(), value: number.clone(), channel: None };
        Ok(object(&board, holder, &address))
    }))
}

/// An address as the listings show it.
fn object(board: &Switchboard, application: &Application, address: &Address) -> Value {
    let Address { kind, value, channel } = address;
    let application = href(board, &format!("applications/{}", application.id));
    let mut object = match kind.as_str() {
        "number" => number_object(board, value),
        "sip" => json!({"address": value}),
        "skype" => json!({"number": value}),
        "token" => json!({"token": value, "channel": channel}),
        _ => json!({"username": value, "nickname": ""}),
    };
    object["type"] = json!(kind);
    object["href"] = json!(format!("{application}/addresses/{kind}/{value}"));
    object["application"] = json!(application);
    object
}

/// A number as it was recorded among the available ones in 2016.
fn number_object(board: &Switchboard, number: &str) -> Value {
    let mut object = json!({
        "type": "number",
        "number": number,
        "displayNumber": PhoneNumber::from_e164(number).map(|number| number.grouped()),
        "href": href(board, &format!("addresses/number/{number}")),
        "subscriber": false,
    });
    if let Some(Area { prefix, city, state, country, .. }) = stock::area_of(number) {
        object["prefix"] = json!(prefix);
        object["city"] = json!(city);
        object["state"] = json!(state);
        object["country"] = json!(country);
        object["smsEnabled"] = json!(stock::area_of(number).is_some_and(Area::texts));
    }
    object
}

/// The value of a path as addresses hold it: numbers in E.164, however they were written.
fn written(kind: &str, value: &str) -> String {
    let number = (kind == "number").then(|| e164(value)).flatten();
    number.unwrap_or_else(|| value.to_owned())
}

/// Ten digits are a number of North America; else the country code stands first, with a plus or without.
fn e164(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let full =
        if digits.len() == 10 && !text.trim_start().starts_with('+') { format!("1{digits}") } else { digits };
    PhoneNumber::from_e164(&format!("+{full}")).map(|number| number.e164())
}
