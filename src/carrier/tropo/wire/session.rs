//! A session: a call or text that came in, or a launch of ours that begins.
//!
//! Reads the sessions of every age; must not know which numbers are masks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::MapAccess;

use crate::carrier::Channel;
use crate::domain::phone::PhoneNumber;

use super::super::lenient::{Fields, Scalar, Standing, skip};
use super::super::numbers::{
    LONGEST_SPELLING, bare, is_hidden, possible, ten_digits, valid, whole, with_plus,
};

/// What Tropo tells of a session, as far as it is of use. Headers are not read.
///
/// `Debug` shows the ids alone: numbers, texts and parameters stay hidden.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// Tropo's name for it, 1 to 128 printable ASCII characters.
    pub id: Option<String>,
    /// The Tropo account whose application it came to.
    pub account_id: Option<String>,
    /// Tropo's name for the call in it.
    pub call_id: Option<String>,
    /// Who was called or written to; absent in launches.
    pub to: Option<Party>,
    /// Who calls or writes; absent in launches.
    pub from: Option<Party>,
    /// The variables of a launch, its token among them.
    pub parameters: BTreeMap<String, String>,
    /// The text of a message.
    pub initial_text: Option<String>,
    /// `HUMAN`, `MACHINE`, `FAX`, or `NONE` for launches.
    pub user_type: Option<String>,
}

impl Session {
    /// By which way it came, where either party tells; launches do not.
    pub fn channel(&self) -> Option<Channel> {
        [&self.to, &self.from].into_iter().flatten().find_map(|party| party.channel)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session")
            .field("id", &self.id)
            .field("account_id", &self.account_id)
            .field("call_id", &self.call_id)
            .finish_non_exhaustive()
    }
}

impl Fields for Session {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, value: &mut A) -> Result<(), A::Error> {
        match key {
            "id" => self.id = value.next_value::<Scalar>()?.identifier(),
            "accountId" => self.account_id = value.next_value::<Scalar>()?.identifier(),
            "callId" => self.call_id = value.next_value::<Scalar>()?.identifier(),
            "to" => self.to = value.next_value::<Standing<Party>>()?.one(),
            "from" => self.from = value.next_value::<Standing<Party>>()?.one(),
            "parameters" => {
                let parameters = value.next_value::<Standing<Parameters>>()?.one();
                self.parameters = parameters.unwrap_or_default().0;
            }
            "initialText" => self.initial_text = value.next_value::<Scalar>()?.text(),
            "userType" => self.user_type = value.next_value::<Scalar>()?.identifier(),
            _ => skip(value)?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct Parameters(BTreeMap<String, String>);

impl Fields for Parameters {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, value: &mut A) -> Result<(), A::Error> {
        if let Some(text) = value.next_value::<Scalar>()?.text() {
            self.0.insert(key.to_owned(), text);
        }
        Ok(())
    }
}

/// One side of a session. It hides itself in `Debug`, as its ids are phone numbers.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Party {
    id: Option<String>,
    e164_id: Option<String>,
    name: Option<String>,
    channel: Option<Channel>,
}

impl Party {
    /// Its phone number; `None` where the party hides or has none (`Unknown`, a SIP name).
    ///
    /// The `e164Id` if it is valid; else an `id` with plus; else ten digits that are a valid number of +1; else plus and
    /// the digits. What carries a country code need only be possible, as plans get older than numbers.
    pub fn number(&self) -> Option<PhoneNumber> {
        let id = self.id_or_name();
        if is_hidden(id) || self.e164_id.as_deref().is_some_and(is_hidden) {
            return None;
        }
        let whole_number = || Some(id).filter(|id| id.len() != 10).and_then(whole);
        valid(self.e164())
            .or_else(|| possible(with_plus(id)))
            .or_else(|| valid(ten_digits(id)))
            .or_else(|| valid(whole(id)))
            .or_else(|| possible(self.e164()))
            .or_else(|| possible(whole_number()))
    }

    /// Whatever phone numbers it may mean, the likeliest first and without a look at the numbering plans: the
    /// called party is whichever of them is a mask.
    pub fn candidates(&self) -> impl Iterator<Item = PhoneNumber> {
        let id = self.id_or_name();
        [self.e164(), with_plus(id), ten_digits(id), whole(id)].into_iter().flatten()
    }

    /// The `id`; where there is none, a `name` that is a number with plus, which sessions of 2011 have.
    fn id_or_name(&self) -> &str {
        let name = || self.name.as_deref().filter(|name| name.starts_with('+'));
        self.id.as_deref().or_else(name).unwrap_or_default()
    }

    fn e164(&self) -> Option<PhoneNumber> {
        let text = self.e164_id.as_deref()?;
        with_plus(text).or_else(|| whole(text))
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Party(…)")
    }
}

impl Fields for Party {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, value: &mut A) -> Result<(), A::Error> {
        match key {
            "id" => self.id = spelling(value.next_value()?),
            "e164Id" => self.e164_id = spelling(value.next_value()?),
            "name" => self.name = spelling(value.next_value()?),
            "channel" => {
                self.channel = value.next_value::<Scalar>()?.identifier().as_deref().and_then(channel);
            }
            _ => skip(value)?,
        }
        Ok(())
    }
}

/// How a party is written, dashes, brackets and blanks left out; nothing where nothing is written.
fn spelling(written: Scalar) -> Option<String> {
    match written {
        Scalar::Text(text) => match bare(&text) {
            Cow::Borrowed(bare) if bare.len() == text.len() => Some(text),
            bare => Some(bare.into_owned()),
        },
        other => other.identifier(),
    }
    .filter(|spelling| (1..=LONGEST_SPELLING).contains(&spelling.len()))
}

fn channel(name: &str) -> Option<Channel> {
    match name.to_ascii_uppercase().as_str() {
        "VOICE" => Some(Channel::Voice),
        "TEXT" => Some(Channel::Text),
        _ => None,
    }
}
