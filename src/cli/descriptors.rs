//! How many files and connections this process may have open, and how many of them clients may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is taken where there is no limit, and what a system that has none for real may still refuse.
const UNLIMITED: u64 = 65_536;
/// What the databases, the carrier, letters, files and threads may have open at once.
const OWN: u64 = 256;
/// More connections than this are no use to anybody: each has buffers, and all of them share a few cores.
const MOST_CONNECTIONS: u64 = 4_096;

/// Allows this process as many descriptors as it may have, and returns how many connections of clients that makes.
pub(super) fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let allowed = maximum.unwrap_or(UNLIMITED);
    let before = current.unwrap_or(UNLIMITED);
    let raised = Rlimit { current: Some(allowed), maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => allowed,
        Err(_) if before >= allowed => before,
        Err(error) => {
            tracing::warn!(%error, before, allowed, "the limit of open files was not raised");
            before
        }
    };
    connections(limit)
}

/// How many connections there may be with so many descriptors.
fn connections(descriptors: u64) -> usize {
    let own = OWN.min(descriptors / 2);
    let connections = (descriptors - own).min(MOST_CONNECTIONS);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_have_all_descriptors() {
        for (descriptors, expected) in [(64, 32), (256, 128), (1_024, 768), (4_096, 3_840), (524_288, 4_096)]
        {
            assert_eq!(connections(descriptors), expected, "{descriptors}");
        }
    }
}
