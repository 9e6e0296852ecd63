//! The simulator for scripts: place calls and texts, and see what arrived where.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use super::engine::parties::Party;
use super::engine::script::{Answer, Script};
use super::engine::signals::are_keys;
use super::phones::{Behaviour, Phones, codes};
use super::stock;
use super::switchboard::Switchboard;
use super::{engine, events, fault_list, keypad, mailbox};
use crate::domain::phone::PhoneNumber;

/// The longest that two may talk: a session lives 4 hours at most.
const LONGEST_TALK: u32 = 4 * 3600;
/// The longest text, in characters.
const LONGEST_TEXT: usize = 1600;

/// The routes for scripts.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/healthz", web::get().to(healthy))
        .service(web::resource("/simulator/calls").route(web::post().to(call)).route(web::get().to(traces)))
        .service(web::resource("/simulator/calls/{id}").route(web::get().to(trace)))
        .service(web::resource("/simulator/calls/{id}/hangup").route(web::post().to(hang_up)))
        .service(web::resource("/simulator/calls/{id}/keys").route(web::post().to(keypad::pressed)))
        .service(web::resource("/simulator/texts").route(web::post().to(text)))
        .service(
            web::resource("/simulator/phones/{number}")
                .route(web::get().to(phone))
                .route(web::put().to(behave)),
        )
        .service(web::resource("/simulator/mail/{address}").route(web::get().to(mail)))
        .service(web::resource("/simulator/ledger").route(web::get().to(ledger)))
        .service(web::resource("/simulator/masks").route(web::get().to(masks)))
        .service(web::resource("/simulator/stock/{prefix}").route(web::put().to(set_stock)))
        .service(web::resource("/simulator/events").route(web::get().to(events::watch)))
        .service(
            web::resource("/simulator/faults")
                .route(web::get().to(fault_list::list))
                .route(web::post().to(fault_list::add))
                .route(web::delete().to(fault_list::clear)),
        );
}

async fn healthy() -> &'static str {
    "ok"
}

/// A call as scripts and the page ask for it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CallRequest {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) answer: Option<String>,
    pub(crate) seconds: Option<u32>,
    /// What the caller presses, one entry for each question.
    pub(crate) caller_presses: Vec<String>,
    /// What the other side presses.
    pub(crate) callee_presses: Vec<String>,
    /// The key that the caller presses two seconds after a transfer begins to ring, as `*` ends one of Maskline's, or a
    /// question, a recording or a conference to go on.
    pub(crate) caller_key: Option<String>,
    /// Whether to take real time, and answer before it is over.
    pub(crate) live: bool,
}

impl CallRequest {
    /// Who calls whom and how it goes, or why it cannot go so.
    pub(crate) fn check(self) -> Result<(Party, PhoneNumber, Script), String> {
        let answer = match self.answer.as_deref() {
            None | Some("") => None,
            Some(name) => Some(Answer::named(name).ok_or_else(no_such_answer)?),
        };
        if self.seconds.is_some_and(|seconds| seconds > LONGEST_TALK) {
            return Err(format!("\"seconds\" is at most {LONGEST_TALK}."));
        }
        let caller_key = match self.caller_key.as_deref() {
            None | Some("") => None,
            Some(key) if key.len() == 1 && are_keys(key) => key.chars().next(),
            Some(_) => return Err("\"caller_key\" is one of the keys 0 to 9, * and #.".to_owned()),
        };
        let script = Script {
            caller_key,
            answer,
            seconds: self.seconds,
            caller_presses: self.caller_presses,
            callee_presses: self.callee_presses,
            live: self.live,
        };
        Ok((caller(&self.from)?, number(&self.to, "to")?, script))
    }
}

fn no_such_answer() -> String {
    let names = Answer::ALL.map(|(_, name, _)| name).join(", ");
    format!("\"answer\" is one of {names}.")
}

fn caller(text: &str) -> Result<Party, String> {
    Party::read(text).ok_or_else(|| {
        "\"from\" is a number such as +14155550123, \"Unknown\" for a hidden caller, or a sip: address."
            .to_owned()
    })
}

fn number(text: &str, field: &str) -> Result<PhoneNumber, String> {
    match Party::read(text) {
        Some(Party::Number(number)) => Ok(number),
        _ => Err(format!("\"{field}\" is a number with its country code, such as +14075550150.")),
    }
}

