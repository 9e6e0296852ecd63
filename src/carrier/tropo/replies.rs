//! The replies of Tropo's REST API, of every age.
//!
//! Ids and numbers are taken from the tail of an `href`, whatever host and path stand before it.

use serde::Deserialize;

use crate::carrier::{Area, Channel};
use crate::domain::phone::PhoneNumber;

use super::lenient::Scalar;
use super::numbers::rented;

/// What a creation or a change answers.
#[derive(Deserialize)]
pub(super) struct Created {
    href: String,
}

impl Created {
    /// The id or value of what was made.
    pub(super) fn tail(&self) -> Option<String> {
        tail(&self.href)
    }

    /// The number that was rented.
    pub(super) fn number(&self) -> Option<PhoneNumber> {
        rented(&self.tail()?)
    }
}

/// What a session launch answers.
#[derive(Deserialize)]
pub(super) struct Launched {
    success: Scalar,
}

impl Launched {
    /// Whether the launch was queued; `None` where the reply does not say.
    pub(super) fn success(&self) -> Option<bool> {
        self.success.flag()
    }
}

/// What a signal answers.
#[derive(Deserialize)]
pub(super) struct Signalled {
    status: String,
}

impl Signalled {
    pub(super) fn failed(&self) -> bool {
        self.status.trim().eq_ignore_ascii_case("FAILED")
    }
}

/// An area, as `GET /exchanges` lists it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exchange {
    prefix: String,
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
    description: Option<String>,
    sms_enabled: Option<bool>,
    toll_free: Option<bool>,
}

impl Exchange {
    /// The area in our words; `None` where its prefix is none.
    pub(super) fn area(self) -> Option<Area> {
        let description = self.description.unwrap_or_default().to_lowercase();
        let prefix = self.prefix.trim().trim_start_matches('+').to_owned();
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| Area {
            prefix,
            city: named(self.city),
            state: named(self.state),
            country: named(self.country),
            texts: self.sms_enabled.or_else(|| description.contains("w/ sms").then_some(true)),
            toll_free: self.toll_free.unwrap_or_else(|| description.contains("toll free")),
        })
    }
}

fn named(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// An address of an application, or a free one: a number, a token or something that we do not use.
#[derive(Deserialize)]
pub(super) struct Address {
    href: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    number: Option<Scalar>,
    token: Option<String>,
    username: Option<String>,
    channel: Option<String>,
    application: Option<Scalar>,
    #[serde(rename = "applicationId")]
    application_id: Option<Scalar>,
}

impl Address {
    /// Whether the reply says that it leads to another application than this one; short replies do not say.
    pub(super) fn is_of_another(&self, application: &str) -> bool {
        self.application().is_some_and(|named| named != application)
    }

    /// The id of the application that it leads to, from whichever place names it.
    pub(super) fn application(&self) -> Option<String> {
        let field = |field: &Option<Scalar>| field.clone().and_then(Scalar::identifier);
        let in_path = self.href.as_deref().and_then(|href| {
            let mut segments = href.split('/').skip_while(|segment| *segment != "applications");
            segments.nth(1).map(str::to_owned)
        });
        let named = field(&self.application_id).or_else(|| tail(&field(&self.application)?)).or(in_path);
        named.filter(|named| !named.is_empty())
    }

    /// Whether it is a phone number; in 2010 these were called `did`.
    pub(super) fn is_number(&self) -> bool {
        self.is_of("number") || self.is_of("did")
    }

    pub(super) fn is_token(&self) -> bool {
        self.is_of("token")
    }

    fn is_of(&self, kind: &str) -> bool {
        match (&self.kind, &self.href) {
            (Some(named), _) => named.eq_ignore_ascii_case(kind),
            (None, Some(href)) => href.contains(&format!("/addresses/{kind}/")),
            (None, None) => false,
        }
    }

    /// The number, from whichever of its two places writes it with a plus, else from either.
    pub(super) fn phone_number(self) -> Option<PhoneNumber> {
        let tail = self.href.as_deref().and_then(tail);
        let field = self.number.and_then(Scalar::identifier);
        let places: Vec<String> = [tail, field].into_iter().flatten().collect();
        let plus_first = places.iter().filter(|text| text.starts_with('+')).chain(&places);
        plus_first.into_iter().find_map(|text| rented(text))
    }

    /// The launch token and for what it is; old replies do not tell the latter.
    pub(super) fn launch_token(self) -> Option<(Option<Channel>, String)> {
        let tail = self.href.as_deref().and_then(tail);
        let channel = match self.channel.as_deref() {
            Some(name) if name.eq_ignore_ascii_case("voice") => Some(Channel::Voice),
            Some(name) if name.eq_ignore_ascii_case("messaging") => Some(Channel::Text),
            _ => None,
        };
        Some((channel, named(self.token).or(named(self.username)).or(tail)?))
    }
}

/// An application, as `GET /applications` lists it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationReply {
    pub(super) href: Option<String>,
    pub(super) id: Option<Scalar>,
    #[serde(default)]
    pub(super) name: String,
    pub(super) platform: Option<String>,
    #[serde(alias = "voiceurl", alias = "voiceURL")]
    pub(super) voice_url: Option<String>,
    #[serde(alias = "messagingurl", alias = "messagingURL")]
    pub(super) messaging_url: Option<String>,
    pub(super) partition: Option<String>,
}

/// The last segment of an address, without escapes.
pub(super) fn tail(href: &str) -> Option<String> {
    let path = href.split(['?', '#']).next()?.trim().trim_end_matches('/');
    let segment = path.rsplit('/').next()?;
    let plain = segment.replace("%2B", "+").replace("%2b", "+");
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_at_the_tail_of_an_href_of_any_age_and_host() {
        for (href, number) in [
            ("https://api.tropo.com/v1/applications/123456/addresses/number/+14075551234", "+14075551234"),
            ("https://api.tropo.com/rest/v1/applications/1/addresses/number/%2B14075551234", "+14075551234"),
            ("http://api.tropo.com/v1/applications/1/addresses/number/%2b14075551234/", "+14075551234"),
            ("http://api.tropo.com/v1/applications/108000/addresses/number/7205550112", "+17205550112"),
            ("http://127.0.0.1:8081/x/14075551234?y=+1", "+14075551234"),
            ("+14075551234", "+14075551234"),
            ("https://api.tropo.com/v1/applications/1/addresses/number/+34000111000", "+34000111000"),
            ("http://api.tropo.com/v1/applications/1/addresses/number/883510001812716", "+883510001812716"),
        ] {
            let created = Created { href: href.to_owned() };
            assert_eq!(created.number(), PhoneNumber::from_e164(number), "{href}");
        }
        for href in ["", "/", "https://api.tropo.com/v1/", "number/unknown", "number/+1407555123456789"] {
            assert_eq!(Created { href: href.to_owned() }.number(), None, "{href}");
        }
    }
}
