//! Is it really Tropo? The proofs that a request to the webhook brings.
//!
//! Pure functions over what a request shows; knows no HTTP, and which answer a failed proof gets, others say.

use std::net::IpAddr;
use std::str::FromStr;

use crate::secrets::{Secret, digest, same};

/// What a sender has to show.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    keys: Vec<[u8; 32]>,
    account: Option<String>,
    networks: Vec<Network>,
}

impl Proof {
    /// Asks for one of the keys (several live while one is replaced), for the account where one is given, and
    /// for a source in one of the networks where some are given.
    pub fn new<'a>(
        keys: impl IntoIterator<Item = &'a Secret>,
        account: Option<String>,
        networks: Vec<Network>,
    ) -> Self {
        let keys = keys.into_iter().map(Secret::expose).filter(|key| !key.is_empty());
        Self { keys: keys.map(|key| digest(key.as_bytes())).collect(), account, networks }
    }

    /// The last of the keys that a request shows which is one of ours. All are compared with all, in a time that
    /// does not tell which was right or how much of it; without a configured key, none is.
    pub fn accepted_key<T: AsRef<str>>(&self, shown: impl IntoIterator<Item = T>) -> Option<T> {
        shown.into_iter().fold(None, |accepted, shown| {
            let digest = digest(shown.as_ref().as_bytes());
            let is_ours = self.keys.iter().fold(false, |is_ours, key| is_ours | same(key, &digest));
            if is_ours { Some(shown) } else { accepted }
        })
    }

    /// Whether a session is of our account.
    pub fn accepts_account(&self, shown: Option<&str>) -> bool {
        self.account.as_deref().is_none_or(|account| shown == Some(account))
    }

    /// Whether a request comes from where Tropo's requests come from.
    pub fn accepts_source(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(address))
    }
}

/// A range of internet addresses: `192.0.2.0/24`, `2001:db8::/32`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: u128,
    length: u32,
    version_six: bool,
}

/// The text is no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network such as 192.0.2.0/24")]
pub struct NotANetwork;

/// The widest networks that one operator has: a private range, or what the largest of them announce.
const WIDEST_V4: u32 = 8;
const WIDEST_V6: u32 = 16;
/// The range of private IPv6 addresses is wider: `fc00::/7`.
const PRIVATE_V6: Network = Network { first: 0xfc << 120, length: 7, version_six: true };
/// IPv4 addresses as IPv6 writes them, `::ffff:0:0/96`.
const MAPPED_BITS: u32 = 96;

impl Network {
    /// Whether it can be the network of one operator; that of all the world, or a large part of it, cannot.
    pub fn may_be_one_operators(&self) -> bool {
        let widest = if self.version_six { WIDEST_V6 } else { WIDEST_V4 };
        let is_private =
            self.length >= PRIVATE_V6.length && PRIVATE_V6.first == kept(self.first, PRIVATE_V6.length);
        self.length >= widest || self.version_six && is_private
    }

    /// Whether the address lies in the range; IPv4 addresses written as IPv6 count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv6() == self.version_six && kept(bits(address), self.length) == self.first
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text.trim(), None),
        };
        let mut address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let longest = if address.is_ipv6() { 128 } else { 32 };
        let mut length = length.map_or(Ok(longest), str::parse).map_err(|_| NotANetwork)?;
        if length > longest {
            return Err(NotANetwork);
        }
        // Addresses are compared as IPv4 wherever they can be.
        if address.is_ipv6() && address.to_canonical().is_ipv4() && length >= MAPPED_BITS {
            (address, length) = (address.to_canonical(), length - MAPPED_BITS);
        }
        let first = kept(bits(address), length);
        Ok(Self { first, length, version_six: address.is_ipv6() })
    }
}

/// The bits of an address, those of IPv4 leftmost too.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn kept(bits: u128, length: u32) -> u128 {
    bits & u128::MAX.checked_shl(128 - length).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn any_live_key_proves_the_sender_and_nothing_else_does() {
        let keys = [Secret::new("old-key"), Secret::new("new-key"), Secret::new("")];
        let proof = Proof::new(&keys, None, Vec::new());
        assert!(proof.accepted_key(["old-key"]).is_some());
        assert!(proof.accepted_key(["new-key"]).is_some());
        assert_eq!(proof.accepted_key(["wrong", "new-key", "worse"]), Some("new-key"));
        for shown in [&[][..], &[""], &["old"], &["old-key "], &["old-keynew-key"], &["OLD-KEY"]] {
            assert_eq!(proof.accepted_key(shown), None, "{shown:?}");
        }
        assert_eq!(Proof::default().accepted_key(["", "old-key"]), None);
        assert!(!format!("{proof:?}").contains("old-key"));
    }

    #[test]
    fn the_account_counts_where_one_is_configured() {
        let proof = Proof::new([], Some("33932".to_owned()), Vec::new());
        assert!(proof.accepts_account(Some("33932")));
        assert!(!proof.accepts_account(Some("33933")));
        assert!(!proof.accepts_account(None));
        assert!(Proof::default().accepts_account(None));
        assert!(Proof::default().accepts_account(Some("1")));
    }

    #[test]
    fn sources_outside_of_the_networks_are_told() {
        let proof = Proof::new([], None, vec![network("192.0.2.0/25"), network("2001:db8::/33")]);
        for (address, inside) in [
            ("192.0.2.0", true),
            ("192.0.2.127", true),
            ("192.0.2.128", false),
            ("::ffff:192.0.2.5", true),
            ("::ffff:192.0.3.5", false),
            ("2001:db8:7fff::1", true),
            ("2001:db8:8000::1", false),
            ("c000:200::", false),
        ] {
            assert_eq!(proof.accepts_source(address.parse().unwrap()), inside, "{address}");
        }
        assert!(Proof::default().accepts_source("203.0.113.9".parse().unwrap()));
    }

    #[test]
    fn a_network_of_all_the_world_is_nobodys_own() {
        for text in [
            "0.0.0.0/0",
            "::/0",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "2000::/3",
            "::ffff:0.0.0.0/96",
            "8000::/1",
            "0.0.0.0/7",
            "f000::/4",
        ] {
            assert!(!network(text).may_be_one_operators(), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.0.0.0/8",
            "104.16.0.0/13",
            "::1",
            "fc00::/7",
            "fd00::/8",
            "2400:cb00::/32",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(network(text).may_be_one_operators(), "{text}");
        }
        assert!(network("::ffff:10.0.0.0/104").contains("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn networks_are_read_with_and_without_a_length() {
        let anywhere = network("0.0.0.0/0");
        assert!(anywhere.contains("203.0.113.9".parse().unwrap()));
        assert!(!anywhere.contains("::1".parse().unwrap()));
        assert!(network(" 192.0.2.77/24 ").contains("192.0.2.1".parse().unwrap()));
        assert!(network("::1").contains("::1".parse().unwrap()));
        assert!(!network("192.0.2.1").contains("192.0.2.2".parse().unwrap()));
        for text in ["", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "::/129", "localhost", "192.0.2/24"] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }
}
