//! The root keys of a deployment, as their setting has them, and the keys that are derived from them.
//!
//! Knows neither where the setting is kept nor what is sealed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use sha2::Sha256;

use crate::secrets;

/// The id of a key that stands alone, without one.
const ONLY: u16 = 1;

/// A 32-byte root with the id that sealed values name it by.
#[derive(Clone)]
pub(super) struct Root {
    pub(super) id: u16,
    bytes: [u8; 32],
}

impl Root {
    /// Whether it is no random key. 32 random bytes are printable, all of them, in 1 of 10^13 cases.
    fn is_guessable(&self) -> bool {
        let is_text = self.bytes.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
        is_text || secrets::is_pattern(&self.bytes)
    }

    /// A key for one purpose, by HKDF-SHA-256 without a salt, the purpose as `info`.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let hkdf = Hkdf::<Sha256>::new(None, &self.bytes);
        // HKDF-SHA-256 gives up to 255 blocks of 32 bytes; one always fits.
        if hkdf.expand(purpose.as_bytes(), &mut key).is_err() {
            unreachable!("32 bytes are within what HKDF can give");
        }
        key
    }
}

/// The roots of a deployment, one at the least: the first one writes, all of them read.
#[derive(Clone)]
pub struct RootKeys(Vec<Root>);

/// The setting is not a list of root keys. Entries are told by their place, so that no secret is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRootKeys {
    /// Blank.
    #[error("it is empty")]
    Empty,
    /// The id of an entry is no number, or 0, or too large.
    #[error("entry {0} has no id from 1 to 65535 before its colon")]
    Id(usize),
    /// An entry is not base64.
    #[error("entry {0} is not base64")]
    Base64(usize),
    /// An entry is of another length.
    #[error("entry {place} has {bytes} bytes instead of 32")]
    Length {
        /// Which one, from 1.
        place: usize,
        /// How many bytes it has.
        bytes: usize,
    },
    /// Two entries have one id.
    #[error("the id {0} is there twice")]
    DoubledId(u16),
    /// An entry is a pattern or a text that somebody typed, and no better key with a higher id replaces it.
    #[error(
        "entry {0} can be guessed, as it is a pattern or a text: make a random one with `openssl rand -base64 32`. Where \
         numbers are sealed with it already, keep it beside the new one, which needs a higher id: 1:OLD,2:NEW"
    )]
    Guessable(usize),
    /// Two entries have one key.
    #[error("the ids {0} and {1} have the same key")]
    DoubledKey(u16, u16),
}

impl RootKeys {
    /// Reads `BASE64` (whose id is 1) or `id:BASE64,…`, with commas or line breaks between the entries.
    pub fn parse(text: &str) -> Result<Self, NotRootKeys> {
        let mut roots: Vec<Root> = Vec::new();
        let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        for (place, entry) in entries.enumerate() {
            let root = root(entry, place + 1)?;
            if roots.iter().any(|known| known.id == root.id) {
                return Err(NotRootKeys::DoubledId(root.id));
            }
            if let Some(known) = roots.iter().find(|known| secrets::same(&known.bytes, &root.bytes)) {
                return Err(NotRootKeys::DoubledKey(known.id, root.id));
            }
            roots.push(root);
        }
        // A deployment that began with a bad key gets away from it only while both are read.
        let best = roots.iter().filter(|root| !root.is_guessable()).map(|root| root.id).max();
        match roots.iter().position(|root| root.is_guessable() && best < Some(root.id)) {
            Some(place) => Err(NotRootKeys::Guessable(place + 1)),
            None if roots.is_empty() => Err(NotRootKeys::Empty),
            None => Ok(Self(roots)),
        }
    }

    /// A new random root, as the setting has it.
    pub fn generate() -> String {
        STANDARD.encode(secrets::random_bytes::<32>())
    }

    /// A 32-byte key for a purpose whose work is short-lived: from the root with the lowest id, so that nothing changes
    /// until that one is taken off the list.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let oldest = self.0.iter().min_by_key(|root| root.id);
        oldest.map_or_else(|| unreachable!("a list without a key is refused"), |root| root.derive(purpose))
    }

    /// The id of the root that writes.
    pub(super) fn writing(&self) -> u16 {
        self.0.first().map_or_else(|| unreachable!("a list without a key is refused"), |root| root.id)
    }

    /// All of them, the lowest id first.
    pub(super) fn by_id(&self) -> Vec<&Root> {
        let mut roots: Vec<&Root> = self.0.iter().collect();
        roots.sort_by_key(|root| root.id);
        roots
    }
}

