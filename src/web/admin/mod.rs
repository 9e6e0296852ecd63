//! Every mask, for admins: from the outside, with no real number in the page's source.

pub(super) mod operations;
mod search;
pub(super) mod servers;
pub(super) mod spending;
pub(super) mod users;

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use uuid::Uuid;

use self::search::{ListQuery, SearchForm};
use super::error::PageError;
use super::flash::Flash;
use super::forms::Form;
use super::guard::{Admin, shown, shown_again};
use super::page::{Errors, Moment, Number, Page, Pages, moment, pages};
use crate::app::admin::{AdminError, ReviewedMask, Rings};
use crate::db::review::{PAGE, Search};
use crate::domain::ids::MaskId;
use crate::domain::mask::{Mask, MaskState, STATE_WORDS, StoppedBy};

const MASKS: &str = "/admin/masks";
const STATES: [(&str, &str); 8] = [
    ("requested", "Being set up"),
    ("active", "In service"),
    ("paused", "Paused"),
    ("resting", "Resting"),
    ("releasing", "Being given back"),
    ("released", "Given back"),
    ("failed", "Failed"),
    ("lost", "Lost"),
];

struct AdminMaskView {
    id: MaskId,
    number: Option<Number>,
    owner: String,
    rings: String,
    state: &'static str,
    made: Moment,
    last_call: Option<Moment>,
    calls: i64,
    trouble: String,
    may_revoke: bool,
}

#[derive(Template)]
#[template(path = "admin/masks.html")]
struct MasksPage {
    page: Page,
    q: String,
    state: String,
    states: Vec<(&'static str, &'static str)>,
    waiting: i64,
    caps: Vec<String>,
    found: String,
    pages: Pages,
    rows: Vec<AdminMaskView>,
}

/// What an admin who types the shorter address wants.
pub(super) async fn home(admin: Admin) -> HttpResponse {
    admin.0.visitor.redirect(MASKS, None)
}

pub(super) async fn search_masks(admin: Admin, form: Form<SearchForm>) -> HttpResponse {
    let SearchForm { q, state } = form.0;
    search::found(&admin, MASKS, &q, &known(state))
}

/// The state, if it is one; otherwise all.
fn known(state: String) -> String {
    Some(state).filter(|state| STATE_WORDS.contains(&state.as_str())).unwrap_or_default()
}

pub(super) async fn masks(admin: Admin, query: web::Query<ListQuery>) -> Result<HttpResponse, PageError> {
    let mut query = query.into_inner();
    let Some(q) = query.text(&admin) else { return Ok(search::gone(&admin, MASKS)) };
    query.state = known(query.state);
    let page = query.page();
    let search = Search {
        text: q.clone(),
        state: Some(query.state.clone()).filter(|state| !state.is_empty()),
        page: page - 1,
    };
    let review = admin.0.app().review(search).await?;
    let in_service =
        review.by_state.iter().find(|(state, _)| state == "active").map_or(0, |(_, count)| *count);
    let all: i64 = review.by_state.iter().map(|(_, count)| count).sum();
    let found = format!("{} of {all} masks found; {in_service} are in service.", review.total);
    shown(&MasksPage {
        page: admin.0.visitor.page("All masks"),
        pages: pages("Masks", page, PAGE, review.total, |page| query.href(MASKS, page)),
        rows: review.masks.into_iter().map(|reviewed| row(reviewed, &admin)).collect(),
        states: STATES.to_vec(),
        waiting: admin.0.app().things_waiting().await?,
        caps: spending::half_used(admin.0.app()).await?,
        found,
        q,
        state: query.state,
    })
}

fn row(reviewed: ReviewedMask, admin: &Admin) -> AdminMaskView {
    let (now, zone) = (admin.0.app().now(), admin.0.zone());
    let ReviewedMask { listed, rings } = reviewed;
    AdminMaskView {
        id: listed.mask.id,
        number: listed.mask.phone.map(Number::from),
        owner: listed.owner,
        rings: match rings {
            Some(Rings::EndsIn(digits)) => format!("··{digits}"),
            Some(Rings::Unreadable) => "cannot be read".to_owned(),
            None => "–".to_owned(),
        },
        state: listed.mask.state.word(),
        made: moment(listed.mask.requested_at, now, zone),
        last_call: listed.last_call.map(|at| moment(at, now, zone)),
        calls: listed.calls,
        trouble: listed.trouble.unwrap_or_default(),
        may_revoke: may_revoke(&listed.mask),
    }
}

/// Whether there is anything left to revoke: a rest that an admin began, or took over, is none.
fn may_revoke(mask: &Mask) -> bool {
    let revoked = mask.revoke(StoppedBy::Admin, mask.requested_at);
    revoked.is_ok_and(|revoked| revoked != mask.state)
}

#[derive(Template)]
#[template(path = "admin/revoke.html")]
struct RevokePage {
    page: Page,
    errors: Errors,
    id: MaskId,
    number: Option<Number>,
    owner: String,
    rest_days: i64,
    rests_until: Option<Moment>,
    reason: String,
}

#[derive(Deserialize)]
pub(super) struct ReasonForm {
    #[serde(default)]
    reason: String,
}

async fn revoke_page(
    admin: &Admin,
    id: MaskId,
    errors: Errors,
    reason: String,
) -> Result<RevokePage, PageError> {
    let app = admin.0.app();
    let (mask, owner) = app.any_mask(id).await?.ok_or(PageError::NotFound)?;
    Ok(RevokePage {
        page: admin.0.visitor.page("Revoke a mask"),
        errors,
        id,
        number: mask.phone.map(Number::from),
        owner,
        rest_days: app.settings().limits.rest.num_days(),
        rests_until: match mask.state {
            MaskState::Resting { until, .. } => Some(moment(until, app.now(), admin.0.zone())),
            _ => None,
        },
        reason,
    })
}

pub(super) async fn ask_to_revoke(admin: Admin, id: web::Path<Uuid>) -> Result<HttpResponse, PageError> {
    shown(&revoke_page(&admin, MaskId(*id), Errors::default(), String::new()).await?)
}

pub(super) async fn revoke(
    admin: Admin,
    id: web::Path<Uuid>,
    form: Form<ReasonForm>,
) -> Result<HttpResponse, PageError> {
    let id = MaskId(*id);
    let error = match admin.0.app().revoke_any_mask(admin.0.user.id, id, &form.0.reason).await {
        Ok(()) => {
            let flash = Flash::RevokedForOwner.once_confirmed(admin.0.app().reached().await);
            return Ok(admin.0.visitor.redirect(MASKS, Some(flash)));
        }
        Err(AdminError::NotFound) => return Err(PageError::NotFound),
        Err(AdminError::Db(error)) => return Err(error.into()),
        Err(error @ (AdminError::Reason | AdminError::State(_))) => error.to_string(),
    };
    shown_again(&revoke_page(&admin, id, Errors::one("reason", error), form.0.reason).await?)
}
