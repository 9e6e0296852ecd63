//! Tropo's provisioning API: applications, addresses, exchanges and what else clients ask for, under `/v1` and
//! `/rest/v1`.
//!
//! The bookkeeping is `account`'s.

mod addresses;
mod applications;
mod countries;
mod exchanges;
mod languages;
pub(crate) mod reply;
#[cfg(test)]
mod tests;
mod users;
mod webhooks;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) use self::addresses::every_address;
pub(crate) use self::languages::XML;
use super::switchboard::Switchboard;
use super::{faults, rest};
use crate::secrets;

/// The API under one of its two prefixes.
pub(crate) fn api(prefix: &str) -> impl HttpServiceFactory + use<> {
    web::scope(prefix)
        .wrap(from_fn(authenticate))
        .wrap(from_fn(faults::strike))
        .wrap(from_fn(languages::translate))
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
            web::resource("/applications/{application}/addresses/{kind}")
                .route(web::get().to(addresses::list_kind)),
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
        .service(web::resource("/addresses/{kind}").route(web::get().to(addresses::kind_of_account)))
        .service(web::resource("/exchanges").route(web::get().to(exchanges::list)))
        .service(web::resource("/exchanges/{exchange}").route(web::get().to(exchanges::show)))
        .configure(account)
        .default_service(web::to(reply::nothing_here))
}

/// What is about the account itself.
fn account(config: &mut ServiceConfig) {
    let whitelist = "/partitions/{partition}/platforms/sms/whitelist";
    config
        .service(
            web::resource("/users")
                .route(web::get().to(users::search))
                .route(web::post().to(users::not_here)),
        )
        .service(web::resource(format!("/users{whitelist}")).route(web::get().to(users::whitelist)))
        .service(
            web::resource("/users/{user}")
                .route(web::get().to(users::show))
                .route(web::put().to(users::not_here)),
        )
        .service(web::resource("/users/{user}/usage").route(web::get().to(users::usage)))
        .service(web::resource("/users/{user}/features").route(web::get().to(users::features_of_user)))
        .service(web::resource(format!("/users/{{user}}{whitelist}")).route(web::get().to(users::whitelist)))
        .service(web::resource("/usernames/{name}").route(web::get().to(users::username)))
        .service(web::resource("/countries").route(web::get().to(countries::list)))
        .service(web::resource("/countries/{country}/states").route(web::get().to(countries::list_states)))
        .service(web::resource("/invitations").route(web::get().to(users::invitations)))
        .service(web::resource("/features").route(web::get().to(users::features)))
        .service(web::resource("/partitions").route(web::get().to(users::partitions)))
        .service(web::resource("/partitions/{partition}/platforms").route(web::get().to(users::platforms)))
        .service(
            web::resource("/webhooks")
                .route(web::get().to(webhooks::list))
                .route(web::post().to(webhooks::create)),
        )
        .service(
            web::resource("/webhooks/{webhook}")
                .route(web::get().to(webhooks::show))
                .route(web::put().to(webhooks::update))
                .route(web::delete().to(webhooks::delete)),
        );
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
