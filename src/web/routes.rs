//! Every route, grouped by who may come: the site map.
//!
//! Nothing but routes: what they do stands in the module of their noun.

use actix_web::middleware::from_fn;
use actix_web::{Route, guard, web};

use super::forms::LONGEST_FORM;
use super::{
    Settings, account, admin, assets, guard as access, headers, health, home, masks, numbers, session,
    sign_in, tropo,
};
use crate::app::App;

/// Every path with the methods that it answers to, for the test that walks them all as every role.
pub const ROUTES: &[(&str, &[&str])] = &[
    ("/", &["GET"]),
    ("/healthz", &["GET"]),
    ("/readyz", &["GET"]),
    ("/static/{name}", &["GET"]),
    ("/favicon.ico", &["GET"]),
    ("/.well-known/change-password", &["GET"]),
    ("/tropo/transfer", &["POST"]),
    ("/tropo/message", &["POST"]),
    ("/tropo/calls/{call}/{event}", &["POST"]),
    ("/tropo/codes/{code}/{event}", &["POST"]),
    ("/sign-up", &["GET", "POST"]),
    ("/sign-up/sent", &["GET"]),
    ("/sign-in", &["GET", "POST"]),
    ("/sign-out", &["POST"]),
    ("/forgotten-password", &["GET", "POST"]),
    ("/forgotten-password/sent", &["GET"]),
    ("/links/{token}", &["GET", "POST"]),
    ("/masks", &["GET", "POST"]),
    ("/masks/new", &["GET"]),
    ("/masks/{id}", &["GET"]),
    ("/masks/{id}/label", &["POST"]),
    ("/masks/{id}/cancellation", &["POST"]),
    ("/masks/{id}/pause", &["POST"]),
    ("/masks/{id}/resumption", &["POST"]),
    ("/masks/{id}/revocation", &["GET", "POST"]),
    ("/masks/{id}/restoration", &["POST"]),
    ("/masks/{id}/calls/{call}/admission", &["POST"]),
    ("/numbers", &["POST"]),
    ("/numbers/new", &["GET"]),
    ("/numbers/{id}/verification", &["GET", "POST"]),
    ("/numbers/{id}/verification/code", &["POST"]),
    ("/numbers/{id}/removal", &["GET", "POST"]),
    ("/account", &["GET"]),
    ("/account/password", &["POST"]),
    ("/account/time-zone", &["POST"]),
    ("/account/sessions/{id}/end", &["POST"]),
    ("/account/sessions/end-others", &["POST"]),
    ("/admin", &["GET"]),
    ("/admin/masks", &["GET", "POST"]),
    ("/admin/masks/{id}/revocation", &["GET", "POST"]),
    ("/admin/masks/{id}/repurchase", &["POST"]),
    ("/admin/operations", &["GET"]),
    ("/admin/operations/{id}/resumption", &["POST"]),
    ("/admin/orphans/{id}/keeping", &["GET", "POST"]),
    ("/admin/orphans/{id}/keeping/end", &["POST"]),
    ("/admin/orphans/{id}/return", &["POST"]),
    ("/admin/comparison/belief", &["POST"]),
    ("/admin/users", &["GET", "POST"]),
    ("/admin/users/{id}", &["GET"]),
    ("/admin/users/{id}/quota", &["POST"]),
    ("/admin/spending", &["GET", "POST"]),
    ("/admin/spending/{id}/end", &["POST"]),
    ("/admin/servers", &["GET"]),
    ("/admin/servers/{id}/removal", &["POST"]),
];

/// The carrier's: the handlers look at the key and the method themselves, so that all else looks alike. It follows no
/// redirect, so a slash at the end does no harm.
fn carriers(service: &mut web::ServiceConfig) {
    service.service(
        web::scope("/tropo")
            .wrap(from_fn(headers::every_answer_to_carrier))
            .service(web::resource(["/transfer", "/transfer/"]).to(tropo::transfer))
            .service(web::resource(["/message", "/message/"]).to(tropo::message))
            .service(web::resource(["/calls/{call}/{event}", "/calls/{call}/{event}/"]).to(tropo::call_event))
            .service(web::resource(["/codes/{code}/{event}", "/codes/{code}/{event}/"]).to(tropo::code_event))
            .default_service(web::to(tropo::nothing)),
    );
}

/// Where everybody comes in.
pub(super) fn routes(service: &mut web::ServiceConfig, app: &web::Data<App>, settings: &Settings) {
    service.configure(carriers).service(
        web::scope("")
            .wrap(from_fn(headers::every_answer))
            // Files that are the same for everybody: no cookies here.
            .configure(liveness)
            .route("/static/{name}", page().to(assets::file))
            .route("/favicon.ico", page().to(assets::favicon))
            .route("/.well-known/change-password", page().to(account::where_passwords_change))
            .service(
                web::scope("")
                    .app_data(web::PayloadConfig::new(LONGEST_FORM))
                    .wrap(from_fn(access::frame))
                    .wrap(session::sessions(app, settings))
                    .wrap(from_fn(access::without_database))
                    .configure(pages),
            ),
    );
}

