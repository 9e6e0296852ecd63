//! The simulated phones, as people see them.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::frame::Frame;
use super::home::presses;
use super::{Moment, grouped, nowhere, page, see};
use crate::simulator::engine::parties::{HIDDEN, Party};
use crate::simulator::engine::script::Answer;
use crate::simulator::fields::Fields;
use crate::simulator::phones::{Behaviour, PhoneCall, PhoneText, Phones};
use crate::simulator::scripts::latest_codes;
use crate::simulator::switchboard::Switchboard;

/// How many phones the first page shows.
const SHOWN: usize = 6;
/// How many calls and texts a phone shows.
const LISTED: usize = 100;

/// A phone in short.
pub(super) struct Card {
    pub(super) number: String,
    pub(super) grouped: String,
    /// The last code that it received, in groups of three.
    pub(super) code: Option<String>,
    pub(super) last: Vec<Item>,
}

/// A call or a text of a phone.
pub(super) struct Item {
    pub(super) at: Moment,
    pub(super) kind: &'static str,
    pub(super) title: String,
    pub(super) lines: Vec<String>,
}

/// The phones that were used last.
pub(super) fn cards(board: &Switchboard) -> Vec<Card> {
    board.phones(|phones| phones.known().into_iter().take(SHOWN).map(|number| card(phones, number)).collect())
}

fn card(phones: &Phones, number: String) -> Card {
    Card {
        grouped: grouped(&number),
        code: latest_codes(phones, &number).first().map(|code| in_threes(code)),
        last: items(phones, &number, 2),
        number,
    }
}

/// The latest calls and texts of a phone.
fn items(phones: &Phones, number: &str, count: usize) -> Vec<Item> {
    let calls = phones.calls(number).take(count).map(|call| (call.at, of_call(call)));
    let texts = phones.texts(number).take(count).map(|text| (text.at, of_text(text)));
    let mut items: Vec<_> = calls.chain(texts).collect();
    items.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    items.into_iter().take(count).map(|(_, item)| item).collect()
}

fn of_call(call: &PhoneCall) -> Item {
    let other = if call.other == HIDDEN { "a hidden number".to_owned() } else { grouped(&call.other) };
    let title = match (call.received, call.outcome.as_str()) {
        (false, _) => format!("Called {other}"),
        (true, "ringing") => format!("Rings: {other}"),
        (true, "answered") => format!("Call from {other}"),
        (true, "busy") => format!("Was busy when {other} called"),
        (true, "rejected") => format!("Declined {other}"),
        (true, _) => format!("Missed call from {other}"),
    };
    let mut lines: Vec<String> = call.heard.iter().map(|sentence| format!("“{sentence}”")).collect();
    if call.seconds > 0 {
        let how = if call.received { "Connected" } else { "On the line" };
        lines.push(format!("{how} for {} seconds.", call.seconds));
    }
    let kind = match call.outcome.as_str() {
        "ringing" => "rings",
        "answered" => "connects",
        _ if call.received => "ends",
        _ => "begins",
    };
    Item { at: Moment::new(call.at), kind, title, lines }
}

fn of_text(text: &PhoneText) -> Item {
    let other = if text.other == HIDDEN { "a hidden number".to_owned() } else { grouped(&text.other) };
    let title = if text.received { format!("Text from {other}") } else { format!("Text to {other}") };
    Item { at: Moment::new(text.at), kind: "says", title, lines: vec![text.text.clone()] }
}

fn in_threes(code: &str) -> String {
    let digits: Vec<char> = code.chars().collect();
    digits.chunks(3).map(|chunk| chunk.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[derive(Template)]
#[template(path = "simulator/phones.html")]
struct Fragment {
    phones: Vec<Card>,
}

/// `GET /phones`: the phones alone, for the script; with `?number=`, off to that phone.
pub(super) async fn fragment(board: Data<Switchboard>, request: HttpRequest) -> HttpResponse {
    let query = Fields::from_form(request.query_string().as_bytes());
    if let Some(wanted) = query.get("number") {
        return phone(wanted).map_or_else(|| see("/"), |number| see(&format!("/phones/{number}")));
    }
    page(&Fragment { phones: cards(&board) })
}

#[derive(Template)]
#[template(path = "simulator/phone.html")]
struct PhonePage {
    frame: Frame,
    number: String,
    grouped: String,
    code: Option<String>,
    items: Vec<Item>,
    seconds: u32,
    presses: String,
    answers: Vec<(&'static str, &'static str, bool)>,
}

/// `GET /phones/{number}`
pub(super) async fn show(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let Some(number) = phone(&path) else {
        return nowhere(board).await;
    };
    let template = board.phones(|phones| {
        let Behaviour { answer, seconds, presses } = phones.behaviour(&number);
        PhonePage {
            frame: Frame::of(&board, "home"),
            grouped: grouped(&number),
            code: latest_codes(phones, &number).first().map(|code| in_threes(code)),
            items: items(phones, &number, LISTED),
            seconds,
            presses: as_typed(presses.as_deref()),
            answers: Answer::ALL.map(|(own, name, words)| (name, words, own == answer)).into(),
            number: number.clone(),
        }
    });
    page(&template)
}

/// `POST /phones/{number}`: what the phone does when it rings.
pub(super) async fn behave(board: Data<Switchboard>, path: Path<String>, body: Bytes) -> HttpResponse {
    let Some(number) = phone(&path) else {
        return nowhere(board).await;
    };
    let fields = Fields::from_form(&body);
    let behaviour = Behaviour {
        answer: fields.get("answer").and_then(Answer::named).unwrap_or(Answer::Answered),
        seconds: fields.get("seconds").and_then(|text| text.parse().ok()).unwrap_or(12).min(3600),
        presses: typed(fields.get("presses").unwrap_or_default()),
    };
    board.phones_mut(|phones| phones.behave(&number, behaviour));
    see(&format!("/phones/{number}"))
}

/// What is typed for a phone that presses nothing.
const NOTHING: &str = "nothing";

/// What the owner presses, as it is typed; blank where nobody says.
fn typed(text: &str) -> Option<Vec<String>> {
    match text.trim() {
        "" => None,
        text if text.eq_ignore_ascii_case(NOTHING) => Some(Vec::new()),
        text => Some(presses(text)),
    }
}

fn as_typed(presses: Option<&[String]>) -> String {
    match presses {
        None => String::new(),
        Some([]) => NOTHING.to_owned(),
        Some(presses) => presses.join(" "),
    }
}

fn phone(text: &str) -> Option<String> {
    Party::read(text).filter(|party| *party != Party::Hidden).map(|party| party.shown())
}
