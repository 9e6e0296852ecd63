//! The settings about Tropo: the account, what was made there, how it proves itself.
//!
//! Parses and checks; asks Tropo nothing.

use url::Url;

use super::reader::Reader;
use super::sections::{is_safe, networks};
use crate::carrier::tropo::webhook::Network;
use crate::secrets::{Secret, is_pattern};

/// 22 characters of base64 hold 128 bits.
const SHORTEST_KEY: usize = 22;

/// How we sign in at Tropo.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its REST API.
    pub url: Url,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

impl Account {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let expected = "an address such as https://api.tropo.com/v1/; http only on loopback";
        let url = reader.required("TROPO_URL", expected, |text| Url::parse(text).ok().filter(is_safe));
        let username = reader.required("TROPO_USERNAME", "the user name of the Tropo account", owned);
        let password = reader.required("TROPO_PASSWORD", "the password of the Tropo account", secret);
        Some(Self { url: url?, username: username?, password: password? })
    }
}

/// What `maskline tropo setup` has made at Tropo.
#[derive(Debug, Clone)]
pub struct Provisioned {
    /// The id of our application.
    pub application: Option<String>,
    /// Starts calls; without it, codes are not spoken.
    pub voice_token: Option<Secret>,
    /// Starts texts; without it, codes are not texted.
    pub messaging_token: Option<Secret>,
}

impl Provisioned {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let expected = "what `maskline tropo setup` prints";
        Self {
            application: reader.optional("TROPO_MASKING_APP_ID", expected, owned),
            voice_token: reader.optional("TROPO_VOICE_TOKEN", expected, secret),
            messaging_token: reader.optional("TROPO_MESSAGING_TOKEN", expected, secret),
        }
    }
}

/// How Tropo proves itself to us.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The keys that the webhook's address may hold; the first is the newest.
    pub keys: Vec<Secret>,
    /// The account that sessions must name.
    pub account_id: Option<String>,
    /// Where requests must come from.
    pub networks: Vec<Network>,
}

impl Webhook {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            keys: reader.list("TROPO_WEBHOOK_KEY", KEYS, webhook_key),
            account_id: reader.optional("TROPO_ACCOUNT_ID", "the id of the Tropo account", owned),
            networks: networks(reader, "TROPO_WEBHOOK_NETWORKS"),
        }
    }
}

const KEYS: &str = "a random key of at least 22 letters, digits, - or _, not a pattern or a repeated word (`maskline \
                    tropo setup` makes one), or several with commas";

/// A server without an application has no masks, and one without a key would believe nobody.
pub(super) fn require_setup(reader: &mut Reader) {
    reader.require("TROPO_MASKING_APP_ID", "what `maskline tropo setup` prints");
    reader.require("TROPO_WEBHOOK_KEY", KEYS);
}

fn webhook_key(text: &str) -> Option<Secret> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let is_random = text.len() >= SHORTEST_KEY && !is_pattern(text.as_bytes());
    (plain && is_random).then(|| Secret::new(text))
}

/// The account id that the simulator puts into its sessions.
pub(super) fn account_id(reader: &mut Reader) -> Option<String> {
    reader.required("TROPO_ACCOUNT_ID", "the id of the Tropo account", owned)
}

/// What Tropo calls by any name, but on one line.
fn owned(text: &str) -> Option<String> {
    (!text.contains(char::is_control)).then(|| text.to_owned())
}

fn secret(text: &str) -> Option<Secret> {
    owned(text).map(Secret::new)
}
