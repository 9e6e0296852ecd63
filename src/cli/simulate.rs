//! `maskline simulate`: the pretend Tropo alone.

use std::time::Duration;

use url::Url;

use super::compose;
use super::error::CliError;
use super::stop::Stop;
use crate::clock::Clock;
use crate::config::{Simulate, environment};
use crate::simulator::{self, Simulator};
use crate::telemetry;

/// How long an application may take to answer; what Tropo's was, nobody wrote down.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs it until somebody wants it to stop.
pub(super) fn run() -> Result<(), CliError> {
    let config = Simulate::read(&environment::develop()?)?;
    telemetry::start(&config.log);
    let runtime = compose::runtime()?;
    let mut stop = Stop::listen(&runtime)?;
    let simulator = start(&config, &config.site.address(config.site.listen.port()))?;
    println!("The simulator listens on http://{}/ (Ctrl-C stops it).", simulator.address());
    runtime.block_on(async {
        stop.wanted().await;
        simulator.stop().await;
    });
    Ok(())
}

/// Starts it; `maskline_url` is for a link on its page.
pub(super) fn start(config: &Simulate, maskline_url: &Url) -> Result<Simulator, CliError> {
    let settings = simulator::Settings {
        listen: config.listen.to_string(),
        state_dir: config.state.clone(),
        mail_dir: config.mail.clone(),
        username: config.account.username.clone(),
        password: config.account.password.expose().to_owned(),
        account_id: config.account_id.clone(),
        maskline_url: Some(maskline_url.to_string()),
        webhook_timeout: PATIENCE,
    };
    Ok(simulator::start(settings, Clock::System)?)
}