/// `POST /simulator/calls`
async fn call(board: Data<Switchboard>, body: Bytes) -> HttpResponse {
    let (from, to, script) = match read::<CallRequest>(&body).and_then(|wanted| Ok(wanted.check()?)) {
        Ok(call) => call,
        Err(refusal) => return refusal.into(),
    };
    let live = script.live;
    let story = engine::place_call(board.into_inner(), from, to, script);
    if live {
        return HttpResponse::Accepted().json(story.record.trace());
    }
    HttpResponse::Created().json(story.end().await)
}

/// A text as scripts and the page ask for it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TextRequest {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) live: bool,
}

impl TextRequest {
    /// Who texts whom what, or why it cannot be sent.
    pub(crate) fn check(self) -> Result<(Party, PhoneNumber, String), String> {
        let length = self.text.chars().count();
        if length == 0 || length > LONGEST_TEXT {
            return Err(format!("\"text\" has between 1 and {LONGEST_TEXT} characters."));
        }
        Ok((caller(&self.from)?, number(&self.to, "to")?, self.text))
    }
}

/// `POST /simulator/texts`
async fn text(board: Data<Switchboard>, body: Bytes) -> HttpResponse {
    let checked = read::<TextRequest>(&body).and_then(|wanted| {
        let live = wanted.live;
        Ok((wanted.check()?, live))
    });
    let ((from, to, text), live) = match checked {
        Ok(text) => text,
        Err(refusal) => return refusal.into(),
    };
    let story = engine::send_text(board.into_inner(), from, to, text, live);
    if live {
        return HttpResponse::Accepted().json(story.record.trace());
    }
    HttpResponse::Created().json(story.end().await)
}

/// `GET /simulator/calls`: the latest stories, the newest first.
async fn traces(board: Data<Switchboard>) -> HttpResponse {
    HttpResponse::Ok().json(board.traces())
}

/// `GET /simulator/calls/{id}`
async fn trace(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    board.trace(&path).map_or_else(nothing_here, |trace| HttpResponse::Ok().json(trace))
}

/// `POST /simulator/calls/{id}/hangup`: the caller hangs up.
async fn hang_up(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let session = board.trace(&path).and_then(|trace| trace.session);
    match session.and_then(|session| board.session(&session)) {
        Some(signals) => {
            signals.hang_up();
            HttpResponse::Accepted().finish()
        }
        None => nothing_here(),
    }
}

/// `GET /simulator/phones/{number}`
async fn phone(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    match phone_name(&path) {
        Ok(phone) => HttpResponse::Ok().json(board.phones(|phones| phone_view(phones, &phone))),
        Err(why) => unprocessable(&why),
    }
}

fn phone_name(text: &str) -> Result<String, String> {
    match caller(text)? {
        Party::Hidden => Err("A hidden number has no phone to look at.".to_owned()),
        party => Ok(party.shown()),
    }
}

/// All that a phone received, the latest first; what it placed stands apart.
pub(crate) fn phone_view(phones: &Phones, phone: &str) -> Value {
    let calls = phones.calls(phone).filter(|call| call.received).map(|call| {
        json!({
            "at": call.at, "from": call.other, "outcome": call.outcome,
            "seconds": call.seconds, "heard": call.heard,
        })
    });
    let placed = phones.calls(phone).filter(|call| !call.received).map(|call| {
        json!({
            "at": call.at, "to": call.other, "outcome": call.outcome,
            "seconds": call.seconds, "heard": call.heard,
        })
    });
    let texts = |received: bool, other: &'static str| {
        let texts = phones.texts(phone).filter(move |text| text.received == received);
        texts.map(|text| json!({"at": text.at, other: text.other, "text": text.text})).collect::<Vec<_>>()
    };
    json!({
        "number": phone,
        "behaviour": phones.behaviour(phone),
        "calls": calls.collect::<Vec<_>>(),
        "placed": placed.collect::<Vec<_>>(),
        "texts": texts(true, "from"),
        "sent": texts(false, "to"),
        "codes": latest_codes(phones, phone),
    })
}

/// The codes that were spoken or texted to a phone, the latest first.
pub(crate) fn latest_codes(phones: &Phones, phone: &str) -> Vec<String> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for call in phones.calls(phone).filter(|call| call.received) {
        let spoken = call.heard.iter().flat_map(|sentence| codes(sentence));
        found.entry(call.at).or_default().extend(spoken);
    }
    for text in phones.texts(phone).filter(|text| text.received) {
        found.entry(text.at).or_default().extend(codes(&text.text));
    }
    let mut codes: Vec<String> = found.into_values().rev().flatten().collect();
    codes.dedup();
    codes
}

