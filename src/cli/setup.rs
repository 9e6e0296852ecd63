//! `maskline tropo setup`: the application at Tropo as this deployment needs it, and its launch tokens.
//!
//! Can be run again at any time; what is there already is kept.

use url::Url;

use super::code_sender::code_sender;
use super::compose;
use super::error::CliError;
use crate::carrier::tropo::arrangement::Address;
use crate::carrier::tropo::client::Tropo;
use crate::carrier::tropo::setup::{Application, ApplicationWish, LaunchToken, Partition};
use crate::carrier::{CarrierError, Channel};
use crate::config::{self, Provisioned, environment};
use crate::domain::phone::{Country, PhoneNumber};
use crate::secrets::{self, Secret};
use crate::telemetry;

/// What we name our application, and find it by.
const NAME: &str = "Maskline";

/// How the setup is called.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How Tropo reaches this server, such as the address of a tunnel [default: `MASKLINE_PUBLIC_URL`]
    #[arg(long, value_name = "PUBLIC_URL")]
    url: Option<String>,
    /// Write the settings into .env instead of printing them
    #[arg(long)]
    write: bool,
    /// Move the application to Tropo's production partition, where numbers and calls are billed
    #[arg(long)]
    production: bool,
}

/// How the application shall be.
pub(super) struct Wish<'a> {
    /// How Tropo reaches us.
    pub(super) public_url: &'a Url,
    /// What the webhook's address carries.
    pub(super) key: &'a Secret,
    /// What we have already.
    pub(super) known: &'a Provisioned,
    /// Whether it must be billed; one that is stays so.
    pub(super) production: bool,
    /// The number that codes come from, where one is named.
    pub(super) code_sender: Option<PhoneNumber>,
    /// Where it is rented otherwise.
    pub(super) country: Country,
}

/// What there is now.
pub(super) struct Arranged {
    /// The id of the application.
    pub(super) application: String,
    /// Starts calls.
    pub(super) voice_token: Secret,
    /// Starts texts.
    pub(super) messaging_token: Secret,
    /// The number that codes come from, or why there is none.
    pub(super) code_sender: Result<PhoneNumber, CliError>,
    did: Vec<&'static str>,
}

/// Sets Tropo up, and prints or keeps the settings.
pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let config = config::Setup::read(&environment::read()?, arguments.url.as_deref())?;
    telemetry::start(&telemetry::Settings::of_a_command());
    let keys = &config.webhook.keys;
    let key = keys.first().cloned().unwrap_or_else(|| Secret::new(secrets::random_token()));
    let wish = Wish {
        public_url: &config.public_url,
        key: &key,
        known: &config.provisioned,
        production: arguments.production,
        code_sender: config.code_sender,
        country: config.country,
    };
    let arranged = compose::runtime()?.block_on(arrange(&config.account, &wish))?;
    let address = config.public_url.origin().ascii_serialization();
    for done in &arranged.did {
        eprintln!("{done}");
    }
    eprintln!("Tropo's application {} tells calls and texts to {address}.", arranged.application);
    let sender = arranged.code_sender.as_ref().ok().map(PhoneNumber::e164);
    if let (Ok(number), None) = (&arranged.code_sender, config.code_sender) {
        eprintln!("Codes come from {}, which is nobody's mask.", number.grouped());
    }
    let mut settings = arranged.settings();
    settings.extend(sender.as_deref().map(|sender| ("TROPO_CALLER_ID", sender)));
    if keys.is_empty() {
        settings.push(("TROPO_WEBHOOK_KEY", key.expose()));
    }
    if arguments.url.is_some() {
        settings.push(("MASKLINE_PUBLIC_URL", &address));
    }
    hand_over(&settings, arguments.write)?;
    // What was made is kept, whatever became of the number.
    arranged.code_sender.map(drop)
}

fn hand_over(settings: &[(&str, &str)], write: bool) -> Result<(), CliError> {
    if write {
        environment::keep(settings)?;
        let names: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
        eprintln!("Kept in .env: {}. Restart the server to use them.", names.join(", "));
        return Ok(());
    }
    eprintln!("Settings to keep for the server; tokens and keys are secret (--write puts them into .env):");
    for (name, value) in settings {
        println!("{name}={value}");
    }
    Ok(())
}

impl Arranged {
    /// What the server has to know of it.
    pub(super) fn settings(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("TROPO_MASKING_APP_ID", &self.application),
            ("TROPO_VOICE_TOKEN", self.voice_token.expose()),
            ("TROPO_MESSAGING_TOKEN", self.messaging_token.expose()),
        ]
    }
}

