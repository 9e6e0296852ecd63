//! Who is at the ends of a call: how a caller is written in a session, and what a document dials.

use serde_json::{Value, json};

use crate::domain::phone::PhoneNumber;
use crate::simulator::stock;
use crate::simulator::switchboard::Switchboard;

/// What Tropo writes instead of a caller who hides.
pub(crate) const HIDDEN: &str = "Unknown";

/// Who calls or texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Party {
    Number(PhoneNumber),
    Hidden,
    /// A SIP address without `sip:`.
    Sip(String),
}

impl Party {
    /// Reads who a script says calls: a number, a SIP address, or one of the words for a hidden caller.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if ["", "unknown", "anonymous", "hidden", "withheld"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
        {
            return Some(Self::Hidden);
        }
        if let Some(address) = sip(text) {
            return (address.len() <= 200).then_some(Self::Sip(address));
        }
        number(text).map(Self::Number)
    }

    /// As the story and the phones show it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Number(number) => number.e164(),
            Self::Hidden => HIDDEN.to_owned(),
            Self::Sip(address) => format!("sip:{address}"),
        }
    }

    /// As a session writes it in a call to `line`. Between two numbers of North America the id has ten digits, else
    /// the country code stands before them, and in `e164Id` always; both lack the plus. Whoever has no number has the
    /// same text in both.
    pub(super) fn in_call(&self, line: PhoneNumber) -> Value {
        let (id, e164_id, name) = match self {
            Self::Number(number) => {
                let digits = number.digits();
                let national = digits.strip_prefix('1').filter(|_| line.digits().starts_with('1'));
                let id = national.unwrap_or(&digits).to_owned();
                (id.clone(), digits, id)
            }
            Self::Hidden => (HIDDEN.to_owned(), HIDDEN.to_owned(), "unknown".to_owned()),
            Self::Sip(address) => {
                let user = address.split('@').next().unwrap_or(address).to_owned();
                (user.clone(), user.clone(), user)
            }
        };
        json!({"id": id, "e164Id": e164_id, "name": name, "channel": "VOICE", "network": "SIP"})
    }

    /// As a session writes it for a text: always with the country code.
    pub(super) fn in_text(&self) -> Value {
        let id = match self {
            Self::Number(number) => number.digits(),
            other => other.shown(),
        };
        json!({"id": id, "e164Id": id, "name": null, "channel": "TEXT", "network": "SMS"})
    }
}

/// Where a dialled address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A simulated phone, by its number or SIP address.
    Phone(String),
    /// A number that is rented for an application.
    Rented(PhoneNumber),
    /// Nothing answers there.
    Nowhere(String),
}

impl Target {
    /// Finds out where `to` leads; what stands behind a semicolon is not part of the address.
    pub(super) fn find(board: &Switchboard, to: &str) -> Self {
        let address = to.split(';').next().unwrap_or(to).trim();
        if let Some(address) = sip(address) {
            return Self::Phone(format!("sip:{address}"));
        }
        let Some(number) = number(address) else {
            return Self::Nowhere(address.to_owned());
        };
        let e164 = number.e164();
        if board.account.read(|account| account.holder(&e164).is_some()) {
            Self::Rented(number)
        } else if stock::area_of(&e164).is_some() {
            Self::Nowhere(e164)
        } else {
            Self::Phone(e164)
        }
    }

    /// The address as the story shows it.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Phone(address) | Self::Nowhere(address) => address.clone(),
            Self::Rented(number) => number.e164(),
        }
    }
}

/// A caller ID as the phone shows it: numbers in E.164, anything else as it was sent.
pub(super) fn caller_id(from: &str) -> String {
    let bare = from.trim();
    dialled(without_scheme(bare, "tel:").unwrap_or(bare)).unwrap_or_else(|| bare.to_owned())
}

/// The address of a SIP URI, whether or not it says `sip:`.
fn sip(text: &str) -> Option<String> {
    let with_scheme = without_scheme(text, "sip:").or_else(|| without_scheme(text, "sips:"));
    let address = with_scheme.or_else(|| text.contains('@').then_some(text))?;
    let clean = !address.is_empty() && !address.contains(char::is_whitespace);
    clean.then(|| address.to_owned())
}

fn number(text: &str) -> Option<PhoneNumber> {
    let number = dialled(without_scheme(text, "tel:").unwrap_or(text))?;
    PhoneNumber::from_e164(&number)
}

fn without_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// What was dialled, in E.164: ten digits are a number of North America. Formatting is dropped.
fn dialled(text: &str) -> Option<String> {
    let formatting = [' ', '-', '.', '(', ')', '\u{a0}'];
    let bare: String = text.chars().filter(|character| !formatting.contains(character)).collect();
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    let usable = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    match (usable, bare.starts_with('+'), digits.len()) {
        (false, ..) => None,
        (true, false, 10) => Some(format!("+1{digits}")),
        (true, ..) => Some(format!("+{digits}")),
    }
}
