//! What is spent, and the switches that stop it, for admins.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use uuid::Uuid;

use crate::app::App;
use crate::app::admin::LONGEST_REASON;
use crate::app::spending::{Spent, StopError, ThrownStop, WantedStop};
use crate::domain::money::Money;
use crate::web::error::PageError;
use crate::web::flash::Flash;
use crate::web::forms::Form;
use crate::web::guard::{Admin, shown, shown_again};
use crate::web::page::{Errors, Moment, Page, moment};
use crate::web::sign_in::Nothing;

/// What can be stopped, as the form names it.
const SCOPES: [(&str, &str); 5] = [
    ("all", "Everything"),
    ("carrier", "The phone company"),
    ("country", "A country"),
    ("user", "A user"),
    ("mask", "A mask"),
];

/// What one thing costs.
struct Line {
    name: &'static str,
    today: String,
    month: String,
}

/// What may be spent, and how much of it is.
struct Cap {
    name: &'static str,
    spent: String,
    most: String,
    reached: bool,
}

struct StopView {
    id: Uuid,
    about: String,
    calls: &'static str,
    reason: String,
    since: Moment,
}

#[derive(Template)]
#[template(path = "admin/spending.html")]
struct SpendingPage {
    page: Page,
    errors: Errors,
    half_used: Vec<String>,
    caps: Vec<Cap>,
    lines: Vec<Line>,
    stops: Vec<StopView>,
    scopes: Vec<(&'static str, &'static str)>,
    form: StopForm,
}

#[derive(Deserialize, Default)]
pub(in crate::web) struct StopForm {
    #[serde(default)]
    scope: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    calls_too: String,
    #[serde(default)]
    reason: String,
}

async fn page(admin: &Admin, form: StopForm, errors: Errors) -> Result<SpendingPage, PageError> {
    let app = admin.0.app();
    let (now, zone) = (app.now(), admin.0.zone());
    let report = app.spending().await?;
    let (settings, prices) = (app.settings(), app.settings().limits.prices);
    let money = |amount: Money| format!("{} {}", amount.in_cents(), settings.currency);
    let cap = |name, spent: Money, most: Money, one: Money| Cap {
        name,
        spent: money(spent),
        most: money(most),
        reached: spent.plus(one) > most,
    };
    let (today, month) = (report.today, report.month);
    let (codes, codes_cap) = report.codes_today;
    let line = |name, cost: fn(Spent, crate::domain::limits::Prices) -> (Money, String)| {
        let told = |spent: Spent| {
            let (cost, count) = cost(spent, prices);
            format!("{} ({count})", money(cost))
        };
        Line { name, today: told(today), month: told(month) }
    };
    Ok(SpendingPage {
        page: admin.0.visitor.page("Spending"),
        errors,
        half_used: half_used(app).await?,
        caps: vec![
            cap("Today", today.cost, today.cap, prices.number_a_month),
            cap("This month", month.cost, month.cap, prices.number_a_month),
            cap("Codes today", codes, codes_cap, prices.code),
        ],
        lines: vec![
            line("Numbers", |spent, prices| {
                let count = spent.used.numbers;
                (prices.number_a_month.times(count), count.to_string())
            }),
            line("Minutes", |spent, prices| {
                let seconds = spent.used.talk_seconds;
                (prices.minute.for_seconds(seconds), format!("{} min", (seconds + 59) / 60))
            }),
            line("Codes", |spent, prices| {
                let count = spent.used.codes;
                (prices.code.times(count), count.to_string())
            }),
        ],
        stops: report.stops.into_iter().map(|(thrown, about)| stop_view(thrown, about, now, zone)).collect(),
        scopes: SCOPES.to_vec(),
        form,
    })
}

/// The limits of the whole deployment that are half used, in sentences.
pub(super) async fn half_used(app: &App) -> Result<Vec<String>, PageError> {
    let uses = app.cap_uses().await?;
    let currency = &app.settings().currency;
    Ok(uses.iter().filter(|found| found.is_half_used()).map(|found| found.sentence(currency)).collect())
}

fn stop_view(
    thrown: ThrownStop,
    about: String,
    now: chrono::DateTime<chrono::Utc>,
    zone: chrono_tz::Tz,
) -> StopView {
    StopView {
        id: thrown.id,
        about,
        calls: if thrown.stop.calls_too {
            "Calls are turned away"
        } else {
            "Calls go on; nothing is bought, no code is sent"
        },
        reason: thrown.reason,
        since: moment(thrown.since, now, zone),
    }
}

pub(in crate::web) async fn show(admin: Admin) -> Result<HttpResponse, PageError> {
    shown(&page(&admin, StopForm::default(), Errors::default()).await?)
}

pub(in crate::web) async fn stop(admin: Admin, form: Form<StopForm>) -> Result<HttpResponse, PageError> {
    let form = form.0;
    let subject = form.subject.trim().to_owned();
    let wanted = match form.scope.as_str() {
        "all" => Some(WantedStop::All),
        "carrier" => Some(WantedStop::Carrier),
        "country" => Some(WantedStop::Country(subject)),
        "user" => Some(WantedStop::User(subject)),
        "mask" => Some(WantedStop::Mask(subject)),
        _ => None,
    };
    let Some(wanted) = wanted else { return Err(PageError::Unreadable) };
    let calls_too = !form.calls_too.is_empty();
    let stopped = admin.0.app().stop_spending(admin.0.user.id, wanted, calls_too, &form.reason).await;
    let errors = match stopped {
        Ok(()) => {
            let flash = Flash::SpendingStopped.once_confirmed(admin.0.app().reached().await);
            return Ok(admin.0.visitor.redirect("/admin/spending", Some(flash)));
        }
        Err(StopError::Db(error)) => return Err(error.into()),
        Err(StopError::NoSubject) => Errors::one(
            "subject",
            "There is none like that. Give a country’s two letters, a user’s e-mail address or a mask’s number.",
        ),
        Err(StopError::Reason) => Errors::one(
            "reason",
            format!("Give a reason of at most {LONGEST_REASON} characters: other admins read it."),
        ),
    };
    shown_again(&page(&admin, form, errors).await?)
}

pub(in crate::web) async fn lift(
    admin: Admin,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    if !admin.0.app().lift_stop(admin.0.user.id, *id).await? {
        return Err(PageError::NotFound);
    }
    let flash = Flash::SpendingGoesOn.once_confirmed(admin.0.app().reached().await);
    Ok(admin.0.visitor.redirect("/admin/spending", Some(flash)))
}