/// Finds the application or makes it, points it to us, and sees to its tokens.
pub(super) async fn arrange(account: &config::Account, wish: &Wish<'_>) -> Result<Arranged, CliError> {
    let tropo = compose::tropo(account, wish.known)?;
    let fault = |error| compose::tropo_fault(account, error);
    let applications = tropo.applications().await.map_err(fault)?;
    let found = choose(applications.clone(), wish.known.application.as_deref())?;
    let mut did = Vec::new();
    let settings = application_wish(wish, found.as_ref());
    let application = set_application(&tropo, &settings, found, &mut did).await.map_err(fault)?;
    let tokens = tropo.launch_tokens(&application).await.map_err(fault)?;
    let voice = (Channel::Voice, wish.known.voice_token.as_ref());
    let voice_token = token(&tropo, &application, &tokens, voice, &mut did).await.map_err(fault)?;
    let text = (Channel::Text, wish.known.messaging_token.as_ref());
    let messaging_token = token(&tropo, &application, &tokens, text, &mut did).await.map_err(fault)?;
    let masks = (application.as_str(), &settings);
    let code_sender = code_sender(&tropo, wish, &applications, masks, fault).await;
    Ok(Arranged { application, voice_token, messaging_token, code_sender, did })
}

/// The application of that id, else the one of our name.
fn choose(applications: Vec<Application>, id: Option<&str>) -> Result<Option<Application>, CliError> {
    if let Some(id) = id {
        let found = applications.into_iter().find(|application| application.id == id);
        return found.map(Some).ok_or_else(|| CliError::NoApplication(id.to_owned()));
    }
    let mut ours: Vec<Application> =
        applications.into_iter().filter(|application| application.name == NAME).collect();
    if ours.len() > 1 {
        let ids: Vec<String> = ours.into_iter().map(|application| application.id).collect();
        return Err(CliError::SeveralApplications(ids.join(", ")));
    }
    Ok(ours.pop())
}

/// How the application of the masks shall be, of which there may be one.
fn application_wish(wish: &Wish<'_>, found: Option<&Application>) -> ApplicationWish {
    let is_billed = found.is_some_and(|found| found.partition.as_deref() == Some("production"));
    let address = Address::of(wish.public_url, wish.key);
    ApplicationWish {
        name: found.map_or_else(|| NAME.to_owned(), |found| found.name.clone()),
        voice_url: address.voice,
        messaging_url: address.messaging,
        partition: if wish.production || is_billed { Partition::Production } else { Partition::Staging },
    }
}

async fn set_application(
    tropo: &Tropo,
    settings: &ApplicationWish,
    found: Option<Application>,
    did: &mut Vec<&'static str>,
) -> Result<String, CarrierError> {
    if let Some(found) = found {
        tropo.update_application(&found.id, settings).await?;
        did.push("Updated the application at Tropo.");
        return Ok(found.id);
    }
    did.push("Made an application at Tropo.");
    tropo.create_application(settings).await
}

/// The known token if the application has it, else one that it has for the channel, else a new one.
async fn token(
    tropo: &Tropo,
    application: &str,
    tokens: &[LaunchToken],
    (channel, known): (Channel, Option<&Secret>),
    did: &mut Vec<&'static str>,
) -> Result<Secret, CarrierError> {
    let has = |known: &Secret| tokens.iter().any(|token| token.token == *known);
    let listed = || tokens.iter().find(|token| token.channel == Some(channel)).map(|token| &token.token);
    if let Some(token) = known.filter(|known| has(known)).or_else(listed) {
        return Ok(token.clone());
    }
    did.push(match channel {
        Channel::Voice => "Made a token that starts calls.",
        Channel::Text => "Made a token that starts texts.",
    });
    tropo.create_launch_token(application, channel).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(id: &str, name: &str) -> Application {
        Application {
            id: id.into(),
            name: name.into(),
            platform: None,
            partition: None,
            voice_url: None,
            messaging_url: None,
        }
    }

    #[test]
    fn the_id_counts_before_the_name_and_nothing_is_guessed() {
        let all = || vec![application("1", "Other"), application("2", NAME), application("3", "Renamed")];
        assert_eq!(choose(all(), None).unwrap().unwrap().id, "2");
        assert_eq!(choose(all(), Some("3")).unwrap().unwrap().id, "3");
        assert!(matches!(choose(all(), Some("4")), Err(CliError::NoApplication(_))));
        assert!(choose(vec![application("1", "Other")], None).unwrap().is_none());
        let twice = vec![application("1", NAME), application("2", NAME)];
        assert!(matches!(choose(twice, None), Err(CliError::SeveralApplications(_))));
    }
}
