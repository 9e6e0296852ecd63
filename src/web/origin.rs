//! Whether a request that may change something was sent by one of our own pages, as far as the browser says.
//!
//! Knows no forms: their tokens (`forms`) are checked as well, and decide alone where a browser says nothing.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER};
use url::Url;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the browser says that the request comes from another origin than `ours`, which is `MASKLINE_PUBLIC_URL`: the
/// `Host` header is no measure behind a proxy.
///
/// `Sec-Fetch-Site` decides where it is sent. Browsers that do not know it (Safari before 16.4), or reach us by plain
/// http, send `Origin`; a few send only `Referer`. `Origin: null` is refused, because any page can make its forms send
/// that from a sandboxed frame, and our own pages never do under their `Referrer-Policy`. None of the three: `false`.
pub(super) fn is_foreign(headers: &HeaderMap, ours: &Url) -> bool {
    if headers.contains_key(FETCH_SITE) {
        let is_own = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
        return !headers.get_all(FETCH_SITE).all(is_own);
    }
    for name in [ORIGIN, REFERER] {
        let mut named = headers.get_all(name).filter(|value| !value.is_empty()).peekable();
        if named.peek().is_some() {
            return !named.all(|value| has_origin(value, ours));
        }
    }
    false
}

fn has_origin(value: &HeaderValue, ours: &Url) -> bool {
    let named = value.to_str().ok().and_then(|value| Url::parse(value).ok());
    named.is_some_and(|named| named.origin() == ours.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://mask.example.com";

    fn is_foreign_to(ours: &str, sent: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(name.parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        is_foreign(&headers, &ours.parse().unwrap())
    }

    #[test]
    fn only_our_own_pages_send_what_changes_something() {
        let site = "sec-fetch-site";
        let table: &[(&[(&str, &str)], bool)] = &[
            // What browsers of today send, whatever else stands beside it.
            (&[(site, "same-origin"), ("origin", OURS)], false),
            (&[(site, "none")], false),
            (&[(site, "same-site"), ("origin", "https://other.example.com")], true),
            (&[(site, "cross-site"), ("origin", "https://evil.example")], true),
            (&[(site, "cross-site"), ("origin", OURS), ("referer", OURS)], true),
            (&[(site, "same-origin"), (site, "cross-site")], true),
            (&[(site, "Same-Origin")], true),
            (&[(site, "")], true),
            // Older ones, and all by plain http.
            (&[("origin", OURS)], false),
            (&[("origin", OURS), ("referer", "https://mask.example.com/sign-in")], false),
            (&[("origin", "https://mask.example.com:443")], false),
            (&[("origin", "HTTPS://Mask.Example.COM")], false),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "https://evil.example"), ("referer", OURS)], true),
            (&[("origin", OURS), ("origin", "https://evil.example")], true),
            (&[("origin", "null")], true),
            (&[("origin", "null"), ("referer", "https://mask.example.com/masks")], true),
            (&[("origin", "http://mask.example.com")], true),
            (&[("origin", "https://mask.example.com:8443")], true),
            (&[("origin", "https://example.com")], true),
            (&[("origin", "https://a.mask.example.com")], true),
            (&[("origin", "https://mask.example.com.evil.example")], true),
            (&[("origin", "https://mask.example.com@evil.example")], true),
            (&[("origin", "https://mask.example.com.")], true),
            (&[("origin", "mask.example.com")], true),
            (&[("origin", "https://mask.example.com, https://evil.example")], true),
            (&[("origin", "\u{e9}")], true),
            (&[("origin", "chrome-extension://abcdefghijklmnop")], true),
            // Those that send no Origin with a form (Firefox before 70).
            (&[("referer", "https://mask.example.com/masks/new?x=https://evil.example")], false),
            (&[("referer", OURS)], false),
            (&[("origin", ""), ("referer", "https://mask.example.com/")], false),
            (&[("referer", "https://evil.example/?https://mask.example.com/")], true),
            (&[("referer", "http://mask.example.com/sign-in")], true),
            (&[("referer", "about:blank")], true),
            (&[("referer", "/sign-in")], true),
            // Those that say nothing: the form's token decides.
            (&[], false),
            (&[("origin", ""), ("referer", "")], false),
            // What a proxy says of itself counts for nothing.
            (&[("host", "10.0.0.7:8080"), ("x-forwarded-host", "evil.example"), ("origin", OURS)], false),
            (&[("host", "evil.example"), ("origin", "https://evil.example")], true),
            (&[("host", "10.0.0.7:8080"), ("origin", "http://10.0.0.7:8080")], true),
        ];
        for (sent, foreign) in table {
            assert_eq!(is_foreign_to(OURS, sent), *foreign, "{sent:?}");
        }
    }

    #[test]
    fn the_public_url_decides_with_its_port_and_script() {
        for (ours, origin, foreign) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", false),
            ("http://127.0.0.1:8080", "http://localhost:8080", true),
            ("http://[::1]:8080", "http://[::1]:8080", false),
            ("https://mask.example.com:8443/", "https://mask.example.com:8443", false),
            ("https://m\u{fc}nze.example", "https://xn--mnze-0ra.example", false),
        ] {
            assert_eq!(is_foreign_to(ours, &[("origin", origin)]), foreign, "{ours} {origin}");
        }
    }
}
