//! The simulator's pages for people.
use actix_web::web::ServiceConfig;
pub(crate) fn routes(_config: &mut ServiceConfig) {}