/// `PUT /simulator/phones/{number}`: what the phone does when it rings.
async fn behave(board: Data<Switchboard>, path: Path<String>, body: Bytes) -> HttpResponse {
    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Wanted {
        answer: Option<String>,
        seconds: Option<u32>,
        presses: Option<Vec<String>>,
    }
    let checked = read::<Wanted>(&body).and_then(|wanted| {
        let phone = phone_name(&path)?;
        let mut behaviour = board.phones(|phones| phones.behaviour(&phone));
        if let Some(answer) = wanted.answer {
            behaviour.answer = Answer::named(&answer).ok_or_else(no_such_answer)?;
        }
        behaviour.seconds = wanted.seconds.unwrap_or(behaviour.seconds).min(LONGEST_TALK);
        behaviour.presses = wanted.presses.or(behaviour.presses);
        Ok((phone, behaviour))
    });
    match checked {
        Ok((phone, behaviour)) => {
            let told: Behaviour = behaviour.clone();
            board.phones_mut(|phones| phones.behave(&phone, told));
            HttpResponse::Ok().json(behaviour)
        }
        Err(refusal) => refusal.into(),
    }
}

/// `GET /simulator/mail/{address}`
async fn mail(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let folder = board.settings.mail_dir.as_deref();
    HttpResponse::Ok().json(folder.map(|folder| mailbox::letters_to(folder, &path)).unwrap_or_default())
}

/// `GET /simulator/ledger`: every purchase and release, the oldest first.
async fn ledger(board: Data<Switchboard>) -> HttpResponse {
    HttpResponse::Ok().json(board.account.read(|account| account.ledger.clone()))
}

/// `GET /simulator/masks`: the numbers that lead to an application.
async fn masks(board: Data<Switchboard>) -> HttpResponse {
    HttpResponse::Ok().json(rented(&board).iter().map(rented_view).collect::<Vec<_>>())
}

fn rented_view((number, application): &(String, String)) -> Value {
    let city = stock::area_of(number).map(|area| area.city);
    json!({"number": number, "application": application, "city": city})
}

/// The numbers that lead to an application, with its name, the latest first.
pub(crate) fn rented(board: &Switchboard) -> Vec<(String, String)> {
    board.account.read(|account| {
        let mut rented = Vec::new();
        for application in account.applications() {
            let numbers = application.addresses.iter().filter(|address| address.kind == "number");
            rented.extend(numbers.map(|address| (address.value.clone(), application.name.clone())));
        }
        let bought = |number: &str| account.ledger.iter().rposition(|entry| entry.number == number);
        rented.sort_by_key(|(number, _)| std::cmp::Reverse(bought(number)));
        rented
    })
}

/// `PUT /simulator/stock/{prefix}`: how many numbers an area has, rented ones included.
async fn set_stock(board: Data<Switchboard>, path: Path<String>, body: Bytes) -> HttpResponse {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        numbers: usize,
    }
    let Some(area) = stock::areas().iter().find(|area| area.prefix == *path) else {
        return nothing_here();
    };
    let changed = read::<Wanted>(&body).map(|wanted| {
        board.account.change(|account| {
            account.set_stock(area, wanted.numbers);
            Ok::<_, super::KeepError>(account.stock_of(area))
        })
    });
    match changed {
        Ok(Ok(numbers)) => HttpResponse::Ok().json(json!({"prefix": area.prefix, "numbers": numbers})),
        Ok(Err(error)) => HttpResponse::InternalServerError().json(json!({"error": error.to_string()})),
        Err(refusal) => refusal.into(),
    }
}

/// Why a script's request is not done.
pub(crate) enum Refused {
    NotJson,
    Wrong(String),
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

impl From<Refused> for HttpResponse {
    fn from(refusal: Refused) -> Self {
        match refusal {
            Refused::NotJson => Self::BadRequest().json(json!({"error": "The body is not a JSON object."})),
            Refused::Wrong(why) => unprocessable(&why),
        }
    }
}

/// Reads a script's request.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body)
        .map_err(|error| if error.is_data() { Refused::Wrong(error.to_string()) } else { Refused::NotJson })
}

/// A request that is well formed and cannot be done.
pub(crate) fn unprocessable(why: &str) -> HttpResponse {
    HttpResponse::UnprocessableEntity().json(json!({"error": why}))
}

/// There is nothing of that name.
pub(crate) fn nothing_here() -> HttpResponse {
    HttpResponse::NotFound().json(json!({"error": "There is nothing here."}))
}
