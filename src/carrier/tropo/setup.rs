//! Setting Tropo up for a deployment: the application that holds our addresses, and its launch tokens.
//!
//! What is asked of an operator and kept in the settings, the command line knows.

use reqwest::Method;
use serde_json::json;

use crate::carrier::{CarrierError, Channel};
use crate::secrets::Secret;

use super::client::Tropo;
use super::errors::Nature;
use super::lenient::Scalar;
use super::replies::{Address, ApplicationReply, Created, tail};

/// An application at Tropo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Tropo's id for it, for `TROPO_MASKING_APP_ID`.
    pub id: String,
    /// Its name, which need not be the only one of that name.
    pub name: String,
    /// `webapi` for ours.
    pub platform: Option<String>,
    /// `staging` or `production`.
    pub partition: Option<String>,
    /// Where its calls are told; a secret, as it holds the webhook's key.
    pub voice_url: Option<Secret>,
    /// Where its texts are told; a secret too.
    pub messaging_url: Option<Secret>,
}

/// How an application shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationWish {
    /// Its name.
    pub name: String,
    /// Where calls shall be told, with the webhook's key.
    pub voice_url: Secret,
    /// Where texts shall be told, with the webhook's key.
    pub messaging_url: Secret,
    /// Whether it is billed.
    pub partition: Partition,
}

/// Whether an application is for trying out or for real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// Free and limited.
    Staging,
    /// Billed.
    Production,
}

/// A token that launches sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchToken {
    /// What it starts; old replies do not say.
    pub channel: Option<Channel>,
    /// The token itself.
    pub token: Secret,
}

impl Tropo {
    /// All applications of the account.
    pub async fn applications(&self) -> Result<Vec<Application>, CarrierError> {
        let request = self.transport.provisioning(Method::GET, &["applications"]);
        let replies: Vec<ApplicationReply> = self.transport.read(request).await?;
        Ok(replies.into_iter().filter_map(application).collect())
    }

    /// Makes an application and answers its id.
    pub async fn create_application(&self, wish: &ApplicationWish) -> Result<String, CarrierError> {
        let request = self.transport.provisioning(Method::POST, &["applications"]);
        let created: Created = self.transport.change(request, &body(wish)).await?;
        created.tail().ok_or_else(|| Nature::Changing.broken("it does not say which application it made"))
    }

    /// Changes an application to what is wished.
    pub async fn update_application(&self, id: &str, wish: &ApplicationWish) -> Result<(), CarrierError> {
        let request = self.transport.provisioning(Method::PUT, &["applications", id]);
        let _: Created = self.transport.change(request, &body(wish)).await?;
        Ok(())
    }

    /// The launch tokens of an application.
    pub async fn launch_tokens(&self, application: &str) -> Result<Vec<LaunchToken>, CarrierError> {
        let addresses = self.addresses(application).await?;
        let tokens = addresses.into_iter().filter(Address::is_token).filter_map(Address::launch_token);
        Ok(tokens.map(|(channel, token)| LaunchToken { channel, token: Secret::new(token) }).collect())
    }

    /// Makes a launch token for an application.
    pub async fn create_launch_token(
        &self,
        application: &str,
        channel: Channel,
    ) -> Result<Secret, CarrierError> {
        let channel = match channel {
            Channel::Voice => "voice",
            Channel::Text => "messaging",
        };
        let wish = json!({ "type": "token", "channel": channel });
        let token = self.add_address(application, &wish).await?.tail();
        token.map(Secret::new).ok_or_else(|| Nature::Changing.broken("it does not say which token it made"))
    }
}

fn body(wish: &ApplicationWish) -> serde_json::Value {
    let partition = match wish.partition {
        Partition::Staging => "staging",
        Partition::Production => "production",
    };
    json!({
        "name": wish.name,
        "voiceUrl": wish.voice_url.expose(),
        "messagingUrl": wish.messaging_url.expose(),
        "platform": "webapi",
        "partition": partition,
    })
}

fn application(reply: ApplicationReply) -> Option<Application> {
    let id = reply.id.and_then(Scalar::identifier).or_else(|| tail(reply.href.as_deref()?))?;
    Some(Application {
        id,
        name: reply.name,
        platform: reply.platform,
        partition: reply.partition,
        voice_url: reply.voice_url.map(Secret::new),
        messaging_url: reply.messaging_url.map(Secret::new),
    })
}
