//! The rows of a full deployment: real numbers, and the masks that lead to them.
//!
//! Real numbers and callers are made up; masks have an area code that nobody is given.

use std::fmt::Write as _;

use anyhow::Context as _;
use maskline::db;
use maskline::domain::phone::PhoneNumber;
use maskline::seal::{Place, Sealer};
use maskline::secrets;
use uuid::Uuid;

/// How many masks lead to each real number.
const EACH: u32 = 100;
/// Area codes of the real numbers, with five hundred numbers of each.
const AREAS: [u32; 20] =
    [202, 206, 212, 213, 303, 305, 312, 404, 407, 415, 503, 512, 602, 617, 702, 713, 718, 720, 808, 907];
/// The real number of the user whose page is measured, of none of these areas.
const READER: &str = "+19165550100";

/// The ten digits of a mask, by its place.
pub(crate) fn mask(place: u32) -> String {
    format!("999{:07}", 2_000_000 + place)
}

/// The real number that a mask leads to, by the mask's place.
pub(crate) fn real(place: u32) -> String {
    let holder = place / EACH;
    let area = AREAS[holder as usize / 500];
    format!("+1{area}5550{:03}", holder % 500)
}

/// Fills a migrated database with so many masks. What keeps directories up to date is off meanwhile, as no server runs.
pub(crate) fn fill(url: &str, sealer: &Sealer, masks: u32) -> anyhow::Result<()> {
    let mut users = String::from("INSERT INTO users VALUES ");
    let mut numbers = String::from("INSERT INTO numbers VALUES ");
    for holder in 0..masks / EACH {
        let user = secrets::random_uuid();
        let between = if holder == 0 { "" } else { ", " };
        write!(users, "{between}('{user}', 'user{holder}@example.com', 'user', '', 'UTC', now())")?;
        let row = number(sealer, &real(holder * EACH), &format!("'{user}'"))?.1;
        write!(numbers, "{between}{row}")?;
    }
    db::execute(url, &users)?;
    db::execute(url, &numbers)?;
    db::execute(url, "ALTER TABLE masks DISABLE TRIGGER directory_of_masks")?;
    // The masks of a number have places next to each other, in the order in which the numbers were written.
    db::execute(
        url,
        &format!(
            "INSERT INTO masks (id, user_id, number_id, country, e164, label, state, requested_at) \
             SELECT gen_random_uuid(), user_id, id, 'US', '+1999' || (2000000 + holder * {EACH} + nth), \
                    'Mask ' || nth, 'active', now() \
             FROM (SELECT id, user_id, row_number() OVER (ORDER BY ctid) - 1 AS holder FROM numbers) AS holders, \
                  generate_series(0, {EACH} - 1) AS nth"
        ),
    )?;
    db::execute(url, "ALTER TABLE masks ENABLE TRIGGER directory_of_masks")?;
    Ok(db::execute(url, "VACUUM ANALYZE")?)
}

/// Gives somebody who has an account a proved number and three masks; tells the ten digits of these.
pub(crate) fn give_masks(url: &str, sealer: &Sealer, email: &str) -> anyhow::Result<[String; 3]> {
    let user = format!("(SELECT id FROM users WHERE email = '{email}')");
    let (id, row) = number(sealer, READER, &user)?;
    db::execute(url, &format!("INSERT INTO numbers VALUES {row}"))?;
    let masks = ["9165550150", "9165550151", "9165550152"];
    for (nth, mask) in masks.iter().enumerate() {
        db::execute(
            url,
            &format!(
                "INSERT INTO masks (id, user_id, number_id, country, e164, label, state, requested_at) \
                 VALUES (gen_random_uuid(), {user}, '{id}', 'US', '+1{mask}', 'Shop {nth}', 'active', now())"
            ),
        )?;
    }
    Ok(masks.map(str::to_owned))
}

/// A proved number as a row.
fn number(sealer: &Sealer, e164: &str, user: &str) -> anyhow::Result<(Uuid, String)> {
    let (id, number) = (secrets::random_uuid(), PhoneNumber::from_e164(e164).context("not a number")?);
    let sealed = secrets::hex(&sealer.seal(number, Place::number(id)));
    let lookup = secrets::hex(&sealer.number_lookups(number)[0]);
    Ok((id, format!(r"('{id}', {user}, '\x{sealed}', '\x{lookup}', now(), now())")))
}
