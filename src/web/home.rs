//! The first page, and the page for addresses that lead nowhere.

use actix_web::HttpResponse;
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

pub(super) async fn nothing_here(_visitor: Visitor) -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound)
}
