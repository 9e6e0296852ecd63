//! Users, for admins: who they are and how many masks they may have.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use uuid::Uuid;

use super::search::{self, ListQuery, SearchForm};
use crate::app::users::{PAGE, ReviewedUser};
use crate::db::users::Quota;
use crate::domain::ids::UserId;
use crate::domain::typed;
use crate::domain::user::Role;
use crate::web::error::PageError;
use crate::web::flash::Flash;
use crate::web::forms::Form;
use crate::web::guard::{Admin, shown, shown_again};
use crate::web::page::{Errors, Moment, Page, Pages, moment, pages};

const USERS: &str = "/admin/users";
/// As many masks as an admin can let one user have.
const MOST: u32 = 100_000;

struct UserRow {
    id: UserId,
    email: String,
    admin: bool,
    since: Moment,
    alive: u32,
    /// Whether an admin gave them a quota of their own.
    own_quota: bool,
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersPage {
    page: Page,
    q: String,
    found: String,
    pages: Pages,
    rows: Vec<UserRow>,
}

pub(in crate::web) async fn search(admin: Admin, form: Form<SearchForm>) -> HttpResponse {
    search::found(&admin, USERS, &form.0.q, "")
}

pub(in crate::web) async fn list(
    admin: Admin,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, PageError> {
    let Some(q) = query.text(&admin) else { return Ok(search::gone(&admin, USERS)) };
    let page = query.page();
    let (found, total) = admin.0.app().review_users(&q, page - 1).await?;
    shown(&UsersPage {
        page: admin.0.visitor.page("Users"),
        found: if total == 1 { "One user found.".to_owned() } else { format!("{total} users found.") },
        pages: pages("Users", page, PAGE, total, |page| query.href(USERS, page)),
        rows: found.iter().map(|user| row(user, &admin)).collect(),
        q,
    })
}

fn row(reviewed: &ReviewedUser, admin: &Admin) -> UserRow {
    UserRow {
        id: reviewed.user.id,
        admin: reviewed.user.role == Role::Admin,
        email: reviewed.user.email.to_string(),
        since: moment(reviewed.user.created_at, admin.0.app().now(), admin.0.zone()),
        alive: reviewed.masks_alive,
        own_quota: reviewed.quota != Quota::default(),
    }
}

/// A figure that may be the user's own, with everybody's.
struct QuotaField {
    name: &'static str,
    label: &'static str,
    typed: String,
    hint: String,
}

#[derive(Template)]
#[template(path = "admin/user.html")]
struct UserPage {
    page: Page,
    errors: Errors,
    id: UserId,
    email: String,
    alive: u32,
    since: Moment,
    fields: Vec<QuotaField>,
}

#[derive(Deserialize, Default)]
pub(in crate::web) struct QuotaForm {
    #[serde(default)]
    alive: String,
    #[serde(default)]
    day: String,
    #[serde(default)]
    month: String,
}

impl From<Quota> for QuotaForm {
    fn from(quota: Quota) -> Self {
        let typed = |count: Option<u32>| count.map_or_else(String::new, |count| count.to_string());
        Self { alive: typed(quota.alive), day: typed(quota.day), month: typed(quota.month) }
    }
}

async fn user_page(
    admin: &Admin,
    id: UserId,
    typed: Option<QuotaForm>,
    errors: Errors,
) -> Result<UserPage, PageError> {
    let app = admin.0.app();
    let found = app.reviewed_user(id).await?.ok_or(PageError::NotFound)?;
    let form = typed.unwrap_or_else(|| found.quota.into());
    let everybody = app.settings().limits.masks_per_user;
    let field = |name, label, typed, count: u32| QuotaField {
        name,
        label,
        typed,
        hint: format!("Everybody: {count}. Leave it empty for that."),
    };
    Ok(UserPage {
        page: admin.0.visitor.page("A user"),
        errors,
        id,
        email: found.user.email.to_string(),
        alive: found.masks_alive,
        since: moment(found.user.created_at, app.now(), admin.0.zone()),
        fields: vec![
            field("alive", "Masks at once", form.alive, everybody.0),
            field("day", "New masks in a day", form.day, everybody.1),
            field("month", "New masks in 30 days", form.month, everybody.2),
        ],
    })
}

pub(in crate::web) async fn show(admin: Admin, id: web::Path<Uuid>) -> Result<HttpResponse, PageError> {
    shown(&user_page(&admin, UserId(*id), None, Errors::default()).await?)
}

pub(in crate::web) async fn set_quota(
    admin: Admin,
    id: web::Path<Uuid>,
    form: Form<QuotaForm>,
) -> Result<HttpResponse, PageError> {
    let (id, form) = (UserId(*id), form.0);
    let read = |field: &'static str, text: &str| match typed::plain(text).trim() {
        "" => Ok(None),
        text => text.parse().ok().filter(|count| *count <= MOST).map(Some).ok_or(field),
    };
    let quota = (|| {
        Ok::<_, &'static str>(Quota {
            alive: read("alive", &form.alive)?,
            day: read("day", &form.day)?,
            month: read("month", &form.month)?,
        })
    })();
    let quota = match quota {
        Ok(quota) => quota,
        Err(field) => {
            let errors = Errors::one(field, format!("Type a whole number from 0 to {MOST}, or nothing."));
            return shown_again(&user_page(&admin, id, Some(form), errors).await?);
        }
    };
    if !admin.0.app().set_quota(admin.0.user.id, id, quota).await? {
        return Err(PageError::NotFound);
    }
    Ok(admin.0.visitor.redirect(&format!("/admin/users/{id}"), Some(Flash::QuotaSaved)))
}
