//! What waits for a person at the carrier, for admins: what each thing means, what to do, and a button for it.
//!
//! Masks and orphans are rented numbers and stand here in full; a real number never does.

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::app::admin::LONGEST_REASON;
use crate::app::orphans::Fate;
use crate::app::quotas::MaskLimit;
use crate::app::waiting::{Chosen, Kind, LostMask, NotedOrphan, Standing, WaitingError, WaitingOperation};
use crate::domain::agreement::{APART, OrphanState};
use crate::domain::ids::{MaskId, OperationId, OrphanId};
use crate::web::error::PageError;
use crate::web::flash::Flash;
use crate::web::forms::Form;
use crate::web::guard::{Admin, shown, shown_again};
use crate::web::page::{Errors, Moment, Number, Page, moment};
use crate::web::sign_in::Nothing;

const PATH: &str = "/admin/operations";

/// How the last comparison went.
struct Comparison {
    /// When a list was last believed, and how many numbers it had.
    good: Option<(Moment, i32)>,
    /// Why the newest list was not believed, since when, and how many numbers it had if it may be right.
    alarm: Option<(String, Moment, Option<i32>)>,
    /// What is not as it should be about our application, and since when.
    settings: Option<(String, Moment)>,
}

struct OperationView {
    id: OperationId,
    is_purchase: bool,
    about: String,
    owner: String,
    error: String,
    since: Moment,
    button: &'static str,
}

struct OrphanView {
    id: OrphanId,
    number: Number,
    state: &'static str,
    note: String,
    since: Moment,
    /// Whether its time is up: the next comparison gives it back.
    is_due: bool,
    button: &'static str,
}

struct LostView {
    id: MaskId,
    number: Number,
    owner: String,
    since: Option<Moment>,
    is_tried: bool,
    error: String,
}

#[derive(Template)]
#[template(path = "admin/operations.html")]
struct OperationsPage {
    page: Page,
    errors: Errors,
    comparison: Comparison,
    lacks_code_sender: bool,
    operations: Vec<OperationView>,
    orphans: Vec<OrphanView>,
    lost: Vec<LostView>,
}

#[derive(Template)]
#[template(path = "admin/keep.html")]
struct KeepPage {
    page: Page,
    errors: Errors,
    id: OrphanId,
    number: Number,
    note: String,
}

/// Says times by the admin's clocks.
struct Clocks(DateTime<Utc>, chrono_tz::Tz);

impl Clocks {
    fn of(admin: &Admin) -> Self {
        Self(admin.0.app().now(), admin.0.zone())
    }

    fn said(&self, at: DateTime<Utc>) -> Moment {
        moment(at, self.0, self.1)
    }

    fn comparison(&self, standing: Standing) -> Comparison {
        let Standing { good_at, good_size, alarm, alarm_since, doubted_size, .. } = standing;
        let since = alarm_since.unwrap_or(self.0);
        let fault_since = standing.settings_fault_since.unwrap_or(self.0);
        Comparison {
            good: good_at.map(|at| (self.said(at), good_size.unwrap_or_default())),
            alarm: alarm.map(|alarm| (alarm, self.said(since), doubted_size)),
            settings: standing.settings_fault.map(|fault| (fault, self.said(fault_since))),
        }
    }

    fn operation(&self, waiting: WaitingOperation) -> OperationView {
        OperationView {
            id: waiting.id,
            is_purchase: waiting.kind == Kind::Buy,
            about: match waiting.about {
                Some(Chosen::Number(number)) => number.grouped(),
                Some(Chosen::Prefix(prefix)) => format!("A number that begins with +{prefix}"),
                None => "A number".to_owned(),
            },
            owner: waiting.owner,
            error: waiting.error.unwrap_or_default(),
            since: self.said(waiting.since),
            button: if waiting.kind == Kind::Buy { "Look again" } else { "Try again" },
        }
    }

    fn orphan(&self, noted: NotedOrphan) -> OrphanView {
        let NotedOrphan { orphan, note } = noted;
        OrphanView {
            id: orphan.id,
            number: orphan.number.into(),
            state: match orphan.state {
                OrphanState::Seen => "seen",
                OrphanState::Kept => "kept",
                OrphanState::Releasing => "releasing",
                OrphanState::NeedsPerson => "needs_person",
            },
            note: note.unwrap_or_default(),
            since: self.said(orphan.first_seen),
            is_due: self.0 - orphan.first_seen >= APART,
            button: if orphan.state == OrphanState::Seen { "Give it back now" } else { "Try again" },
        }
    }

    fn lost(&self, lost: LostMask) -> LostView {
        LostView {
            id: lost.id,
            number: lost.number.into(),
            owner: lost.owner,
            since: lost.since.map(|at| self.said(at)),
            is_tried: lost.is_tried,
            error: lost.error.unwrap_or_default(),
        }
    }
}

async fn page(admin: &Admin, errors: Errors) -> Result<OperationsPage, PageError> {
    let clocks = Clocks::of(admin);
    let waiting = admin.0.app().waiting().await?;
    Ok(OperationsPage {
        page: admin.0.visitor.page("Operations"),
        errors,
        comparison: clocks.comparison(waiting.standing),
        lacks_code_sender: admin.0.app().lacks_code_sender().await?,
        operations: waiting.operations.into_iter().map(|waiting| clocks.operation(waiting)).collect(),
        orphans: waiting.orphans.into_iter().map(|noted| clocks.orphan(noted)).collect(),
        lost: waiting.lost.into_iter().map(|lost| clocks.lost(lost)).collect(),
    })
}

