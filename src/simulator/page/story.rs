//! The story of one call or text, as people read it.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Path};
use askama::Template;

use super::frame::Frame;
use super::{Moment, grouped, nowhere, page, see};
use crate::simulator::engine::signals::Side;
use crate::simulator::fields::Fields;
use crate::simulator::keypad;
use crate::simulator::switchboard::Switchboard;
use crate::simulator::trace::{Kind, Step, Trace};

/// A story.
pub(super) struct StoryView {
    pub(super) id: String,
    pub(super) title: String,
    /// Who began, which number it went to, and which phone it ended at, with what each is doing.
    pub(super) ends: Vec<End>,
    pub(super) shown: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) good: bool,
    /// Whether it still goes on.
    pub(super) live: bool,
    /// Who is on the line now and can press keys.
    pub(super) keypads: Vec<Keypad>,
    /// What the button says by which somebody hangs up, where somebody can.
    pub(super) hang_up: Option<&'static str>,
    pub(super) steps: Vec<StepView>,
}

/// Somebody or something that took part.
pub(super) struct End {
    pub(super) role: &'static str,
    pub(super) name: String,
    pub(super) state: &'static str,
}

/// The keys of somebody who is on the line.
pub(super) struct Keypad {
    /// `caller` or `callee`.
    pub(super) by: &'static str,
    pub(super) name: String,
    /// What can be pressed, in rows of six.
    pub(super) keys: &'static [&'static str],
}

const KEYS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

pub(super) struct StepView {
    pub(super) clock: String,
    pub(super) kind: &'static str,
    pub(super) text: String,
    pub(super) data: Option<String>,
}

/// A story in one line.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) at: Moment,
    pub(super) title: String,
    pub(super) outcome: String,
}

impl Line {
    pub(super) fn of(trace: &Trace) -> Self {
        Self {
            id: trace.id.clone(),
            at: Moment::new(trace.at),
            title: title(trace),
            outcome: outcome(trace).unwrap_or_else(|| "Goes on.".to_owned()),
        }
    }
}

impl StoryView {
    pub(super) fn of(trace: &Trace) -> Self {
        Self {
            id: trace.id.clone(),
            title: title(trace),
            ends: ends(trace),
            shown: trace.shown.as_deref().map(caller),
            outcome: outcome(trace),
            good: matches!(trace.outcome, Some("answered" | "delivered" | "spoken")),
            live: trace.outcome.is_none(),
            keypads: keypads(trace),
            hang_up: hang_up_words(trace),
            steps: trace.steps.iter().map(StepView::of).collect(),
        }
    }
}

impl StepView {
    fn of(step: &Step) -> Self {
        let pretty = |data| serde_json::to_string_pretty(data).unwrap_or_default();
        Self {
            clock: format!("{}:{:02}", step.second / 60, step.second % 60),
            kind: kind(step.kind),
            text: step.text.clone(),
            data: step.data.as_ref().map(pretty),
        }
    }
}

/// A kind as the stylesheet and the icons call it.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Begins => "begins",
        Kind::Asks => "asks",
        Kind::Answers => "answers",
        Kind::Rings => "rings",
        Kind::Connects => "connects",
        Kind::Says => "says",
        Kind::Ends => "ends",
        Kind::Note => "note",
        Kind::Problem => "problem",
    }
}

fn caller(shown: &str) -> String {
    if shown == "Unknown" { "Hidden number".to_owned() } else { grouped(shown) }
}

fn title(trace: &Trace) -> String {
    match trace.what {
        "launch" => format!("“{}” starts a session", trace.from),
        "text" => format!("{} texts {}", caller(&trace.from), grouped(&trace.to)),
        _ => format!("{} calls {}", caller(&trace.from), grouped(&trace.to)),
    }
}

