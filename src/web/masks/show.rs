//! One mask, with its log.

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::TimeDelta;
use serde::Deserialize;
use uuid::Uuid;

use super::new::{NumberChoice, shown_prefix};
use super::{changed_or_told, shown_label, shown_state};
use crate::app::masks::ChangeError;
use crate::app::overview::{ShownCall, ShownCaller, ShownMask};
use crate::app::servers::Reach;
use crate::db::calls::PAGE;
use crate::domain::call::{Decided, Ending, Reason, Unbelievable};
use crate::domain::call_book::LISTED_AN_HOUR;
use crate::domain::ids::{CallId, MaskId};
use crate::domain::mask::{Mask, MaskState, StoppedBy};
use crate::web::error::PageError;
use crate::web::flash::Flash;
use crate::web::forms::Form;
use crate::web::guard::{SignedIn, shown, shown_again};
use crate::web::page::{
    Errors, Moment, Number, Page, PageNumber, Pages, duration, in_words_of_day, moment, moment_of_call,
    pages, thousands,
};

/// Over how many days a mask's calls are drawn.
const DRAWN_DAYS: i64 = 30;

/// What is said of a mask that was cancelled too late to tell at once.
const GIVEN_UP: &str = "It is cancelled. We are making sure that the phone company did not rent it out; if it did, it goes to rest and rings nobody.";
/// What is said of a mask whose calls a switch turns away.
const STOPPED: &str = "The people who run this service turn its calls away at the moment. It is still yours, and rings your phone again once they let it.";

struct DayBar {
    day: String,
    calls: i64,
    height: i64,
}

struct CallLine {
    id: CallId,
    moment: Moment,
    caller: Option<Number>,
    nobody: &'static str,
    kind: &'static str,
    outcome: &'static str,
    duration: Option<String>,
    /// How often the caller was refused, where that was more than once.
    times: Option<i64>,
    may_admit: bool,
}

#[derive(Template)]
#[template(path = "masks/show.html")]
#[expect(clippy::struct_excessive_bools, reason = "each says whether a button is shown")]
pub(super) struct ShowPage {
    page: Page,
    errors: Errors,
    id: MaskId,
    label: String,
    label_value: String,
    number: Option<Number>,
    state: &'static str,
    badge: &'static str,
    progress: String,
    notes: Vec<String>,
    leads_to: Option<Number>,
    made: Moment,
    talked: Option<String>,
    may_cancel: bool,
    may_pause: bool,
    may_resume: bool,
    may_restore: bool,
    may_revoke: bool,
    restore_onto: Vec<NumberChoice>,
    days: Vec<DayBar>,
    days_words: String,
    calls: Vec<CallLine>,
    counted: Option<String>,
    is_own_number_shown: bool,
    pages: Pages,
}

#[derive(Deserialize)]
pub(in crate::web) struct PageQuery {
    #[serde(default)]
    page: PageNumber,
}

pub(super) async fn show_page(
    signed_in: &SignedIn,
    id: MaskId,
    page: i64,
    errors: Errors,
) -> Result<ShowPage, PageError> {
    let (app, zone, now) = (signed_in.app(), signed_in.zone(), signed_in.app().now());
    let found = app.shown_mask(signed_in.user.id, id, page - 1, zone).await?.ok_or(PageError::NotFound)?;
    let resting = matches!(found.mask.state, MaskState::Resting { .. });
    let restore_onto =
        if resting && found.number.is_none() { proved_numbers(signed_in).await? } else { vec![] };
    let (days, days_words) = drawn(&found, signed_in);
    let ShownMask { mask, is_given_up, number, calls, calls_in_all, calls_counted, talked, .. } = found;
    let is_confirmed = found.is_confirmed;
    let label = shown_label(mask.label.clone());
    let state = shown_state(&mask, is_confirmed, signed_in);
    Ok(ShowPage {
        page: signed_in.visitor.page(&label),
        errors,
        id,
        label,
        number: mask.phone.map(Number::from),
        state,
        badge: if is_given_up { "cancelled" } else { state },
        progress: match state {
            _ if is_given_up => GIVEN_UP.to_owned(),
            "stopped" => STOPPED.to_owned(),
            _ => progress(&mask, is_confirmed, signed_in),
        },
        notes: notes(&mask),
        leads_to: number.as_ref().map(Number::from),
        made: moment(mask.requested_at, now, zone),
        talked: (talked > 0).then(|| {
            let most = app.settings().limits.minutes_a_month.0;
            format!("{} of {most} minutes", (talked + 59) / 60)
        }),
        may_cancel: mask.state == MaskState::Requested && !is_given_up,
        may_pause: mask.pause(StoppedBy::Owner).is_ok() && mask.state == MaskState::Active,
        may_resume: mask.state == (MaskState::Paused { by: StoppedBy::Owner }),
        may_restore: mask.restore(now).is_ok() && (number.is_some() || !restore_onto.is_empty()),
        may_revoke: mask.revoke(StoppedBy::Owner, now).is_ok() && !resting,
        restore_onto,
        label_value: mask.label,
        days,
        days_words,
        counted: counted(calls_counted),
        is_own_number_shown: calls.iter().any(|shown| shown.call.decided == SHOWED_OWNERS),
        calls: calls.into_iter().map(|call| call_line(call, signed_in)).collect(),
        pages: pages("Calls", page, PAGE, calls_in_all, |page| format!("/masks/{id}?page={page}")),
    })
}

