//! A user's real numbers: registered, proved, removed.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use uuid::Uuid;

use super::error::PageError;
use super::flash::Flash;
use super::forms::Form;
use super::guard::{SignedIn, shown, shown_again};
use super::masks::MaskCard;
use super::page::{Errors, Number, Page, wait};
use super::sign_in::Nothing;
use crate::app::code_delivery::Delivery;
use crate::app::codes::{CheckError, CodeLimit, Progress, SendError};
use crate::app::numbers::AddError;
use crate::carrier::Channel;
use crate::domain::ids::NumberId;
use crate::domain::phone::{Country, LineKind, PhoneNumber};
use crate::domain::verification::Undelivered;

#[derive(Template)]
#[template(path = "numbers/new.html")]
struct NewNumberPage {
    page: Page,
    errors: Errors,
    number: String,
    country: String,
}

#[derive(Template)]
#[template(path = "numbers/verify.html")]
struct VerifyPage {
    page: Page,
    errors: Errors,
    id: NumberId,
    number: Number,
    channel: &'static str,
    code_hint: String,
    no_call: Option<&'static str>,
    no_text: Option<&'static str>,
    sent: Option<String>,
    is_under_way: bool,
    failed: Option<&'static str>,
    wait: Option<String>,
}

#[derive(Template)]
#[template(path = "numbers/remove.html")]
struct RemovePage {
    page: Page,
    id: NumberId,
    number: Number,
    rest_days: i64,
    masks: Vec<MaskCard>,
    resting: usize,
}

#[derive(Deserialize)]
pub(super) struct NumberForm {
    #[serde(default)]
    number: String,
}

#[derive(Deserialize)]
pub(super) struct ChannelForm {
    #[serde(default)]
    channel: String,
}

#[derive(Deserialize)]
pub(super) struct CodeForm {
    #[serde(default)]
    code: String,
}

/// What is said where there is no number to send codes from.
const NO_SENDER: &str = "This service can’t send codes yet: it has no number to send them from. The people who run it can set one up.";

/// A country as a sentence names it.
fn country_name(country: Country) -> String {
    match country.code() {
        "US" => "the United States".to_owned(),
        "CA" => "Canada".to_owned(),
        "GB" => "the United Kingdom".to_owned(),
        _ => format!("the country with the code +{}", country.dialling_code()),
    }
}

fn new_page(signed_in: &SignedIn, errors: Errors, number: String) -> NewNumberPage {
    let country = country_name(signed_in.app().settings().default_country);
    NewNumberPage { page: signed_in.visitor.page("Add your number"), errors, number, country }
}

pub(super) async fn new(signed_in: SignedIn) -> Result<HttpResponse, PageError> {
    shown(&new_page(&signed_in, Errors::default(), String::new()))
}

pub(super) async fn create(signed_in: SignedIn, form: Form<NumberForm>) -> Result<HttpResponse, PageError> {
    let text = form.0.number;
    let error = match signed_in.app().add_number(signed_in.user.id, &text).await {
        Ok(id) => {
            let next = format!("/numbers/{id}/verification");
            return Ok(signed_in.visitor.redirect(&next, Some(Flash::NumberSaved)));
        }
        Err(AddError::Db(error)) => return Err(error.into()),
        Err(AddError::Refused(refusal)) => refusal.to_string(),
        Err(AddError::Country) => {
            let served = &signed_in.app().settings().number_countries;
            let names: Vec<String> = served.iter().map(|country| country_name(*country)).collect();
            format!(
                "That number is in a country that is not served here. Numbers can be from {}.",
                names.join(", ")
            )
        }
        Err(AddError::Unusable) => {
            "That number cannot be used here. Type the number of a real phone of yours.".to_owned()
        }
        Err(AddError::TooOften) => {
            "You tried as many numbers as you may in a day. Please try again tomorrow.".to_owned()
        }
        Err(AddError::TooMany) => too_many_numbers(&signed_in).await?,
    };
    shown_again(&new_page(&signed_in, Errors::one("number", error), text))
}

/// Which of the two limits stands in the way: of proved numbers, or of those that wait.
async fn too_many_numbers(signed_in: &SignedIn) -> Result<String, PageError> {
    let numbers = signed_in.app().numbers(signed_in.user.id).await?;
    let most = signed_in.app().settings().limits.numbers_per_user;
    let waiting = numbers.iter().filter(|number| !number.verified).count();
    Ok(if numbers.len() - waiting >= usize::try_from(most).unwrap_or(usize::MAX) {
        format!("You can have {most} numbers. Remove one before you add another.")
    } else {
        format!(
            "You have {waiting} numbers that wait to be proved. Prove or remove one before you add another."
        )
    })
}

