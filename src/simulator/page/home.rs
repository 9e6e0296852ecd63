//! The first page: a phone to call and text with, the story of the last call, and the phones that rang.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use askama::Template;

use super::frame::Frame;
use super::phone::{Card, cards};
use super::story::{Line, StoryView};
use super::{grouped, page_with, place, see};
use crate::simulator::engine;
use crate::simulator::engine::script::Answer;
use crate::simulator::fields::Fields;
use crate::simulator::scripts::{CallRequest, TextRequest, rented};
use crate::simulator::switchboard::Switchboard;

/// Who calls, until somebody else is typed.
const STRANGER: &str = "+1 415-555-0123";
/// How many earlier stories are listed.
const EARLIER: usize = 8;

#[derive(Template)]
#[template(path = "simulator/home.html")]
struct HomePage {
    frame: Frame,
    form: Form,
    /// What was wrong with what was typed.
    error: Option<String>,
    masks: Vec<Mask>,
    answers: Vec<Choice>,
    story: Option<StoryView>,
    earlier: Vec<Line>,
    phones: Vec<Card>,
}

/// What the forms hold.
struct Form {
    from: String,
    hidden: bool,
    mask: String,
    other: String,
    answer: String,
    seconds: String,
    caller_presses: String,
    callee_presses: String,
    caller_key: String,
    text: String,
    /// Whether it was the form for texts.
    texting: bool,
}

/// A rented number.
struct Mask {
    number: String,
    grouped: String,
    place: String,
    chosen: bool,
}

/// What the other side may do.
struct Choice {
    name: &'static str,
    words: &'static str,
    chosen: bool,
}

impl Form {
    fn fresh() -> Self {
        Self {
            from: STRANGER.into(),
            hidden: false,
            mask: String::new(),
            other: String::new(),
            answer: "answered".into(),
            seconds: "12".into(),
            caller_presses: String::new(),
            callee_presses: String::new(),
            caller_key: String::new(),
            text: String::new(),
            texting: false,
        }
    }

    fn read(body: &[u8], texting: bool) -> Self {
        let fields = Fields::from_form(body);
        let get = |name: &str| fields.get(name).unwrap_or_default().to_owned();
        Self {
            from: get("from"),
            hidden: fields.get("hidden").is_some(),
            mask: get("mask"),
            other: get("other"),
            answer: get("answer"),
            seconds: get("seconds"),
            caller_presses: get("caller_presses"),
            callee_presses: get("callee_presses"),
            caller_key: get("caller_key"),
            text: get("text"),
            texting,
        }
    }

    fn caller(&self) -> Result<String, String> {
        match (self.hidden, self.from.is_empty()) {
            (true, _) => Ok("Unknown".to_owned()),
            (false, true) => Err("Type who calls, or hide the number.".to_owned()),
            (false, false) => Ok(self.from.clone()),
        }
    }

    fn dialled(&self) -> Result<String, String> {
        let number = if self.other.is_empty() { &self.mask } else { &self.other };
        if number.is_empty() {
            return Err("Choose a mask, or type another number.".to_owned());
        }
        Ok(number.clone())
    }

    fn call(&self) -> Result<CallRequest, String> {
        let seconds = match self.seconds.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| "Type the seconds as a whole number.".to_owned())?),
        };
        Ok(CallRequest {
            from: self.caller()?,
            to: self.dialled()?,
            answer: Some(self.answer.clone()),
            seconds,
            caller_presses: presses(&self.caller_presses),
            callee_presses: presses(&self.callee_presses),
            caller_key: Some(self.caller_key.clone()),
            live: false,
        })
    }
}

/// Several answers, with blanks between.
pub(super) fn presses(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// `GET /`
pub(super) async fn show(board: Data<Switchboard>) -> HttpResponse {
    home(&board, StatusCode::OK, Form::fresh(), None)
}

/// `POST /calls`: without the script, the call is carried out at once.
pub(super) async fn call(board: Data<Switchboard>, body: Bytes) -> HttpResponse {
    let form = Form::read(&body, false);
    match form.call().and_then(CallRequest::check) {
        Ok((from, to, script)) => {
            let trace = engine::place_call(board.into_inner(), from, to, script).end().await;
            see(&format!("/calls/{}", trace.id))
        }
        Err(why) => home(&board, StatusCode::UNPROCESSABLE_ENTITY, form, Some(why)),
    }
}

/// `POST /texts`
pub(super) async fn text(board: Data<Switchboard>, body: Bytes) -> HttpResponse {
    let form = Form::read(&body, true);
    let wanted = form.caller().and_then(|from| {
        let to = form.dialled()?;
        TextRequest { from, to, text: form.text.clone(), live: false }.check()
    });
    match wanted {
        Ok((from, to, text)) => {
            let trace = engine::send_text(board.into_inner(), from, to, text, false).end().await;
            see(&format!("/calls/{}", trace.id))
        }
        Err(why) => home(&board, StatusCode::UNPROCESSABLE_ENTITY, form, Some(why)),
    }
}

fn home(board: &Switchboard, status: StatusCode, form: Form, error: Option<String>) -> HttpResponse {
    let masks = rented(board).into_iter().map(|(number, _)| Mask {
        grouped: grouped(&number),
        place: place(&number),
        chosen: number == form.mask,
        number,
    });
    let choice = |(_, name, words): (Answer, &'static str, &'static str)| Choice {
        name,
        words,
        chosen: name == form.answer,
    };
    let traces = board.traces();
    let template = HomePage {
        frame: Frame::of(board, "home"),
        masks: masks.collect(),
        answers: Answer::ALL.map(choice).into(),
        error,
        story: traces.first().map(StoryView::of),
        earlier: traces.iter().skip(1).take(EARLIER).map(Line::of).collect(),
        phones: cards(board),
        form,
    };
    page_with(status, &template)
}
