//! Points between two steps at which a debug build can be made to end, so that tests see what a crash leaves behind.
//!
//! In a release build they are nothing. Knows names alone; must not know what is done between them.

/// Every point, in the order in which each unit of work comes to it. One that is `…-written` lies inside of a
/// transaction, before its commit; the one that follows lies after it.
pub const NAMES: &[&str] = &[
    // A user wishes, cancels, revokes, restores.
    "wish-begun",
    "wish-written",
    "wish-noted",
    "cancel-begun",
    "cancel-written",
    "cancel-noted",
    "revoke-begun",
    "revoke-written",
    "revoke-noted",
    "restore-begun",
    "restore-written",
    "restore-noted",
    // The worker takes an operation, and settles what has no other way to be settled.
    "claim-written",
    "claim-noted",
    "outcome-begun",
    "outcome-written",
    "outcome-noted",
    // It buys.
    "purchase-begun",
    "choice-begun",
    "choice-written",
    "choice-noted",
    "purchase-asked",
    "purchase-written",
    "purchase-noted",
    "failure-written",
    "failure-noted",
    // It reads back what came of a purchase.
    "look-begun",
    "look-answered",
    "look-compared",
    // It gives back.
    "release-begun",
    "releasing-written",
    "releasing-noted",
    "release-asked",
    "release-written",
    "release-noted",
    // The carrier's list is compared with our rows.
    "comparison-begun",
    "rows-read",
    "list-answered",
    "comparison-written",
    "comparison-noted",
    "alarm-written",
    "alarm-noted",
    "comparison-ended",
    // Our application at the carrier is looked at, and set again.
    "settings-begun",
    "settings-answered",
    "settings-written",
    "settings-noted",
    "settings-asked",
    // An orphan is taken up, or given back.
    "orphan-taken-written",
    "orphan-taken-noted",
    "orphan-releasing-written",
    "orphan-releasing-noted",
    "orphan-asked",
    "orphan-released-written",
    "orphan-released-noted",
    // A lost number is bought back.
    "buy-back-begun",
    "buy-back-written",
    "buy-back-noted",
    "buy-back-asked",
    "bought-back-written",
    "bought-back-noted",
];

#[cfg(debug_assertions)]
pub use armed::{Point, arm, die_at, here};

/// A point: nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline]
pub fn here(_name: &'static str) {}

#[cfg(debug_assertions)]
mod armed {
    use std::panic::{AssertUnwindSafe, resume_unwind};
    use std::process::abort;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt as _;

    use super::NAMES;

    /// Where the process ends.
    static OF_THE_PROCESS: OnceLock<Armed> = OnceLock::new();
    tokio::task_local! {
        /// Where the task ends.
        static OF_THE_TASK: Armed;
    }

    /// A point, at the so-manieth time that one comes to it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Point {
        name: &'static str,
        time: u32,
    }

    impl Point {
        /// Reads `name` or `name:time`; `None` where there is no such point.
        pub fn parse(text: &str) -> Option<Self> {
            let (name, time) = text.split_once(':').unwrap_or((text, "1"));
            let name = NAMES.iter().copied().find(|known| *known == name)?;
            time.parse().ok().filter(|time| *time > 0).map(|time| Self { name, time })
        }
    }

    struct Armed {
        name: &'static str,
        times_left: AtomicU32,
    }

    impl Armed {
        fn at(point: Point) -> Self {
            Self { name: point.name, times_left: AtomicU32::new(point.time) }
        }

        fn strikes(&self, name: &str) -> bool {
            self.name == name && self.times_left.fetch_sub(1, Ordering::Relaxed) == 1
        }
    }

    /// What unwinds a task that ends at a point, and tells it from a panic.
    struct Dead;

    /// From now on this process ends when it comes to the point, as if it were killed there.
    pub fn arm(point: Point) {
        OF_THE_PROCESS.get_or_init(|| Armed::at(point));
    }

    /// Does the work as a process would that is killed at the point: `None` if it came to it. What runs on other
    /// threads, as transactions do, is not ended.
    pub async fn die_at<T>(point: Point, work: impl Future<Output = T>) -> Option<T> {
        let work = OF_THE_TASK.scope(Armed::at(point), work);
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(done) => Some(done),
            Err(reason) if reason.is::<Dead>() => None,
            Err(reason) => resume_unwind(reason),
        }
    }

    /// A point: whoever is armed for it ends here.
    pub fn here(name: &'static str) {
        debug_assert!(NAMES.contains(&name), "{name}");
        if OF_THE_PROCESS.get().is_some_and(|armed| armed.strikes(name)) {
            abort();
        }
        if OF_THE_TASK.try_with(|armed| armed.strikes(name)).unwrap_or(false) {
            resume_unwind(Box::new(Dead));
        }
    }
}