async fn verify_page(signed_in: &SignedIn, id: NumberId, errors: Errors) -> Result<VerifyPage, PageError> {
    let progress = signed_in.app().verification(signed_in.user.id, id).await?.ok_or(PageError::NotFound)?;
    let now = signed_in.app().now();
    let (no_call, no_text) = closed_ways(signed_in, &progress).await?;
    Ok(VerifyPage {
        page: signed_in.visitor.page("Prove your number"),
        errors,
        id,
        number: (&progress.number).into(),
        channel: if no_call.is_some() || progress.code_by_text && no_text.is_none() {
            "text"
        } else {
            "voice"
        },
        code_hint: format!(
            "Six digits. It works for {} minutes.",
            signed_in.app().settings().limits.code_life.num_minutes()
        ),
        no_call,
        no_text,
        sent: sent_words(&progress, signed_in.app().settings().code_sender),
        is_under_way: progress.delivery == Delivery::UnderWay,
        failed: failed_words(progress.delivery),
        wait: progress.next_send.map(|next| format!("You can ask for another code {}.", wait(next, now))),
    })
}

/// Why no call, and why no text, can bring the code; `None` where one can.
async fn closed_ways(
    signed_in: &SignedIn,
    progress: &Progress,
) -> Result<(Option<&'static str>, Option<&'static str>), PageError> {
    let (app, channels) = (signed_in.app(), signed_in.app().settings().channels);
    if app.lacks_code_sender().await? {
        return Ok((Some(NO_SENDER), Some("")));
    }
    let no_call = (!channels.voice).then_some("This service makes no calls.");
    let no_text = if !channels.text {
        Some("This service sends no texts.")
    } else if progress.line == Some(LineKind::FixedLine) {
        Some("This is a landline, which takes no texts.")
    } else if let Some(number) = progress.number.number
        && app.area_takes_no_texts(number).await
    {
        Some("Numbers in this area cannot be texted.")
    } else {
        None
    };
    Ok((no_call, no_text))
}

/// What is under way, or has arrived; nothing where no code can be typed.
fn sent_words(progress: &Progress, sender: Option<PhoneNumber>) -> Option<String> {
    progress.code_until?;
    let from = sender.map_or(String::new(), |sender| format!(" from {}", sender.grouped()));
    Some(match (progress.code_by_text, progress.delivery) {
        (true, Delivery::Arrived) => format!("We texted you six digits{from}. Type them here."),
        (true, _) => format!("We’re texting you six digits{from}. Type them here."),
        (false, Delivery::Arrived) => "A voice said six digits, twice. Type them here.".to_owned(),
        (false, _) => format!(
            "We’re calling you{from}. Press 1 when you’re asked to: a voice then says six digits, twice. Type them here."
        ),
    })
}

/// Why a code did not arrive, and what to do.
fn failed_words(delivery: Delivery) -> Option<&'static str> {
    Some(match delivery {
        Delivery::None | Delivery::UnderWay | Delivery::Arrived => return None,
        Delivery::Stalled => {
            "The phone company hasn’t begun to deliver your code. If nothing comes, ask for another below."
        }
        Delivery::Failed(Undelivered::Busy) => {
            "We called you, but the line was busy. When it is free, ask for another code below."
        }
        Delivery::Failed(Undelivered::NoAnswer) => {
            "We called you, but nobody answered. Keep your phone at hand and ask for another code below."
        }
        Delivery::Failed(Undelivered::NotReached) => {
            "Our call didn’t get through. Check that the number is right and your phone takes calls, then ask for another \
             code below."
        }
        Delivery::Failed(Undelivered::NoKey) => {
            "We called you, but nobody pressed 1, so we didn’t say the code. Ask for another below, and press 1 when you’re \
             asked to."
        }
        Delivery::Failed(Undelivered::Machine) => {
            "An answering machine took our call, so we didn’t say the code. Ask for another below, and take the call yourself."
        }
        Delivery::Failed(Undelivered::HungUp) => {
            "The call ended before anybody pressed 1, so we didn’t say the code. Ask for another below."
        }
        Delivery::Failed(Undelivered::TextFailed) => {
            "The phone company couldn’t deliver our text. Check that the number is right and takes texts, or ask for a call \
             below."
        }
    })
}