fn ends(trace: &Trace) -> Vec<End> {
    let live = trace.outcome.is_none();
    let last = trace.steps.last().map(|step| step.kind);
    let (caller_role, middle) = match trace.what {
        "launch" => ("Application", None),
        _ => ("Caller", Some(End { role: "Mask", name: grouped(&trace.to), state: "plain" })),
    };
    let begins =
        End { role: caller_role, name: caller(&trace.from), state: if live { "busy" } else { "plain" } };
    let phone = trace.rang.last().map(|number| End {
        role: "Phone",
        name: grouped(number),
        state: match (live, last, trace.outcome) {
            (true, Some(Kind::Rings), _) => "ringing",
            (true, ..) => "busy",
            (false, _, Some("answered")) => "good",
            (false, ..) => "missed",
        },
    });
    [Some(begins), middle, phone].into_iter().flatten().collect()
}

fn keypads(trace: &Trace) -> Vec<Keypad> {
    let phone = trace.rang.last().map(|number| grouped(number));
    let keypads = match (trace.what, trace.outcome) {
        ("call", None) => {
            let caller = Keypad { by: "caller", name: caller(&trace.from), keys: &KEYS };
            let callee = phone.map(|name| Keypad { by: "callee", name, keys: &KEYS });
            [Some(caller), callee]
        }
        ("launch", None) => [phone.map(|name| Keypad { by: "caller", name, keys: &KEYS }), None],
        _ => [None, None],
    };
    keypads.into_iter().flatten().collect()
}

fn hang_up_words(trace: &Trace) -> Option<&'static str> {
    match (trace.what, trace.outcome, trace.rang.is_empty()) {
        ("call", None, _) => Some("The caller hangs up"),
        ("launch", None, false) => Some("The phone hangs up"),
        _ => None,
    }
}

/// How it ended, in words; nothing while it goes on.
fn outcome(trace: &Trace) -> Option<String> {
    let words = match trace.outcome? {
        "answered" if trace.what == "call" => {
            return Some(format!("Answered. They talked for {} seconds.", trace.seconds));
        }
        "answered" => "The phone was answered.",
        "busy" => "The phone was busy.",
        "no-answer" => "Nobody answered.",
        "rejected" => "The call was declined.",
        "caller-hung-up" => "The caller hung up before anybody answered.",
        "cancelled" => "The caller ended it with a key before anybody answered.",
        "not-in-service" => "The number is not in service.",
        "spoken" => "The caller heard a message. No phone was connected.",
        "declined" => "The application turned the call away unanswered.",
        "redirected" => "The caller was sent on elsewhere.",
        "delivered" => "A text was delivered.",
        "failed" => "The application failed, so the call was dropped.",
        _ => "It ended. Nothing was heard and nobody was called.",
    };
    Some(words.to_owned())
}

#[derive(Template)]
#[template(path = "simulator/call.html")]
struct CallPage {
    frame: Frame,
    story: StoryView,
}

/// `GET /calls/{id}`
pub(super) async fn show(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    match board.trace(&path) {
        Some(trace) => {
            let frame = Frame::of(&board, "home");
            page(&CallPage { frame, story: StoryView::of(&trace) })
        }
        None => nowhere(board).await,
    }
}

#[derive(Template)]
#[template(path = "simulator/story.html")]
struct Fragment {
    story: StoryView,
}

/// `GET /calls/{id}/story`: the story alone, for the script.
pub(super) async fn fragment(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    match board.trace(&path) {
        Some(trace) => page(&Fragment { story: StoryView::of(&trace) }),
        None => HttpResponse::NotFound().finish(),
    }
}

/// `POST /calls/{id}/hangup`: the caller hangs up.
pub(super) async fn hang_up(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let session = board.trace(&path).and_then(|trace| trace.session);
    if let Some(signals) = session.and_then(|session| board.session(&session)) {
        signals.hang_up();
    }
    see(&format!("/calls/{path}"))
}

/// `POST /calls/{id}/keys`: somebody presses a key.
pub(super) async fn press(board: Data<Switchboard>, path: Path<String>, body: Bytes) -> HttpResponse {
    let fields = Fields::from_form(&body);
    let by = if fields.get("by") == Some("callee") { Side::Callee } else { Side::Caller };
    // A call that is over by now shows that it is.
    let _ = keypad::press(&board, &path, by, fields.get("keys").unwrap_or_default());
    see(&format!("/calls/{path}"))
}
