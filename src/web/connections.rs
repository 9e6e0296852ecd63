//! Connections of clients: how slow one may be, and which one goes when there is no room for all.
//!
//! The HTTP library times the first head of a connection and nothing after it. Every byte passes here, so that all a
//! client can be late with is timed alike: heads, bodies, the rest of a body that nobody reads, and answers that it does
//! not take. Knows nothing of what is asked or answered.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, UPGRADE};
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest};
use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use super::running::GoesOn;
use crate::domain::limits::Limits;

/// How long a client may take before its speed counts. Connections are looked at as often.
const GRACE: Duration = Duration::from_secs(1);
/// How often at most the log says that there is no room for more connections.
const WARNING: Duration = Duration::from_mins(1);
static WARNED: Mutex<Option<Instant>> = Mutex::new(None);

/// How slow a client may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long a request may take from its first byte to its last, and how long nothing may move.
    pub(super) whole: Duration,
    /// How many bytes a second it has to send, or to take, after the first second.
    pub(super) bytes_a_second: u32,
}

impl Pace {
    /// The pace that the limits of a deployment ask for.
    pub(super) fn of(limits: &Limits) -> Self {
        let whole = limits.request_time.to_std().unwrap_or_default();
        Self { whole, bytes_a_second: limits.request_bytes_a_second }
    }

    /// How long so many bytes may take.
    fn time_for(self, bytes: u64) -> Duration {
        let seconds = bytes / u64::from(self.bytes_a_second.max(1));
        GRACE.saturating_add(Duration::from_secs(seconds))
    }
}

/// A connection, as its stream and its requests know it.
pub(super) struct Connection {
    /// When the client's turn began: when it connected or was last answered, or with the first byte after that.
    since: Cell<Instant>,
    /// The bytes of this turn.
    received: Cell<u64>,
    /// Whether it is our turn: the request has come in full.
    is_answering: Cell<bool>,
    /// Whether the last request was the carrier's.
    is_carriers: Cell<bool>,
    is_late: Cell<bool>,
    is_evicted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// Whether it came by a Unix socket.
    by_socket: bool,
}

impl Connection {
    fn new(by_socket: bool) -> Self {
        Self {
            by_socket,
            since: Cell::new(Instant::now()),
            received: Cell::new(0),
            is_answering: Cell::new(false),
            is_carriers: Cell::new(false),
            is_late: Cell::new(false),
            is_evicted: Cell::new(false),
            waker: RefCell::new(None),
        }
    }

    fn received(&self, bytes: usize) {
        if self.received.get() == 0 {
            self.since.set(Instant::now());
        }
        self.received.set(self.received.get() + bytes as u64);
    }

    fn sent(&self) {
        self.since.set(Instant::now());
        self.received.set(0);
        self.is_answering.set(false);
    }

    /// Until when more has to come, if that is the client's turn.
    fn deadline(&self, pace: Pace) -> Option<Instant> {
        let time = match self.received.get() {
            0 => pace.whole,
            bytes => pace.time_for(bytes).min(pace.whole),
        };
        (!self.is_answering.get()).then(|| self.since.get() + time)
    }

    fn evict(&self) {
        self.is_evicted.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Who is the first to go: the carrier never, and whoever waits for our answer last.
    fn claim(&self) -> Option<(bool, Instant)> {
        (!self.is_carriers.get()).then(|| (self.is_answering.get(), self.since.get()))
    }
}

/// What is done whenever a connection goes for another.
pub(super) type OnEviction = Arc<dyn Fn() + Send + Sync>;

/// The connections of one thread.
pub(super) struct Connections {
    most: usize,
    by_socket: bool,
    on_eviction: OnEviction,
    open: RefCell<Vec<Rc<Connection>>>,
}

impl Connections {
    /// Room for so many, which come by a Unix socket or by a port.
    pub(super) fn new(most: usize, by_socket: bool, on_eviction: OnEviction) -> Rc<Self> {
        Rc::new(Self { most, by_socket, on_eviction, open: RefCell::default() })
    }

