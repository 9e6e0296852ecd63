//! Who may speak to the simulator from a browser: its own pages, under a loopback name.
//!
//! Scripts and Maskline send no such headers and pass. It must not know what is asked for.

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::{DefaultHeaders, Next};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every answer.
pub(crate) fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("content-security-policy", POLICY))
        .add(("x-content-type-options", "nosniff"))
        .add(("referrer-policy", "same-origin"))
        .add(("cross-origin-resource-policy", "same-origin"))
        .add(("cross-origin-opener-policy", "same-origin"))
}

/// Refuses foreign names (a page elsewhere whose name was bent to this machine) and foreign forms.
pub(crate) async fn keep_strangers_out(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let refusal = if !asked_by_loopback_name(request.headers()) {
        Some("The simulator answers only to localhost, 127.0.0.1 and [::1].")
    } else if !request.method().is_safe() && from_another_site(request.headers()) {
        Some("The simulator takes no forms from other sites.")
    } else {
        None
    };
    match refusal {
        Some(text) => Ok(request.into_response(HttpResponse::Forbidden().body(text))),
        None => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
    }
}

fn asked_by_loopback_name(headers: &HeaderMap) -> bool {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).is_some_and(is_loopback)
}

/// Whether a `host` or `host:port` names this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn from_another_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign_fetch = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let foreign_origin = text("origin")
        .is_some_and(|origin| origin.split_once("://").map(|(_, authority)| authority) != text("host"));
    foreign_fetch || foreign_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in ["localhost", "LOCALHOST:8081", "127.0.0.1:8081", "127.1.2.3", "[::1]:8081", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "127.0.0.1.example.com:80", "192.0.2.1", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
