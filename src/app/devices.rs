//! Devices that signed in before: each has a bucket of failures of its own, so that a stranger who guesses at somebody's
//! password does not keep them out.
//!
//! A device is a random name in a cookie, with two keyed digests: of it and its user's address, and of it, its user and their
//! password's hash. Nothing is stored, and a new password makes a stranger of every device.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::App;
use super::sessions::password_stamp;
use crate::db::users::User;
use crate::secrets;

/// A device that we named, of the account with a certain address; whether its password is still the same is to be seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimed<'a> {
    /// Its name.
    pub(super) name: &'a str,
    proof: &'a str,
}

impl App {
    /// What a browser is given to be known by when this user signs in there again, until their password changes.
    pub fn device_of(&self, user: &User) -> String {
        let name = secrets::random_token();
        let (mark, proof) = (self.device_mark(user.email.as_str(), &name), self.device_proof(user, &name));
        format!("{name}.{mark}.{proof}")
    }

    /// The device, if we named it for the account of that address. Asks no database, so that what is made up costs nothing.
    pub(super) fn claimed_device<'a>(&self, email: &str, shown: &'a str) -> Option<Claimed<'a>> {
        let (name, rest) = shown.split_once('.')?;
        let (mark, proof) = rest.split_once('.')?;
        let is_ours = secrets::same(self.device_mark(email, name).as_bytes(), mark.as_bytes());
        is_ours.then_some(Claimed { name, proof })
    }

    /// The name of the device, if the user signed in there with the password that they have now.
    pub(super) fn known_device<'a>(&self, user: &User, device: Claimed<'a>) -> Option<&'a str> {
        let proof = self.device_proof(user, device.name);
        secrets::same(proof.as_bytes(), device.proof.as_bytes()).then_some(device.name)
    }

    fn device_mark(&self, email: &str, name: &str) -> String {
        let digest = secrets::keyed_digest(&self.device_key, format!("named|{email}|{name}").as_bytes());
        URL_SAFE_NO_PAD.encode(digest)
    }

    fn device_proof(&self, user: &User, name: &str) -> String {
        let (id, stamp) = (user.id, password_stamp(user));
        let digest = secrets::keyed_digest(&self.device_key, format!("{id}|{stamp}|{name}").as_bytes());
        URL_SAFE_NO_PAD.encode(digest)
    }
}