    /// Takes one more. Where there is no room, the one goes whose client has been silent for longest.
    fn admit(&self) -> Rc<Connection> {
        let mut open = self.open.borrow_mut();
        if open.len() >= self.most {
            let claims = open.iter().enumerate().filter_map(|(place, one)| Some((one.claim()?, place)));
            if let Some((_, place)) = claims.min() {
                open.swap_remove(place).evict();
                (self.on_eviction)();
                warn_of_eviction();
            }
        }
        let connection = Rc::new(Connection::new(self.by_socket));
        open.push(connection.clone());
        connection
    }

    fn forget(&self, connection: &Rc<Connection>) {
        let mut open = self.open.borrow_mut();
        if let Some(place) = open.iter().position(|one| Rc::ptr_eq(one, connection)) {
            open.swap_remove(place);
        }
    }
}

fn warn_of_eviction() {
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.is_none_or(|at| at.elapsed() >= WARNING) {
        *warned = Some(Instant::now());
        tracing::warn!("there are as many connections as there may be: the longest silent ones are closed");
    }
}

/// The stream of a connection. To a client that is late it is as if the client had sent its last byte: what can be
/// answered still is, and then the connection is closed.
pub(super) struct Timed<T> {
    io: T,
    connection: Rc<Connection>,
    all: Rc<Connections>,
    pace: Pace,
    look: Option<Pin<Box<Sleep>>>,
    /// Since when the client does not take what we send, and how much it has taken since.
    blocked: Option<(Instant, u64)>,
    _counted: GoesOn,
}

impl<T> Timed<T> {
    pub(super) fn new(io: T, all: &Rc<Connections>, pace: Pace, counted: GoesOn) -> Self {
        let (connection, all) = (all.admit(), all.clone());
        Self { io, connection, all, pace, look: None, blocked: None, _counted: counted }
    }

    /// What requests of this connection know it by.
    pub(super) fn connection(&self) -> Rc<Connection> {
        self.connection.clone()
    }

    /// Whether that time has come. If not, the task is woken to look again; not exactly then, as a timer that is set for
    /// each request costs more than one that rings now and then.
    fn is_past(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> bool {
        loop {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return true;
            }
            let next = deadline.map_or(now + GRACE, |deadline| deadline.min(now + GRACE)).into();
            let look = self.look.get_or_insert_with(|| Box::pin(sleep_until(next)));
            if look.as_mut().poll(context).is_pending() {
                return false;
            }
            look.as_mut().reset(next);
        }
    }

