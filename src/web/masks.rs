//! A user's masks: the list, a new one, one with its log, and what is done with it.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::error::PageError;
use super::flash::Flash;
use super::forms::Form;
use super::guard::{SignedIn, shown, shown_again};
use super::page::{Errors, Moment, Number, Page, Pages, duration, in_words_of_day, moment, pages};
use super::sign_in::Nothing;
use crate::app::masks::{
    ChangeError, ListedMask, MaskLimit, ShownCall, ShownMask, WantedArea, Wish, WishError, own_prefix,
};
use crate::app::numbers::OwnNumber;
use crate::carrier::Area;
use crate::db::calls::{Decided, PAGE};
use crate::domain::call::{Ending, Reason};
use crate::domain::ids::{MaskId, NumberId};
use crate::domain::mask::{Mask, MaskState, PausedBy};
use crate::secrets;

/// Over how many days a mask's calls are drawn.
const DRAWN_DAYS: i64 = 30;

/// A mask in a list.
pub(super) struct MaskCard {
    id: MaskId,
    path: String,
    pub(super) number: Option<Number>,
    pub(super) label: String,
    pub(super) state: &'static str,
    last_call: Option<Moment>,
}

impl MaskCard {
    pub(super) fn new(mask: Mask, last_call: Option<DateTime<Utc>>, signed_in: &SignedIn) -> Self {
        Self {
            id: mask.id,
            path: format!("/masks/{}", mask.id),
            number: mask.phone.map(Number::from),
            state: mask.state.word(),
            last_call: last_call.map(|at| moment(at, signed_in.app().now(), signed_in.zone())),
            label: shown_label(mask.label),
        }
    }
}

fn shown_label(label: String) -> String {
    if label.is_empty() { "Mask without a name".to_owned() } else { label }
}

struct FirstSteps {
    number: bool,
    mask: bool,
    call: bool,
    number_path: String,
    mask_path: String,
}

struct OwnNumberView {
    id: NumberId,
    number: Number,
    proved: bool,
}

#[derive(Template)]
#[template(path = "masks/index.html")]
struct IndexPage {
    page: Page,
    steps: Option<FirstSteps>,
    proved: bool,
    may_add_number: bool,
    numbers: Vec<OwnNumberView>,
    masks: Vec<MaskCard>,
}

pub(super) async fn index(signed_in: SignedIn) -> Result<HttpResponse, PageError> {
    let (app, user) = (signed_in.app(), signed_in.user.id);
    let (numbers, masks) = (app.numbers(user).await?, app.masks(user).await?);
    let proved = numbers.iter().filter(|number| number.verified).count();
    let may_have = usize::try_from(app.settings().limits.numbers_per_user).unwrap_or(usize::MAX);
    shown(&IndexPage {
        page: signed_in.visitor.page("Your masks"),
        steps: first_steps(&numbers, &masks),
        proved: proved > 0,
        may_add_number: proved < may_have,
        numbers: numbers
            .iter()
            .map(|own| OwnNumberView { id: own.id, number: own.into(), proved: own.verified })
            .collect(),
        masks: masks
            .into_iter()
            .map(|listed| MaskCard::new(listed.mask, listed.last_call, &signed_in))
            .collect(),
    })
}

/// What is left to do of the three first steps; `None` once all are done.
fn first_steps(numbers: &[OwnNumber], masks: &[ListedMask]) -> Option<FirstSteps> {
    let number = numbers.iter().any(|number| number.verified);
    let working = masks.iter().find(|listed| listed.mask.phone.is_some());
    let call = masks.iter().any(|listed| listed.last_call.is_some());
    if number && working.is_some() && call {
        return None;
    }
    let number_path = match numbers.first() {
        Some(waiting) => format!("/numbers/{}/verification", waiting.id),
        None => "/numbers/new".to_owned(),
    };
    let mask_path = match working {
        Some(listed) => format!("/masks/{}", listed.mask.id),
        None => "/masks/new".to_owned(),
    };
    Some(FirstSteps { number, mask: working.is_some(), call, number_path, mask_path })
}

