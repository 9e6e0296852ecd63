//! `maskline develop`, what `script/server` runs: the simulator, its setup, and the server, all on this machine.
//!
//! The port of the server is opened first, so that a second start in the same folder says so at once.

use super::banner::Banner;
use super::compose;
use super::error::CliError;
use super::listeners::{self, Inherited};
use super::serve;
use super::setup::{self, Wish};
use super::simulate;
use super::stop::Stop;
use crate::config::{self, Provisioned, Variables, environment};
use crate::simulator::Simulator;
use crate::telemetry;
use url::Url;

/// Runs everything until somebody wants it to stop.
pub(super) fn run() -> Result<(), CliError> {
    let variables = environment::develop()?;
    let mut config = read(&variables)?;
    let simulate = config::Simulate::read(&variables)?;
    telemetry::start(&config.log);
    let runtime = compose::runtime()?;
    let mut stop = Stop::listen(&runtime)?;
    let listeners = listeners::open(&config, Inherited::none())?;
    let public_url = config.site.address(listeners.pages.port()?);
    let simulator = simulate::start(&simulate, &public_url)?;
    let prepared = runtime.block_on(prepare(&mut config, &variables, &public_url, &simulator));
    let served = prepared.and_then(|()| {
        let banner = Banner::new(&config, &public_url, &simulator);
        serve::house(config, listeners, &runtime, &mut stop, |_, database| {
            println!("{}", banner.with(database));
        })
    });
    runtime.block_on(simulator.stop());
    served
}

/// The settings of the server, of which the simulator will say where it is and what it has.
fn read(variables: &Variables) -> Result<config::Serve, CliError> {
    let mut variables = variables.clone();
    for (name, until_then) in [("TROPO_URL", "http://127.0.0.1/v1/"), ("TROPO_MASKING_APP_ID", "0")] {
        variables.insert(name.into(), until_then.into());
    }
    Ok(config::Serve::read(&variables)?)
}

/// Sets the simulated Tropo up for us, and keeps what came of it for the other commands.
async fn prepare(
    config: &mut config::Serve,
    variables: &Variables,
    public_url: &Url,
    simulator: &Simulator,
) -> Result<(), CliError> {
    let page = simulator_page(simulator);
    // An address with a path of a URL that is one.
    config.account.url = page.join("v1/").unwrap_or_else(|_| unreachable!("v1/ is a path"));
    config.simulator_url.get_or_insert(page);
    let nothing = Provisioned { application: None, voice_token: None, messaging_token: None };
    let [key, ..] = &*config.webhook.keys else { unreachable!("the settings are refused without a key") };
    let country = config.rules.country;
    let wish = Wish { public_url, key, known: &nothing, production: false, code_sender: None, country };
    let arranged = setup::arrange(&config.account, &wish).await?;
    let sender = arranged.code_sender.as_ref().ok().copied();
    if let Err(error) = &arranged.code_sender {
        tracing::warn!(%error, "no codes are sent");
    }
    config.rules.caller_id = sender;
    let sender = sender.map(|sender| sender.e164());
    let mut found = arranged.settings();
    found.extend(sender.as_deref().map(|sender| ("TROPO_CALLER_ID", sender)));
    found.push(("TROPO_URL", config.account.url.as_str()));
    environment::keep_for_development(variables, &found)?;
    config.provisioned = Provisioned {
        application: Some(arranged.application),
        voice_token: Some(arranged.voice_token),
        messaging_token: Some(arranged.messaging_token),
    };
    Ok(())
}

/// The address of the simulator's page.
fn simulator_page(simulator: &Simulator) -> Url {
    let address = simulator.address();
    Url::parse(&format!("http://{address}/")).unwrap_or_else(|_| unreachable!("{address} is an address"))
}
