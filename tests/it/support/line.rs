//! The way from a server to its database, over TCP: it can go dead without a word, as networks and stopped servers do.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

pub(crate) struct Line {
    /// The database's URL by this way.
    pub(crate) url: String,
    alive: watch::Sender<bool>,
}

impl Line {
    /// A way to a database that listens on a socket of this machine.
    pub(crate) async fn to(database: &str) -> Self {
        let (before, query) = database.split_once('?').unwrap();
        let field = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap();
        let socket = format!("{}/.s.PGSQL.{}", field("host=").replace("%2F", "/"), field("port="));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = before.replace("@/", &format!("@{}/", listener.local_addr().unwrap()));
        let (alive, watching) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = UnixStream::connect(&socket).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near_in, far_out, watching.clone()));
                tokio::spawn(carry(far_in, near_out, watching.clone()));
            }
        });
        Self { url, alive }
    }

    /// From now on connections are taken and bytes are swallowed, but nothing comes out at the other end; or all goes
    /// on where it stopped.
    pub(crate) fn is_alive(&self, alive: bool) {
        self.alive.send_replace(alive);
    }
}

async fn carry(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    mut alive: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if alive.wait_for(|alive| *alive).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
