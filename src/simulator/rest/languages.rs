//! The language of a reply: JSON, or XML for those who ask for it.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use serde_json::Value;

use crate::simulator::fields::{Writing, writing};
use crate::simulator::xml;

/// XML, as documented: Tropo's own name for it.
pub(crate) const XML: &str = "text/xml; charset=utf-8";

/// Writes the replies to those who want XML in XML.
pub(crate) async fn translate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let wanted = wants_xml(request.request());
    let reply = next.call(request).await?.map_into_boxed_body();
    let sized = matches!(reply.response().body().size(), BodySize::Sized(_));
    if !wanted || !sized || !is_json(reply.headers()) {
        return Ok(reply);
    }
    let (request, reply) = reply.into_parts();
    let (head, body) = reply.into_parts();
    let body = to_bytes(body).await.unwrap_or_default();
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    let written = match value.get("error") {
        Some(error) => xml::write("error", error),
        None => xml::write(&root(request.path(), value.is_array()), &value),
    };
    let mut translated = HttpResponse::build(head.status()).content_type(XML).body(written);
    for (name, value) in head.headers().iter().filter(|(name, _)| *name != header::CONTENT_TYPE) {
        translated.headers_mut().append(name.clone(), value.clone());
    }
    Ok(ServiceResponse::new(request, translated))
}

/// What is accepted decides; where that is anything, what the request was written in.
fn wants_xml(request: &HttpRequest) -> bool {
    let accept =
        request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match (accept.contains("json"), accept.contains("xml")) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => writing(request) == Some(Writing::Xml),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// The name of the resource: `applications`, and `application` for one of them.
fn root(path: &str, is_list: bool) -> String {
    let known = ["applications", "addresses", "exchanges", "users", "usernames", "features", "partitions"];
    let more = ["platforms", "countries", "states", "webhooks", "usage", "whitelist", "invitations"];
    let resource = path.rsplit('/').find(|segment| known.contains(segment) || more.contains(segment));
    match resource {
        Some("countries") if !is_list => "country".to_owned(),
        Some("usage" | "whitelist") | None => resource.unwrap_or("reply").to_owned(),
        Some(many) if is_list => many.to_owned(),
        Some(many) => xml::one_of(many).to_owned(),
    }
}
