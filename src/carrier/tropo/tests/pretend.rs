//! A server on localhost that answers what a test tells it to, one connection after the other.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::carrier::tropo::client::{Settings, Timeouts, Tropo};
use crate::secrets::Secret;

pub(super) const PASSWORD: &str = "swordfish";
pub(super) const VOICE_TOKEN: &str = "cafedeadbeefvoice";
pub(super) const MESSAGING_TOKEN: &str = "cafedeadbeeftext";

/// What the server does with one connection.
pub(super) enum Reply {
    /// Answers with a status and a body.
    Body(u16, String),
    /// Answers with a status, headers and no body.
    Bare(u16, &'static str),
    /// Reads the request and closes.
    Close,
    /// Closes without reading, which resets the connection.
    Reset,
    /// Announces more than it sends.
    Truncated,
    /// Sends the head and the first byte, then nothing until the client gives up.
    Stalled,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::Body(status, body.to_string())
    }
}

/// A request as it arrived.
#[derive(Debug)]
pub(super) struct Request {
    /// Such as `GET /v1/exchanges`.
    pub(super) line: String,
    pub(super) head: String,
    pub(super) body: Value,
}

pub(super) struct PretendTropo {
    port: u16,
    requests: Receiver<Request>,
}

impl PretendTropo {
    pub(super) fn answering(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                if matches!(reply, Reply::Reset) {
                    let _ = stream.peek(&mut [0]);
                    continue;
                }
                let _ = sender.send(request(&mut stream));
                // The client may have given up by now.
                let _ = answer(&mut stream, &reply);
            }
        });
        Self { port, requests }
    }

    pub(super) fn client(&self) -> Tropo {
        client_of(self.port, Timeouts { total: Duration::from_millis(400), ..Timeouts::default() })
    }

    /// A client that waits long, for tests that do not wait at all.
    pub(super) fn patient_client(&self) -> Tropo {
        client_of(self.port, Timeouts::default())
    }

    /// The requests that have come, once the server has no more replies to give.
    pub(super) fn requests(self) -> Vec<Request> {
        self.requests.into_iter().collect()
    }
}

/// A client of a port where nobody listens.
pub(super) fn client_of_nobody() -> Tropo {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    client_of(port, Timeouts::default())
}

fn client_of(port: u16, timeouts: Timeouts) -> Tropo {
    let settings = Settings {
        url: format!("http://127.0.0.1:{port}/v1///").parse().unwrap(),
        username: "ada".to_owned(),
        password: Secret::new(PASSWORD),
        application: "123456".to_owned(),
        voice_token: Some(Secret::new(VOICE_TOKEN)),
        messaging_token: Some(Secret::new(MESSAGING_TOKEN)),
    };
    Tropo::with_timeouts(settings, timeouts).unwrap()
}

fn request(stream: &mut TcpStream) -> Request {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_lowercase().lines().find_map(|line| {
        let length = line.strip_prefix("content-length: ")?;
        length.parse().ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    Request { line, head, body: serde_json::from_slice(&body).unwrap_or(json!(null)) }
}

fn answer(stream: &mut TcpStream, reply: &Reply) -> std::io::Result<()> {
    match reply {
        Reply::Body(status, body) => {
            write!(stream, "HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n\r\n", body.len())?;
            stream.write_all(body.as_bytes())
        }
        Reply::Bare(status, headers) => {
            write!(stream, "HTTP/1.1 {status} Told\r\n{headers}content-length: 0\r\n\r\n")
        }
        Reply::Truncated => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"href\":"),
        Reply::Stalled => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")?;
            stream.read(&mut [0]).map(|_| ())
        }
        Reply::Close | Reply::Reset => Ok(()),
    }
}
