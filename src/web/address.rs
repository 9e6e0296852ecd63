//! Where a request came from: the peer, or what a proxy that we trust says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;

use super::{Settings, connections};

/// The address of the client. Forwarded headers count only from configured proxies, and are read from the end, where
/// the nearest proxy writes: the first address that is no proxy of ours is the client's. Where a proxy says something
/// that is no address, it counts as the client itself. Whoever comes by a Unix socket is a proxy, as the operator let it
/// open the file; it has no address of its own.
pub(super) fn client(request: &HttpRequest, settings: &Settings) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let forwarded = request.headers().get_all("x-forwarded-for");
    let values: Vec<&str> = forwarded.map(|value| value.to_str().unwrap_or_default()).collect();
    let by_socket = connections::is_by_socket(request);
    origin(peer, &values, |address| {
        by_socket && address.is_unspecified()
            || settings.trusted_proxies.iter().any(|network| network.contains(address))
    })
}

fn origin(peer: IpAddr, forwarded: &[&str], is_proxy: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut nearest = peer;
    for hop in forwarded.iter().flat_map(|value| value.split(',')).rev() {
        if !is_proxy(nearest) {
            break;
        }
        let Some(before) = address(hop.trim()) else { break };
        nearest = before;
    }
    nearest
}

/// An address as proxies write it: with or without a port, with or without brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip());
    bare.unwrap_or(hop).parse().or_else(|_| with_port()).ok()
}

/// Whether nobody on the way could read the request: over https behind a proxy that we trust, or on this machine where
/// the whole deployment is.
pub(super) fn is_private(request: &HttpRequest, settings: &Settings) -> bool {
    let (peer, by_socket) = (request.peer_addr().map(|peer| peer.ip()), connections::is_by_socket(request));
    if !settings.is_https() {
        return by_socket || peer.is_some_and(|peer| peer.is_loopback());
    }
    let is_proxy = |peer| settings.trusted_proxies.iter().any(|network| network.contains(peer));
    let from_proxy = by_socket || peer.is_some_and(is_proxy);
    let protocols = request.headers().get_all("x-forwarded-proto");
    from_proxy && protocols.last().and_then(|value| value.to_str().ok()).is_some_and(ends_with_https)
}

/// Whether the last proxy, the one that we trust, says that the request came to it by https.
fn ends_with_https(protocols: &str) -> bool {
    protocols.rsplit(',').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_from_the_end_that_is_no_proxy_is_the_clients() {
        let proxies: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse().unwrap());
        let table: [(&str, &[&str], &str); 12] = [
            ("192.0.2.9", &["198.51.100.1"], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.5, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.5", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            // A lie at the beginning changes nothing, and what cannot be read hides nobody behind a lie.
            ("10.0.0.1", &["unknown, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.5, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.5, , 10.0.0.2"], "10.0.0.2"),
        ];
        for (peer, forwarded, client) in table {
            let found = origin(peer.parse().unwrap(), forwarded, |address| proxies.contains(&address));
            assert_eq!(found.to_string(), client, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn only_what_the_last_proxy_says_of_the_way_counts() {
        assert!(ends_with_https("https") && ends_with_https("http, HTTPS"));
        assert!(!ends_with_https("https,http") && !ends_with_https("") && !ends_with_https("https,"));
    }
}