pub(in crate::web) async fn show(admin: Admin) -> Result<HttpResponse, PageError> {
    shown(&page(&admin, Errors::default()).await?)
}

/// Back to the list, with a word about what was done, or why nothing was.
fn done(admin: &Admin, done: Result<(), WaitingError>, flash: Flash) -> Result<HttpResponse, PageError> {
    match done {
        Ok(()) => Ok(admin.0.visitor.redirect(PATH, Some(flash))),
        Err(WaitingError::Db(error)) => Err(error.into()),
        Err(_) => Ok(admin.0.visitor.redirect(PATH, Some(Flash::SettledMeanwhile))),
    }
}

pub(in crate::web) async fn resume(
    admin: Admin,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    let resumed = admin.0.app().resume_operation(admin.0.user.id, OperationId(*id)).await;
    done(&admin, resumed, Flash::OperationResumed)
}

async fn keep_page(
    admin: &Admin,
    id: OrphanId,
    errors: Errors,
    note: String,
) -> Result<Option<KeepPage>, PageError> {
    let orphan = admin.0.app().orphan(id).await?;
    Ok(orphan.map(|orphan| KeepPage {
        page: admin.0.visitor.page("Keep a number"),
        errors,
        id,
        number: orphan.number.into(),
        note,
    }))
}

pub(in crate::web) async fn ask_to_keep(
    admin: Admin,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, PageError> {
    match keep_page(&admin, OrphanId(*id), Errors::default(), String::new()).await? {
        Some(page) => shown(&page),
        None => done(&admin, Err(WaitingError::Settled), Flash::OrphanKept),
    }
}

#[derive(Deserialize)]
pub(in crate::web) struct NoteForm {
    #[serde(default)]
    note: String,
}

pub(in crate::web) async fn keep(
    admin: Admin,
    id: web::Path<Uuid>,
    form: Form<NoteForm>,
) -> Result<HttpResponse, PageError> {
    let (id, note) = (OrphanId(*id), form.0.note);
    let kept = admin.0.app().keep_orphan(admin.0.user.id, id, &note).await;
    if !matches!(kept, Err(WaitingError::Note)) {
        return done(&admin, kept, Flash::OrphanKept);
    }
    let errors = format!("Say why, in at most {LONGEST_REASON} characters: other admins read it.");
    match keep_page(&admin, id, Errors::one("note", errors), note).await? {
        Some(page) => shown_again(&page),
        None => done(&admin, Err(WaitingError::Settled), Flash::OrphanKept),
    }
}

pub(in crate::web) async fn end_keeping(
    admin: Admin,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    let ended = admin.0.app().end_keeping(admin.0.user.id, OrphanId(*id)).await;
    done(&admin, ended, Flash::OrphanNotKept)
}

pub(in crate::web) async fn give_back(
    admin: Admin,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    let fate = admin.0.app().return_orphan(admin.0.user.id, OrphanId(*id)).await?;
    let flash = match fate {
        Fate::GivenBack => Flash::OrphanGivenBack,
        Fate::Refused(_) => Flash::OrphanRefused,
        Fate::Unclear(_) => Flash::OrphanUnclear,
        Fate::AskedFor => Flash::OrphanAskedFor,
        Fate::Explained | Fate::Kept | Fate::TakenUp | Fate::Waits => Flash::SettledMeanwhile,
    };
    Ok(admin.0.visitor.redirect(PATH, Some(flash)))
}

pub(in crate::web) async fn buy_back(
    admin: Admin,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    let wished = admin.0.app().wish_back(admin.0.user.id, MaskId(*id)).await;
    let why = match wished {
        Err(WaitingError::Limit(limit)) => limit_words(limit),
        wished => return done(&admin, wished, Flash::MaskToBeBoughtBack),
    };
    shown_again(&page(&admin, Errors::one("lost-title", why)).await?)
}

fn limit_words(limit: MaskLimit) -> &'static str {
    match limit {
        MaskLimit::SpendDay | MaskLimit::SpendMonth => {
            "The number is not bought back: a cap of spending is reached. See Spending."
        }
        MaskLimit::Stopped => "The number is not bought back: spending is stopped for it. See Spending.",
        MaskLimit::HouseAlive | MaskLimit::HouseHour => {
            "The number is not bought back: there are as many masks as there may be in all."
        }
        MaskLimit::Alive(_) | MaskLimit::Day(_) | MaskLimit::Month(_) | MaskLimit::InVain(_) => {
            "The number is not bought back: its owner has as many masks as they may. You can give them more under Users."
        }
    }
}

#[derive(Deserialize)]
pub(in crate::web) struct BeliefForm {
    #[serde(default)]
    size: i32,
}

pub(in crate::web) async fn believe(admin: Admin, form: Form<BeliefForm>) -> Result<HttpResponse, PageError> {
    let believed = admin.0.visitor.app.believe_list(admin.0.user.id, form.0.size).await;
    done(&admin, believed, Flash::ListBelieved)
}
