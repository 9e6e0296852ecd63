//! A user's masks: the list, and what is done with one.

mod new;
mod show;

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use uuid::Uuid;

pub(super) use self::new::{create, new};
use self::show::show_page;
pub(super) use self::show::{label, show};
use super::error::PageError;
use super::flash::Flash;
use super::forms::Form;
use super::guard::{SignedIn, shown, shown_again, shown_for_later};
use super::page::{Errors, Moment, Number, Page, PageNumber, Pages, moment, pages, wait};
use super::sign_in::Nothing;
use crate::app::masks::ChangeError;
use crate::app::numbers::OwnNumber;
use crate::app::overview::{ListedMask, MASKS_OF_PAGE, MaskList};
use crate::app::quotas::MaskLimit;
use crate::app::servers::Reach;
use crate::domain::ids::{CallId, MaskId, NumberId};
use crate::domain::mask::{Mask, MaskState, StoppedBy};

/// A mask in a list.
pub(super) struct MaskCard {
    id: MaskId,
    path: String,
    pub(super) number: Option<Number>,
    pub(super) label: String,
    pub(super) state: &'static str,
    badge: &'static str,
    last_call: Option<Moment>,
}

impl MaskCard {
    pub(super) fn new(listed: ListedMask, signed_in: &SignedIn) -> Self {
        let ListedMask { mask, last_call, is_confirmed, is_given_up } = listed;
        let state = shown_state(&mask, is_confirmed, signed_in);
        Self {
            id: mask.id,
            path: format!("/masks/{}", mask.id),
            number: mask.phone.map(Number::from),
            state,
            badge: if is_given_up { "cancelled" } else { state },
            last_call: last_call.map(|at| moment(at, signed_in.app().now(), signed_in.zone())),
            label: shown_label(mask.label),
        }
    }
}

/// The word of a state for a mask's owner: one that an admin revoked is not theirs to restore, and none is called what it is
/// before every server that routes calls knows it. One whose calls a switch turns away does not ring.
fn shown_state(mask: &Mask, is_confirmed: bool, signed_in: &SignedIn) -> &'static str {
    match &mask.state {
        MaskState::Active | MaskState::Paused { .. } | MaskState::Resting { .. } if !is_confirmed => {
            "confirming"
        }
        MaskState::Active if signed_in.app().turns_calls_away(mask) => "stopped",
        MaskState::Resting { by: StoppedBy::Admin, .. } => "revoked",
        other => other.word(),
    }
}

fn shown_label(label: String) -> String {
    if label.is_empty() { "Unnamed mask".to_owned() } else { label }
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
    zone_is_known: bool,
    steps: Option<FirstSteps>,
    proved: bool,
    may_add_number: bool,
    numbers: Vec<OwnNumberView>,
    masks: Vec<MaskCard>,
    pages: Pages,
}

#[derive(Deserialize)]
pub(super) struct IndexQuery {
    #[serde(default)]
    page: PageNumber,
}

pub(super) async fn index(
    signed_in: SignedIn,
    query: web::Query<IndexQuery>,
) -> Result<HttpResponse, PageError> {
    let (app, user) = (signed_in.app(), signed_in.user.id);
    let number_of_page = query.page.get();
    let (numbers, list) = (app.numbers(user).await?, app.masks(user, number_of_page - 1).await?);
    let steps = first_steps(&numbers, &list);
    let proved = numbers.iter().filter(|number| number.verified).count();
    let may_have = usize::try_from(app.settings().limits.numbers_per_user).unwrap_or(usize::MAX);
    shown(&IndexPage {
        page: signed_in.visitor.page("Your masks"),
        zone_is_known: signed_in.zone_is_known(),
        steps,
        pages: pages("Masks", number_of_page, MASKS_OF_PAGE, list.total, |page| {
            format!("/masks?page={page}")
        }),
        proved: proved > 0,
        may_add_number: proved < may_have,
        numbers: numbers
            .iter()
            .map(|own| OwnNumberView { id: own.id, number: own.into(), proved: own.verified })
            .collect(),
        masks: list.masks.into_iter().map(|listed| MaskCard::new(listed, &signed_in)).collect(),
    })
}

