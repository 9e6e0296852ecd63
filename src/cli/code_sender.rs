//! The number that codes come from: found at Tropo, or rented there once.
//!
//! It lies in an application of its own, so that it is in no list of masks, and a later run finds it there, also where the
//! answer to its purchase was lost.

use std::time::Duration;

use tokio::time::sleep;

use super::error::CliError;
use super::setup::Wish;
use crate::carrier::CarrierError;
use crate::carrier::tropo::client::Tropo;
use crate::carrier::tropo::setup::{Application, ApplicationWish};
use crate::domain::phone::PhoneNumber;

/// In how many areas a free number is looked for.
const AREAS: usize = 20;
/// How long after an unclear answer the list is read, each time: what is missing twice, half a minute apart, was not rented.
const LOOKS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

/// What the application is named that belongs to the masks' one.
fn name(masks: &str) -> String {
    format!("Maskline codes {masks}")
}

/// The number that the settings name, else the one that is there already, else a new one. The application that numbers for
/// codes lie in learns the present addresses in any case.
pub(super) async fn code_sender(
    tropo: &Tropo,
    wish: &Wish<'_>,
    applications: &[Application],
    masks: (&str, &ApplicationWish),
    fault: impl Fn(CarrierError) -> CliError,
) -> Result<PhoneNumber, CliError> {
    let (masks, like) = masks;
    let settings = ApplicationWish { name: name(masks), ..like.clone() };
    // A creation whose answer was lost may have left a second one of the name.
    let known: Vec<&str> = applications
        .iter()
        .filter(|application| application.name == settings.name)
        .map(|application| application.id.as_str())
        .collect();
    let mut held = None;
    for application in &known {
        tropo.update_application(application, &settings).await.map_err(&fault)?;
        held = held.or(tropo.numbers_of(application).await.map_err(&fault)?.first().copied());
    }
    if let Some(named) = wish.code_sender {
        if tropo.numbers_of(masks).await.map_err(&fault)?.contains(&named) {
            eprintln!(
                "TROPO_CALLER_ID names a number of the masks' application. If it is a mask, no codes are sent: take the \
                 setting out and run this again, and a number of its own is rented."
            );
        }
        return Ok(named);
    }
    match (held, known.first()) {
        (Some(number), _) => Ok(number),
        (None, Some(application)) => rent(tropo, wish, application, fault).await,
        (None, None) => {
            let application = tropo.create_application(&settings).await.map_err(&fault)?;
            rent(tropo, wish, &application, fault).await
        }
    }
}

/// Rents a number of the country that can text, from the last of its areas on: people ask for the first ones.
async fn rent(
    tropo: &Tropo,
    wish: &Wish<'_>,
    application: &str,
    fault: impl Fn(CarrierError) -> CliError,
) -> Result<PhoneNumber, CliError> {
    use crate::carrier::Carrier as _;
    let home = wish.country.dialling_code().to_string();
    let areas = tropo.areas().await.map_err(&fault)?;
    let usable = |area: &&crate::carrier::Area| {
        area.prefix.starts_with(&home) && area.texts != Some(false) && !area.toll_free
    };
    for area in areas.iter().rev().filter(usable).take(AREAS) {
        let free = match tropo.available(&area.prefix).await {
            Err(CarrierError::NoneFree) => continue,
            free => free.map_err(&fault)?,
        };
        let Some(number) = free.into_iter().find(|number| number.country() == Some(wish.country)) else {
            continue;
        };
        let shown = number.grouped();
        eprintln!("Renting {shown} at Tropo, to send codes from: one number more on the bill each month.");
        match tropo.buy_for(application, number).await {
            Ok(()) => return Ok(number),
            // Somebody else was faster.
            Err(CarrierError::NoneFree) => {}
            Err(CarrierError::Unclear(why)) => return look(tropo, application, why, fault).await,
            Err(error) => return Err(fault(error)),
        }
    }
    Err(CliError::NoCodeSender)
}

/// Whether it was rented, after nobody could tell.
async fn look(
    tropo: &Tropo,
    application: &str,
    why: String,
    fault: impl Fn(CarrierError) -> CliError,
) -> Result<PhoneNumber, CliError> {
    eprintln!("Tropo's answer got lost; looking whether the number was rented.");
    for pause in LOOKS {
        sleep(pause).await;
        if let Some(number) = tropo.numbers_of(application).await.unwrap_or_default().first() {
            return Ok(*number);
        }
    }
    Err(fault(CarrierError::Unclear(why)))
}
