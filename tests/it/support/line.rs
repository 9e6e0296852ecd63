//! The way from a server to its database, over TCP: it can go dead without a word, as networks and stopped servers do,
//! and it can break just when a COMMIT was carried out and before anybody learns of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

pub(crate) struct Line {
    /// The database's URL by this way.
    pub(crate) url: String,
    alive: watch::Sender<bool>,
    /// How many more commits are told, and then one that is not; below zero when it was.
    commits_told: Arc<AtomicI64>,
}

/// Far more commits than there will be.
const NONE_TO_LOSE: i64 = i64::MAX;
/// How a client asks to commit.
const COMMIT: &[u8] = b"COMMIT\0";

impl Line {
    /// A way to a database that listens on a socket of this machine.
    pub(crate) async fn to(database: &str) -> Self {
        let (before, query) = database.split_once('?').unwrap();
        let field = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap();
        let socket = format!("{}/.s.PGSQL.{}", field("host=").replace("%2F", "/"), field("port="));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = before.replace("@/", &format!("@{}/", listener.local_addr().unwrap()));
        let (alive, watching) = watch::channel(true);
        let commits_told = Arc::new(AtomicI64::new(NONE_TO_LOSE));
        let left = commits_told.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = UnixStream::connect(&socket).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                let (is_lost, left) = (Arc::new(AtomicBool::new(false)), left.clone());
                let loses = is_lost.clone();
                let asks = move |bytes: &[u8]| {
                    let commits = bytes.windows(COMMIT.len()).any(|window| window == COMMIT);
                    if commits && left.fetch_sub(1, Ordering::SeqCst) == 0 {
                        loses.store(true, Ordering::SeqCst);
                    }
                    true
                };
                let hears = move |_: &[u8]| !is_lost.load(Ordering::SeqCst);
                tokio::spawn(carry(near_in, far_out, watching.clone(), asks));
                tokio::spawn(carry(far_in, near_out, watching.clone(), hears));
            }
        });
        Self { url, alive, commits_told }
    }

    /// From now on connections are taken and bytes are swallowed, but nothing comes out at the other end; or all goes
    /// on where it stopped.
    pub(crate) fn is_alive(&self, alive: bool) {
        self.alive.send_replace(alive);
    }

    /// So many more commits are told; what came of the one after them nobody learns, and its connection breaks.
    pub(crate) fn lose_answer_after(&self, commits: i64) {
        self.commits_told.store(commits, Ordering::SeqCst);
    }

    /// All commits are told again; whether one was not since the last time that one was to be lost.
    pub(crate) fn has_lost_an_answer(&self) -> bool {
        self.commits_told.swap(NONE_TO_LOSE, Ordering::SeqCst) < 0
    }
}

async fn carry(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    mut alive: watch::Receiver<bool>,
    mut may_pass: impl FnMut(&[u8]) -> bool,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let lives = alive.wait_for(|alive| *alive).await.is_ok();
        if !lives || !may_pass(&bytes[..count]) || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
