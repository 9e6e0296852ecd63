//! What we say in calls, texts and mails, from `templates/texts/`.

use askama::Template;

use crate::domain::call::Reason;
use crate::domain::ids::MaskId;
use crate::domain::user::EmailAddress;
use crate::mail::Letter;

/// A sentence for a caller who is not connected.
#[derive(Template)]
#[template(path = "texts/turned_away.txt")]
pub(super) struct TurnedAway {
    pub(super) reason: Reason,
}

/// A sentence for a caller whose call was not taken.
#[derive(Template)]
#[template(path = "texts/not_taken.txt")]
pub(super) struct NotTaken {
    pub(super) busy: bool,
}

/// Who calls with a code, and that a key shall be pressed to hear it.
#[derive(Template)]
#[template(path = "texts/code_call.txt")]
pub(super) struct CodeCall<'a> {
    pub(super) host: Option<&'a str>,
}

/// What somebody hears who calls the number that codes come from.
#[derive(Template)]
#[template(path = "texts/only_codes.txt")]
pub(super) struct OnlyCodes<'a> {
    pub(super) host: Option<&'a str>,
}

/// The code in a call, the digits apart.
#[derive(Template)]
#[template(path = "texts/code_spoken.txt")]
pub(super) struct CodeSpoken<'a> {
    pub(super) digits: &'a str,
}

/// The code in a text. Its last line gives the code to the web site of that host and to no other (the format of
/// origin-bound one-time codes, <https://wicg.github.io/sms-one-time-codes/>).
#[derive(Template)]
#[template(path = "texts/code_text.txt")]
pub(super) struct CodeText<'a> {
    pub(super) code: &'a str,
    pub(super) host: &'a str,
    pub(super) minutes: i64,
}

/// A letter with a link in it.
#[derive(Template)]
#[template(path = "texts/link.txt")]
pub(super) struct LinkLetter<'a> {
    pub(super) has_account: bool,
    pub(super) wanted_account: bool,
    pub(super) url: &'a str,
    pub(super) minutes: i64,
}

/// A letter to an admin about limits of the deployment.
#[derive(Template)]
#[template(path = "texts/caps_half_used.txt")]
pub(super) struct CapsHalfUsed<'a> {
    pub(super) lines: &'a [String],
    pub(super) public_url: &'a str,
}

/// A letter that tells of a changed password.
#[derive(Template)]
#[template(path = "texts/password_changed.txt")]
pub(super) struct PasswordChanged<'a> {
    pub(super) public_url: &'a str,
}

/// A letter to somebody whose number was proved by another.
#[derive(Template)]
#[template(path = "texts/number_taken_over.txt")]
pub(super) struct NumberTakenOver<'a> {
    pub(super) last_two: &'a str,
    pub(super) masks: usize,
    pub(super) public_url: &'a str,
}

/// A letter to somebody whose mask is called so much that calls are turned away.
#[derive(Template)]
#[template(path = "texts/calls_turned_away.txt")]
pub(super) struct CallsTurnedAway<'a> {
    pub(super) mask: &'a str,
    pub(super) id: MaskId,
    pub(super) public_url: &'a str,
}

/// A letter to somebody whose mask an admin revoked.
#[derive(Template)]
#[template(path = "texts/mask_revoked.txt")]
pub(super) struct MaskRevoked<'a> {
    pub(super) mask: &'a str,
    pub(super) reason: &'a str,
    pub(super) until: &'a str,
    pub(super) public_url: &'a str,
}

/// A letter to somebody whose mask was lost at the phone company, or is back.
#[derive(Template)]
#[template(path = "texts/mask_lost.txt")]
pub(super) struct MaskLost<'a> {
    pub(super) mask: &'a str,
    pub(super) label: &'a str,
    pub(super) is_back: bool,
    pub(super) public_url: &'a str,
}

/// A letter whose text a template tells.
pub(super) fn letter(to: EmailAddress, subject: &str, template: &impl Template) -> Letter {
    Letter { to, subject: subject.to_owned(), text: text(template) + "\n" }
}

/// The text of a template, on one line and without blanks around where it is spoken.
pub(super) fn text(template: &impl Template) -> String {
    // Writing into a String fails only if a template's own Display does, and ours hold plain values.
    template.render().unwrap_or_default().trim().to_owned()
}
