//! Devices that signed in before: each has a bucket of failures of its own, so that a stranger who guesses at somebody's
//! password does not keep them out.
//!
//! A device is a random name with a keyed digest of it and of its user, in a cookie; nothing is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::App;
use crate::domain::ids::UserId;
use crate::secrets;

impl App {
    /// What a browser is given to be known by when this user signs in there again.
    pub fn device_of(&self, user: UserId) -> String {
        let name = secrets::random_token();
        format!("{name}.{}", self.device_proof(user, &name))
    }

    /// The name of the device, if the user signed in there before.
    pub(super) fn known_device<'a>(&self, user: UserId, shown: &'a str) -> Option<&'a str> {
        let (name, proof) = shown.split_once('.')?;
        secrets::same(self.device_proof(user, name).as_bytes(), proof.as_bytes()).then_some(name)
    }

    fn device_proof(&self, user: UserId, name: &str) -> String {
        let digest = secrets::keyed_digest(&self.device_key, format!("{user}|{name}").as_bytes());
        URL_SAFE_NO_PAD.encode(digest)
    }
}
