//! How a code reaches a phone: what the carrier's session says, and what became of it.
//!
//! In a call the digits are said only to somebody who pressed a key, so that no answering machine keeps them.

use chrono::{DateTime, TimeDelta, Utc};

use super::codes::channel_word;
use super::{App, texts};
use crate::carrier::Channel;
use crate::db::codes::{self, Newest, SentCode};
use crate::db::{DbError, masks, numbers};
use crate::domain::call::Instruction;
use crate::domain::ids::VerificationId;
use crate::domain::phone::PhoneNumber;
use crate::domain::verification::{self, Undelivered};
use crate::seal::Place;

/// How long the page says what became of a code.
const RECENT: TimeDelta = TimeDelta::hours(1);
/// After how long a code that the carrier took and has not begun to deliver counts as stuck.
const STALLED: TimeDelta = TimeDelta::minutes(1);

/// How it goes with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// None was sent of late, or it was typed, or is over.
    None,
    /// The carrier is calling or texting.
    UnderWay,
    /// The carrier took it a minute ago, and has not begun.
    Stalled,
    /// It was said, or may have been read.
    Arrived,
    /// It did not reach anybody.
    Failed(Undelivered),
}

/// What the carrier is to do with a code that it asks for.
#[derive(Debug, Clone)]
pub struct CodeToSend {
    /// Which code.
    pub id: VerificationId,
    /// Whom it goes to.
    pub to: PhoneNumber,
    /// Which number it comes from.
    pub from: PhoneNumber,
    /// What is asked in a call, or written. The code itself is said only after [`App::code_event`].
    pub text: String,
}

impl App {
    /// What the carrier's session is to say for the code that it refers to; `None` if that code is over, unknown, of the
    /// other channel, or another session carries it.
    pub async fn code_to_send(
        &self,
        reference: &str,
        session: &str,
        channel: Channel,
    ) -> Result<Option<CodeToSend>, DbError> {
        let Ok(id) = reference.parse().map(VerificationId) else { return Ok(None) };
        let Some(from) = self.settings.code_sender else { return Ok(None) };
        if session.is_empty() {
            tracing::error!(
                "a session that was to carry a code has no id: what becomes of it could not be told"
            );
            return Ok(None);
        }
        let (session, now) = (session.to_owned(), self.now());
        let found = self.calls_db.transaction(move |conn| {
            let by = (session.as_str(), channel_word(channel));
            let Some(code) = codes::claim(conn, id, by, now)? else { return Ok::<_, DbError>(None) };
            Ok(numbers::find_any(conn, code.number)?.map(|number| (code, number)))
        });
        let Some((_, stored)) = found.await? else { return Ok(None) };
        let Ok(to) = self.sealer.open(&stored.sealed, Place::number(stored.id.0)) else { return Ok(None) };
        let text = match channel {
            Channel::Voice => texts::text(&texts::CodeCall { host: self.host_name() }),
            Channel::Text => {
                let minutes = self.settings.limits.code_life.num_minutes();
                texts::text(&texts::CodeText { code: &self.code(id), host: self.host(), minutes })
            }
        };
        Ok(Some(CodeToSend { id, to, from, text }))
    }

    /// What happens to a code in the carrier's session that carries it: whether the key was `pressed` that says that
    /// somebody listens, else why it was `undelivered`. Returns what is said now; the same for an event that is told twice.
    pub async fn code_event(
        &self,
        reference: &str,
        session: &str,
        pressed: bool,
        undelivered: Option<Undelivered>,
    ) -> Result<Option<String>, DbError> {
        let Ok(id) = reference.parse().map(VerificationId) else { return Ok(None) };
        let (session, now) = (session.to_owned(), self.now());
        let is_said = self.calls_db.transaction(move |conn| {
            let Some(channel) = codes::carried_by(conn, id, &session)? else { return Ok(false) };
            let is_call = channel == channel_word(Channel::Voice);
            let reason = match (is_call, undelivered) {
                (true, None) if pressed => return codes::say(conn, id, now),
                (true, None) => Some(Undelivered::NoKey),
                // A session that sends a text ends without a word where all is well.
                (false, None | Some(Undelivered::HungUp)) => None,
                (false, Some(_)) => Some(Undelivered::TextFailed),
                (true, reason) => reason,
            };
            if let Some(reason) = reason {
                // A text that the carrier takes for lost may arrive all the same.
                codes::note_undelivered(conn, id, reason, is_call.then_some(now))?;
            }
            Ok::<_, DbError>(false)
        });
        let is_said = is_said.await?;
        Ok(is_said.then(|| texts::text(&texts::CodeSpoken { digits: &verification::spoken(&self.code(id)) })))
    }

    /// Whether one of these, none of which is a mask, is the number that codes come from, and what somebody hears who calls
    /// it.
    pub(super) fn answer_at_code_sender(&self, called: &[PhoneNumber]) -> Option<Instruction> {
        let is_called = self.settings.code_sender.is_some_and(|sender| called.contains(&sender));
        is_called.then(|| Instruction::Say(texts::text(&texts::OnlyCodes { host: self.host_name() })))
    }

    /// The host of the deployment's public address.
    fn host(&self) -> &str {
        let url = &self.settings.public_url;
        let authority = url.split_once("://").map_or(url.as_str(), |(_, authority)| authority);
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        }
    }

    /// The same where it is a name: nobody wants to hear digits that are no code.
    fn host_name(&self) -> Option<&str> {
        Some(self.host())
            .filter(|host| !host.ends_with([']', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']))
    }

    /// Whether no code can be sent at all: there is no number to send it from, or a mask has it.
    pub async fn lacks_code_sender(&self) -> Result<bool, DbError> {
        let Some(sender) = self.settings.code_sender else { return Ok(true) };
        self.db.transaction(move |conn| masks::is_mask(conn, sender)).await
    }
}

/// How it goes with the newest code of a number, of which this one can be typed.
pub(super) fn delivery(live: Option<&SentCode>, newest: Option<&Newest>, now: DateTime<Utc>) -> Delivery {
    let Some(newest) = newest.filter(|newest| now - newest.created_at < RECENT) else {
        return Delivery::None;
    };
    match (newest.undelivered, live) {
        (Some(reason), _) => Delivery::Failed(reason),
        (None, None) => Delivery::None,
        (None, Some(_)) if newest.is_said => Delivery::Arrived,
        (None, Some(code)) if newest.is_begun && code.channel == channel_word(Channel::Text) => {
            Delivery::Arrived
        }
        (None, Some(_)) if !newest.is_begun && now - newest.created_at >= STALLED => Delivery::Stalled,
        (None, Some(_)) => Delivery::UnderWay,
    }
}
