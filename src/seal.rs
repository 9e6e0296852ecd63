//! Sealing: phone numbers and letters encrypted for storage, and keyed digests to find them again.
//!
//! Nothing here knows what a table is for, or when keys are changed.
//!
//! # The format of a sealed value
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of this format: 1 |
//! | 2 | the id of the root key, big endian |
//! | 24 | the nonce, random |
//! | 16 | the number in E.164 with its plus, in ASCII, zero bytes up to 16; encrypted |
//! | 16 | the tag of Poly1305 |
//!
//! The last two are what XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, as libsodium has it) makes under the *sealing
//! key*, with the text `table|column|row` as associated data (`numbers|sealed|…` or `calls|caller_sealed|…`, then the
//! row's id as a UUID in lower case with hyphens), so that a value which is moved to another row does not open.
//!
//! A text (a letter of the queue, the proof in a browser of which letter it asked for) has the same form, under a key of its
//! own: UTF-8, zero bytes up to the next multiple of 512.
//!
//! Every key is derived from a root of 32 bytes by HKDF-SHA-256 (RFC 5869): no salt, the purpose's words in ASCII as
//! `info`, 32 bytes of output. A digest is HMAC-SHA-256 under a key of its own purpose: a real number's over its E.164
//! text, a caller's over `mask|number`, the mask's id as a UUID and the caller's E.164 text. The tests below have an
//! example of each.
//!
//! # What hangs on the root keys
//!
//! | purpose (the words of `info`) | what it makes | when keys change |
//! |---|---|---|
//! | `seal phone numbers` | `numbers.sealed`, `calls.caller_sealed` | the first key of the list seals, each value names its key; `maskline keys rotate` seals again what names another |
//! | `seal letters` | `letters.sealed`, the cookie about a letter | the same; a cookie counts for half an hour |
//! | `index of real numbers` | `numbers.lookup`, `numbers.lookup_next` | both are written: the one under the lowest id of the list, the other under the highest. All keys of the list are looked for in both. The command fills them; once the old key is off the list it does so again, and both are under the new one |
//! | `index of callers` | `calls.caller_lookup` | under the key that sealed the caller, rewritten with it; looked for under all keys |
//! | `buckets of limits` | `rate_events.bucket` | under the lowest id: counts begin anew once that key is off the list |
//! | `codes that prove numbers` | the six digits | under the lowest id: codes under way then have to be asked for again |
//! | `tokens of forms` | hidden fields | under the lowest id: open forms then have to be loaded again |
//! | `cookies of sessions` | the encryption of session cookies | under the lowest id: everybody then signs in again |
//! | `names of calls` | `calls.id` | under the lowest id: an event that is told both before and after counts twice |
//! | `directory on disk`, `records of calls on disk` | files of a server (see [`frames`]) | the first key seals, each file names its key; the directory is written anew at once, records until they are in the database |
//! | `searches of admins` | what admins search for, in addresses of their lists, as a frame of a file (see [`frames`]) | the first key seals, each names its key; a search of a key that is gone has to be typed again |
//! | `devices that signed in before` | the proof in a device's cookie | under the lowest id: devices are then strangers once |
//!
//! Two servers may differ by one step of a change: a key that only one of them knows writes nothing yet, and whichever
//! keys they share, the digests of one and the same number meet in `lookup` or in `lookup_next`, so that the unique
//! indexes over both hold throughout.

pub mod frames;
mod keys;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use uuid::Uuid;

pub use self::keys::{NotRootKeys, RootKeys};
use crate::domain::phone::PhoneNumber;
use crate::secrets;

const VERSION: u8 = 1;
const NONCE: usize = 24;
const HEADER: usize = 3 + NONCE;
/// A plus and fifteen digits.
const PADDED: usize = 16;
/// The lengths of texts do not tell what they say.
const TEXT_PADDING: usize = 512;

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

    /// A letter of the queue.
    pub fn letter(row: Uuid) -> Self {
        Self { table: "letters", column: "sealed", row }
    }

    /// A browser's cookie that names the letter it asked for.
    pub fn letter_cookie() -> Self {
        Self { table: "cookie", column: "letter", row: Uuid::nil() }
    }

    fn associated_data(&self) -> Vec<u8> {
        let mut row = Uuid::encode_buffer();
        [self.table, "|", self.column, "|", self.row.hyphenated().encode_lower(&mut row)]
            .concat()
            .into_bytes()
    }
}