/// Where only the carrier comes in, and whoever asks whether we live.
pub(super) fn carriers_alone(service: &mut web::ServiceConfig) {
    service.configure(carriers).service(
        web::scope("")
            .wrap(from_fn(headers::every_answer))
            .configure(liveness)
            .default_service(web::to(tropo::nothing)),
    );
}

/// For whoever asks whether we live.
fn liveness(service: &mut web::ServiceConfig) {
    service.route("/healthz", page().to(health::healthz)).route("/readyz", page().to(health::readyz));
}

fn pages(service: &mut web::ServiceConfig) {
    service
        // Anyone.
        .route("/", page().to(home::landing))
        .service(
            web::resource("/sign-up")
                .route(page().to(sign_in::sign_up))
                .route(web::post().to(sign_in::mail_sign_up)),
        )
        .route("/sign-up/sent", page().to(sign_in::sign_up_sent))
        .service(
            web::resource("/sign-in").route(page().to(sign_in::form)).route(web::post().to(sign_in::sign_in)),
        )
        .route("/sign-out", web::post().to(sign_in::sign_out))
        .service(
            web::resource("/forgotten-password")
                .route(page().to(sign_in::forgotten))
                .route(web::post().to(sign_in::mail_new_password)),
        )
        .route("/forgotten-password/sent", page().to(sign_in::new_password_sent))
        .service(
            web::resource("/links/{token}")
                .route(page().to(sign_in::link))
                .route(web::post().to(sign_in::choose_password)),
        )
        // Signed in.
        .service(web::resource("/masks").route(page().to(masks::index)).route(web::post().to(masks::create)))
        .route("/masks/new", page().to(masks::new))
        .route("/masks/{id}", page().to(masks::show))
        .route("/masks/{id}/label", web::post().to(masks::label))
        .route("/masks/{id}/cancellation", web::post().to(masks::cancel))
        .route("/masks/{id}/pause", web::post().to(masks::pause))
        .route("/masks/{id}/resumption", web::post().to(masks::resume))
        .service(
            web::resource("/masks/{id}/revocation")
                .route(page().to(masks::ask_to_revoke))
                .route(web::post().to(masks::revoke)),
        )
        .route("/masks/{id}/restoration", web::post().to(masks::restore))
        .route("/masks/{id}/calls/{call}/admission", web::post().to(masks::admit_caller))
        .route("/numbers", web::post().to(numbers::create))
        .route("/numbers/new", page().to(numbers::new))
        .service(
            web::resource("/numbers/{id}/verification")
                .route(page().to(numbers::verification))
                .route(web::post().to(numbers::send_code)),
        )
        .route("/numbers/{id}/verification/code", web::post().to(numbers::check_code))
        .service(
            web::resource("/numbers/{id}/removal")
                .route(page().to(numbers::ask_to_remove))
                .route(web::post().to(numbers::remove)),
        )
        .route("/account", page().to(account::show))
        .route("/account/password", web::post().to(account::change_password))
        .route("/account/time-zone", web::post().to(account::set_time_zone))
        .route("/account/sessions/end-others", web::post().to(account::end_other_sessions))
        .route("/account/sessions/{id}/end", web::post().to(account::end_session))
        // Admins.
        .route("/admin", page().to(admin::home))
        .service(
            web::resource("/admin/masks")
                .route(page().to(admin::masks))
                .route(web::post().to(admin::search_masks)),
        )
        .service(
            web::resource("/admin/masks/{id}/revocation")
                .route(page().to(admin::ask_to_revoke))
                .route(web::post().to(admin::revoke)),
        )
        .route("/admin/masks/{id}/repurchase", web::post().to(admin::operations::buy_back))
        .route("/admin/operations", page().to(admin::operations::show))
        .route("/admin/operations/{id}/resumption", web::post().to(admin::operations::resume))
        .service(
            web::resource("/admin/orphans/{id}/keeping")
                .route(page().to(admin::operations::ask_to_keep))
                .route(web::post().to(admin::operations::keep)),
        )
        .route("/admin/orphans/{id}/keeping/end", web::post().to(admin::operations::end_keeping))
        .route("/admin/orphans/{id}/return", web::post().to(admin::operations::give_back))
        .route("/admin/comparison/belief", web::post().to(admin::operations::believe))
        .service(
            web::resource("/admin/users")
                .route(page().to(admin::users::list))
                .route(web::post().to(admin::users::search)),
        )
        .route("/admin/users/{id}", page().to(admin::users::show))
        .route("/admin/users/{id}/quota", web::post().to(admin::users::set_quota))
        .service(
            web::resource("/admin/spending")
                .route(page().to(admin::spending::show))
                .route(web::post().to(admin::spending::stop)),
        )
        .route("/admin/spending/{id}/end", web::post().to(admin::spending::lift))
        .route("/admin/servers", page().to(admin::servers::list))
        .route("/admin/servers/{id}/removal", web::post().to(admin::servers::strike_off))
        .default_service(web::to(home::nothing_here));
}

/// What is read: GET, and HEAD as whoever checks links asks.
fn page() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}
