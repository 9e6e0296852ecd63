//! A call or a text to a rented number, and the session that its application gets.

use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::Outcome;
use super::parties::Party;
use super::run::Ended;
use super::script::Script;
use super::session::{Beginning, Leg, LegState, Session, show};
use crate::domain::phone::PhoneNumber;
use crate::simulator::account::Application;
use crate::simulator::stock::{self, Area};
use crate::simulator::switchboard::{Switchboard, hex_id};
use crate::simulator::trace::{Kind, Recorder, Step};

/// Who calls whom.
pub(super) struct Call {
    pub(super) from: Party,
    pub(super) to: PhoneNumber,
    pub(super) script: Script,
    pub(super) depth: u8,
}

/// A shown caller ID as the party of a further call.
pub(super) fn party(shown: &str) -> Party {
    Party::read(shown).unwrap_or(Party::Hidden)
}

/// Connects a call to a rented number with its application.
pub(super) async fn connect(board: &Arc<Switchboard>, record: &Recorder, call: Call) -> Ended {
    let Call { from, to, script, depth } = call;
    let line = to.e164();
    let Some((application, url)) = reached(board, record, &line, "voiceUrl") else {
        return nobody(board, record, &line);
    };
    let phone_call = match &from {
        Party::Number(number) if depth == 0 => {
            Some(board.phone_call(&number.e164(), false, &line, "calling"))
        }
        _ => None,
    };
    let leg = Leg {
        state: LegState::Ringing,
        party: from.shown(),
        line,
        call_id: Some(hex_id()),
        phone_call,
        is_text: false,
        answered_at: None,
        placed: None,
    };
    let beginning = Beginning { application, id: hex_id(), url: url.clone(), leg, script, depth };
    let session = Session::open(board, record, beginning);
    let parties = [("to", Party::Number(to).in_call(to)), ("from", from.in_call(to))];
    let mut body = body(&session, "HUMAN");
    for (name, party) in parties {
        body["session"][name] = party;
    }
    body["session"]["headers"] = headers(&session, &from, to);
    session.run(url, body).await
}

/// Carries a text to a rented number to its application.
pub(super) async fn deliver(
    board: &Arc<Switchboard>,
    record: &Recorder,
    from: Party,
    to: PhoneNumber,
    text: &str,
    script: Script,
) -> Ended {
    let line = to.e164();
    let Some((application, url)) = reached(board, record, &line, "messagingUrl") else {
        return nobody(board, record, &line);
    };
    if !stock::area_of(&line).is_some_and(Area::texts) {
        tell(board, record, Kind::Problem, format!("{} cannot take texts.", show(&line)));
        return Ended { outcome: Outcome::Failed, elapsed: 0, connected: 0 };
    }
    if let Party::Number(number) = &from {
        board.phone_text(&number.e164(), false, &line, text);
    }
    let leg = Leg {
        state: LegState::Answered,
        party: from.shown(),
        line,
        call_id: Some(hex_id()),
        phone_call: None,
        is_text: true,
        answered_at: None,
        placed: None,
    };
    let beginning = Beginning { application, id: hex_id(), url: url.clone(), leg, script, depth: 0 };
    let mut session = Session::open(board, record, beginning);
    session.initial_text = Some(text.to_owned());
    let mut body = body(&session, "HUMAN");
    body["session"]["initialText"] = json!(text);
    body["session"]["to"] = Party::Number(to).in_text();
    body["session"]["from"] = from.in_text();
    body["session"]["headers"] = json!({"x-tropo-sms": "true"});
    session.run(url, body).await
}

/// What all sessions have, in the shape of 2017.
pub(super) fn body(session: &Session, user: &str) -> Value {
    json!({"session": {
        "id": session.id,
        "accountId": session.board.settings.account_id,
        "applicationId": session.application.id.to_string(),
        "timestamp": session.timestamp(),
        "userType": user,
        "initialText": null,
        "callId": session.leg.call_id,
    }})
}

/// The application that a number leads to and where it wants to hear of it.
fn reached(board: &Switchboard, record: &Recorder, line: &str, which: &str) -> Option<(Application, Url)> {
    let application = board.account.read(|account| account.holder(line).cloned())?;
    let url = if which == "voiceUrl" { &application.voice_url } else { &application.messaging_url };
    let url = url.as_deref().and_then(|url| Url::parse(url).ok());
    if url.is_none() {
        tell(board, record, Kind::Problem, format!("Its application has no {which}."));
    }
    Some((application, url?))
}

fn nobody(board: &Switchboard, record: &Recorder, line: &str) -> Ended {
    let rented = board.account.read(|account| account.holder(line).is_some());
    if rented {
        return Ended { outcome: Outcome::Failed, elapsed: 0, connected: 0 };
    }
    tell(board, record, Kind::Ends, format!("{} is not in service (SIP 404).", show(line)));
    Ended { outcome: Outcome::NotInService, elapsed: 0, connected: 0 }
}

/// Adds a step where there is no session yet.
pub(super) fn tell(board: &Switchboard, record: &Recorder, kind: Kind, text: String) {
    record.step(Step { at: board.clock.now(), second: 0, kind, text, data: None });
}

fn headers(session: &Session, from: &Party, to: PhoneNumber) -> Value {
    let to = to.digits();
    let from = match from {
        Party::Number(number) => number.digits(),
        Party::Hidden => "anonymous".to_owned(),
        Party::Sip(address) => address.split('@').next().unwrap_or(address).to_owned(),
    };
    let host = session.board.address;
    json!({
        "Call-ID": format!("{}@{host}", session.leg.call_id.as_deref().unwrap_or_default()),
        "From": format!("<sip:{from}@{host}>;tag=simulator"),
        "To": format!("<sip:{to}@{host}>"),
        "Request URI": format!("sip:{to}@{host}"),
        "x-sid": session.id,
        "x-accountid": session.board.settings.account_id,
        "x-appid": session.application.id.to_string(),
        "x-voxeo-to": format!("<sip:+{to}@{host}>"),
    })
}