struct NumberChoice {
    id: NumberId,
    shown: String,
}

#[derive(Template)]
#[template(path = "masks/new.html")]
struct NewPage {
    page: Page,
    errors: Errors,
    token: String,
    numbers: Vec<NumberChoice>,
    number_id: String,
    area: String,
    same_area: String,
    groups: Vec<(String, Vec<(String, String)>)>,
    prefix: String,
    label_value: String,
    left: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct WishForm {
    #[serde(default)]
    token: String,
    #[serde(default)]
    number_id: String,
    #[serde(default)]
    area: String,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    label: String,
}

/// The page of a new mask; `None` where no number is proved yet.
async fn new_page(
    signed_in: &SignedIn,
    form: WishForm,
    errors: Errors,
) -> Result<Option<NewPage>, PageError> {
    let (app, user) = (signed_in.app(), signed_in.user.id);
    let mut numbers = app.numbers(user).await?;
    numbers.retain(|number| number.verified);
    let Some(first) = numbers.first() else { return Ok(None) };
    // Where the carrier cannot be asked, the page offers what it can without it.
    let areas = app.areas().await.unwrap_or_default();
    let own =
        if numbers.len() == 1 { first.number.and_then(|number| own_prefix(number, &areas)) } else { None };
    let same_area = own.map_or_else(String::new, |prefix| {
        let known = areas.iter().find(|area| area.prefix == prefix);
        known.map_or_else(|| shown_prefix(&prefix), place)
    });
    let most = app.settings().limits.masks_per_user.0;
    let alive = app.masks(user).await?.iter().filter(|listed| listed.mask.state.is_alive()).count();
    let left = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(alive);
    let filled = |value: String, otherwise: &str| if value.is_empty() { otherwise.to_owned() } else { value };
    Ok(Some(NewPage {
        page: signed_in.visitor.page("New mask"),
        errors,
        token: filled(form.token, &secrets::random_token()),
        number_id: filled(form.number_id, &first.id.to_string()),
        area: filled(form.area, "same"),
        numbers: numbers
            .iter()
            .map(|own| NumberChoice { id: own.id, shown: Number::from(own).shown })
            .collect(),
        same_area,
        groups: groups(&areas),
        prefix: form.prefix,
        label_value: form.label,
        left: Some(match left {
            0 => format!("You have {most} masks, as many as there may be."),
            1 => "You can have one more mask.".to_owned(),
            left => format!("You can have {left} more masks."),
        }),
    }))
}

/// Areas by state, each as its digits and its town.
fn groups(areas: &[Area]) -> Vec<(String, Vec<(String, String)>)> {
    let mut groups: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    for area in areas {
        let country = area.country.clone().unwrap_or_default();
        let group = area.state.clone().unwrap_or_else(|| country.clone());
        let city = area.city.as_deref().map_or(String::new(), |city| format!(", {city}"));
        let shown = format!("{}{city}", shown_prefix(&area.prefix));
        // The deployment's own country stands first, then by the names of countries.
        let country = if country == "United States" { String::new() } else { country };
        groups.entry((country, group)).or_default().push((area.prefix.clone(), shown));
    }
    let sorted = |((_, group), mut places): ((String, String), Vec<(String, String)>)| {
        places.sort();
        (group, places)
    };
    groups.into_iter().map(sorted).collect()
}

/// `407` in North America, `+44 20` elsewhere.
fn shown_prefix(prefix: &str) -> String {
    match prefix.strip_prefix('1') {
        Some(area) => area.to_owned(),
        None => format!("+{prefix}"),
    }
}

fn place(area: &Area) -> String {
    let names: Vec<&str> = [&area.city, &area.state].into_iter().flatten().map(String::as_str).collect();
    let prefix = shown_prefix(&area.prefix);
    if names.is_empty() { prefix } else { format!("{prefix} ({})", names.join(", ")) }
}

pub(super) async fn new(signed_in: SignedIn) -> Result<HttpResponse, PageError> {
    match new_page(&signed_in, WishForm::default(), Errors::default()).await? {
        Some(page) => shown(&page),
        None => Ok(signed_in.visitor.redirect("/masks", None)),
    }
}

pub(super) async fn create(signed_in: SignedIn, form: Form<WishForm>) -> Result<HttpResponse, PageError> {
    let form = form.0;
    let area = match form.area.as_str() {
        "prefix" => WantedArea::Prefix(form.prefix.clone()),
        "any" => WantedArea::Any,
        _ => WantedArea::Same,
    };
    let number = form.number_id.parse().map(NumberId).map_err(|_| PageError::NotFound)?;
    let wish = Wish { number, area, label: form.label.clone(), token: form.token.clone() };
    let errors = match signed_in.app().wish_mask(signed_in.user.id, wish).await {
        Ok(id) => return Ok(signed_in.visitor.redirect(&format!("/masks/{id}"), Some(Flash::MaskRequested))),
        Err(WishError::Db(error)) => return Err(error.into()),
        Err(WishError::NoNumber) => return Err(PageError::NotFound),
        Err(WishError::NoToken) => return Err(PageError::Unreadable),
        Err(WishError::NotVerified) => {
            Errors::one("number_id", "Prove that number first, then it can have masks.")
        }
        Err(WishError::NoArea) if form.area == "prefix" => {
            Errors::one("prefix", "Choose an area from the list, or take a mask from anywhere.")
        }
        Err(WishError::NoArea) => Errors::one("area", "There are no masks in that country here."),
        Err(WishError::Label(error)) => Errors::one("label", error.to_string()),
        Err(WishError::Limit(limit)) => Errors::one("label", limit_words(limit)),
    };
    match new_page(&signed_in, form, errors).await? {
        Some(page) => shown_again(&page),
        None => Ok(signed_in.visitor.redirect("/masks", None)),
    }
}

fn limit_words(limit: MaskLimit) -> String {
    match limit {
        MaskLimit::Alive(most) => {
            format!("You have {most} masks, as many as there may be at once. Revoke one to make room.")
        }
        MaskLimit::Day(most) => {
            format!("You asked for {most} masks within a day, as many as there may be. Try again tomorrow.")
        }
        MaskLimit::Month(most) => format!(
            "You asked for {most} masks within 30 days, as many as there may be. Try again when the oldest of those is 30 days old."
        ),
        MaskLimit::House => {
            "No more masks can be had here at the moment. Please try again in an hour.".to_owned()
        }
    }
}

struct DayBar {
    day: String,
    calls: i64,
    height: i64,
}

struct CallLine {
    moment: Moment,
    caller: Option<Number>,
    kind: &'static str,
    outcome: &'static str,
    duration: Option<String>,
}

#[derive(Template)]
#[template(path = "masks/show.html")]
struct ShowPage {
    page: Page,
    errors: Errors,
    id: MaskId,
    label: String,
    label_value: String,
    number: Option<Number>,
    state: &'static str,
    progress: String,
    notes: Vec<String>,
    leads_to: Option<Number>,
    made: Moment,
    may_pause: bool,
    may_resume: bool,
    may_restore: bool,
    may_revoke: bool,
    restore_onto: Vec<NumberChoice>,
    days: Vec<DayBar>,
    days_words: String,
    calls: Vec<CallLine>,
    pages: Pages,
}

#[derive(Deserialize)]
pub(super) struct PageQuery {
    page: Option<i64>,
}

async fn show_page(
    signed_in: &SignedIn,
    id: MaskId,
    page: i64,
    errors: Errors,
) -> Result<ShowPage, PageError> {
    let (app, zone, now) = (signed_in.app(), signed_in.zone(), signed_in.app().now());
    let page = page.clamp(1, 1_000_000);
    let found = app.shown_mask(signed_in.user.id, id, page - 1, zone).await?.ok_or(PageError::NotFound)?;
    let resting = matches!(found.mask.state, MaskState::Resting { .. });
    let restore_onto =
        if resting && found.number.is_none() { proved_numbers(signed_in).await? } else { vec![] };
    let (days, days_words) = drawn(&found, signed_in);
    let ShownMask { mask, number, calls, calls_in_all, .. } = found;
    let label = shown_label(mask.label.clone());
    Ok(ShowPage {
        page: signed_in.visitor.page(&label),
        errors,
        id,
        label,
        number: mask.phone.map(Number::from),
        state: mask.state.word(),
        progress: progress(&mask, signed_in),
        notes: notes(&mask),
        leads_to: number.as_ref().map(Number::from),
        made: moment(mask.requested_at, now, zone),
        may_pause: mask.pause(PausedBy::Owner).is_ok() && mask.state == MaskState::Active,
        may_resume: mask.state == (MaskState::Paused { by: PausedBy::Owner }),
        may_restore: mask.restore(now).is_ok() && (number.is_some() || !restore_onto.is_empty()),
        may_revoke: mask.revoke(now).is_ok() && !resting,
        restore_onto,
        label_value: mask.label,
        days,
        days_words,
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
fn progress(mask: &Mask, signed_in: &SignedIn) -> String {
    let (now, zone) = (signed_in.app().now(), signed_in.zone());
    match &mask.state {
        MaskState::Requested if now - mask.requested_at > TimeDelta::seconds(20) => {
            "The phone company takes longer than usual. We go on trying; you can leave this page.".to_owned()
        }
        MaskState::Requested => {
            "We are asking the phone company for a number. It usually takes a few seconds.".to_owned()
        }
        MaskState::Active => "Calls to this number ring your phone.".to_owned(),
        MaskState::Paused { by: PausedBy::Owner } => "Callers hear that you take no calls now.".to_owned(),
        MaskState::Paused { .. } => {
            "The people who run this service paused it. Callers hear that you take no calls now.".to_owned()
        }
        MaskState::Resting { until } => {
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

fn call_line(shown: ShownCall, signed_in: &SignedIn) -> CallLine {
    let ShownCall { call, caller } = shown;
    let (kind, outcome) = match (call.decided, call.ending) {
        (Decided::Connected, Some(Ending::Answered { .. })) => ("answered", "Answered"),
        (Decided::Connected, Some(Ending::NoAnswer)) => ("missed", "Nobody answered"),
        (Decided::Connected, Some(Ending::Busy)) => ("missed", "Your phone was busy"),
        (Decided::Connected, Some(Ending::Refused)) => ("missed", "Your phone turned it away"),
        (Decided::Connected, Some(Ending::CallerHungUp)) => ("missed", "Caller hung up"),
        (Decided::Connected, Some(Ending::DidNotConnect)) => ("missed", "Did not connect"),
        (Decided::Connected, None) if call.answered_at.is_some() => ("going", "Talking"),
        (Decided::Connected, None) => ("going", "Handed over"),
        (Decided::TurnedAway(reason), _) => ("refused", turned_away(reason)),
    };
    let seconds = match call.ending {
        Some(Ending::Answered { seconds }) => seconds,
        _ => None,
    };
    CallLine {
        moment: moment(call.received_at, signed_in.app().now(), signed_in.zone()),
        caller: caller.map(Number::from),
        kind,
        outcome,
        duration: seconds.map(duration),
    }
}

fn turned_away(reason: Reason) -> &'static str {
    match reason {
        Reason::Paused => "Paused",
        Reason::OwnMask => "Your own call",
        Reason::MaskToMask => "From mask to mask",
        Reason::Busy => "Another call was on",
        Reason::OverLimit => "Called too often",
        Reason::NotAllowed => "Not allowed there",
        Reason::Unavailable => "We were not available",
        Reason::Resting | Reason::NotInService => "Not in service",
    }
}

pub(super) async fn show(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    query: web::Query<PageQuery>,
) -> Result<HttpResponse, PageError> {
    shown(&show_page(&signed_in, MaskId(*id), query.page.unwrap_or(1), Errors::default()).await?)
}

#[derive(Deserialize)]
pub(super) struct LabelForm {
    #[serde(default)]
    label: String,
}

#[derive(Deserialize)]
pub(super) struct RestoreForm {
    #[serde(default)]
    number_id: String,
}

pub(super) async fn label(
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
    changed_or_told(&signed_in, id, changed, Flash::LabelSaved).await
}

pub(super) async fn pause(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    let changed = signed_in.app().pause_mask(signed_in.user.id, MaskId(*id)).await;
    changed_or_told(&signed_in, MaskId(*id), changed, Flash::MaskPaused).await
}

pub(super) async fn resume(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    let changed = signed_in.app().resume_mask(signed_in.user.id, MaskId(*id)).await;
    changed_or_told(&signed_in, MaskId(*id), changed, Flash::MaskResumed).await
}

pub(super) async fn restore(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    form: Form<RestoreForm>,
) -> Result<HttpResponse, PageError> {
    let onto = form.0.number_id.parse().ok().map(NumberId);
    let changed = signed_in.app().restore_mask(signed_in.user.id, MaskId(*id), onto).await;
    changed_or_told(&signed_in, MaskId(*id), changed, Flash::MaskRestored).await
}

/// Back to the mask's page: with a word if it was done, with the reason if not.
async fn changed_or_told(
    signed_in: &SignedIn,
    id: MaskId,
    changed: Result<(), ChangeError>,
    flash: Flash,
) -> Result<HttpResponse, PageError> {
    let error = match changed {
        Ok(()) => return Ok(signed_in.visitor.redirect(&format!("/masks/{id}"), Some(flash))),
        Err(ChangeError::NotFound) => return Err(PageError::NotFound),
        Err(ChangeError::Db(error)) => return Err(error.into()),
        Err(ChangeError::State(state)) => state.to_string(),
        Err(ChangeError::Label(error)) => error.to_string(),
        Err(ChangeError::NoNumber) => {
            "The number it led to is gone. Prove a number first, then bring the mask back onto it.".to_owned()
        }
        Err(ChangeError::Limit(limit)) => limit_words(limit),
    };
    shown_again(&show_page(signed_in, id, 1, Errors::one("mask-now", error)).await?)
}

#[derive(Template)]
#[template(path = "masks/revoke.html")]
struct RevokePage {
    page: Page,
    id: MaskId,
    label: String,
    number: Option<Number>,
    rest_days: i64,
    until: Moment,
}

pub(super) async fn ask_to_revoke(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, PageError> {
    let (app, id) = (signed_in.app(), MaskId(*id));
    let mask = app.mask(signed_in.user.id, id).await?.ok_or(PageError::NotFound)?;
    let (now, rest) = (app.now(), app.settings().limits.rest);
    if mask.revoke(now + rest).is_err() || matches!(mask.state, MaskState::Resting { .. }) {
        return Ok(signed_in.visitor.redirect(&format!("/masks/{id}"), None));
    }
    shown(&RevokePage {
        page: signed_in.visitor.page("End this mask"),
        id,
        number: mask.phone.map(Number::from),
        label: shown_label(mask.label),
        rest_days: rest.num_days(),
        until: moment(now + rest, now, signed_in.zone()),
    })
}

pub(super) async fn revoke(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    let changed = signed_in.app().revoke_mask(signed_in.user.id, MaskId(*id)).await;
    changed_or_told(&signed_in, MaskId(*id), changed, Flash::MaskRevoked).await
}
