//! The servers that route calls, for admins: whether each knows what was changed, and off the list with one that is gone.

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::TimeDelta;
use uuid::Uuid;

use crate::app::servers::ListedServer;
use crate::domain::ids::ServerId;
use crate::web::error::PageError;
use crate::web::flash::Flash;
use crate::web::forms::Form;
use crate::web::guard::{Admin, shown};
use crate::web::page::{Moment, Page, moment};
use crate::web::sign_in::Nothing;

/// How long a server may not have been heard of until it is called silent: it says that it is there every 30 seconds.
const SILENT: TimeDelta = TimeDelta::minutes(2);

struct ServerRow {
    id: ServerId,
    name: String,
    started: Moment,
    seen: Moment,
    /// "current", "behind" or "silent".
    standing: &'static str,
}

#[derive(Template)]
#[template(path = "admin/servers.html")]
struct ServersPage {
    page: Page,
    rows: Vec<ServerRow>,
}

pub(in crate::web) async fn list(admin: Admin) -> Result<HttpResponse, PageError> {
    let servers = admin.0.app().servers().await?;
    let rows = servers.into_iter().map(|listed| row(listed, &admin)).collect();
    shown(&ServersPage { page: admin.0.visitor.page("Servers"), rows })
}

fn row(ListedServer { server, is_behind }: ListedServer, admin: &Admin) -> ServerRow {
    let (now, zone) = (admin.0.app().now(), admin.0.zone());
    let is_silent = now - server.seen_at > SILENT;
    ServerRow {
        id: server.id,
        name: server.name,
        started: moment(server.started_at, now, zone),
        seen: moment(server.seen_at, now, zone),
        standing: match (is_behind, is_silent) {
            (true, _) => "behind",
            (false, true) => "silent",
            (false, false) => "current",
        },
    }
}

pub(in crate::web) async fn strike_off(
    admin: Admin,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    if !admin.0.app().strike_off_server(admin.0.user.id, ServerId(*id)).await? {
        return Err(PageError::NotFound);
    }
    Ok(admin.0.visitor.redirect("/admin/servers", Some(Flash::ServerTakenOff)))
}