async fn proved_numbers(signed_in: &SignedIn) -> Result<Vec<NumberChoice>, PageError> {
    let own = signed_in.app().numbers(signed_in.user.id).await?;
    let proved = own.iter().filter(|own| own.verified);
    Ok(proved.map(|own| NumberChoice { id: own.id, shown: Number::from(own).shown }).collect())
}

/// What a mask's state means now, in a sentence.
fn progress(mask: &Mask, is_confirmed: bool, signed_in: &SignedIn) -> String {
    let (now, zone) = (signed_in.app().now(), signed_in.zone());
    match &mask.state {
        MaskState::Active if !is_confirmed => {
            "It is being made known to every part of this service that takes calls. Then it rings your phone.".to_owned()
        }
        MaskState::Paused { .. } | MaskState::Resting { .. } if !is_confirmed => {
            "That it takes no calls is being confirmed. Until then, some calls may still ring your phone.".to_owned()
        }
        MaskState::Requested if now - mask.requested_at > TimeDelta::seconds(20) => {
            "The phone company takes longer than usual. We go on trying; you can leave this page.".to_owned()
        }
        MaskState::Requested => {
            "We are asking the phone company for a number. It usually takes a few seconds.".to_owned()
        }
        MaskState::Active => "Calls to this number ring your phone.".to_owned(),
        MaskState::Paused { by: StoppedBy::Owner } => "Callers hear that you take no calls now.".to_owned(),
        MaskState::Paused { .. } => {
            "The people who run this service paused it. Callers hear that you take no calls now.".to_owned()
        }
        MaskState::Resting { by: StoppedBy::Admin, .. } => {
            "The people who run this service revoked it. It is not in service any more; ask them if you think that is a mistake.".to_owned()
        }
        MaskState::Resting { until, .. } => {
            let day = in_words_of_day(*until, now, zone);
            format!("It is not in service any more; you can bring it back until {day}.")
        }
        MaskState::Releasing | MaskState::Released => {
            "It is not in service any more, and the number was given back.".to_owned()
        }
        MaskState::Failed { reason } => format!("{reason} Nothing was used up."),
        MaskState::Lost => {
            "The phone company does not have this number any more. It rings nobody.".to_owned()
        }
    }
}

fn notes(mask: &Mask) -> Vec<String> {
    let Some(wanted) = mask.wanted_prefix.as_deref().filter(|_| mask.elsewhere) else { return vec![] };
    vec![format!(
        "No number was free in {}, so this is one from elsewhere in the country.",
        shown_prefix(wanted)
    )]
}

/// The mask's calls of 30 days as bars, and in words.
fn drawn(found: &ShownMask, signed_in: &SignedIn) -> (Vec<DayBar>, String) {
    let today = signed_in.app().now().with_timezone(&signed_in.zone()).date_naive();
    let most = found.days.iter().map(|(_, calls)| *calls).max().unwrap_or(0).max(1);
    let bar = |back: i64| {
        let day = today - TimeDelta::days(back);
        let calls = found.days.iter().find(|(known, _)| *known == day).map_or(0, |(_, calls)| *calls);
        DayBar { day: day.format("%-d %B").to_string(), calls, height: calls * 100 / most }
    };
    let bars: Vec<DayBar> = (0..DRAWN_DAYS).rev().map(bar).collect();
    let total: i64 = bars.iter().map(|bar| bar.calls).sum();
    let words = match bars.iter().max_by_key(|bar| bar.calls) {
        Some(_) if total == 0 => "No calls in 30 days.".to_owned(),
        Some(_) if total == 1 => "One call in 30 days.".to_owned(),
        Some(busiest) => format!("{total} calls in 30 days, most on {} ({}).", busiest.day, busiest.calls),
        None => String::new(),
    };
    (bars, words)
}

