//! What admins search for, sealed, so that an address can carry it without showing whom they look for.
//!
//! Knows no addresses. Nothing is stored: any server of the deployment opens what another one sealed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::App;
use crate::domain::ids::UserId;
use crate::seal::frames::HEAD;

/// Texts are padded to a multiple of so many bytes, so that the length of what is sealed says little.
const STEP: usize = 64;

impl App {
    /// Seals a search for the admin who made it, in letters that need no escape in an address.
    pub fn seal_search(&self, admin: UserId, text: &str) -> String {
        let mut plain = [admin.0.as_bytes(), text.as_bytes()].concat();
        plain.resize(plain.len().next_multiple_of(STEP), 0);
        let frames = self.search_keys.begin();
        URL_SAFE_NO_PAD.encode([&frames.head()[..], &frames.seal(0, &plain)].concat())
    }

    /// The search that was sealed for this admin; `None` for another admin's, a changed one, and one that was sealed
    /// under a root key which is gone.
    pub fn open_search(&self, admin: UserId, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (head, frame) = bytes.split_first_chunk::<HEAD>()?;
        let plain = self.search_keys.resume(*head)?.open(0, frame)?;
        let text = plain.strip_prefix(admin.0.as_bytes())?;
        Some(std::str::from_utf8(text).ok()?.trim_end_matches('\0').to_owned())
    }
}
