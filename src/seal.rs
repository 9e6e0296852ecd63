//! Sealing: phone numbers encrypted for storage, and keyed digests to find them again.
//!
//! Format of a sealed value: `version (1 byte) ‖ key id (2, big endian) ‖ nonce (24) ‖ XChaCha20-Poly1305(key,
//! nonce, number padded with zero bytes to 16, associated data)`. The associated data is `table|column|row id`, so
//! that a value which is moved to another row does not open. Every key is derived by HKDF-SHA-256 from a 32-byte
//! root (no salt, the purpose as `info`). Nothing here knows what a table is for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use uuid::Uuid;

use crate::domain::phone::PhoneNumber;
use crate::secrets;

const VERSION: u8 = 1;
const NONCE: usize = 24;
const HEADER: usize = 3 + NONCE;
/// A plus and fifteen digits.
const PADDED: usize = 16;

/// A 32-byte root with the id that sealed values name it by.
#[derive(Clone)]
struct Root {
    id: u16,
    bytes: [u8; 32],
}

/// The roots of a deployment: the first one seals, all of them open.
#[derive(Clone)]
pub struct RootKeys(Vec<Root>);

/// The setting is not a list of root keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected 32 bytes in base64, or a list like 2:BASE64,1:BASE64: the first seals, all open, the last stays"
)]
pub struct NotRootKeys;

impl RootKeys {
    /// Reads `BASE64` (whose id is 1) or `id:BASE64,…`.
    pub fn parse(text: &str) -> Result<Self, NotRootKeys> {
        let mut roots: Vec<Root> = Vec::new();
        for part in text.split(',') {
            let (id, key) = part.trim().split_once(':').unwrap_or(("1", part.trim()));
            let id = id.parse().map_err(|_| NotRootKeys)?;
            let bytes = STANDARD.decode(key).ok().and_then(|key| key.try_into().ok()).ok_or(NotRootKeys)?;
            if roots.iter().any(|root| root.id == id) {
                return Err(NotRootKeys);
            }
            roots.push(Root { id, bytes });
        }
        Ok(Self(roots))
    }

    /// A new random root, as the setting has it.
    pub fn generate() -> String {
        STANDARD.encode(secrets::random_bytes::<32>())
    }

    /// A 32-byte key for one purpose other than sealing, from the last root: what is found by a digest must be found
    /// after the sealing key has changed, so the last root of the list stays.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.0.last().map_or([0; 32], |root| derive(root, purpose))
    }
}

impl fmt::Debug for RootKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RootKeys(…)")
    }
}

fn derive(root: &Root, purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let hkdf = Hkdf::<Sha256>::new(None, &root.bytes);
    // HKDF-SHA-256 gives up to 255 blocks of 32 bytes; one always fits.
    if hkdf.expand(purpose.as_bytes(), &mut key).is_err() {
        unreachable!("32 bytes are within what HKDF can give");
    }
    key
}

/// Where a sealed value lies: it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    table: &'static str,
    column: &'static str,
    row: Uuid,
}

impl Place {
    /// A user's real number.
    pub fn number(row: Uuid) -> Self {
        Self { table: "numbers", column: "sealed", row }
    }

    /// The caller of a call.
    pub fn caller(row: Uuid) -> Self {
        Self { table: "calls", column: "caller_sealed", row }
    }

    fn associated_data(&self) -> Vec<u8> {
        format!("{}|{}|{}", self.table, self.column, self.row).into_bytes()
    }
}

/// A sealed value that does not open: another key, another row, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open")]
pub struct DoesNotOpen;

/// Seals and opens numbers, and makes the digests by which they are found.
#[derive(Clone)]
pub struct Sealer {
    ciphers: Vec<(u16, XChaCha20Poly1305)>,
    number_index: [u8; 32],
    caller_index: [u8; 32],
}

impl Sealer {
    /// The sealer of these roots.
    pub fn new(roots: &RootKeys) -> Self {
        let cipher =
            |root: &Root| (root.id, XChaCha20Poly1305::new(&derive(root, "seal phone numbers").into()));
        Self {
            ciphers: roots.0.iter().map(cipher).collect(),
            number_index: roots.derive("index of real numbers"),
            caller_index: roots.derive("index of callers"),
        }
    }

    /// Seals a number for its place.
    pub fn seal(&self, number: PhoneNumber, place: Place) -> Vec<u8> {
        let (id, cipher) = &self.ciphers[0];
        let nonce: [u8; NONCE] = secrets::random_bytes();
        let mut padded = [0; PADDED];
        let text = number.e164();
        padded[..text.len()].copy_from_slice(text.as_bytes());
        let payload = Payload { msg: &padded, aad: &place.associated_data() };
        let Ok(ciphertext) = cipher.encrypt(&XNonce::from(nonce), payload) else {
            unreachable!("sixteen bytes are within what the cipher takes");
        };
        let mut sealed = vec![VERSION];
        sealed.extend(id.to_be_bytes());
        sealed.extend(nonce);
        sealed.extend(ciphertext);
        sealed
    }

