//! Where connections come in, a port or a Unix socket, and the server that takes them.
//!
//! It is put together as the HTTP library does it, with one thing between that the library has no place for: each
//! connection is timed and can be evicted (`connections`).

use std::fmt::{self, Debug, Display, Formatter};
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpServiceBuilder, Request, Response};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Service};
use actix_web::rt::net::{TcpStream, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connections::{Connections, OnEviction, Pace, Timed};
use super::running::Traffic;

/// How long a connection is kept without a request.
const KEPT: Duration = Duration::from_secs(5);
/// How long a client has to take its answer's end, and a thread to close what it evicted.
const CLOSING: Duration = Duration::from_secs(1);
/// How many connections of a thread may be closing while others come in.
const CLOSING_AT_ONCE: usize = 16;
/// How long requests that are under way may take when the server stops, in seconds.
const LAST_REQUESTS: u64 = 10;

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A Unix socket. Whoever may open its file counts as a proxy that we trust.
    Unix(UnixListener),
}

impl Listener {
    /// The address, if it is a port.
    pub fn port(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::Unix(_) => Ok(None),
        }
    }
}

impl Display for Listener {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let path = |socket: &UnixListener| Some(socket.local_addr().ok()?.as_pathname()?.to_owned());
        match self {
            Self::Tcp(listener) => write!(formatter, "{}", listener.local_addr().map_err(|_| fmt::Error)?),
            Self::Unix(listener) => {
                write!(formatter, "unix:{}", path(listener).unwrap_or_default().display())
            }
        }
    }
}

/// The sockets that the product listens on.
#[derive(Debug)]
pub struct Listeners {
    /// Where everybody comes in, and the carrier too unless it has its own.
    pub pages: Listener,
    /// Where only the carrier comes in, with threads and connections that nobody else can take.
    pub webhook: Option<Listener>,
}

impl<L: Into<Listener>> From<L> for Listeners {
    fn from(pages: L) -> Self {
        Self { pages: pages.into(), webhook: None }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// How much a server takes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How many threads answer.
    pub(super) workers: usize,
    /// How many connections there may be.
    pub(super) connections: usize,
    /// How slow clients may be.
    pub(super) pace: Pace,
}

/// A server that takes connections once it is polled, and answers each as `product` does, which is made once a thread.
pub(super) fn serve<F, I, S, B>(
    listener: Listener,
    bounds: Bounds,
    traffic: Arc<Traffic>,
    on_eviction: OnEviction,
    product: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let most = (bounds.connections / bounds.workers).max(1);
    let builder = Server::build()
        .workers(bounds.workers)
        .max_concurrent_connections(most + CLOSING_AT_ONCE.min(most / 8).max(1))
        .shutdown_timeout(LAST_REQUESTS)
        .disable_signals();
    let connected = Connected {
        most,
        by_socket: matches!(listener, Listener::Unix(_)),
        pace: bounds.pace,
        traffic,
        on_eviction,
        stopping: builder.graceful_shutdown_signal(),
    };
    let builder = match listener {
        Listener::Tcp(listener) => {
            let peer = |io: &TcpStream| io.peer_addr().ok();
            builder.listen("port", listener, move || connected.clone().answered(peer, product()))
        }
        Listener::Unix(listener) => {
            let peer = |_: &UnixStream| None;
            builder.listen_uds("socket", listener, move || connected.clone().answered(peer, product()))
        }
    };
    Ok(builder?.run())
}

/// What each thread takes connections with.
#[derive(Clone)]
struct Connected {
    most: usize,
    by_socket: bool,
    pace: Pace,
    traffic: Arc<Traffic>,
    on_eviction: OnEviction,
    stopping: GracefulShutdownSignal,
}

impl Connected {
    fn answered<T, I, S, B>(
        self,
        peer: impl Fn(&T) -> Option<SocketAddr> + Clone + 'static,
        product: I,
    ) -> impl ServiceFactory<T, Config = (), Response = (), Error = DispatchError, InitError = ()>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: Debug,
        S::Response: Into<Response<B>> + 'static,
        S::Service: 'static,
        <S::Service as Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        let Self { most, by_socket, pace, traffic, on_eviction, stopping } = self;
        let all = Connections::new(most, by_socket, on_eviction);
        let product = product.into_factory().map_err(|error| error.into().error_response());
        let http = HttpServiceBuilder::default()
            .keep_alive(KEPT)
            .client_request_timeout(pace.whole)
            .client_disconnect_timeout(CLOSING)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|io: &Timed<T>, data| drop(data.insert(io.connection())))
            .h1(map_config(product, |()| AppConfig::default()));
        let timed = move |io: T| {
            let peer = peer(&io);
            ready(Ok((Timed::new(io, &all, pace, traffic.connection()), peer)))
        };
        fn_service(timed).and_then(http)
    }
}