/// A sealed value that does not open: another key, another row, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open")]
pub struct DoesNotOpen;

/// What one root gives.
struct Keys {
    id: u16,
    cipher: XChaCha20Poly1305,
    text_cipher: XChaCha20Poly1305,
    number_index: [u8; 32],
    caller_index: [u8; 32],
}

/// Seals and opens numbers, and makes the digests by which they are found.
pub struct Sealer {
    /// The lowest id first.
    keys: Vec<Keys>,
    /// Where among them the one is that writes.
    writing: usize,
    failures: AtomicU64,
}

impl Sealer {
    /// The sealer of these roots.
    pub fn new(roots: &RootKeys) -> Self {
        let by_id = roots.by_id();
        let keys = by_id.iter().map(|root| Keys {
            id: root.id,
            cipher: XChaCha20Poly1305::new(&root.derive("seal phone numbers").into()),
            text_cipher: XChaCha20Poly1305::new(&root.derive("seal letters").into()),
            number_index: root.derive("index of real numbers"),
            caller_index: root.derive("index of callers"),
        });
        Self {
            keys: keys.collect(),
            writing: by_id.iter().position(|root| root.id == roots.writing()).unwrap_or_default(),
            failures: AtomicU64::new(0),
        }
    }

    /// The id of the key that writes.
    pub fn writing(&self) -> u16 {
        self.keys[self.writing].id
    }

    /// The ids of all keys, the lowest first.
    pub fn ids(&self) -> impl Iterator<Item = u16> {
        self.keys.iter().map(|keys| keys.id)
    }

    /// How many values did not open since the start. Each is an alarm: a damaged row, one that was tampered with, or a
    /// key that was taken away too early.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Seals a number for its place.
    pub fn seal(&self, number: PhoneNumber, place: Place) -> Vec<u8> {
        self.seal_with(secrets::random_bytes(), number, place)
    }

    fn seal_with(&self, nonce: [u8; NONCE], number: PhoneNumber, place: Place) -> Vec<u8> {
        let Keys { id, cipher, .. } = &self.keys[self.writing];
        let mut padded = [0; PADDED];
        let text = number.e164();
        padded[..text.len()].copy_from_slice(text.as_bytes());
        sealed(*id, cipher, nonce, &padded, place)
    }

    /// Seals a text without zero bytes for its place.
    pub fn seal_text(&self, text: &str, place: Place) -> Vec<u8> {
        let Keys { id, text_cipher, .. } = &self.keys[self.writing];
        let mut padded = text.as_bytes().to_vec();
        padded.resize(padded.len().next_multiple_of(TEXT_PADDING), 0);
        sealed(*id, text_cipher, secrets::random_bytes(), &padded, place)
    }

    /// Opens a text in its place. One that does not open is logged by its row, and counted.
    pub fn open_text(&self, sealed: &[u8], place: Place) -> Result<String, DoesNotOpen> {
        self.peek_text(sealed, place).ok_or_else(|| self.alarm(sealed, place))
    }

