//! What a server itself keeps: the directory that calls are routed by, and records of calls on their way to the database.

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::{Registry, Unit};

use super::figures::{gauge, gauge_of};

/// How the directory and the records of a server stand.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// How many numbers the directory has; `None` where calls cannot be routed by it yet.
    pub numbers: Option<f64>,
    /// How long ago it was compared with the database, in seconds.
    pub age_seconds: Option<f64>,
    /// How long its file is, in bytes; `None` where it cannot be written.
    pub file_bytes: Option<f64>,
    /// Records that are on their way to the database, in memory.
    pub queued: f64,
    /// Records that wait on disk, in bytes.
    pub spool_bytes: f64,
    /// Records that were lost since the start.
    pub lost: u64,
}

impl Kept {
    pub(super) fn register(&self, registry: &mut Registry) {
        let is_loaded = if self.numbers.is_some() { 1.0 } else { 0.0 };
        gauge(registry, "directory_loaded", "Whether calls can be routed (1) or not yet (0)", is_loaded);
        if let Some(numbers) = self.numbers {
            gauge(registry, "directory_numbers", "Rented numbers in the directory", numbers);
        }
        if let Some(age) = self.age_seconds {
            let help = "How long ago the directory was compared with the database";
            gauge_of(registry, "directory_age", help, Unit::Seconds, age);
        }
        let bytes = self.file_bytes.unwrap_or(0.0);
        let help = "Size of the directory on disk; 0 where it cannot be written";
        gauge_of(registry, "directory_file", help, Unit::Bytes, bytes);
        gauge(
            registry,
            "records_queued",
            "Records of calls in memory on their way to the database",
            self.queued,
        );
        let help = "Records of calls on disk that wait for the database";
        gauge_of(registry, "records_spool", help, Unit::Bytes, self.spool_bytes);
        let lost = ConstCounter::new(self.lost);
        registry.register("records_lost", "Records of calls that neither database nor disk took", lost);
    }
}
