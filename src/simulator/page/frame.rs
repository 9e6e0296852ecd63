//! What all pages have around them.

use crate::simulator::switchboard::Switchboard;

/// The frame of a page.
pub(super) struct Frame {
    /// Which entry of the menu this page is.
    pub(super) here: &'static str,
    /// Where Maskline is.
    pub(super) maskline: Option<String>,
    /// How many faults are switched on.
    pub(super) faults: usize,
}

impl Frame {
    pub(super) fn of(board: &Switchboard, here: &'static str) -> Self {
        Self {
            here,
            maskline: board.settings.maskline_url.clone(),
            faults: board.faults_mut(|faults| faults.len()),
        }
    }
}
