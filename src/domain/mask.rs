//! A mask's life: states that carry their facts, and the steps between them.

use chrono::{DateTime, Utc};

use super::ids::{MaskId, NumberId, UserId};
use super::phone::{Country, PhoneNumber};

/// The longest label, in characters.
pub const LONGEST_LABEL: usize = 60;

/// Who paused or revoked a mask; what others stopped, its owner does not start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedBy {
    /// Its owner.
    Owner,
    /// An admin.
    Admin,
    /// Maskline itself, at a limit.
    System,
}

/// Where a mask is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskState {
    /// Wished for; the carrier is being asked.
    Requested,
    /// Calls to it ring the real phone.
    Active,
    /// Kept, but calls to it are turned away.
    Paused {
        /// Who paused it.
        by: StoppedBy,
    },
    /// Revoked: rings nobody, can be brought back until then.
    Resting {
        /// When it goes back to the carrier.
        until: DateTime<Utc>,
        /// Who revoked it.
        by: StoppedBy,
    },
    /// On its way back to the carrier.
    Releasing,
    /// Back at the carrier.
    Released,
    /// Never came to be.
    Failed {
        /// Why, in a sentence for its owner.
        reason: String,
    },
    /// The carrier does not have it any more.
    Lost,
}

impl MaskState {
    /// Its word in the database.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Paused { .. } => "paused",
            Self::Resting { .. } => "resting",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Failed { .. } => "failed",
            Self::Lost => "lost",
        }
    }

    /// Whether it counts towards the limits: requested, active or paused.
    pub fn is_alive(&self) -> bool {
        matches!(self, Self::Requested | Self::Active | Self::Paused { .. })
    }
}

/// What the state of a mask that holds its number means for calls to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They ring the real phone.
    Rings,
    /// They are turned away for now.
    Paused,
    /// They are turned away; it can be brought back.
    Rests,
    /// It is on its way back to the carrier.
    Leaves,
}

/// The words of every state, in the order of a life.
pub const STATE_WORDS: [&str; 8] =
    ["requested", "active", "paused", "resting", "releasing", "released", "failed", "lost"];

/// A mask.
#[derive(Debug, Clone)]
pub struct Mask {
    /// Its name.
    pub id: MaskId,
    /// Whose it is.
    pub user: UserId,
    /// The real number it hides, while that is registered.
    pub number: Option<NumberId>,
    /// The country it is rented in.
    pub country: Country,
    /// The prefix that was asked for; `None` means any of the country.
    pub wanted_prefix: Option<String>,
    /// The rented number, once there is one.
    pub phone: Option<PhoneNumber>,
    /// Whether it lies outside of the wanted area because nothing was free there.
    pub elsewhere: bool,
    /// What its owner calls it.
    pub label: String,
    /// Where it is in its life.
    pub state: MaskState,
    /// When it was wished for.
    pub requested_at: DateTime<Utc>,
}

/// A step that a mask's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongState {
    /// It is not set up, or not any more.
    #[error("The mask is not in service, so it cannot be changed that way.")]
    NotInService,
    /// Somebody else paused it.
    #[error("The mask was paused by the people who run this service. Ask them to resume it.")]
    PausedByOther,
    /// An admin revoked it.
    #[error(
        "The mask was revoked by the people who run this service. Ask them if you think that is a mistake."
    )]
    RevokedByOther,
    /// It is set up, or failed, already.
    #[error("The mask is not being set up any more.")]
    NotBeingSetUp,
    /// Its time to be brought back is over, or never began.
    #[error("The mask cannot be brought back any more.")]
    NotResting,
}

impl Mask {
    /// Its owner pauses it; a paused one stays as it is.
    pub fn pause(&self, by: StoppedBy) -> Result<MaskState, WrongState> {
        match &self.state {
            MaskState::Active => Ok(MaskState::Paused { by }),
            paused @ MaskState::Paused { .. } => Ok(paused.clone()),
            _ => Err(WrongState::NotInService),
        }
    }

    /// It rings again, if whoever asks is the one who paused it.
    pub fn resume(&self, by: StoppedBy) -> Result<MaskState, WrongState> {
        match &self.state {
            MaskState::Active => Ok(MaskState::Active),
            MaskState::Paused { by: paused_by } if *paused_by == by => Ok(MaskState::Active),
            MaskState::Paused { .. } => Err(WrongState::PausedByOther),
            _ => Err(WrongState::NotInService),
        }
    }

    /// It rings nobody from now on, and rests; a resting one stays as it is, but that an admin takes its rest over.
    pub fn revoke(&self, by: StoppedBy, until: DateTime<Utc>) -> Result<MaskState, WrongState> {
        match &self.state {
            MaskState::Active | MaskState::Paused { .. } => Ok(MaskState::Resting { until, by }),
            MaskState::Resting { until, .. } if by == StoppedBy::Admin => {
                Ok(MaskState::Resting { until: *until, by })
            }
            resting @ MaskState::Resting { .. } => Ok(resting.clone()),
            _ => Err(WrongState::NotInService),
        }
    }