impl fmt::Debug for RootKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RootKeys(…)")
    }
}

fn root(entry: &str, place: usize) -> Result<Root, NotRootKeys> {
    let (id, key) = match entry.split_once(':') {
        Some((id, key)) => (id.trim().parse().ok().filter(|id| *id > 0), key.trim()),
        None => (Some(ONLY), entry),
    };
    let id = id.ok_or(NotRootKeys::Id(place))?;
    let bytes = STANDARD.decode(key).map_err(|_| NotRootKeys::Base64(place))?;
    let length = bytes.len();
    let bytes = bytes.try_into().map_err(|_| NotRootKeys::Length { place, bytes: length })?;
    Ok(Root { id, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> NotRootKeys {
        RootKeys::parse(text).unwrap_err()
    }

    #[test]
    fn a_key_alone_has_the_id_1_and_the_first_of_a_list_writes() {
        let (old, new) = (RootKeys::generate(), RootKeys::generate());
        let alone = RootKeys::parse(&format!(" {old}\n")).unwrap();
        assert_eq!(alone.writing(), 1);
        for list in [format!("2:{new},1:{old}"), format!("2:{new}\n1: {old}\n"), format!("2:{new}, {old},")] {
            let both = RootKeys::parse(&list).unwrap();
            assert_eq!(both.writing(), 2, "{list}");
            assert_eq!(both.by_id().iter().map(|root| root.id).collect::<Vec<_>>(), [1, 2]);
            // What is short-lived hangs on the lowest id, wherever it stands.
            assert_eq!(both.derive("x"), alone.derive("x"));
        }
    }

    #[test]
    fn a_key_that_can_be_guessed_is_taken_only_beside_the_one_that_replaces_it() {
        let random = RootKeys::generate();
        let counting: [u8; 32] = std::array::from_fn(|place| u8::try_from(place).unwrap());
        for bytes in [
            [0; 32],
            [7; 32],
            counting,
            *b"example example example example!",
            *b"a key of our own, 32 bytes long.",
        ] {
            let typed = STANDARD.encode(bytes);
            assert_eq!(refused(&typed), NotRootKeys::Guessable(1));
            assert_eq!(refused(&format!("2:{typed},1:{random}")), NotRootKeys::Guessable(1));
            assert_eq!(refused(&format!("1:{random},2:{typed}")), NotRootKeys::Guessable(2));
            assert!(RootKeys::parse(&format!("1:{typed},2:{random}")).is_ok());
            assert!(!refused(&typed).to_string().contains(&typed));
        }
    }

    #[test]
    fn what_is_wrong_with_a_list_is_told_without_the_keys() {
        let (key, other) = (RootKeys::generate(), RootKeys::generate());
        assert_eq!(refused(""), NotRootKeys::Empty);
        assert_eq!(refused(" ,\n"), NotRootKeys::Empty);
        for id in ["0", "65536", "-1", "", "x"] {
            assert_eq!(refused(&format!("{id}:{key}")), NotRootKeys::Id(1), "{id}");
        }
        assert_eq!(refused(&format!("2:{key},1:not base64")), NotRootKeys::Base64(2));
        assert_eq!(refused(&key[..42]), NotRootKeys::Base64(1));
        assert_eq!(refused("AAAA"), NotRootKeys::Length { place: 1, bytes: 3 });
        let long = STANDARD.encode([7; 33]);
        assert_eq!(refused(&format!("1:{long}")), NotRootKeys::Length { place: 1, bytes: 33 });
        assert_eq!(refused(&format!("3:{key},3:{other}")), NotRootKeys::DoubledId(3));
        assert_eq!(refused(&format!("{key},1:{other}")), NotRootKeys::DoubledId(1));
        assert_eq!(refused(&format!("2:{key},1:{key}")), NotRootKeys::DoubledKey(2, 1));
    }
}