    /// The same without the alarm.
    pub fn peek_text(&self, sealed: &[u8], place: Place) -> Option<String> {
        let mut text = self.opened(sealed, place, |keys| &keys.text_cipher)?;
        text.truncate(text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        String::from_utf8(text).ok()
    }

    /// Opens a number in its place. One that does not open is logged by its row, and counted.
    pub fn open(&self, sealed: &[u8], place: Place) -> Result<PhoneNumber, DoesNotOpen> {
        self.peek(sealed, place).ok_or_else(|| self.alarm(sealed, place))
    }

    fn alarm(&self, sealed: &[u8], place: Place) -> DoesNotOpen {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let Place { table, column, row } = place;
        tracing::error!(table, column, %row, key = key_of(sealed), "a sealed value does not open");
        DoesNotOpen
    }

    /// The same without the alarm, for somebody who looks at whole tables and reports what does not open.
    pub fn peek(&self, sealed: &[u8], place: Place) -> Option<PhoneNumber> {
        let padded = self.opened(sealed, place, |keys| &keys.cipher)?;
        PhoneNumber::from_e164(std::str::from_utf8(&padded).ok()?.trim_end_matches('\0'))
    }

    fn opened(
        &self,
        sealed: &[u8],
        place: Place,
        cipher: fn(&Keys) -> &XChaCha20Poly1305,
    ) -> Option<Vec<u8>> {
        let id = key_of(sealed)?;
        let nonce: [u8; NONCE] = sealed.get(3..HEADER)?.try_into().ok()?;
        let keys = self.keys.iter().find(|keys| keys.id == id)?;
        let payload = Payload { msg: &sealed[HEADER..], aad: &place.associated_data() };
        cipher(keys).decrypt(&XNonce::from(nonce), payload).ok()
    }

    /// The digests by which a real number is found, one for each key, the lowest id first.
    pub fn number_lookups(&self, number: PhoneNumber) -> Vec<[u8; 32]> {
        let text = number.e164();
        self.keys.iter().map(|keys| secrets::keyed_digest(&keys.number_index, text.as_bytes())).collect()
    }

    /// The digest to write by which a caller is found among those of one mask, and of no other.
    pub fn caller_lookup(&self, mask: Uuid, caller: PhoneNumber) -> [u8; 32] {
        self.keys[self.writing].caller_lookup(mask, caller)
    }

    /// The one to write among those of [`Sealer::caller_lookups`].
    pub fn to_write(&self, lookups: &[[u8; 32]]) -> Option<[u8; 32]> {
        lookups.get(self.writing).copied()
    }

    /// The digests to look for a caller of a mask by, one for each key.
    pub fn caller_lookups(&self, mask: Uuid, caller: PhoneNumber) -> Vec<[u8; 32]> {
        self.keys.iter().map(|keys| keys.caller_lookup(mask, caller)).collect()
    }
}

fn sealed(id: u16, cipher: &XChaCha20Poly1305, nonce: [u8; NONCE], padded: &[u8], place: Place) -> Vec<u8> {
    let payload = Payload { msg: padded, aad: &place.associated_data() };
    let Ok(ciphertext) = cipher.encrypt(&XNonce::from(nonce), payload) else {
        unreachable!("numbers and letters are within what the cipher takes");
    };
    [&[VERSION][..], &id.to_be_bytes(), &nonce, &ciphertext].concat()
}

impl Keys {
    fn caller_lookup(&self, mask: Uuid, caller: PhoneNumber) -> [u8; 32] {
        let mut digits = Uuid::encode_buffer();
        let mask = mask.hyphenated().encode_lower(&mut digits);
        secrets::keyed_digest(&self.caller_index, [mask, "|", &caller.e164()].concat().as_bytes())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealer(…)")
    }
}

/// The id of the key that a sealed value names; `None` if it is of no format that we know.
pub fn key_of(sealed: &[u8]) -> Option<u16> {
    match sealed {
        [VERSION, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row, and a nonce, of the examples.
    const ROW: Uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    const NONCE_OF_EXAMPLES: [u8; NONCE] = *b"@ABCDEFGHIJKLMNOPQRSTUVW";

    fn number() -> PhoneNumber {
        PhoneNumber::from_e164("+14155550123").unwrap()
    }

    fn sealer(keys: &str) -> Sealer {
        Sealer::new(&RootKeys::parse(keys).unwrap())
    }

    /// The examples were computed by other programs than this one, from the description at the head of this file: root
    /// 258 has the bytes 0 to 31.
    #[test]
    fn another_language_makes_the_same_bytes() {
        // That key can be guessed, so one that replaces it stands beside it.
        let random = RootKeys::generate();
        let sealer = sealer(&format!("258:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,259:{random}"));
        let examples = [
            (Place::number(ROW), "db38466fb6eace45596108b0f73a64f0"),
            (Place::caller(ROW), "e3f9372146e973937e8b4f1e538e3ae0"),
        ];
        for (place, tag) in examples {
            let sealed = sealer.seal_with(NONCE_OF_EXAMPLES, number(), place);
            let header = "010102404142434445464748494a4b4c4d4e4f5051525354555657";
            let example = format!("{header}110784d90851df237114c0da6a37374e{tag}");
            assert_eq!(secrets::hex(&sealed), example);
            assert_eq!(sealer.open(&sealed, place), Ok(number()));
        }
        assert_eq!(
            secrets::hex(&sealer.number_lookups(number())[0]),
            "d022d3483dba2bb746b2b14f3b168b69e12436497b024e94f1146c95e0a62ca6"
        );
        assert_eq!(
            secrets::hex(&sealer.caller_lookup(ROW, number())),
            "c191ddb3e0f3c6e5699375265dd7e4d97dbe124873879207bb6cbbf51b2ebb6d"
        );
    }

    #[test]
    fn opens_in_its_place_and_nowhere_else_and_counts_what_does_not() {
        let sealer = sealer(&RootKeys::generate());
        let place = Place::number(Uuid::from_u128(1));
        let sealed = sealer.seal(number(), place);
        assert_eq!((sealer.open(&sealed, place), sealer.failures()), (Ok(number()), 0));
        assert_eq!(sealer.open(&sealed, Place::number(Uuid::from_u128(2))), Err(DoesNotOpen));
        assert_eq!(sealer.open(&sealed, Place::caller(Uuid::from_u128(1))), Err(DoesNotOpen));
        assert_eq!(sealer.failures(), 2);
        for position in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[position] ^= 1;
            assert_eq!(sealer.open(&flipped, place), Err(DoesNotOpen), "byte {position}");
            assert_eq!(sealer.open(&sealed[..position], place), Err(DoesNotOpen), "cut at {position}");
        }
    }

    #[test]
    fn an_old_key_still_opens_and_finds_what_it_wrote() {
        let (old, new) = (RootKeys::generate(), RootKeys::generate());
        let place = Place::number(Uuid::from_u128(1));
        let (before, after) = (sealer(&old), sealer(&format!("2:{new}")));
        let sealed = before.seal(number(), place);
        for (list, writes) in [(format!("1:{old},2:{new}"), 1), (format!("2:{new},1:{old}"), 2)] {
            let both = sealer(&list);
            assert_eq!(both.open(&sealed, place), Ok(number()));
            assert_eq!(key_of(&both.seal(number(), place)), Some(writes));
            let digests = [before.number_lookups(number())[0], after.number_lookups(number())[0]];
            assert_eq!(both.number_lookups(number()), digests, "the lowest id comes first, whichever writes");
            let callers = [&before, &after].map(|one| one.caller_lookup(ROW, number()));
            assert_eq!(both.caller_lookups(ROW, number()), callers);
            assert_eq!(both.caller_lookup(ROW, number()), callers[usize::from(writes) - 1]);
            assert_eq!(both.to_write(&callers), Some(callers[usize::from(writes) - 1]));
        }
        assert_eq!(after.open(&sealed, place), Err(DoesNotOpen));
    }

    #[test]
    fn sealed_values_tell_nothing_by_their_length_or_sameness() {
        let sealer = sealer(&RootKeys::generate());
        let place = Place::number(Uuid::from_u128(1));
        let short = sealer.seal(PhoneNumber::from_e164("+4912345").unwrap_or(number()), place);
        assert_eq!(short.len(), sealer.seal(number(), place).len());
        assert_ne!(sealer.seal(number(), place), sealer.seal(number(), place));
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_ne!(sealer.caller_lookup(one, number()), sealer.caller_lookup(two, number()));
    }
}
