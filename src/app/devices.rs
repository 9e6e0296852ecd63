//! Devices that signed in before: each has a bucket of failures of its own, so that a stranger who guesses at somebody's
//! password does not keep them out.
//!
//! A device is a random name with a keyed digest of it, its user and their password's hash, in a cookie; nothing is stored,
//! and a new password makes a stranger of every device.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::App;
use super::sessions::password_stamp;
use crate::db::users::User;
use crate::secrets;

impl App {
    /// What a browser is given to be known by when this user signs in there again, until their password changes.
    pub fn device_of(&self, user: &User) -> String {
        let name = secrets::random_token();
        format!("{name}.{}", self.device_proof(user, &name))
    }

    /// The name of the device, if the user signed in there with the password that they have now.
    pub(super) fn known_device<'a>(&self, user: &User, shown: &'a str) -> Option<&'a str> {
        let (name, proof) = shown.split_once('.')?;
        secrets::same(self.device_proof(user, name).as_bytes(), proof.as_bytes()).then_some(name)
    }

    fn device_proof(&self, user: &User, name: &str) -> String {
        let (id, stamp) = (user.id, password_stamp(user));
        let digest = secrets::keyed_digest(&self.device_key, format!("{id}|{stamp}|{name}").as_bytes());
        URL_SAFE_NO_PAD.encode(digest)
    }
}
