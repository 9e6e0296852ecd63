//! Whether our application at Tropo is as this deployment needs it, and setting it so again.
//!
//! The addresses hold the webhook's key: they are compared and sent, and never said. Whether an application is made
//! anew, and its tokens, are left to `maskline tropo setup`.

use url::Url;

use crate::carrier::{Arrangement, CarrierError, Channel, Fault};
use crate::secrets::Secret;

use super::client::Tropo;
use super::errors::Nature;
use super::setup::{Application, ApplicationWish, LaunchToken, Partition};

/// Where calls and texts shall be told, once for each webhook key that this deployment takes.
#[derive(Debug, Clone, Default)]
pub struct Addresses(Vec<Address>);

/// Where calls and texts shall be told, with one key.
#[derive(Debug, Clone)]
pub struct Address {
    /// Of calls.
    pub voice: Secret,
    /// Of texts.
    pub messaging: Secret,
}

impl Address {
    /// At this server, with that key.
    pub fn of(public_url: &Url, key: &Secret) -> Self {
        let at = |what: &str| {
            let mut url = public_url.clone();
            url.set_path(&format!("tropo/{what}"));
            url.query_pairs_mut().append_pair("key", key.expose());
            Secret::new(url)
        };
        Self { voice: at("transfer"), messaging: at("message") }
    }
}

impl Addresses {
    /// At this server. The first key is the newest; while it is changed, servers with more or fewer keys run beside each
    /// other, so that each of them is right.
    pub fn of(public_url: &Url, keys: &[Secret]) -> Self {
        Self(keys.iter().map(|key| Address::of(public_url, key)).collect())
    }

    /// Whether one of them is what Tropo says; where it says nothing, nobody knows better.
    fn has(&self, told: Option<&Secret>, part: fn(&Address) -> &Secret) -> bool {
        let same = |ours: &Address| told.is_none_or(|told| is_same(told, part(ours)));
        self.0.is_empty() || self.0.iter().any(same)
    }
}

/// Whether two addresses are one, however they are written.
fn is_same(one: &Secret, other: &Secret) -> bool {
    one == other || Url::parse(one.expose()).is_ok_and(|url| Url::parse(other.expose()) == Ok(url))
}

impl Tropo {
    pub(super) async fn look_at_application(&self) -> Result<Arrangement, CarrierError> {
        let Some(found) = self.our_application().await? else {
            let faults = vec![Fault { what: "the application is not there any more", can_be_set: false }];
            return Ok(Arrangement { faults, is_billed: None });
        };
        let mut faults = vec![];
        if found.platform.as_deref().is_some_and(|platform| platform != "webapi") {
            faults.push(Fault { what: "the application is not of the kind \"webapi\"", can_be_set: true });
        }
        if !self.reached_at.has(found.voice_url.as_ref(), |address| &address.voice) {
            faults.push(Fault { what: "calls are told to another address", can_be_set: true });
        }
        if !self.reached_at.has(found.messaging_url.as_ref(), |address| &address.messaging) {
            faults.push(Fault { what: "texts are told to another address", can_be_set: true });
        }
        let tokens = self.launch_tokens(&found.id).await?;
        faults.extend(self.unknown_tokens(&tokens));
        let is_billed = found.partition.as_deref().map(|partition| partition == "production");
        Ok(Arrangement { faults, is_billed })
    }

    async fn our_application(&self) -> Result<Option<Application>, CarrierError> {
        Ok(self.applications().await?.into_iter().find(|found| found.id == self.application))
    }

    /// Tokens of ours that the application does not have. A list without any may be one that does not tell them.
    fn unknown_tokens(&self, listed: &[LaunchToken]) -> Vec<Fault> {
        let ours = [(Channel::Voice, &self.voice_token), (Channel::Text, &self.messaging_token)];
        let lacks = |token: &Secret| !listed.is_empty() && listed.iter().all(|known| known.token != *token);
        let unknown = ours.into_iter().filter(|(_, token)| token.as_ref().is_some_and(lacks));
        let fault = |(channel, _)| Fault {
            what: match channel {
                Channel::Voice => "the token that starts calls is not one of the application's",
                Channel::Text => "the token that starts texts is not one of the application's",
            },
            can_be_set: false,
        };
        unknown.map(fault).collect()
    }

    pub(super) async fn set_application(&self, billed: bool) -> Result<(), CarrierError> {
        let found = self.our_application().await?.ok_or(CarrierError::NotFound)?;
        let newest = self.reached_at.0.first();
        let url = |ours: Option<&Secret>, told: Option<Secret>| {
            ours.cloned()
                .or(told)
                .ok_or_else(|| Nature::Reading.broken("it does not say where it tells calls"))
        };
        let is_billed = billed || found.partition.as_deref() == Some("production");
        let wish = ApplicationWish {
            name: found.name,
            voice_url: url(newest.map(|address| &address.voice), found.voice_url)?,
            messaging_url: url(newest.map(|address| &address.messaging), found.messaging_url)?,
            partition: if is_billed { Partition::Production } else { Partition::Staging },
        };
        self.update_application(&found.id, &wish).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_taken_is_right_and_silence_is_not_wrong() {
        let here = Url::parse("https://masks.example.com").unwrap();
        let addresses = Addresses::of(&here, &[Secret::new("new"), Secret::new("old")]);
        let has =
            |told: Option<&str>| addresses.has(told.map(Secret::new).as_ref(), |address| &address.voice);
        for right in [
            "https://masks.example.com/tropo/transfer?key=new",
            "https://masks.example.com/tropo/transfer?key=old",
            "https://MASKS.example.com:443/tropo/transfer?key=old",
        ] {
            assert!(has(Some(right)), "{right}");
        }
        assert!(has(None));
        for wrong in [
            "https://masks.example.com/tropo/transfer?key=older",
            "https://masks.example.com/tropo/message?key=new",
            "http://masks.example.com/tropo/transfer?key=new",
            "not an address",
        ] {
            assert!(!has(Some(wrong)), "{wrong}");
        }
        assert!(Addresses::default().has(Some(&Secret::new("anything")), |address| &address.voice));
        assert!(!format!("{addresses:?}").contains("new"), "keys are secret");
    }
}
