//! Runs the server and the worker until somebody wants them to stop, and stops them in order.
//!
//! The order: no new requests, those that go on are finished, so is the worker's step, letters that wait are sent, then
//! the connections to the database go, and the private database last. Further signals change nothing.

use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use url::Url;

use super::compose;
use super::database::Database;
use super::error::CliError;
use super::stop::Stop;
use crate::app::App;
use crate::config::{self, environment};
use crate::telemetry;
use crate::{web, worker};

/// How long what still runs on a thread of its own may take at the end.
const LAST_WORK: Duration = Duration::from_secs(5);

/// How long letters that wait may take at the end.
const LAST_LETTERS: Duration = Duration::from_secs(10);

/// `maskline serve`.
pub(super) fn serve() -> Result<(), CliError> {
    let config = config::Serve::read(&environment::read()?)?;
    telemetry::start(&config.log);
    let runtime = compose::runtime()?;
    let mut stop = Stop::listen(&runtime)?;
    let listener = compose::listen(config.site.listen)?;
    let address = listener.local_addr()?;
    let served = house(config, listener, &runtime, &mut stop, |public_url, _| {
        tracing::info!(%address, %public_url, "ready");
    });
    runtime.shutdown_timeout(LAST_WORK);
    served
}

/// Opens the database, runs the server over it, says when all is up, and closes the database.
pub(super) fn house(
    config: config::Serve,
    listener: TcpListener,
    runtime: &Runtime,
    stop: &mut Stop,
    up: impl FnOnce(&Url, &Database),
) -> Result<(), CliError> {
    let public_url = config.site.address(listener.local_addr()?);
    let database = Database::open(&config.database)?;
    database.prepare()?;
    let app = {
        let _inside = runtime.enter();
        compose::app(&config, &public_url, &database)?
    };
    runtime.block_on(compose::check_keys(&app))?;
    let _watch = database.watch();
    let settings = compose::web(config, public_url.clone());
    runtime.block_on(run(app, listener, settings, stop, || up(&public_url, &database)))
}

async fn run(
    app: Arc<App>,
    listener: TcpListener,
    settings: web::Settings,
    stop: &mut Stop,
    up: impl FnOnce(),
) -> Result<(), CliError> {
    let server = web::serve(listener, app.clone(), settings)?;
    let (shutdown, watching) = watch::channel(false);
    let comparing = worker::reconcile(app.clone(), watching.clone());
    let working = worker::run(app.clone(), watching);
    let mut worker = tokio::spawn(async { tokio::join!(working, comparing) });
    let handle = server.handle();
    let mut server = pin!(server);
    up();
    let ended = tokio::select! {
        ended = &mut server => return ended.map_err(CliError::from).and(Err(CliError::Ended("server"))),
        _ = &mut worker => Err(CliError::Ended("worker")),
        () = stop.wanted() => Ok(()),
    };
    tracing::info!("stopping");
    shutdown.send_replace(true);
    let ((), stopped) = tokio::join!(handle.stop(true), server);
    if ended.is_ok() && worker.await.is_err() {
        return Err(CliError::Ended("worker"));
    }
    if tokio::time::timeout(LAST_LETTERS, app.letters_sent()).await.is_err() {
        tracing::error!("letters that could not be sent are lost");
    }
    tracing::info!("stopped");
    stopped?;
    ended
}
