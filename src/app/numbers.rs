//! Real numbers: registered, shown to their owners, removed.

use chrono::{DateTime, TimeDelta, Utc};

use super::{App, texts};
use crate::db::audit::{self, Actor};
use crate::db::numbers::{self, StoredNumber};
use crate::db::{Connection, DbError, masks, rates, users};
use crate::domain::ids::{NumberId, UserId};
use crate::domain::limits::Rate;
use crate::domain::mask::Mask;
use crate::domain::phone::{PhoneNumber, Refusal};
use crate::domain::user::EmailAddress;
use crate::seal::Place;
use crate::secrets;

/// How many numbers may wait to be proved beside the proved ones.
const WAITING_NUMBERS: u32 = 5;

/// How many numbers a user may try to register in a day, so that nobody finds out which numbers are masks.
const REGISTERED_A_DAY: u32 = 20;

/// One of a user's numbers, as they see it.
#[derive(Debug, Clone)]
pub struct OwnNumber {
    /// Its name.
    pub id: NumberId,
    /// The number itself; `None` if its seal does not open.
    pub number: Option<PhoneNumber>,
    /// Whether it is proved.
    pub verified: bool,
}

/// Why a number was not registered.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// It is no number that may be used.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It lies in a country that the deployment does not serve.
    #[error("the country is not served")]
    Country,
    /// It cannot be a real number here: it is a mask of ours, which nobody is told.
    #[error("it cannot be used")]
    Unusable,
    /// The user tried as many as they may in a day.
    #[error("too many numbers were tried")]
    TooOften,
    /// The user has as many as they may have.
    #[error("as many numbers as there may be")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl App {
    /// Registers a number, as somebody typed it; one that is registered already is not registered twice, and is mended
    /// where its seal did not open.
    pub async fn add_number(&self, user: UserId, text: &str) -> Result<NumberId, AddError> {
        let number = PhoneNumber::parse(text, self.settings.default_country)?;
        number.line_kind(self.settings.allowed)?;
        if !number.is_in(&self.settings.number_countries) {
            return Err(AddError::Country);
        }
        let (now, limit, id) =
            (self.now(), self.settings.limits.numbers_per_user, NumberId(secrets::random_uuid()));
        let registered = self.rule("numbers registered", &user.to_string(), Rate::per_day(REGISTERED_A_DAY));
        let stored = StoredNumber {
            id,
            user,
            sealed: self.sealer.seal(number, Place::number(id.0)),
            lookups: self.sealer.number_lookups(number),
            verified_at: None,
        };
        let (sealer, code_sender) = (self.sealer.clone(), self.settings.code_sender);
        let work = move |conn: &mut _| {
            users::lock(conn, user)?;
            if let Some(known) = numbers::find_by_lookups(conn, user, &stored.lookups)? {
                let place = Place::number(known.id.0);
                if sealer.open(&known.sealed, place).is_err() {
                    // The digest proves that it is the same number: so a damaged one is mended.
                    numbers::set_sealed(conn, known.id, &sealer.seal(number, place))?;
                    audit::write(conn, now, Actor::User(user), "number sealed again", known.id.0, "")?;
                }
                return Ok(Ok(known.id));
            }
            let (proved, waiting) = counted(conn, user)?;
            if proved >= limit || waiting >= WAITING_NUMBERS {
                return Err(AddError::TooMany);
            }
            if rates::take(conn, &[registered], now)?.is_err() {
                return Err(AddError::TooOften);
            }
            if code_sender == Some(number) || masks::is_mask(conn, number)? {
                // Kept, so that the try counts, though it comes to nothing.
                return Ok(Err(AddError::Unusable));
            }
            numbers::insert(conn, &stored, now)?;
            audit::write(conn, now, Actor::User(user), "number registered", id.0, "")?;
            Ok(Ok(id))
        };
        self.db.transaction(work).await?
    }

    /// The user's numbers, the oldest first.
    pub async fn numbers(&self, user: UserId) -> Result<Vec<OwnNumber>, DbError> {
        let stored = self.db.transaction(move |conn| numbers::list(conn, user)).await?;
        Ok(stored.iter().map(|stored| self.own_number(stored)).collect())
    }

    /// Erases one of the user's numbers; its masks are revoked at once, and rest. `false` if there is no such number.
    pub async fn remove_number(&self, user: UserId, id: NumberId) -> Result<bool, DbError> {
        let (now, rest) = (self.now(), self.settings.limits.rest);
        let work = move |conn: &mut _| {
            users::lock(conn, user)?;
            if numbers::find(conn, user, id)?.is_none() {
                return Ok(false);
            }
            erase(conn, id, Actor::User(user), now, rest)?;
            audit::write(conn, now, Actor::User(user), "number removed", id.0, "")?;
            Ok::<_, DbError>(true)
        };
        self.db.transaction(work).await
    }

    /// One of the user's numbers, and the masks that ring nobody once it is removed.
    pub async fn number_with_masks(
        &self,
        user: UserId,
        id: NumberId,
    ) -> Result<Option<(OwnNumber, Vec<Mask>, usize)>, DbError> {
        let work = move |conn: &mut _| {
            let Some(stored) = numbers::find(conn, user, id)? else { return Ok(None) };
            let masks = masks::list_of_number(conn, id)?;
            let (alive, resting): (Vec<_>, Vec<_>) =
                masks.into_iter().partition(|mask| mask.state.is_alive());
            Ok::<_, DbError>(Some((stored, alive, resting.len())))
        };
        let found = self.db.transaction(work).await?;
        Ok(found.map(|(stored, alive, resting)| (self.own_number(&stored), alive, resting)))
    }

    pub(super) fn own_number(&self, stored: &StoredNumber) -> OwnNumber {
        let number = self.sealer.open(&stored.sealed, Place::number(stored.id.0));
        OwnNumber { id: stored.id, number: number.ok(), verified: stored.verified_at.is_some() }
    }

    pub(super) fn tell_former_holder(&self, former: FormerHolder) {
        let letter = texts::NumberTakenOver {
            last_two: &former.last_two,
            masks: former.masks,
            public_url: &self.settings.public_url,
        };
        self.send_later(texts::letter(
            former.email,
            "A number of yours belongs to somebody else now",
            &letter,
        ));
    }
}

