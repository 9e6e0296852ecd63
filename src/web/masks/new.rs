//! A new mask: which number it hides, and where it is from.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use askama::Template;
use serde::Deserialize;

use super::limit_words;
use crate::app::areas::{is_prefix, own_prefix};
use crate::app::masks::{WantedArea, Wish, WishError};
use crate::carrier::Area;
use crate::domain::ids::NumberId;
use crate::secrets;
use crate::web::error::PageError;
use crate::web::flash::Flash;
use crate::web::forms::Form;
use crate::web::guard::{SignedIn, shown, shown_again};
use crate::web::page::{Errors, Number, Page};

/// A number to choose.
pub(super) struct NumberChoice {
    pub(super) id: NumberId,
    pub(super) shown: String,
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
pub(in crate::web) struct WishForm {
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
    let mut groups = groups(&areas);
    if groups.is_empty() && is_prefix(&form.prefix) {
        // What was chosen when there was a list stays chosen.
        groups = vec![("Chosen before".into(), vec![(form.prefix.clone(), shown_prefix(&form.prefix))])];
    }
    let own =
        if numbers.len() == 1 { first.number.and_then(|number| own_prefix(number, &areas)) } else { None };
    let unknown = "Nothing is listed in your number's own area; you get one from elsewhere in its country.";
    let otherwise = if numbers.len() == 1 && !areas.is_empty() { unknown } else { "" };
    let same_area = own.map_or_else(
        || otherwise.to_owned(),
        |prefix| {
            let known = areas.iter().find(|area| area.prefix == prefix);
            known.map_or_else(|| shown_prefix(&prefix), place)
        },
    );
    let (most, alive) = app.masks_alive(user).await?;
    let left = most.saturating_sub(alive);
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
        groups,
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
pub(super) fn shown_prefix(prefix: &str) -> String {
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

pub(in crate::web) async fn new(signed_in: SignedIn) -> Result<HttpResponse, PageError> {
    match new_page(&signed_in, WishForm::default(), Errors::default()).await? {
        Some(page) => shown(&page),
        None => Ok(signed_in.visitor.redirect("/masks", None)),
    }
}

pub(in crate::web) async fn create(
    signed_in: SignedIn,
    form: Form<WishForm>,
) -> Result<HttpResponse, PageError> {
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
        Err(WishError::Limit(limit)) => Errors::one("mask-limit", limit_words(&signed_in, limit).await?),
    };
    match new_page(&signed_in, form, errors).await? {
        Some(page) => shown_again(&page),
        None => Ok(signed_in.visitor.redirect("/masks", None)),
    }
}
