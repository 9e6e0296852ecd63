//! The WebAPI engine: posts sessions to an application, carries out its documents, posts the results.
//!
//! In reading order: `script` (how people behave), `document` (what an application answers), `inbound` (how a
//! session begins), `run` (its course), then the verbs in `speak`, `ask` and `dial`.

pub(crate) mod script;

mod choices;
pub(crate) mod document;
pub(crate) mod parties;
pub(crate) mod signals;
mod values;

mod inbound;
mod session;

mod run;

mod ask;
mod details;
mod dial;
mod options;
mod ring;
mod speak;
mod terminator;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use url::Url;

use self::inbound::tell;
use self::parties::Party;
use self::script::Script;
use self::session::{Beginning, Leg, LegState, Session, show};
use super::account::Application;
use super::switchboard::Switchboard;
use super::trace::{Kind, Recorder};
use crate::domain::phone::PhoneNumber;

/// How a call or a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Two were connected.
    Answered,
    Busy,
    NoAnswer,
    Rejected,
    /// The caller hung up before anybody answered.
    CallerHungUp,
    /// The caller ended the transfer with its key before anybody answered.
    Cancelled,
    /// The number, or the one it leads to, is nobody's.
    NotInService,
    /// The caller heard something and was connected with nobody.
    Spoken,
    /// The application rejected the call unanswered.
    Declined,
    Redirected,
    /// A text arrived.
    Delivered,
    /// The application did not answer, or with nothing that could be carried out.
    Failed,
    /// The session ended without anything to tell.
    Done,
}

impl Outcome {
    /// What scripts call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Rejected => "rejected",
            Self::CallerHungUp => "caller-hung-up",
            Self::Cancelled => "cancelled",
            Self::NotInService => "not-in-service",
            Self::Spoken => "spoken",
            Self::Declined => "declined",
            Self::Redirected => "redirected",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }
}

/// A launch by token.
pub(crate) struct Launch {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) parameters: Map<String, Value>,
}

/// Places a call to a number, in the background; the story is told as it happens.
pub(crate) fn place_call(board: Arc<Switchboard>, from: Party, to: PhoneNumber, script: Script) -> Story {
    let record = board.record("call", &from.shown(), &to.e164());
    tell(&board, &record, Kind::Begins, format!("{} calls {}.", who(&from), to.grouped()));
    let recorder = record.clone();
    let carried = tokio::spawn(async move {
        let call = inbound::Call { from, to, script, depth: 0 };
        let ended = inbound::connect(&board, &recorder, call).await;
        recorder.end(ended.outcome.name());
    });
    Story { record, carried }
}

/// Sends a text to a number, in the background.
pub(crate) fn send_text(
    board: Arc<Switchboard>,
    from: Party,
    to: PhoneNumber,
    text: String,
    live: bool,
) -> Story {
    let record = board.record("text", &from.shown(), &to.e164());
    tell(&board, &record, Kind::Begins, format!("{} texts {}: “{text}”", who(&from), to.grouped()));
    let recorder = record.clone();
    let carried = tokio::spawn(async move {
        let script = Script { live, ..Script::default() };
        let ended = inbound::deliver(&board, &recorder, from, to, &text, script).await;
        recorder.end(ended.outcome.name());
    });
    Story { record, carried }
}

/// Begins the session of a launch, in the background. It takes its time only while somebody watches.
pub(crate) fn launch(board: Arc<Switchboard>, application: Application, launch: Launch) -> Story {
    let record = board.record("launch", &application.name, "");
    let text = format!("The application “{}” starts a session with a token.", application.name);
    tell(&board, &record, Kind::Begins, text);
    board.open_session(&launch.id);
    let recorder = record.clone();
    let carried = tokio::spawn(async move {
        let outcome = carry_launch(&board, &recorder, application, launch).await;
        recorder.end(outcome.name());
    });
    Story { record, carried }
}

async fn carry_launch(
    board: &Arc<Switchboard>,
    record: &Recorder,
    application: Application,
    launch: Launch,
) -> Outcome {
    let of_token = |address: &&super::account::Address| address.value == launch.token;
    let channel = application.addresses.iter().find(of_token).and_then(|address| address.channel.clone());
    let (name, url) = match channel.as_deref() {
        Some("messaging") => ("messagingUrl", &application.messaging_url),
        _ => ("voiceUrl", &application.voice_url),
    };
    let Some(url) = url.as_deref().and_then(|url| Url::parse(url).ok()) else {
        tell(board, record, Kind::Problem, format!("The application has no {name}."));
        return Outcome::Failed;
    };
    let beginning = Beginning {
        application,
        id: launch.id,
        url: url.clone(),
        leg: no_call(),
        script: Script { live: board.events.watched(), ..Script::default() },
        depth: 0,
    };
    let session = Session::open(board, record, beginning);
    let mut body = inbound::body(&session, "NONE");
    body["session"]["parameters"] = json!(launch.parameters);
    session.run(url, body).await.outcome
}

fn no_call() -> Leg {
    Leg {
        state: LegState::None,
        party: String::new(),
        line: String::new(),
        call_id: None,
        phone_call: None,
        is_text: false,
        answered_at: None,
        placed: None,
    }
}

fn who(party: &Party) -> String {
    match party {
        Party::Hidden => "Somebody with a hidden number".to_owned(),
        party => show(&party.shown()),
    }
}

/// A story that is being told, and the task that tells it.
pub(crate) struct Story {
    pub(crate) record: Recorder,
    carried: tokio::task::JoinHandle<()>,
}

impl Story {
    /// Waits for the end of the story, and gives it back.
    pub(crate) async fn end(self) -> super::trace::Trace {
        if let Err(error) = self.carried.await {
            tracing::error!(%error, "a simulated session broke off");
        }
        self.record.trace()
    }
}