/// Somebody who held a number that another has proved.
pub(super) struct FormerHolder {
    email: EmailAddress,
    last_two: String,
    masks: usize,
}

pub(super) fn take_over(
    conn: &mut Connection,
    lookups: &[[u8; 32]],
    number: Option<PhoneNumber>,
    now: DateTime<Utc>,
    rest: TimeDelta,
) -> Result<Option<FormerHolder>, DbError> {
    let Some(former) = numbers::holder(conn, lookups)? else { return Ok(None) };
    let masks = erase(conn, former.id, Actor::System, now, rest)?;
    audit::write(conn, now, Actor::System, "number taken over", former.id.0, "")?;
    let Some(user) = users::find(conn, former.user)? else { return Ok(None) };
    let last_two = number.map_or(String::new(), |number| number.last_two());
    Ok(Some(FormerHolder { email: user.email, last_two, masks }))
}

/// Erases the number; its masks ring nobody from now on. Tells how many those are.
fn erase(
    conn: &mut Connection,
    id: NumberId,
    actor: Actor,
    now: DateTime<Utc>,
    rest: TimeDelta,
) -> Result<usize, DbError> {
    numbers::hold(conn, id)?;
    let of_number = masks::list_of_number(conn, id)?;
    for mask in &of_number {
        super::masks::stop_held(conn, mask, actor, now, rest)?;
    }
    numbers::delete(conn, id)?;
    Ok(of_number.len())
}

/// How many numbers the user has proved, and how many wait.
pub(super) fn counted(conn: &mut Connection, user: UserId) -> Result<(u32, u32), DbError> {
    let all = numbers::list(conn, user)?;
    let proved = all.iter().filter(|number| number.verified_at.is_some()).count();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok((count(proved), count(all.len() - proved)))
}
