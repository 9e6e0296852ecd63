//! Tropo's provisioning API: applications, addresses and exchanges, under `/v1` and `/rest/v1`.
//!
//! What it says and how is `tropo.md` section 1; the bookkeeping is `account`'s.

mod addresses;
mod applications;
mod exchanges;
pub(crate) mod reply;
#[cfg(test)]
mod tests;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::web::{self, Data};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) use self::addresses::every_address;
use super::switchboard::Switchboard;
use super::{faults, rest};
use crate::secrets;

/// The API under one of its two prefixes.
pub(crate) fn api(prefix: &str) -> impl HttpServiceFactory + use<> {
    web::scope(prefix)
        .wrap(from_fn(authenticate))
        .wrap(from_fn(faults::strike))
        .wrap(DefaultHeaders::new().add(("x-api-version", "1")))
        .service(
            web::resource("/applications")
                .route(web::get().to(applications::list))
                .route(web::post().to(applications::create)),
        )
        .service(
            web::resource("/applications/{application}")
                .route(web::get().to(applications::show))
                .route(web::put().to(applications::update))
                .route(web::delete().to(applications::delete)),
        )
        .service(
            web::resource("/applications/{application}/addresses")
                .route(web::get().to(addresses::list))
                .route(web::post().to(addresses::create)),
        )
        .service(
            web::resource("/applications/{application}/addresses/{kind}/{value}")
                .route(web::get().to(addresses::show))
                .route(web::post().to(addresses::attach))
                .route(web::delete().to(addresses::delete)),
        )
        .service(web::resource("/addresses").route(web::get().to(addresses::of_account)))
        .service(
            web::resource("/addresses/number/{value}").route(web::get().to(addresses::number_of_account)),
        )
        .service(web::resource("/exchanges").route(web::get().to(exchanges::list)))
        .service(web::resource("/exchanges/{exchange}").route(web::get().to(exchanges::show)))
        .default_service(web::to(reply::nothing_here))
}

/// HTTP Basic with the account's user and password.
async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let known = request.app_data::<Data<Switchboard>>().is_some_and(|board| {
        let expected = format!("{}:{}", board.settings.username, board.settings.password);
        credentials(&request).is_some_and(|given| secrets::same(&given, expected.as_bytes()))
    });
    if known {
        next.call(request).await.map(ServiceResponse::map_into_boxed_body)
    } else {
        Ok(request.into_response(rest::reply::unauthorized()))
    }
}

fn credentials(request: &ServiceRequest) -> Option<Vec<u8>> {
    let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    STANDARD.decode(encoded.trim()).ok()
}
