//! What an admin types to find masks and users: posted by the form, and carried on in addresses that do not show it.
//!
//! An address stands in histories, logs of proxies and `Referer`; e-mail addresses and numbers of people do not belong
//! there.

use actix_web::HttpResponse;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::web::flash::Flash;
use crate::web::guard::Admin;
use crate::web::page::PageNumber;

/// The longest text that is searched for, in characters.
const LONGEST: usize = 254;

/// The form above a list.
#[derive(Deserialize)]
pub(in crate::web) struct SearchForm {
    #[serde(default)]
    pub(super) q: String,
    #[serde(default)]
    pub(super) state: String,
}

/// The address of a list.
#[derive(Deserialize)]
pub(in crate::web) struct ListQuery {
    /// What is searched for, sealed.
    #[serde(default)]
    search: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    page: PageNumber,
}

impl ListQuery {
    /// What is searched for; `None` if that cannot be opened.
    pub(super) fn text(&self, admin: &Admin) -> Option<String> {
        if self.search.is_empty() {
            return Some(String::new());
        }
        admin.0.app().open_search(admin.0.user.id, &self.search)
    }

    /// The page of the list, from 1.
    pub(super) fn page(&self) -> i64 {
        self.page.get()
    }

    /// The address of another page of the same search.
    pub(super) fn href(&self, path: &str, page: i64) -> String {
        address(path, &[("search", &self.search), ("state", &self.state), ("page", &page.to_string())])
    }
}

/// Leads on to what was searched for.
pub(super) fn found(admin: &Admin, path: &str, typed: &str, state: &str) -> HttpResponse {
    let text: String = typed.chars().filter(|character| !character.is_control()).take(LONGEST).collect();
    let sealed = match text.trim() {
        "" => String::new(),
        text => admin.0.app().seal_search(admin.0.user.id, text),
    };
    admin.0.visitor.redirect(&address(path, &[("search", &sealed), ("state", state)]), None)
}

/// Leads to the whole list where a search cannot be opened, and says so.
pub(super) fn gone(admin: &Admin, path: &str) -> HttpResponse {
    admin.0.visitor.redirect(path, Some(Flash::SearchGone))
}

fn address(path: &str, fields: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
    match query.finish().as_str() {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}
