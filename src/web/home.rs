//! The first page, and the page for addresses that lead nowhere.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::error::PageError;
use super::guard::{Visitor, shown};
use super::page::Page;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    page: Page,
}

pub(super) async fn landing(visitor: Visitor) -> Result<HttpResponse, PageError> {
    shown(&HomePage { page: visitor.page("") })
}

/// An address that leads nowhere; one that would lead somewhere without the slashes at its end is sent there.
pub(super) async fn nothing_here(request: HttpRequest, _visitor: Visitor) -> Result<HttpResponse, PageError> {
    let path = request.uri().path().trim_end_matches('/');
    if path.len() == request.uri().path().len() || !request.resource_map().has_resource(path) {
        return Err(PageError::NotFound);
    }
    let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
    Ok(HttpResponse::PermanentRedirect().insert_header(("location", format!("{path}{query}"))).finish())
}
