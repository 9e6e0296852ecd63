//! What a development start says when all is up: where everything is, and what to do next.
//!
//! It shows the webhook's key of this machine's own development settings, as the command that it prints needs it.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::database::Database;
use crate::config::{Serve, environment};
use crate::secrets::Secret;
use crate::simulator::Simulator;

/// What another terminal has to be told if this one was told by its environment.
const SHARED: [&str; 3] = ["MASKLINE_STATE", "MASKLINE_PUBLIC_URL", "MASKLINE_LISTEN"];

/// The words of a start.
pub(super) struct Banner {
    public_url: Url,
    simulator: String,
    state: String,
    database: Option<PathBuf>,
    key: Secret,
    account: String,
    command: String,
}

impl Banner {
    /// Words for these settings.
    pub(super) fn new(config: &Serve, public_url: &Url, simulator: &Simulator) -> Self {
        let private = &config.database.private;
        let shared = environment::own(&SHARED).into_iter().map(|(name, value)| format!("{name}='{value}' "));
        Self {
            public_url: public_url.clone(),
            simulator: format!("http://{}/", simulator.address()),
            state: private.parent().unwrap_or(private).display().to_string(),
            database: None,
            key: config.webhook.keys.first().cloned().unwrap_or_else(|| Secret::new("")),
            account: config.webhook.account_id.clone().unwrap_or_default(),
            command: shared.collect::<String>() + &environment::program(),
        }
    }

    /// The same, with where the database lies, which is known once it runs.
    pub(super) fn with(self, database: &Database) -> Self {
        Self { database: database.directory().map(Path::to_owned), ..self }
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { public_url, simulator, state, database, account, command, .. } = self;
        let key = self.key.expose();
        let foreign = || "the one that DATABASE_URL names".to_owned();
        let database =
            database.as_ref().map_or_else(foreign, |directory| format!("{}/", directory.display()));
        let session = format!(
            r#"{{"session":{{"id":"'$(date +%s)'","accountId":"{account}","userType":"HUMAN","to":{{"id":"4075550150","e164Id":"14075550150","channel":"VOICE"}},"from":{{"id":"4155550101","e164Id":"14155550101","channel":"VOICE"}}}}}}"#
        );
        write!(
            out,
            "
Maskline is running. Ctrl-C stops it.

  Maskline    {public_url}
  Simulator   {simulator}   phones, texts and the mailbox
  Kept in     {state}/   letters, the simulator's state, settings (development.env)
  Database    {database}

Limits are relaxed so that trying things out does not meet them; development.env lists them.

Make an admin, in another terminal in this folder:
  {command} user create you@example.com --admin

Tell the webhook of a call, as Tropo would (put your mask in the place of 14075550150):
  curl -s '{public_url}tropo/transfer?key={key}' -H 'Content-Type: application/json' \\
    -d '{session}'
"
        )
    }
}
