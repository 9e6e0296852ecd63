//! Runs the server and the worker until somebody wants them to stop, and stops them in order.
//!
//! The order: no new requests, those that go on are finished, so is the worker's step, letters that are due are tried, what
//! happened to calls is written down, then the connections to the database go, and the private database last. Further signals change nothing.
//!
//! The socket may be handed over by systemd: then it outlasts us, and connections that come while nobody takes them wait
//! for the next version instead of being refused.

use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use url::Url;

use super::compose;
use super::database::Database;
use super::error::CliError;
use super::listeners::{self, Inherited};
use super::stop::Stop;
use super::{descriptors, notify};
use crate::app::App;
use crate::app::keeping::Keeping;
use crate::config::{self, environment};
use crate::telemetry;
use crate::web::Listeners;
use crate::{web, worker};

/// How long what still runs on a thread of its own may take at the end.
const LAST_WORK: Duration = Duration::from_secs(5);

/// How long the last records of calls may take at the end, until they lie on disk.
const LAST_RECORDS: Duration = Duration::from_secs(8);

/// How long a start that knows where numbers lead waits until it is told what has changed meanwhile.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// How long it takes until metrics are tried to be served again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long letters that wait may take at the end.
const LAST_LETTERS: Duration = Duration::from_secs(10);

/// `maskline serve`.
pub(super) fn serve() -> Result<(), CliError> {
    // First of all: it changes the environment, which nobody else may read meanwhile.
    let inherited = Inherited::take()?;
    let config = config::Serve::read(&environment::read()?)?;
    telemetry::start(&config.log);
    #[cfg(debug_assertions)]
    config.failpoint.into_iter().for_each(crate::failpoint::arm);
    let runtime = compose::runtime()?;
    let mut stop = Stop::listen(&runtime)?;
    let listeners = listeners::open(&config, inherited)?;
    let address = listeners.pages.to_string();
    let served = house(config, listeners, &runtime, &mut stop, |public_url, _| {
        tracing::info!(%address, %public_url, "ready");
    });
    runtime.shutdown_timeout(LAST_WORK);
    served
}

/// Opens the database, runs the server over it, says when all is up, and closes the database.
pub(super) fn house(
    config: config::Serve,
    listeners: Listeners,
    runtime: &Runtime,
    stop: &mut Stop,
    up: impl FnOnce(&Url, &Database),
) -> Result<(), CliError> {
    let connections = descriptors::raise();
    let public_url = config.site.address(listeners.pages.port()?);
    let database = Database::open(&config.database)?;
    let is_there = database.prepare()?;
    let app = {
        let _inside = runtime.enter();
        compose::app(&config, &public_url, &database)?
    };
    if is_there {
        runtime.block_on(compose::check_keys(&app))?;
    }
    let _watch = database.watch();
    let patience = if is_there { FIRST_LOOK } else { Duration::ZERO };
    let folder = config.state.join("servers");
    let keeping = runtime.block_on(Keeping::open(&app, &folder, &compose::name_of_server(), patience))?;
    let metrics = config.metrics;
    let settings = compose::web(config, public_url.clone(), connections);
    let up = || {
        tracing::info!(connections, "the most connections of clients at once");
        up(&public_url, &database);
        notify::ready();
    };
    runtime.block_on(async {
        let metrics = metrics.map(|address| tokio::spawn(observed(address, app.clone())));
        let ended = run(app, keeping, listeners, settings, stop, up).await;
        if let Some(metrics) = metrics {
            metrics.abort();
        }
        ended
    })
}

/// Serves metrics there. While another listens there, as the version before may for a moment, it is tried again: not to
/// be seen is no reason not to take calls.
async fn observed(address: SocketAddr, app: Arc<App>) {
    loop {
        let served =
            TcpListener::bind(address).and_then(|listener| web::metrics::serve(listener, app.clone()));
        let ended = match served {
            Ok(server) => {
                tracing::info!(%address, "metrics are served");
                server.await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::warn!(%address, %error, "metrics are not served; see MASKLINE_METRICS_LISTEN");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn run(
    app: Arc<App>,
    keeping: Keeping,
    listeners: Listeners,
    settings: web::Settings,
    stop: &mut Stop,
    up: impl FnOnce(),
) -> Result<(), CliError> {
    let server = web::serve(listeners, app.clone(), settings)?;
    let (shutdown, watching) = watch::channel(false);
    let comparing = worker::reconcile(app.clone(), watching.clone());
    let sending = worker::letters(app.clone(), watching.clone());
    let working = worker::run(app.clone(), watching);
    let (last, until) = watch::channel(false);
    let mut keeping = tokio::spawn(keeping.run(until));
    let mut worker = tokio::spawn(async { tokio::join!(working, comparing, sending) });
    let ending = server.ending();
    let mut server = pin!(server);
    up();
    let ended = tokio::select! {
        ended = &mut server => return ended.map_err(CliError::from).and(Err(CliError::Ended("server"))),
        _ = &mut worker => Err(CliError::Ended("worker")),
        _ = &mut keeping => Err(CliError::Ended("keeping of the directory or of records")),
        () = stop.wanted() => Ok(()),
    };
    tracing::info!("stopping");
    notify::stopping();
    shutdown.send_replace(true);
    let ((), stopped) = tokio::join!(ending.finish(), server);
    if ended.is_ok() && worker.await.is_err() {
        return Err(CliError::Ended("worker"));
    }
    if tokio::time::timeout(LAST_LETTERS, app.letters_sent()).await.is_err() {
        tracing::error!("letters that could not be sent now are sent by the next start");
    }
    last.send_replace(true);
    if !keeping.is_finished() && tokio::time::timeout(LAST_RECORDS, keeping).await.is_err() {
        tracing::error!("the last records of calls may be lost");
    }
    tracing::info!("stopped");
    stopped?;
    ended
}