    /// Opens a number in its place.
    pub fn open(&self, sealed: &[u8], place: Place) -> Result<PhoneNumber, DoesNotOpen> {
        if sealed.len() < HEADER || sealed[0] != VERSION {
            return Err(DoesNotOpen);
        }
        let id = u16::from_be_bytes([sealed[1], sealed[2]]);
        let nonce: [u8; NONCE] = sealed[3..HEADER].try_into().map_err(|_| DoesNotOpen)?;
        let (_, cipher) = self.ciphers.iter().find(|(known, _)| *known == id).ok_or(DoesNotOpen)?;
        let payload = Payload { msg: &sealed[HEADER..], aad: &place.associated_data() };
        let padded = cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| DoesNotOpen)?;
        let text = std::str::from_utf8(&padded).map_err(|_| DoesNotOpen)?;
        PhoneNumber::from_e164(text.trim_end_matches('\0')).ok_or(DoesNotOpen)
    }

    /// The digest by which a real number is found.
    pub fn number_lookup(&self, number: PhoneNumber) -> [u8; 32] {
        secrets::keyed_digest(&self.number_index, number.e164().as_bytes())
    }

    /// The digest by which a caller is found among those of one mask, and of no other.
    pub fn caller_lookup(&self, mask: Uuid, caller: PhoneNumber) -> [u8; 32] {
        secrets::keyed_digest(&self.caller_index, format!("{mask}|{}", caller.e164()).as_bytes())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number() -> PhoneNumber {
        PhoneNumber::from_e164("+14155550123").unwrap()
    }

    #[test]
    fn opens_in_its_place_and_nowhere_else() {
        let sealer = Sealer::new(&RootKeys::parse(&RootKeys::generate()).unwrap());
        let place = Place::number(Uuid::from_u128(1));
        let sealed = sealer.seal(number(), place);
        assert_eq!(sealer.open(&sealed, place), Ok(number()));
        assert_eq!(sealer.open(&sealed, Place::number(Uuid::from_u128(2))), Err(DoesNotOpen));
        assert_eq!(sealer.open(&sealed, Place::caller(Uuid::from_u128(1))), Err(DoesNotOpen));
        for position in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[position] ^= 1;
            assert_eq!(sealer.open(&flipped, place), Err(DoesNotOpen), "byte {position}");
            assert_eq!(sealer.open(&sealed[..position], place), Err(DoesNotOpen), "cut at {position}");
        }
    }

    #[test]
    fn an_old_key_still_opens_what_it_sealed() {
        let (old, new) = (RootKeys::generate(), RootKeys::generate());
        let place = Place::number(Uuid::from_u128(1));
        let sealed = Sealer::new(&RootKeys::parse(&old).unwrap()).seal(number(), place);
        let rotated = RootKeys::parse(&format!("2:{new},1:{old}")).unwrap();
        assert_eq!(Sealer::new(&rotated).open(&sealed, place), Ok(number()));
        assert_eq!(Sealer::new(&rotated).seal(number(), place)[1..3], [0, 2]);
        // What is found by a digest is found all the same.
        let before = Sealer::new(&RootKeys::parse(&old).unwrap());
        assert_eq!(Sealer::new(&rotated).number_lookup(number()), before.number_lookup(number()));
        assert_eq!(Sealer::new(&RootKeys::parse(&new).unwrap()).open(&sealed, place), Err(DoesNotOpen));
    }

    #[test]
    fn sealed_values_tell_nothing_by_their_length_or_sameness() {
        let sealer = Sealer::new(&RootKeys::parse(&RootKeys::generate()).unwrap());
        let place = Place::number(Uuid::from_u128(1));
        let short = sealer.seal(PhoneNumber::from_e164("+4912345").unwrap_or(number()), place);
        assert_eq!(short.len(), sealer.seal(number(), place).len());
        assert_ne!(sealer.seal(number(), place), sealer.seal(number(), place));
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_ne!(sealer.caller_lookup(one, number()), sealer.caller_lookup(two, number()));
    }

    #[test]
    fn keys_of_another_length_are_refused() {
        for text in ["", "abc", "1:abc", "x:AAAA", &format!("1:{0},1:{0}", RootKeys::generate())] {
            assert!(RootKeys::parse(text).is_err(), "{text}");
        }
    }
}
