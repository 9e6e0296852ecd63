//! Where a request came from: the peer, or what a proxy that we trust says.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;

use super::Settings;

/// The address of the client. Forwarded headers count only from configured proxies; the last address that is none of
/// them is the client's.
pub(super) fn client(request: &HttpRequest, settings: &Settings) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let trusted = |address: IpAddr| settings.trusted_proxies.iter().any(|network| network.contains(address));
    if !trusted(peer) {
        return peer;
    }
    let forwarded = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let hops: Vec<IpAddr> =
        forwarded.flat_map(|value| value.split(',')).map_while(|hop| hop.trim().parse().ok()).collect();
    hops.into_iter().rev().find(|hop| !trusted(*hop)).unwrap_or(peer)
}

/// Whether nobody on the way could read the request: over https behind a proxy that we trust, or on this machine where
/// the whole deployment is.
pub(super) fn is_private(request: &HttpRequest, settings: &Settings) -> bool {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip()) else { return false };
    if !settings.is_https() {
        return peer.is_loopback();
    }
    let from_proxy = settings.trusted_proxies.iter().any(|network| network.contains(peer));
    let protocol = request.headers().get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    from_proxy && protocol == Some("https")
}
