//! The measure of the webhook: an actix handler that parses the same JSON and answers a constant, in a process of its own.
//!
//! Knows nothing of Maskline.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use serde::Deserialize;
use std::io::{BufRead as _, BufReader};

/// As long as a document that transfers a call is.
const DOCUMENT: usize = 700;

/// The few fields that the webhook reads of a call.
#[derive(Deserialize)]
struct Body {
    session: Session,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    id: String,
    account_id: String,
    to: Party,
    from: Party,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Party {
    id: String,
    e164_id: String,
}

async fn constant(body: web::Json<Body>, document: web::Data<String>) -> HttpResponse {
    let Session { id, account_id, to, from } = &body.session;
    if [id, account_id, &to.id, &to.e164_id, &from.id, &from.e164_id].iter().any(|field| field.is_empty()) {
        return HttpResponse::BadRequest().finish();
    }
    HttpResponse::Ok().content_type("application/json; charset=utf-8").body(document.as_str().to_owned())
}

/// Serves it, says where, and goes on until the process is ended.
pub(crate) fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let document = web::Data::new(format!("{{\"tropo\":\"{}\"}}", "x".repeat(DOCUMENT)));
    let workers = std::thread::available_parallelism()?.get().max(2);
    let service =
        move || App::new().app_data(document.clone()).route("/tropo/transfer", web::post().to(constant));
    let server = HttpServer::new(service).workers(workers).disable_signals().listen(listener)?;
    Ok(tokio::runtime::Runtime::new()?.block_on(server.run())?)
}

/// The process that serves it.
pub(crate) struct Bare {
    child: Child,
    address: SocketAddr,
}

impl Bare {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("bare").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/tropo/transfer?key=none-none-none-none-none", self.address)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
