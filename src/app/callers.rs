//! Callers who were refused because they called a mask too often, and are let in again by its owner.

use chrono::TimeDelta;

use super::App;
use super::masks::{ChangeError, count_change};
use crate::db::audit::{self, Actor};
use crate::db::{calls, masks, records};
use crate::domain::call::is_barred;
use crate::domain::call_book::CallerDigest;
use crate::domain::ids::{CallId, MaskId, UserId};
use crate::seal::Place;

/// How long limits look back.
const DAY: TimeDelta = TimeDelta::hours(24);

impl App {
    /// Lets the caller of that call to one of the user's masks in again: what they did until now counts towards no limit
    /// of theirs. Servers hear of it as they hear of each other's calls. Nothing is done where this server knows that the
    /// next call of theirs is taken as it is.
    pub async fn admit_caller(&self, user: UserId, mask: MaskId, call: CallId) -> Result<(), ChangeError> {
        let now = self.now();
        let found = move |conn: &mut _| {
            masks::find(conn, user, mask)?.ok_or(ChangeError::NotFound)?;
            calls::caller(conn, mask, call)?.ok_or(ChangeError::NotFound)
        };
        let caller = self.db.transaction(found).await?;
        // Under another key the same caller has another digest; one who cannot be read has this one.
        let mut digests = vec![caller.digest];
        if let Ok(number) = self.sealer.open(&caller.sealed, Place::caller(call.0)) {
            digests.extend(self.sealer.caller_lookups(mask.0, number));
        }
        if !digests.iter().any(|digest| self.is_barred((mask, user), digest)) {
            return Ok(());
        }
        let (noted, rule) = (digests.clone(), self.changes(user));
        let work = move |conn: &mut _| {
            count_change(conn, rule, now)?;
            records::admit(conn, mask, &noted, now - DAY, now)?;
            audit::write(conn, now, Actor::User(user), "caller let in", mask.0, "")?;
            Ok::<_, ChangeError>(())
        };
        self.db.transaction(work).await?;
        let mut book = self.book();
        for digest in &digests {
            book.admit(mask, digest, now);
        }
        Ok(())
    }

    /// Whether the next call of that caller to the mask is refused because of those before it, as far as this server knows.
    pub(super) fn is_barred(&self, mask: (MaskId, UserId), caller: &CallerDigest) -> bool {
        let limits = &self.settings.limits;
        let recent = self.book().recent(mask, &[*caller], self.now(), limits.talking);
        is_barred(recent, limits)
    }
}
