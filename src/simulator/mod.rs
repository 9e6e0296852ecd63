//! A pretend Tropo on this machine, to try Maskline with and to test it against.
//!
//! It rents out made-up numbers by Tropo's REST API (`rest`), launches sessions by token (`launches`), carries
//! out what an application answers (`engine`), and has simulated phones (`phones`, `keypad`), a mailbox (`mailbox`), a
//! page for people (`page`) and the same by HTTP for scripts (`scripts`). It speaks only HTTP with Maskline
//! and must not know its database.

mod account;
mod engine;
mod events;
mod fault_list;
mod faults;
mod fields;
mod guard;
mod keep;
mod keypad;
mod launches;
mod mailbox;
mod page;
mod phones;
mod rest;
mod scripts;
mod stock;
mod switchboard;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trace;
mod xml;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};

pub use self::keep::KeepError;
use self::switchboard::Switchboard;
use crate::clock::Clock;

/// The longest body of a request that is read, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// What a simulator needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen: a loopback address and a port; port 0 takes any that is free.
    pub listen: String,
    /// Where its state is kept; made if it is not there.
    pub state_dir: PathBuf,
    /// Where Maskline's letters lie in development, as `.eml` files.
    pub mail_dir: Option<PathBuf>,
    /// The user of the one Tropo account.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Its id, as sessions carry it.
    pub account_id: String,
    /// Where Maskline is, for a link on the page.
    pub maskline_url: Option<String>,
    /// How long an application may take to answer; 15 seconds is a good value.
    pub webhook_timeout: Duration,
}

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not a host and a port.
    #[error("the simulator cannot listen on {listen}: {source}")]
    Listen {
        /// As it was given.
        listen: String,
        /// What the system said.
        source: io::Error,
    },
    /// The address is one that others could reach.
    #[error("the simulator listens only on this machine, such as 127.0.0.1:8081, not on {0}")]
    NotLoopback(String),
    /// Its state cannot be used.
    #[error(transparent)]
    State(#[from] KeepError),
    /// The HTTP client cannot be made.
    #[error("the simulator's HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The server cannot be started.
    #[error("the simulator's server cannot be started: {0}")]
    Server(#[source] io::Error),
}

/// A simulator that runs; dropping it stops it.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// Starts a simulator on threads of its own.
pub fn start(settings: Settings, clock: Clock) -> Result<Simulator, StartError> {
    let listener = listen(&settings.listen)?;
    let failed = |source| StartError::Listen { listen: settings.listen.clone(), source };
    let address = listener.local_addr().map_err(failed)?;
    let board = Data::new(Switchboard::open(settings, address, clock)?);
    let (started, handle) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("simulator".into())
        .spawn(move || serve(listener, board, &started))
        .map_err(StartError::Server)?;
    let gone = |_| StartError::Server(io::Error::other("its thread ended"));
    let handle = handle.recv().map_err(gone)?.map_err(StartError::Server)?;
    Ok(Simulator { address, handle, thread: Some(thread) })
}

impl Simulator {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it and waits until it has stopped; sessions that go on are broken off.
    pub async fn stop(mut self) {
        self.handle.stop(false).await;
        if let Some(thread) = self.thread.take() {
            // A server that panicked has said so; there is nothing left to stop.
            let _ = tokio::task::spawn_blocking(|| thread.join()).await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // The order to stop is given at once; nobody waits for it here.
        drop(self.handle.stop(false));
    }
}

fn listen(listen: &str) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Listen { listen: listen.to_owned(), source };
    let addresses: Vec<SocketAddr> = listen.to_socket_addrs().map_err(failed)?.collect();
    if !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err(StartError::NotLoopback(listen.to_owned()));
    }
    TcpListener::bind(addresses.as_slice()).map_err(failed)
}

type Started = mpsc::Sender<io::Result<ServerHandle>>;

fn serve(listener: TcpListener, board: Data<Switchboard>, started: &Started) {
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(board.clone())
                .app_data(web::PayloadConfig::new(LONGEST_BODY))
                .wrap(from_fn(guard::keep_strangers_out))
                .wrap(NormalizePath::trim())
                .wrap(guard::headers())
                .configure(routes)
        });
        let server = server.workers(2).disable_signals().shutdown_timeout(1).listen(listener);
        match server.map(HttpServer::run) {
            Ok(server) => {
                // Who started it waits for the handle; if that is gone, there is nobody to serve.
                if started.send(Ok(server.handle())).is_ok()
                    && let Err(error) = server.await
                {
                    tracing::error!(%error, "the simulator stopped");
                }
            }
            Err(error) => drop(started.send(Err(error))),
        }
    });
}

/// Every route, grouped by who comes: Maskline, scripts, people.
fn routes(config: &mut web::ServiceConfig) {
    config
        .service(launches::api("/1.0/sessions"))
        .service(launches::api("/v1/sessions"))
        .service(launches::api("/rest/v1/sessions"))
        .service(rest::api("/v1"))
        .service(rest::api("/rest/v1"))
        .configure(scripts::routes)
        .configure(page::routes);
}
