//! Where each rented number leads, as servers keep it in memory: all of it page by page, or what changed since a version.
//!
//! The versions are taken by triggers (see `migrations/`), so that whoever changes a mask, a number or a switch is heard,
//! also by hand. Knows no keys: what is sealed stays so.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use uuid::Uuid;

use super::schema::{directory_changes as changes, directory_version};
use super::{Connection, DbError, servers};
use crate::domain::ids::{MaskId, NumberId, UserId};
use crate::domain::mask::Standing;
use crate::domain::phone::{Country, PhoneNumber};

/// How many numbers a page holds: few enough that it is read well before a statement's time is up.
pub const PAGE: usize = 20_000;

/// Where a rented number leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leading {
    /// The rented number.
    pub phone: PhoneNumber,
    /// The mask that holds it.
    pub mask: MaskId,
    /// Its owner.
    pub user: UserId,
    /// Its country.
    pub country: Country,
    /// What its state means for calls.
    pub standing: Standing,
    /// The proved real number that it leads to, sealed; `None` where there is none.
    pub real: Option<(NumberId, Vec<u8>)>,
}

/// A change: of where a number leads, or of the switches that stop spending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The number leads there now; `None` where no mask holds it.
    Number(PhoneNumber, Option<Leading>),
    /// A switch was thrown or lifted.
    Stops,
}

/// A place in the order of changes: everything up to it is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor {
    version: i64,
    e164: String,
}

impl Cursor {
    /// Behind all changes of the version.
    pub fn after(version: i64) -> Self {
        // Behind every text that is a number.
        Self { version, e164: "\u{10ffff}".into() }
    }

    /// The version of the last change before it.
    pub fn version(&self) -> i64 {
        self.version
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Text)]
    e164: String,
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    mask: Option<Uuid>,
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    user_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    country: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    number: Option<Uuid>,
    #[diesel(sql_type = Nullable<diesel::sql_types::Bytea>)]
    sealed: Option<Vec<u8>>,
}

impl Row {
    fn phone(&self) -> Result<PhoneNumber, DbError> {
        PhoneNumber::from_e164(&self.e164).ok_or(DbError::Unreadable("masks.e164"))
    }

    fn leading(self) -> Result<Option<Leading>, DbError> {
        let phone = self.phone()?;
        let (Some(mask), Some(user), Some(country)) = (self.mask, self.user_id, self.country) else {
            return Ok(None);
        };
        let standing = match self.state.as_deref() {
            Some("active") => Standing::Rings,
            Some("paused") => Standing::Paused,
            Some("resting") => Standing::Rests,
            Some("releasing") => Standing::Leaves,
            _ => return Err(DbError::Unreadable("masks.state")),
        };
        Ok(Some(Leading {
            phone,
            mask: MaskId(mask),
            user: UserId(user),
            country: Country::of_code(&country).ok_or(DbError::Unreadable("masks.country"))?,
            standing,
            real: self.number.map(NumberId).zip(self.sealed),
        }))
    }

    fn change(self) -> Result<Change, DbError> {
        if self.e164.is_empty() {
            return Ok(Change::Stops);
        }
        let phone = self.phone()?;
        Ok(Change::Number(phone, self.leading()?))
    }
}

/// What both queries tell of a mask that holds its number.
const COLUMNS: &str = "m.id AS mask, m.user_id, m.country, m.state, n.id AS number, n.sealed";
const HOLDS: &str = "m.state IN ('active', 'paused', 'resting', 'releasing')";
const REAL: &str = "LEFT JOIN numbers n ON n.id = m.number_id AND n.verified_at IS NOT NULL";

/// Which database this is, and which of its histories: a standby that has taken over is another; and the version of its
/// newest change.
pub fn version(conn: &mut Connection) -> Result<(Uuid, i64), DbError> {
    let timeline = sql::<BigInt>("directory_timeline()");
    let all = (directory_version::era, timeline, directory_version::version);
    let (era, timeline, version): (Uuid, i64, i64) = directory_version::table.select(all).first(conn)?;
    Ok((Uuid::from_u128(era.as_u128() ^ u128::from(timeline.unsigned_abs())), version))
}

/// A page of all numbers that masks hold, those behind `after` in the order of their texts; an empty one is the last.
pub fn page(conn: &mut Connection, after: Option<PhoneNumber>) -> Result<Vec<Leading>, DbError> {
    let rows: Vec<Row> = diesel::sql_query(format!(
        "SELECT 0::bigint AS version, m.e164, {COLUMNS} FROM masks m {REAL} WHERE {HOLDS} AND m.e164 > $1 \
         ORDER BY m.e164 LIMIT {PAGE}"
    ))
    .bind::<Text, _>(after.map_or(String::new(), |phone| phone.e164()))
    .load(conn)?;
    rows.into_iter().filter_map(|row| row.leading().transpose()).collect()
}

/// A page of the changes behind the cursor, in their order, and the cursor behind them.
pub fn changes_after(conn: &mut Connection, after: &Cursor) -> Result<(Vec<Change>, Cursor), DbError> {
    let rows: Vec<Row> = diesel::sql_query(format!(
        "SELECT c.version, c.e164, {COLUMNS} FROM directory_changes c \
         LEFT JOIN masks m ON m.e164 = c.e164 AND {HOLDS} {REAL} \
         WHERE (c.version, c.e164) > ($1, $2) ORDER BY c.version, c.e164 LIMIT {PAGE}"
    ))
    .bind::<BigInt, _>(after.version)
    .bind::<Text, _>(&after.e164)
    .load(conn)?;
    let cursor = rows.last().map(|row| Cursor { version: row.version, e164: row.e164.clone() });
    let changes = rows.into_iter().map(Row::change).collect::<Result<_, _>>()?;
    Ok((changes, cursor.unwrap_or_else(|| after.clone())))
}

/// Those of the numbers whose last change is not known to every server of the list.
pub fn unconfirmed(
    conn: &mut Connection,
    phones: impl Iterator<Item = PhoneNumber>,
) -> Result<Vec<PhoneNumber>, DbError> {
    let Some(known) = servers::known_by_all(conn)? else { return Ok(Vec::new()) };
    let texts: Vec<String> = phones.map(|phone| phone.e164()).collect();
    let rows: Vec<String> = changes::table
        .filter(changes::e164.eq_any(texts).and(changes::version.gt(known)))
        .select(changes::e164)
        .load(conn)?;
    Ok(rows.iter().filter_map(|e164| PhoneNumber::from_e164(e164)).collect())
}