/// A call that showed the number of the mask's owner.
const SHOWED_OWNERS: Decided = Decided::RangOut(Unbelievable::OwnersNumber);

/// What is said of refused calls that are not listed.
fn counted(calls: i64) -> Option<String> {
    let most = LISTED_AN_HOUR;
    match calls {
        0 => None,
        1 => Some(format!("One more call was turned away. Past {most} in an hour they are only counted.")),
        calls => Some(format!(
            "{} more calls were turned away in the last 30 days. Past {most} in an hour they are only counted.",
            thousands(calls)
        )),
    }
}

fn call_line(shown: ShownCall, signed_in: &SignedIn) -> CallLine {
    let ShownCall { call, caller, is_barred } = shown;
    let (kind, outcome) = match (call.decided, call.ending) {
        (Decided::Connected, Some(Ending::Answered { .. })) => ("answered", "Answered"),
        (Decided::Connected, Some(Ending::NoAnswer)) => ("missed", "Nobody answered"),
        (Decided::Connected, Some(Ending::Busy)) => ("missed", "Your phone was busy"),
        (Decided::Connected, Some(Ending::Refused)) => ("missed", "Declined on your phone"),
        (Decided::Connected, Some(Ending::CallerHungUp)) => ("missed", "Caller hung up"),
        (Decided::Connected, Some(Ending::DidNotConnect)) => ("missed", "Did not connect"),
        (Decided::Connected, None) if call.answered_at.is_some() => ("going", "Talking"),
        (Decided::Connected, None) => ("going", "Handed over"),
        (Decided::RangOut(Unbelievable::OwnersNumber), _) => ("refused", "Showed your own number"),
        // Not that it is a mask: whoever asks that of a number may call a mask of their own with it.
        (Decided::RangOut(Unbelievable::MasksNumber), _) => ("refused", "Caller ID not accepted"),
        (decided, _) if decided.is_too_often() && call.admitted_at.is_some() && !is_barred => {
            ("refused", "Called too often, let in again")
        }
        (Decided::TurnedAway(reason), _) => ("refused", turned_away(reason)),
        (Decided::Rejected, _) => ("refused", "Called too often"),
    };
    let seconds = match call.ending {
        Some(Ending::Answered { seconds }) => seconds,
        _ => None,
    };
    CallLine {
        id: call.id,
        times: (call.calls > 1).then_some(call.calls),
        may_admit: is_barred,
        moment: moment_of_call(call.received_at, signed_in.app().now(), signed_in.zone()),
        caller: match caller {
            ShownCaller::Known(number) => Some(number.into()),
            ShownCaller::Hidden | ShownCaller::Unreadable => None,
        },
        nobody: if caller == ShownCaller::Unreadable {
            "A caller that we cannot read"
        } else {
            "Hidden caller"
        },
        kind,
        outcome,
        duration: seconds.map(duration),
    }
}

fn turned_away(reason: Reason) -> &'static str {
    match reason {
        Reason::Paused => "Paused",
        Reason::Busy => "Another call was on",
        Reason::OverLimit => "Too many calls",
        Reason::OutOfMinutes => "No minutes left this month",
        Reason::Stopped => "Stopped by the people who run this service",
        Reason::CallerOverLimit | Reason::Loop => "Called too often",
        Reason::NotAllowed => "Not allowed there",
        Reason::Unavailable => "We were not available",
        Reason::Resting | Reason::NotInService => "Not in service",
    }
}

pub(in crate::web) async fn show(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, PageError> {
    shown(&show_page(&signed_in, MaskId(*id), query.page.get(), Errors::default()).await?)
}

#[derive(Deserialize)]
pub(in crate::web) struct LabelForm {
    #[serde(default)]
    label: String,
}

pub(in crate::web) async fn label(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    form: Form<LabelForm>,
) -> Result<HttpResponse, PageError> {
    let id = MaskId(*id);
    let changed = signed_in.app().label_mask(signed_in.user.id, id, &form.0.label).await;
    if let Err(ChangeError::Label(error)) = &changed {
        let mut page = show_page(&signed_in, id, 1, Errors::one("label", error.to_string())).await?;
        page.label_value = form.0.label;
        return shown_again(&page);
    }
    let changed = changed.map(|()| Reach::Everywhere);
    changed_or_told(&signed_in, id, changed, Flash::LabelSaved).await
}