/// What is left to do of the three first steps; `None` once all are done.
fn first_steps(numbers: &[OwnNumber], list: &MaskList) -> Option<FirstSteps> {
    let number = numbers.iter().any(|number| number.verified);
    let (working, call) = (list.working, list.was_called);
    if number && working.is_some() && call {
        return None;
    }
    let number_path = match numbers.first() {
        Some(waiting) => format!("/numbers/{}/verification", waiting.id),
        None => "/numbers/new".to_owned(),
    };
    let mask_path = match working {
        Some(mask) => format!("/masks/{mask}"),
        None => "/masks/new".to_owned(),
    };
    Some(FirstSteps { number, mask: working.is_some(), call, number_path, mask_path })
}

async fn limit_words(signed_in: &SignedIn, limit: MaskLimit) -> Result<String, PageError> {
    let (app, zone) = (signed_in.app(), signed_in.zone());
    let room = app.room_for_a_mask_at(signed_in.user.id, limit).await?;
    let next = room.map_or_else(String::new, |at| {
        let at = at.with_timezone(&zone);
        format!(" The next can be had from {} on.", at.format("%-d %B, %H:%M"))
    });
    Ok(match limit {
        MaskLimit::Alive(most) => {
            format!("You have {most} masks, as many as there may be at once. Revoke one to make room.")
        }
        MaskLimit::Day(most) => {
            format!("You asked for {most} masks within a day, as many as there may be.{next}")
        }
        MaskLimit::Month(most) => {
            format!("You asked for {most} masks within 30 days, as many as there may be.{next}")
        }
        MaskLimit::HouseAlive => {
            "This service has as many masks as it may. Ask the people who run it.".to_owned()
        }
        MaskLimit::HouseHour => {
            format!("This service has set up as many masks within an hour as it may.{next}")
        }
        MaskLimit::InVain(most) => format!(
            "You asked for {most} masks within an hour that came to nothing. Please try again in an hour."
        ),
        MaskLimit::SpendDay | MaskLimit::SpendMonth => {
            format!("This service has spent as much as it may for now.{next}")
        }
        MaskLimit::Stopped => {
            "The people who run this service have stopped new masks for now. Ask them when you can have one."
                .to_owned()
        }
    })
}

#[derive(Deserialize)]
pub(super) struct RestoreForm {
    #[serde(default)]
    number_id: String,
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

pub(super) async fn cancel(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    let changed = signed_in.app().cancel_mask(signed_in.user.id, MaskId(*id)).await;
    let changed = changed.map(|()| Reach::Everywhere);
    changed_or_told(&signed_in, MaskId(*id), changed, Flash::MaskCancelled).await
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

pub(super) async fn admit_caller(
    signed_in: SignedIn,
    path: web::Path<(Uuid, Uuid)>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    let (id, call) = path.into_inner();
    let admitted = signed_in.app().admit_caller(signed_in.user.id, MaskId(id), CallId(call)).await;
    let admitted = admitted.map(|()| Reach::Everywhere);
    changed_or_told(&signed_in, MaskId(id), admitted, Flash::CallerLetIn).await
}

/// Back to the mask's page: with a word if it was done, or is on its way, with the reason if not.
async fn changed_or_told(
    signed_in: &SignedIn,
    id: MaskId,
    changed: Result<Reach, ChangeError>,
    flash: Flash,
) -> Result<HttpResponse, PageError> {
    let error = match changed {
        Ok(reach) => {
            let flash = flash.once_confirmed(reach);
            return Ok(signed_in.visitor.redirect(&format!("/masks/{id}"), Some(flash)));
        }
        Err(ChangeError::NotFound) => return Err(PageError::NotFound),
        Err(ChangeError::Db(error)) => return Err(error.into()),
        Err(ChangeError::State(state)) => state.to_string(),
        Err(ChangeError::Label(error)) => error.to_string(),
        Err(ChangeError::NoNumber) => {
            "The number it led to is gone. Prove a number first, then bring the mask back onto it.".to_owned()
        }
        Err(ChangeError::Limit(limit)) => limit_words(signed_in, limit).await?,
        Err(ChangeError::TooOften { until }) => {
            let now = signed_in.app().now();
            let error =
                format!("You changed your masks very often. You can change them again {}.", wait(until, now));
            let page = show_page(signed_in, id, 1, Errors::one("mask-now", error)).await?;
            return shown_for_later(&page, until - now);
        }
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
    if mask.revoke(StoppedBy::Owner, now + rest).is_err() || matches!(mask.state, MaskState::Resting { .. }) {
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
