//! The server while it runs, and how it ends without losing a request.
//!
//! The order of an end: `/readyz` says so; no further connection is taken (those that wait at an inherited socket stay
//! there for whoever takes over); each answer tells its client to come back on another connection; and once nobody is
//! connected, or nobody asks for anything any more, what is left is closed.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::dev::{Server, ServerHandle};
use futures_util::future::join_all;

/// How often an ending server looks whether it is done.
const LOOK: Duration = Duration::from_millis(20);
/// How long connections that were taken at the last moment have to come to a thread that answers them.
const SETTLE: Duration = Duration::from_millis(250);
/// How long nobody must have asked for anything until connections count as idle. Whoever asks later than that finds the
/// connection closed, as after any pause that is longer than a server keeps one.
const QUIET: Duration = Duration::from_secs(1);
/// How long it is waited for all that: as long as a connection is kept without a request.
const LONGEST: Duration = Duration::from_secs(5);

/// What is going on.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    ending: AtomicBool,
    connections: AtomicUsize,
    under_way: AtomicUsize,
    requests: AtomicU64,
}

/// Something that goes on, counted until it is dropped.
pub(super) struct GoesOn(Arc<Traffic>, fn(&Traffic) -> &AtomicUsize);

impl GoesOn {
    fn begin(traffic: &Arc<Traffic>, which: fn(&Traffic) -> &AtomicUsize) -> Self {
        which(traffic).fetch_add(1, Ordering::SeqCst);
        Self(traffic.clone(), which)
    }
}

impl Drop for GoesOn {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::SeqCst);
    }
}

impl Traffic {
    /// Somebody is connected until the answer is dropped.
    pub(super) fn connection(self: &Arc<Self>) -> GoesOn {
        GoesOn::begin(self, |traffic| &traffic.connections)
    }

    /// Somebody asks for something until the answer is dropped.
    pub(super) fn request(self: &Arc<Self>) -> GoesOn {
        self.requests.fetch_add(1, Ordering::SeqCst);
        GoesOn::begin(self, |traffic| &traffic.under_way)
    }

    /// Whether the server is about to end.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Waits until nobody is connected, or nobody asks for anything any more.
    async fn fades(&self) {
        let begun = Instant::now();
        let (mut requests, mut since) = (self.requests.load(Ordering::SeqCst), begun);
        while begun.elapsed() < LONGEST {
            tokio::time::sleep(LOOK).await;
            let now = self.requests.load(Ordering::SeqCst);
            if now != requests || self.under_way.load(Ordering::SeqCst) > 0 {
                (requests, since) = (now, Instant::now());
            }
            let nobody = self.connections.load(Ordering::SeqCst) == 0 && begun.elapsed() >= SETTLE;
            if nobody || since.elapsed() >= QUIET {
                return;
            }
        }
    }
}

/// A server that runs; whoever waits for it waits for its end.
pub struct Running {
    servers: Vec<Server>,
    traffic: Arc<Traffic>,
}

impl Running {
    pub(super) fn new(servers: Vec<Server>, traffic: Arc<Traffic>) -> Self {
        Self { servers, traffic }
    }

    /// What ends it, in order or at once.
    pub fn ending(&self) -> Ending {
        Ending { servers: self.servers.iter().map(Server::handle).collect(), traffic: self.traffic.clone() }
    }
}

impl Future for Running {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut place = 0;
        while let Some(server) = self.servers.get_mut(place) {
            if let Poll::Ready(ended) = Pin::new(server).poll(context) {
                drop(self.servers.swap_remove(place));
                // One without the other is not the product.
                self.servers.iter().for_each(|other| drop(other.handle().stop(true)));
                if ended.is_err() || self.servers.is_empty() {
                    return Poll::Ready(ended);
                }
            } else {
                place += 1;
            }
        }
        Poll::Pending
    }
}

/// The end of a server.
pub struct Ending {
    servers: Vec<ServerHandle>,
    traffic: Arc<Traffic>,
}

impl Ending {
    /// Ends the server when every request that it has taken is answered, or nearly 15 s later.
    pub async fn finish(self) {
        self.traffic.ending.store(true, Ordering::SeqCst);
        join_all(self.servers.iter().map(ServerHandle::pause)).await;
        self.traffic.fades().await;
        join_all(self.servers.iter().map(|server| server.stop(true))).await;
    }

    /// Ends the server at once; the answer need only be waited for by who wants to know when.
    pub fn now(&self) -> impl Future<Output = ()> + use<> {
        let stopped: Vec<_> = self.servers.iter().map(|server| server.stop(false)).collect();
        async { drop(join_all(stopped).await) }
    }
}
