//! Work that goes on in the background while somebody gets their answer: what has to be noted again, notices.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::App;

/// What goes on, and where: the thread of a request may end before.
pub(super) struct Background {
    runtime: Option<Handle>,
    under_way: Arc<watch::Sender<usize>>,
}

impl Background {
    /// Work will go on where this is called; outside of a runtime, wherever it is begun.
    pub(super) fn here() -> Self {
        Self { runtime: Handle::try_current().ok(), under_way: Arc::new(watch::Sender::new(0)) }
    }
}

/// Something that goes on, counted until it is dropped.
struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    fn begin(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl App {
    /// Begins work that goes on when whoever asked for it is gone.
    pub fn behind<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let under_way = UnderWay::begin(&self.background.under_way);
        let work = async move {
            let _under_way = under_way;
            work.await
        };
        match &self.background.runtime {
            Some(runtime) => runtime.spawn(work),
            None => tokio::spawn(work),
        }
    }

    /// Waits until all work in the background is done.
    pub(super) async fn background_done(&self) {
        // The count is kept as long as the product is, so that waiting for it cannot fail.
        let _ = self.background.under_way.subscribe().wait_for(|count| *count == 0).await;
    }
}
