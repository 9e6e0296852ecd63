//! Sealing what a server keeps in files of its own: a file is a row of frames, each sealed for its file and its place in it.
//!
//! Knows no files: it works on bytes. [`crate::disk`] lays them down.
//!
//! # The format
//!
//! The head of a file has 19 bytes: the version of this format (1), the id of the root key (2, big endian), and 16 random
//! ones that name the file. A sealed frame is its nonce (24 random bytes) and what XChaCha20-Poly1305 makes of its bytes
//! under the key that the file's purpose derives from the root, with the head and the frame's place (8 bytes, big endian,
//! from 0) as associated data. So frames can neither be changed, nor swapped, nor moved to another file.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::RootKeys;
use super::keys::Root;
use crate::secrets;

const VERSION: u8 = 1;
const NONCE: usize = 24;
/// The bytes at the beginning of a file.
pub const HEAD: usize = 19;

/// The keys for all files of one purpose.
#[derive(Clone)]
pub struct FrameKeys {
    keys: Vec<(u16, XChaCha20Poly1305)>,
    writing: u16,
}

/// What seals and opens the frames of one file.
pub struct Frames {
    head: [u8; HEAD],
    cipher: XChaCha20Poly1305,
}

impl FrameKeys {
    /// The keys for files of that purpose.
    pub fn new(roots: &RootKeys, purpose: &str) -> Self {
        let key = |root: &&Root| (root.id, XChaCha20Poly1305::new(&root.derive(purpose).into()));
        Self { keys: roots.by_id().iter().map(key).collect(), writing: roots.writing() }
    }

    /// A new file, under the key that writes.
    pub fn begin(&self) -> Frames {
        let mut head = [VERSION; HEAD];
        head[1..3].copy_from_slice(&self.writing.to_be_bytes());
        head[3..].copy_from_slice(&secrets::random_bytes::<16>());
        let cipher = self.cipher_of(&head);
        Frames {
            head,
            cipher: cipher.unwrap_or_else(|| unreachable!("the key that writes is one of the keys")),
        }
    }

    /// A file that has this head; `None` where it is of no format or key that is known.
    pub fn resume(&self, head: [u8; HEAD]) -> Option<Frames> {
        Some(Frames { head, cipher: self.cipher_of(&head)? })
    }

    fn cipher_of(&self, head: &[u8; HEAD]) -> Option<XChaCha20Poly1305> {
        let [VERSION, high, low, ..] = *head else { return None };
        let id = u16::from_be_bytes([high, low]);
        self.keys.iter().find(|(known, _)| *known == id).map(|(_, cipher)| cipher.clone())
    }
}

impl Frames {
    /// What stands at the beginning of the file.
    pub fn head(&self) -> &[u8; HEAD] {
        &self.head
    }

    /// Whether the file is sealed under the key that writes now.
    pub fn is_current(&self, keys: &FrameKeys) -> bool {
        self.head[1..3] == keys.writing.to_be_bytes()
    }

    /// Seals a frame for its place.
    pub fn seal(&self, place: u64, frame: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = secrets::random_bytes();
        let payload = Payload { msg: frame, aad: &self.associated_data(place) };
        let Ok(ciphertext) = self.cipher.encrypt(&XNonce::from(nonce), payload) else {
            unreachable!("a frame is within what the cipher takes");
        };
        [&nonce[..], &ciphertext].concat()
    }

    /// Opens the frame of that place; `None` if it is none, or was changed.
    pub fn open(&self, place: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: ciphertext, aad: &self.associated_data(place) };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()
    }

    fn associated_data(&self, place: u64) -> [u8; HEAD + 8] {
        let mut data = [0; HEAD + 8];
        data[..HEAD].copy_from_slice(&self.head);
        data[HEAD..].copy_from_slice(&place.to_be_bytes());
        data
    }
}