pub(super) async fn verification(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, PageError> {
    let id = NumberId(*id);
    let progress = signed_in.app().verification(signed_in.user.id, id).await?.ok_or(PageError::NotFound)?;
    if progress.number.verified {
        return Ok(signed_in.visitor.redirect("/masks", None));
    }
    shown(&verify_page(&signed_in, id, Errors::default()).await?)
}

pub(super) async fn send_code(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    form: Form<ChannelForm>,
) -> Result<HttpResponse, PageError> {
    let (id, app) = (NumberId(*id), signed_in.app());
    let here = format!("/numbers/{id}/verification");
    let channel = match form.0.channel.as_str() {
        "voice" => Channel::Voice,
        "text" => Channel::Text,
        _ => {
            return shown_again(
                &verify_page(&signed_in, id, Errors::one("channel", "Choose a call or a text.")).await?,
            );
        }
    };
    let error = match app.send_code(signed_in.user.id, id, channel, signed_in.visitor.address).await {
        Ok(()) => return Ok(signed_in.visitor.redirect(&here, Some(Flash::CodeSent))),
        Err(SendError::Unclear) => return Ok(signed_in.visitor.redirect(&here, Some(Flash::CodeUnclear))),
        Err(SendError::AlreadyVerified) => return Ok(signed_in.visitor.redirect("/masks", None)),
        Err(SendError::NotFound) => return Err(PageError::NotFound),
        Err(SendError::Db(error)) => return Err(error.into()),
        Err(SendError::DoesNotOpen) => {
            "We cannot read this number any more. Add the same number again, and all goes on.".to_owned()
        }
        Err(SendError::ChannelOff) => {
            "That number cannot be reached that way. Choose another way, if there is one.".to_owned()
        }
        Err(SendError::NoSender) => NO_SENDER.to_owned(),
        Err(SendError::Stopped) => {
            "The people who run this service have stopped sending codes for now. Ask them when it goes on."
                .to_owned()
        }
        Err(SendError::NotTaken) => {
            "The phone company did not take our request. Nothing was used up; please try again in a minute."
                .to_owned()
        }
        Err(SendError::Wait { limit, until }) => {
            format!("{} {}.", limit_words(limit), wait(until, app.now()))
        }
    };
    shown_again(&verify_page(&signed_in, id, Errors::one("channel", error)).await?)
}

fn limit_words(limit: CodeLimit) -> &'static str {
    match limit {
        CodeLimit::Pause => "A code went out a moment ago. You can ask for another",
        CodeLimit::Number => {
            "This number was sent as many codes as it may be in a day. You can ask for another"
        }
        CodeLimit::User => "You asked for as many codes as you may. You can ask for another",
        CodeLimit::Network => "Many codes were asked for from your network. You can ask for another",
        CodeLimit::House => "We are sending no more codes for the moment. You can ask for one",
    }
}

pub(super) async fn check_code(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    form: Form<CodeForm>,
) -> Result<HttpResponse, PageError> {
    let id = NumberId(*id);
    let error = match signed_in.app().check_code(signed_in.user.id, id, &form.0.code).await {
        Ok(()) => return Ok(signed_in.visitor.redirect("/masks", Some(Flash::NumberProved))),
        Err(CheckError::NotFound) => return Err(PageError::NotFound),
        Err(CheckError::Db(error)) => return Err(error.into()),
        Err(CheckError::NotACode) => "Type the six digits of the code.".to_owned(),
        Err(CheckError::Wrong { left: 0 }) => {
            "That was not the code, and it was the last try. Ask for another code.".to_owned()
        }
        Err(CheckError::Wrong { left: 1 }) => "That is not the code. You have one more try.".to_owned(),
        Err(CheckError::Wrong { left }) => format!("That is not the code. You have {left} more tries."),
        Err(CheckError::NoCode) => "There is no code to type any more: it ran out, or there were too many wrong ones. Ask for another.".to_owned(),
        Err(CheckError::TooMany) => format!(
            "You have proved {} numbers, as many as there may be. Remove one first.",
            signed_in.app().settings().limits.numbers_per_user
        ),
    };
    shown_again(&verify_page(&signed_in, id, Errors::one("code", error)).await?)
}

pub(super) async fn ask_to_remove(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, PageError> {
    let (id, app) = (NumberId(*id), signed_in.app());
    let (number, masks, resting) =
        app.number_with_masks(signed_in.user.id, id).await?.ok_or(PageError::NotFound)?;
    shown(&RemovePage {
        resting,
        page: signed_in.visitor.page("Remove a number"),
        id,
        number: (&number).into(),
        rest_days: app.settings().limits.rest.num_days(),
        masks: masks.into_iter().map(|mask| MaskCard::new(mask.into(), &signed_in)).collect(),
    })
}

pub(super) async fn remove(
    signed_in: SignedIn,
    id: web::Path<Uuid>,
    _form: Form<Nothing>,
) -> Result<HttpResponse, PageError> {
    if !signed_in.app().remove_number(signed_in.user.id, NumberId(*id)).await? {
        return Err(PageError::NotFound);
    }
    let flash = Flash::NumberRemoved.once_confirmed(signed_in.app().reached().await);
    Ok(signed_in.visitor.redirect("/masks", Some(flash)))
}
