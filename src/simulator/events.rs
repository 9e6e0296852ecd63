//! What happens, told at once to whoever watches (`GET /simulator/events`, server-sent events).
//!
//! Nobody needs to watch: what is told then is lost, and is in the traces anyway.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data};
use futures_util::stream;
use serde_json::Value;
use tokio::sync::broadcast::{self, Receiver, error::RecvError};

use super::switchboard::Switchboard;

/// How many events a slow watcher may be behind before it misses some.
const BACKLOG: usize = 256;

/// Where events are told.
#[derive(Debug, Clone)]
pub(crate) struct Events(broadcast::Sender<String>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    /// Tells everybody who watches.
    pub(crate) fn tell(&self, event: &Value) {
        // An error means that nobody watches.
        let _ = self.0.send(event.to_string());
    }

    /// Whether anybody watches.
    pub(crate) fn watched(&self) -> bool {
        self.0.receiver_count() > 0
    }
}

/// `GET /simulator/events`
pub(crate) async fn watch(board: Data<Switchboard>) -> HttpResponse {
    let receiver = board.events.0.subscribe();
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .streaming(stream::unfold((receiver, true), next_message))
}

type Watcher = (Receiver<String>, bool);

async fn next_message((mut receiver, first): Watcher) -> Option<(Result<Bytes, Infallible>, Watcher)> {
    if first {
        return Some((Ok(Bytes::from_static(b"retry: 1000\n\n")), (receiver, false)));
    }
    let message = match receiver.recv().await {
        Ok(event) => format!("data: {event}\n\n"),
        Err(RecvError::Lagged(_)) => "event: missed\ndata: {}\n\n".to_owned(),
        Err(RecvError::Closed) => return None,
    };
    Some((Ok(Bytes::from(message)), (receiver, false)))
}
