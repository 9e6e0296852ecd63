//! The rules that the code keeps, one by one, so that each can be broken: a model that finds nothing then proves nothing.

/// What the code, and the carrier, are held to.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one rule that is kept or broken")]
pub(crate) struct Rules {
    /// How many masks are wished for.
    pub(crate) wishes: usize,
    /// How many servers run.
    pub(crate) servers: usize,
    /// How many masks may be alive.
    pub(crate) limit: usize,
    /// Whether the carrier's list is compared with the rows, which it then has to be: numbers are rented for us past the
    /// protocol.
    pub(crate) reconciled: bool,
    /// Whether owners cancel masks that are being set up.
    pub(crate) cancels: bool,
    /// A request takes effect at the carrier soon or never. No protocol can do without where requests carry no key; the
    /// reconciler is for when it does not hold.
    pub(crate) carrier_is_prompt: bool,
    /// An unclear purchase is looked for before another is tried.
    pub(crate) read_back: bool,
    /// Whoever lost the operation notes nothing any more.
    pub(crate) fencing: bool,
    /// The number must be missing from the list twice.
    pub(crate) two_absences: bool,
    /// The pause between two looks is by the database's clock, the same for all servers.
    pub(crate) pause_by_one_clock: bool,
    /// A choice that was committed a while ago, as a server that stood still finds it, is not acted upon.
    pub(crate) choices_are_fresh: bool,
    /// The choice is committed before the carrier is asked.
    pub(crate) choice_before_request: bool,
    /// Two wishes do not choose one number.
    pub(crate) one_chooser: bool,
    /// What is at odds with the list must be seen twice.
    pub(crate) two_sightings: bool,
    /// What an open operation has chosen is no orphan.
    pub(crate) choices_explain: bool,
    /// A number that was given back is not bought again for a long time.
    pub(crate) fallow: bool,
    /// A mask that is brought back counts as well.
    pub(crate) restored_count: bool,
    /// What was cancelled after it had been asked for is looked for first.
    pub(crate) cancelled_is_looked_for: bool,
    /// What was cancelled and bought all the same rests at once.
    pub(crate) cancelled_rests: bool,
}

/// All rules, kept.
pub(crate) const KEPT: Rules = Rules {
    wishes: 2,
    servers: 2,
    limit: 2,
    reconciled: false,
    cancels: false,
    carrier_is_prompt: true,
    read_back: true,
    fencing: true,
    two_absences: true,
    pause_by_one_clock: true,
    choices_are_fresh: true,
    choice_before_request: true,
    one_chooser: true,
    two_sightings: true,
    choices_explain: true,
    fallow: true,
    restored_count: true,
    cancelled_is_looked_for: true,
    cancelled_rests: true,
};