    fn check_evicted(&self, context: &Context<'_>) -> io::Result<()> {
        if self.connection.is_evicted.get() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let mut waker = self.connection.waker.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
        Ok(())
    }
}

impl<T> Drop for Timed<T> {
    fn drop(&mut self) {
        self.all.forget(&self.connection);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Timed<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_evicted(context)?;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(context, buffer);
        if polled.is_ready() {
            this.connection.received(buffer.filled().len() - before);
            return polled;
        }
        let deadline = this.connection.deadline(this.pace);
        if this.is_past(deadline, context) {
            this.connection.is_late.set(true);
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Timed<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_evicted(context)?;
        let polled = Pin::new(&mut this.io).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &polled {
            this.connection.sent();
            if let Some((_, taken)) = &mut this.blocked {
                *taken += *count as u64;
            }
        }
        if polled.is_ready() {
            return polled;
        }
        let (since, taken) = *this.blocked.get_or_insert_with(|| (Instant::now(), 0));
        let deadline = since + this.pace.whole + this.pace.time_for(taken);
        if this.is_past(Some(deadline), context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // All that there was to send is sent.
        let this = self.get_mut();
        this.blocked = None;
        Pin::new(&mut this.io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

/// A request has come. Until it proves to be the carrier's it is not.
pub(super) fn begin(request: &mut ServiceRequest) {
    delimit(request);
    if let Some(connection) = of(request.request()) {
        connection.is_carriers.set(false);
        connection.is_answering.set(matches!(request.parts().1, Payload::None));
    }
}

/// The request has proved to be the carrier's.
pub(super) fn is_carriers(request: &HttpRequest) {
    if let Some(connection) = of(request) {
        connection.is_carriers.set(true);
    }
}

/// The body has come in full, or as far as anybody reads it.
pub(super) fn is_whole(request: &HttpRequest) {
    if let Some(connection) = of(request) {
        connection.is_answering.set(true);
    }
}

/// Whether the client was too slow.
pub(super) fn is_late(request: &HttpRequest) -> bool {
    of(request).is_some_and(|connection| connection.is_late.get())
}

/// Whether the request came by a Unix socket, which only those can open whom the operator let.
pub(super) fn is_by_socket(request: &HttpRequest) -> bool {
    of(request).is_some_and(|connection| connection.by_socket)
}

fn of(request: &HttpRequest) -> Option<&Connection> {
    request.conn_data::<Rc<Connection>>().map(|connection| &**connection)
}

/// Ends the body of a request where its head says. The HTTP library takes all that follows a request for another
/// protocol, or for a tunnel, for its body, and we offer neither.
fn delimit(request: &mut ServiceRequest) {
    if !request.headers().contains_key(UPGRADE) && request.method() != Method::CONNECT {
        return;
    }
    if request.headers().contains_key("transfer-encoding") {
        return;
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let body: Payload = match length.and_then(|length| length.trim().parse().ok()) {
        None | Some(0) => Payload::None,
        Some(length) => {
            let body = stream::unfold((request.take_payload(), length), |(mut payload, left)| async move {
                let chunk = if left == 0 { None } else { payload.next().await }?;
                let chunk = chunk.map(|chunk: Bytes| chunk.slice(..chunk.len().min(left)));
                let left = left - chunk.as_ref().map_or(left, Bytes::len);
                Some((chunk, (payload, left)))
            });
            Payload::Stream { payload: Box::pin(body) }
        }
    };
    request.set_payload(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { whole: Duration::from_secs(10), bytes_a_second: 500 };

    #[test]
    fn a_client_has_a_second_then_its_speed_counts_and_ten_seconds_are_all_it_has() {
        let table = [(0, 10), (1, 1), (499, 1), (500, 2), (4_000, 9), (4_500, 10), (1 << 40, 10)];
        for (bytes, seconds) in table {
            let connection = Connection::new(false);
            connection.received(bytes);
            let time = connection.deadline(PACE).unwrap() - connection.since.get();
            assert_eq!(time, Duration::from_secs(seconds), "{bytes} bytes");
        }
    }

    #[test]
    fn nobody_has_to_send_while_we_answer_and_the_turn_is_theirs_again_afterwards() {
        let connection = Connection::new(false);
        connection.received(2_000);
        connection.is_answering.set(true);
        assert_eq!(connection.deadline(PACE), None);
        connection.sent();
        assert_eq!(connection.deadline(PACE), Some(connection.since.get() + PACE.whole));
    }

    #[test]
    fn where_there_is_no_room_the_longest_silent_one_goes_and_never_the_carriers() {
        let all = Connections::new(3, false, Arc::new(|| ()));
        let [carriers, answered, silent] = [(); 3].map(|()| all.admit());
        carriers.is_carriers.set(true);
        answered.is_answering.set(true);
        let evicted = |order: [&Rc<Connection>; 3]| order.map(|connection| connection.is_evicted.get());
        assert_eq!(evicted([&carriers, &answered, &silent]), [false; 3]);
        let next = all.admit();
        assert_eq!(evicted([&carriers, &answered, &silent]), [false, false, true]);
        next.is_answering.set(true);
        let last = all.admit();
        assert_eq!(evicted([&carriers, &answered, &next]), [false, true, false], "whoever waited longest");
        for one in [&next, &last] {
            one.is_carriers.set(true);
        }
        let beyond = all.admit();
        assert!(!evicted([&carriers, &next, &last]).contains(&true), "the carrier always comes in");
        all.forget(&beyond);
        all.forget(&silent);
        assert_eq!(all.open.borrow().len(), 3);
    }
}
