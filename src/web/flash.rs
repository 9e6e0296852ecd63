//! One word to the next page, by a cookie that holds a name and no text: whoever tampers with it sees another of our
//! own sentences.

use actix_web::cookie::{Cookie, time::Duration};

use super::Settings;
use crate::app::servers::Reach;

/// What the next page says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flash {
    Welcome,
    PasswordChosen,
    PasswordChanged,
    SignedIn,
    SignedOut,
    MaskRequested,
    MaskCancelled,
    LabelSaved,
    MaskPaused,
    MaskResumed,
    MaskRevoked,
    MaskRestored,
    CallerLetIn,
    NumberSaved,
    NumberProved,
    NumberRemoved,
    CodeSent,
    CodeUnclear,
    TimeZoneSaved,
    SessionEnded,
    OtherSessionsEnded,
    RevokedForOwner,
    QuotaSaved,
    SearchGone,
    SpendingStopped,
    SpendingGoesOn,
    BeingConfirmed,
    ServerTakenOff,
    OperationResumed,
    OrphanKept,
    OrphanNotKept,
    OrphanGivenBack,
    OrphanRefused,
    OrphanUnclear,
    OrphanAskedFor,
    MaskToBeBoughtBack,
    ListBelieved,
    SettledMeanwhile,
}

impl Flash {
    /// The same, or that it is being confirmed where not every server that routes calls has heard of it.
    pub(super) fn once_confirmed(self, reach: Reach) -> Self {
        match reach {
            Reach::Everywhere => self,
            Reach::NotYet => Self::BeingConfirmed,
        }
    }
}

const ALL: &[(Flash, &str, &str, &str)] = &[
    (
        Flash::Welcome,
        "welcome",
        "success",
        "Welcome to Maskline. Prove your number first; a mask is one step further.",
    ),
    (
        Flash::PasswordChosen,
        "password-chosen",
        "success",
        "Your new password is saved, and you are signed in.",
    ),
    (
        Flash::PasswordChanged,
        "password-changed",
        "success",
        "Your password is changed. Every other device is signed out.",
    ),
    (Flash::SignedIn, "signed-in", "success", "You are signed in."),
    (Flash::SignedOut, "signed-out", "success", "You are signed out."),
    (
        Flash::MaskRequested,
        "mask-requested",
        "success",
        "Your wish is noted. The number of your new mask appears here.",
    ),
    (Flash::MaskCancelled, "mask-cancelled", "success", "The mask is cancelled."),
    (Flash::LabelSaved, "label-saved", "success", "The name is saved."),
    (
        Flash::MaskPaused,
        "mask-paused",
        "success",
        "The mask is paused. Callers hear that you take no calls now.",
    ),
    (Flash::MaskResumed, "mask-resumed", "success", "The mask rings your phone again."),
    (Flash::MaskRevoked, "mask-revoked", "success", "The mask rings nobody from now on."),
    (Flash::MaskRestored, "mask-restored", "success", "The mask is back, and rings your phone."),
    (
        Flash::CallerLetIn,
        "caller-let-in",
        "success",
        "That caller is let in again: their next call rings your phone.",
    ),
    (Flash::NumberSaved, "number-saved", "success", "Your number is saved."),
    (Flash::NumberProved, "number-proved", "success", "The number is yours: it is proved."),
    (Flash::NumberRemoved, "number-removed", "success", "The number is removed, and erased here."),
    (Flash::CodeSent, "code-sent", "success", "A code is on its way."),
    (
        Flash::CodeUnclear,
        "code-unclear",
        "warning",
        "We could not tell whether the code went out. If nothing comes within a minute, ask for another.",
    ),
    (Flash::TimeZoneSaved, "time-zone-saved", "success", "The time zone is saved."),
    (Flash::SessionEnded, "session-ended", "success", "That device is signed out."),
    (Flash::OtherSessionsEnded, "other-sessions-ended", "success", "Every other device is signed out."),
    (
        Flash::RevokedForOwner,
        "revoked-for-owner",
        "success",
        "The mask is revoked. Its owner is told, with your reason.",
    ),
    (
        Flash::SearchGone,
        "search-gone",
        "warning",
        "That search cannot be opened any more. Please search again.",
    ),
    (Flash::QuotaSaved, "quota-saved", "success", "The limits are saved."),
    (Flash::SpendingStopped, "spending-stopped", "success", "That spending is stopped."),
    (Flash::SpendingGoesOn, "spending-goes-on", "success", "That spending goes on."),
    (
        Flash::BeingConfirmed,
        "being-confirmed",
        "warning",
        "That is saved, and being confirmed: not every part of this service that takes calls has heard of it yet. \
         Until then, some calls may go on as before.",
    ),
    (
        Flash::ServerTakenOff,
        "server-taken-off",
        "success",
        "The server is off the list. Nothing waits for it any more.",
    ),
    (
        Flash::OperationResumed,
        "operation-resumed",
        "success",
        "It is tried again now. If it cannot be settled, it is back here in a moment.",
    ),
    (Flash::OrphanKept, "orphan-kept", "success", "The number is kept."),
    (
        Flash::OrphanNotKept,
        "orphan-not-kept",
        "success",
        "The number is not kept any more: the next comparison gives it back.",
    ),
    (Flash::OrphanGivenBack, "orphan-given-back", "success", "The number is given back."),
    (
        Flash::OrphanRefused,
        "orphan-refused",
        "warning",
        "The phone company refused to take the number back. Their reason is beside it.",
    ),
    (
        Flash::OrphanUnclear,
        "orphan-unclear",
        "warning",
        "Nobody can tell yet whether the number was taken back. The next comparison sees.",
    ),
    (
        Flash::OrphanAskedFor,
        "orphan-asked-for",
        "warning",
        "A purchase that is not settled may have bought this number. Try again once it is settled.",
    ),
    (
        Flash::MaskToBeBoughtBack,
        "mask-to-be-bought-back",
        "success",
        "The number is tried to be bought back, once an hour for a day.",
    ),
    (
        Flash::ListBelieved,
        "list-believed",
        "success",
        "The list is compared once more, and believed if it is still as long.",
    ),
    (
        Flash::SettledMeanwhile,
        "settled-meanwhile",
        "warning",
        "That does not wait for anybody any more. This is how things stand now.",
    ),
];

/// The sentence and its kind that a cookie's value names.
pub(super) fn read(value: &str) -> Option<(&'static str, &'static str)> {
    ALL.iter().find(|(_, name, _, _)| *name == value).map(|(_, _, kind, text)| (*kind, *text))
}

/// What the cookie is called.
pub(super) const COOKIE: &str = "flash";

pub(super) fn cookie(flash: Flash, settings: &Settings) -> Cookie<'static> {
    let name = ALL.iter().find(|(known, ..)| *known == flash).map_or("", |(_, name, ..)| name);
    settings.cookie(COOKIE, name).max_age(Duration::seconds(60)).finish()
}

pub(super) fn removal(settings: &Settings) -> Cookie<'static> {
    let mut cookie = settings.cookie(COOKIE, "").finish();
    cookie.make_removal();
    cookie
}
