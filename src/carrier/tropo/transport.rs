//! Requests to Tropo: bounded in time and size, sent once, to the configured address only.
//!
//! Knows no resource of Tropo's; turns whatever happens into a reply or a [`CarrierError`].

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, redirect, retry};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::carrier::CarrierError;
use crate::secrets::Secret;

use super::errors::Nature;

/// The most bytes of a reply that are read; the longest list of exchanges has about one million.
const LONGEST_REPLY: usize = 8 * 1024 * 1024;

/// How long a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until the last byte of the reply.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), total: Duration::from_secs(10) }
    }
}

pub(super) struct Transport {
    client: Client,
    base: Url,
    username: String,
    password: Secret,
    tokens: Vec<Secret>,
}

impl Transport {
    /// Each request has a connection of its own, so that none is lost to one that Tropo has just closed.
    pub(super) fn new(
        base: &Url,
        username: String,
        password: Secret,
        tokens: Vec<Secret>,
        timeouts: Timeouts,
    ) -> Result<Self, CarrierError> {
        let client = Client::builder()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .referer(false)
            .build()
            .map_err(|_| CarrierError::Refused("TLS cannot be set up on this machine".to_owned()))?;
        Ok(Self { client, base: with_one_trailing_slash(base), username, password, tokens })
    }

    /// A request to the provisioning API, proved by user name and password. The segments are escaped.
    pub(super) fn provisioning(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.request(method, &self.base, path).basic_auth(&self.username, Some(self.password.expose()))
    }

    /// A request to the session API, which lies at `/1.0/sessions` of the same host and takes no password.
    pub(super) fn sessions(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut base = self.base.clone();
        base.set_path("/1.0/sessions/");
        self.request(method, &base, path)
    }

    fn request(&self, method: Method, base: &Url, path: &[&str]) -> RequestBuilder {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.client.request(method, url).header("accept", "application/json")
    }

    /// Sends a request that changes nothing.
    pub(super) async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CarrierError> {
        self.parsed(request, Nature::Reading).await
    }

    /// Sends a request that changes something, once.
    pub(super) async fn change<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        body: &impl Serialize,
    ) -> Result<T, CarrierError> {
        self.parsed(request.json(body), Nature::Changing).await
    }

    /// Sends a request whose success has nothing more to say.
    pub(super) async fn remove(&self, request: RequestBuilder) -> Result<(), CarrierError> {
        let body = self.reply(request, Nature::Changing).await?;
        if body.trim_ascii().is_empty() {
            return Ok(());
        }
        let parsed: Result<serde_json::Map<_, _>, _> = serde_json::from_slice(&body);
        parsed.map(|_| ()).map_err(|_| Nature::Changing.broken("an unreadable answer"))
    }

    async fn parsed<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        nature: Nature,
    ) -> Result<T, CarrierError> {
        let body = self.reply(request, nature).await?;
        serde_json::from_slice(&body).map_err(|_| nature.broken("an unreadable answer"))
    }

    async fn reply(&self, request: RequestBuilder, nature: Nature) -> Result<Vec<u8>, CarrierError> {
        let mut response = request.send().await.map_err(|error| nature.failed(&error))?;
        let status = response.status();
        let body = whole_body(&mut response, nature).await;
        if status.is_success() {
            return body;
        }
        let secrets: Vec<&Secret> = self.tokens.iter().chain([&self.password]).collect();
        Err(nature.refused(status.as_u16(), &body.unwrap_or_default(), &secrets))
    }
}

async fn whole_body(response: &mut Response, nature: Nature) -> Result<Vec<u8>, CarrierError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| nature.failed(&error))? {
        if body.len() + chunk.len() > LONGEST_REPLY {
            return Err(nature.broken("an answer of more than 8 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The address without query and fragment, its path with exactly one slash at the end.
fn with_one_trailing_slash(url: &Url) -> Url {
    let mut base = url.clone();
    base.set_query(None);
    base.set_fragment(None);
    let path = format!("{}/", url.path().trim_end_matches('/'));
    base.set_path(&path);
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_slash_at_its_end() {
        for (given, base) in [
            ("http://api.example/rest/v1//////", "http://api.example/rest/v1/"),
            ("https://api.tropo.com/v1", "https://api.tropo.com/v1/"),
            ("https://api.tropo.com", "https://api.tropo.com/"),
            ("https://api.tropo.com/v1/?a=b#c", "https://api.tropo.com/v1/"),
        ] {
            assert_eq!(with_one_trailing_slash(&given.parse().unwrap()).as_str(), base);
        }
    }
}