    /// It is not wanted any more, for that reason, before it came to be.
    pub fn cancel(&self, reason: &str) -> Result<MaskState, WrongState> {
        match &self.state {
            MaskState::Requested => Ok(MaskState::Failed { reason: reason.to_owned() }),
            _ => Err(WrongState::NotBeingSetUp),
        }
    }

    /// Its owner brings it back from its rest, unless an admin revoked it.
    pub fn restore(&self, now: DateTime<Utc>) -> Result<MaskState, WrongState> {
        match &self.state {
            MaskState::Resting { by: StoppedBy::Admin, .. } => Err(WrongState::RevokedByOther),
            MaskState::Resting { until, .. } if now < *until => Ok(MaskState::Active),
            _ => Err(WrongState::NotResting),
        }
    }
}

/// A label as it is kept: one line, no control characters and no marks that turn the direction of text. U+200C and U+200D
/// stay, which Persian words and emoji are made with.
pub fn label(text: &str) -> Result<String, LabelTooLong> {
    let clean: String = text
        .chars()
        .filter(|character| {
            !character.is_control()
                && !matches!(character, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        })
        .collect();
    let clean = clean.trim().to_owned();
    if clean.chars().count() > LONGEST_LABEL { Err(LabelTooLong) } else { Ok(clean) }
}

/// The label does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Use at most {LONGEST_LABEL} characters for the label.")]
pub struct LabelTooLong;

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(state: MaskState) -> Mask {
        Mask {
            id: MaskId(uuid::Uuid::nil()),
            user: UserId(uuid::Uuid::nil()),
            number: None,
            country: Country::US,
            wanted_prefix: None,
            phone: PhoneNumber::from_e164("+14075550150"),
            elsewhere: false,
            label: String::new(),
            state,
            requested_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn who_paused_may_resume() {
        let by_admin = mask(MaskState::Paused { by: StoppedBy::Admin });
        assert_eq!(by_admin.resume(StoppedBy::Owner), Err(WrongState::PausedByOther));
        assert_eq!(by_admin.resume(StoppedBy::Admin), Ok(MaskState::Active));
        assert_eq!(by_admin.pause(StoppedBy::Owner), Ok(by_admin.state.clone()));
    }

    #[test]
    fn a_revoked_mask_comes_back_only_while_it_rests() {
        let until = DateTime::UNIX_EPOCH;
        let resting = mask(MaskState::Active).revoke(StoppedBy::Owner, until).map(mask).unwrap();
        let second = chrono::TimeDelta::seconds(1);
        assert_eq!(resting.restore(until - second), Ok(MaskState::Active));
        assert_eq!(resting.restore(until), Err(WrongState::NotResting));
        assert_eq!(resting.pause(StoppedBy::Owner), Err(WrongState::NotInService));
        let by_admin = mask(MaskState::Active).revoke(StoppedBy::Admin, until).map(mask).unwrap();
        assert_eq!(by_admin.restore(until - second), Err(WrongState::RevokedByOther));
        let taken_over = resting.revoke(StoppedBy::Admin, until + second);
        assert_eq!(taken_over, Ok(by_admin.state.clone()), "an admin takes a rest over; it ends when it did");
        assert_eq!(by_admin.revoke(StoppedBy::Owner, until + second), Ok(by_admin.state.clone()));
        assert_eq!(mask(MaskState::Released).restore(until - second), Err(WrongState::NotResting));
        assert_eq!(mask(MaskState::Requested).revoke(StoppedBy::Owner, until), Err(WrongState::NotInService));
    }

    #[test]
    fn only_what_is_being_set_up_can_be_cancelled() {
        let reason = "No.".to_owned();
        assert_eq!(mask(MaskState::Requested).cancel("No."), Ok(MaskState::Failed { reason }));
        assert_eq!(mask(MaskState::Active).cancel("No."), Err(WrongState::NotBeingSetUp));
    }

    #[test]
    fn labels_are_one_line_without_direction_marks() {
        assert_eq!(
            label(" For\u{202e} \u{61c}the\n\u{0}\u{2028}\u{2029} ads ").as_deref(),
            Ok("For the ads")
        );
        for kept in ["👩\u{200d}👩\u{200d}👧 family", "می\u{200c}خواهم"] {
            assert_eq!(label(kept).as_deref(), Ok(kept));
        }
        assert_eq!(label(&"x".repeat(61)), Err(LabelTooLong));
        assert_eq!(label(&"é".repeat(60)).map(|text| text.chars().count()), Ok(60));
    }
}
