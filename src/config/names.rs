//! The names of all settings, with their defaults as an operator would write them.
//!
//! What a value means, the sections know; limits have a table of their own.

use super::limits::LIMITS;

/// How the names of our own settings begin, of which an unknown one is a mistake.
const OURS: [&str; 2] = ["MASKLINE_", "TROPO_"];
/// Names further apart than this many letters are not taken for each other.
const FARTHEST_MISTAKE: usize = 4;

/// Every setting but the limits: its name and its default, where it has a plain one.
pub(super) const SETTINGS: &[(&str, Option<&str>)] = &[
    ("MASKLINE_LISTEN", Some("127.0.0.1:8080")),
    ("MASKLINE_WEBHOOK_LISTEN", None),
    ("MASKLINE_PUBLIC_URL", None),
    ("MASKLINE_METRICS_LISTEN", None),
    ("DATABASE_URL", None),
    ("MASKLINE_STATE", Some("var")),
    ("MASKLINE_SECRET_KEY", None),
    ("MASKLINE_SECRET_KEY_FILE", None),
    ("TROPO_URL", Some("https://api.tropo.com/v1/")),
    ("TROPO_USERNAME", None),
    ("TROPO_PASSWORD", None),
    ("TROPO_MASKING_APP_ID", None),
    ("TROPO_ACCOUNT_ID", None),
    ("TROPO_VOICE_TOKEN", None),
    ("TROPO_MESSAGING_TOKEN", None),
    ("TROPO_WEBHOOK_KEY", None),
    ("TROPO_WEBHOOK_NETWORKS", None),
    ("TROPO_CALLER_ID", None),
    ("MASKLINE_MAIL", None),
    ("MASKLINE_MAIL_FROM", None),
    ("MASKLINE_MAIL_HOST_NAME", None),
    ("MASKLINE_TRUSTED_PROXIES", None),
    ("MASKLINE_COUNTRY", Some("US")),
    ("MASKLINE_NUMBER_COUNTRIES", None),
    ("MASKLINE_MASK_COUNTRIES", None),
    ("MASKLINE_VOIP", Some("no")),
    ("MASKLINE_NEW_RANGES", Some("no")),
    ("MASKLINE_CURRENCY", Some("USD")),
    ("MASKLINE_SIMULATOR_LISTEN", Some("127.0.0.1:8081")),
    ("MASKLINE_SIMULATOR_URL", None),
    ("MASKLINE_LOG", Some("info")),
    ("MASKLINE_LOG_FORMAT", Some("json")),
];

/// Where a debug build ends, for tests; a release build knows no such setting.
pub(super) const FAILPOINT: &str = "MASKLINE_FAILPOINT";

/// All names that an operator may set, the limits too.
pub fn all() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|(name, _)| *name).chain(LIMITS.iter().map(|limit| limit.name))
}

/// What a setting is when nobody sets it.
pub(super) fn default(name: &str) -> Option<&'static str> {
    SETTINGS.iter().find(|(known, _)| *known == name).and_then(|(_, default)| *default)
}

/// Whether a variable is for us to read.
pub(super) fn is_ours(name: &str) -> bool {
    name == "DATABASE_URL" || OURS.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether it is a setting.
pub(super) fn is_known(name: &str) -> bool {
    all().any(|known| known == name) || cfg!(debug_assertions) && name == FAILPOINT
}

/// The setting that was probably meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let (distance, nearest) = all().map(|known| (distance(name, known), known)).min()?;
    (distance <= FARTHEST_MISTAKE).then_some(nearest)
}

/// How many letters must be added, taken away or changed to get from one to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}
