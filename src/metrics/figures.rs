//! What is looked up when a scrape asks for it: in the database, and in the parts of the server that know it anyway.
//!
//! What is not known is left out of the scrape, so that nobody takes an old figure for a new one.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::kept::Kept;

/// A gauge of any number.
type Real = Gauge<f64, AtomicU64>;

/// What was looked up for one scrape.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// What the database told; `None` where it did not answer in time.
    pub stored: Option<Stored>,
    /// What was spent, and may be; `None` where the database did not tell.
    pub spending: Option<Spending>,
    /// Sealed numbers that did not open since the start.
    pub sealing_failures: u64,
    /// What the server itself keeps.
    pub kept: Kept,
}

/// Money of a day and of a month, in the units of the deployment's currency.
#[derive(Debug, Clone, Default)]
pub struct Spending {
    /// The currency, by its three letters.
    pub currency: String,
    /// What was spent and may be, by the period's word.
    pub periods: [(&'static str, f64, f64); 2],
}

/// What the database tells.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Operations that are not finished, by kind and state.
    pub operations: Vec<OpenOperations>,
    /// Masks by state, but for those that are over.
    pub masks: Vec<(&'static str, u64)>,
    /// Masks whose number the carrier does not have any more.
    pub lost_masks: u64,
    /// Numbers that the carrier has and no row explains, by state, but for those that are settled.
    pub orphans: Vec<(&'static str, u64)>,
    /// How the last comparison with the carrier's list went.
    pub comparison: Comparison,
}

/// How the last comparison of the carrier's list with our rows went.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// How old the last list is that was believed; `None` if none ever was.
    pub age_seconds: Option<f64>,
    /// Whether the newest list was not believed, or could not be read.
    pub is_in_doubt: bool,
    /// Whether our application at the carrier is not as it should be.
    pub has_settings_fault: bool,
}

/// Operations of a kind in a state.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenOperations {
    /// What is wished, in the database's word.
    pub kind: String,
    /// How far it is, in the database's word.
    pub state: String,
    /// How many there are.
    pub count: u64,
    /// How long the oldest has waited since it could first be done, in seconds.
    pub oldest_seconds: f64,
}

impl Figures {
    /// The metrics of this scrape.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("maskline");
        let is_up = if self.stored.is_some() { 1.0 } else { 0.0 };
        let help = "Whether the database answered this scrape (1) or not (0)";
        gauge(&mut registry, "database_up", help, is_up);
        let failures = ConstCounter::new(self.sealing_failures);
        registry.register("sealing_failures", "Sealed numbers that did not open", failures);
        self.kept.register(&mut registry);
        if let Some(stored) = &self.stored {
            stored.register(&mut registry);
        }
        if let Some(spending) = &self.spending {
            spending.register(&mut registry);
        }
        registry
    }
}

impl Spending {
    fn register(&self, registry: &mut Registry) {
        let (spent, cap) = (Family::<_, Real>::default(), Family::<_, Real>::default());
        for (period, amount, most) in self.periods {
            let labels = [("period", period.to_owned()), ("currency", self.currency.clone())];
            spent.get_or_create(&labels).set(amount);
            cap.get_or_create(&labels).set(most);
        }
        let help = "Money spent in the day and in the month (by UTC), by the deployment's prices";
        registry.register("spending", help, spent);
        registry.register("spending_cap", "Money that may be spent in the day and in the month", cap);
    }
}

impl Comparison {
    fn register(&self, registry: &mut Registry) {
        if let Some(age) = self.age_seconds {
            let good = Real::default();
            good.set(age);
            let help = "How old the last list of the carrier's numbers is that was believed";
            registry.register_with_unit("comparison_age", help, Unit::Seconds, good);
        }
        let flag = |is: bool| if is { 1.0 } else { 0.0 };
        let help = "Whether the newest list of the carrier's numbers was not believed or not read (1)";
        gauge(registry, "comparison_in_doubt", help, flag(self.is_in_doubt));
        let help = "Whether our application at the carrier is not as it should be (1)";
        gauge(registry, "carrier_settings_fault", help, flag(self.has_settings_fault));
    }
}

impl Stored {
    fn register(&self, registry: &mut Registry) {
        let (count, oldest) = (Family::<_, Real>::default(), Family::<_, Real>::default());
        for operations in &self.operations {
            let labels = [("kind", operations.kind.clone()), ("state", operations.state.clone())];
            count.get_or_create(&labels).set(whole(operations.count));
            oldest.get_or_create(&labels).set(operations.oldest_seconds);
        }
        let help = "Operations at the carrier that are not finished, by kind and state";
        registry.register("operations", help, count);
        let help = "How long the oldest unfinished operation has waited since it could first be done";
        registry.register_with_unit("operation_oldest", help, Unit::Seconds, oldest);
        let masks = Family::<_, Real>::default();
        for (state, count) in &self.masks {
            masks.get_or_create(&[("state", *state)]).set(whole(*count));
        }
        registry.register("masks", "Masks that are not over, by state", masks);
        let help = "Masks whose number the carrier does not have any more";
        gauge(registry, "lost_masks", help, whole(self.lost_masks));
        let orphans = Family::<_, Real>::default();
        for (state, count) in &self.orphans {
            orphans.get_or_create(&[("state", *state)]).set(whole(*count));
        }
        registry.register("orphans", "Numbers that the carrier has and no row explains, by state", orphans);
        self.comparison.register(registry);
    }
}

pub(super) fn gauge(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Real::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

pub(super) fn gauge_of(registry: &mut Registry, name: &str, help: &str, unit: Unit, value: f64) {
    let gauge = Real::default();
    gauge.set(value);
    registry.register_with_unit(name, help, unit, gauge);
}

/// A count as a gauge has it.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub fn whole(count: u64) -> f64 {
    count as f64
}
