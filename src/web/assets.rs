//! Files that are the same for everybody, each under a hash of its content, kept by browsers for a year.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

use crate::secrets;

/// A file that is built in.
pub(super) struct Asset {
    /// Its name with the hash, as it stands in an address.
    name: String,
    /// Its address.
    pub(super) path: String,
    media: &'static str,
    body: &'static [u8],
}

fn asset(stem: &str, ending: &str, media: &'static str, body: &'static [u8]) -> Asset {
    let hash = secrets::hex(&secrets::digest(body)[..8]);
    let name = format!("{stem}.{hash}.{ending}");
    Asset { path: format!("/static/{name}"), name, media, body }
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    asset("maskline", "css", "text/css; charset=utf-8", include_bytes!("../../static/maskline.css"))
});
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    asset("maskline", "js", "text/javascript; charset=utf-8", include_bytes!("../../static/maskline.js"))
});
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| asset("favicon", "svg", "image/svg+xml", include_bytes!("../../static/favicon.svg")));

pub(super) async fn file(name: web::Path<String>) -> HttpResponse {
    let known = [&*STYLE, &*SCRIPT, &*ICON].into_iter().find(|asset| asset.name == *name);
    match known {
        Some(asset) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, asset.media))
            .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .body(asset.body),
        None => {
            HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("There is no such file.")
        }
    }
}

/// Browsers that never read a page ask for this one.
pub(super) async fn favicon() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, ICON.media))
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .body(ICON.body)
}
