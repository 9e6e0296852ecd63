//! The codes that prove numbers: sent by a call or a text, checked, replaced.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use super::code_delivery::{Delivery, delivery};
use super::numbers::{OwnNumber, counted, take_over};
use super::spending::{codes_are_stopped, codes_money_until};
use crate::carrier::{CarrierError, Channel};
use crate::db::audit::{self, Actor};
use crate::db::codes::{self, SentCode};
use crate::db::numbers::{self, StoredNumber};
use crate::db::rates::{self, Rule};
use crate::db::spend::{self, Tally};
use crate::db::{Connection, DbError, masks, users};
use crate::domain::ids::{NumberId, UserId, VerificationId};
use crate::domain::limits::{Limits, Rate};
use crate::domain::phone::{LineKind, PhoneNumber};
use crate::domain::verification::{self, Verdict};
use crate::seal::Place;
use crate::secrets;

/// How long sends are counted.
const DAY: TimeDelta = TimeDelta::days(1);
/// Why a code was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Not one of the user's numbers.
    #[error("no such number")]
    NotFound,
    /// It is proved already.
    #[error("the number is proved already")]
    AlreadyVerified,
    /// Its seal does not open, so nobody knows where to send a code.
    #[error("the number cannot be read")]
    DoesNotOpen,
    /// The carrier, or that kind of line, cannot do it that way.
    #[error("codes cannot be sent that way")]
    ChannelOff,
    /// Not yet, or not any more today.
    #[error("a limit of codes was reached")]
    Wait {
        /// What the limit is about.
        limit: CodeLimit,
        /// When it is free again.
        until: DateTime<Utc>,
    },
    /// There is no number that is nobody's mask to send them from.
    #[error("there is no number to send codes from")]
    NoSender,
    /// A switch that stops spending.
    #[error("codes are stopped")]
    Stopped,
    /// The carrier did not take it; nothing was used up.
    #[error("the carrier did not take it")]
    NotTaken,
    /// Nobody knows whether the carrier took it.
    #[error("the carrier's answer is unclear")]
    Unclear,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What a limit of codes is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeLimit {
    /// The pause between two codes.
    Pause,
    /// This number's codes of a day.
    Number,
    /// This user's codes.
    User,
    /// Codes asked for from this network.
    Network,
    /// The whole house, or the number's area.
    House,
}

/// Why a code was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Not one of the user's numbers.
    #[error("no such number")]
    NotFound,
    /// It is not six digits.
    #[error("not six digits")]
    NotACode,
    /// Another code.
    #[error("a wrong code")]
    Wrong {
        /// Tries that are left.
        left: u32,
    },
    /// No code is on its way, or it ran out, or too many wrong ones were typed.
    #[error("no code can be typed")]
    NoCode,
    /// The user has proved as many numbers as they may.
    #[error("as many numbers as there may be")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Where the proof of a number stands.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The number.
    pub number: OwnNumber,
    /// What kind of line it is.
    pub line: Option<LineKind>,
    /// Until when the code that was sent can be typed.
    pub code_until: Option<DateTime<Utc>>,
    /// By which way it was sent.
    pub code_by_text: bool,
    /// How it goes with the newest code.
    pub delivery: Delivery,
    /// When the next code can be sent.
    pub next_send: Option<DateTime<Utc>>,
}

impl App {
    /// Where the proof of one of the user's numbers stands.
    pub async fn verification(&self, user: UserId, id: NumberId) -> Result<Option<Progress>, DbError> {
        let now = self.now();
        let found = self.db.transaction(move |conn| numbers::find(conn, user, id)).await?;
        let Some(stored) = found else { return Ok(None) };
        let waits = self.settings.limits.code_waits.clone();
        let number = self.own_number(&stored);
        let (rules, _) = self.own_code_rules(user, &stored, number.number);
        let found = self.db.transaction(move |conn| {
            let code = codes::live(conn, id, now)?.filter(|code| code.tries_left > 0);
            let (sent, last) = rates::count_since(conn, rules[0].bucket, now - DAY)?;
            let pause = last.map(|last| verification::next_send(sent, last, &waits));
            let full = rates::exceeded(conn, &rules, now)?.map(|exceeded| exceeded.until);
            Ok::<_, DbError>((code, codes::newest(conn, id)?, pause.max(full)))
        });
        let (code, newest, next_send) = found.await?;
        // One that did not reach anybody while this was read is over, but for a text, which may come all the same.
        let has_failed = newest.as_ref().is_some_and(|newest| newest.undelivered.is_some());
        let code = code.filter(|code| !has_failed || code.channel == channel_word(Channel::Text));
        Ok(Some(Progress {
            line: number.number.and_then(|number| number.line_kind(self.settings.allowed).ok()),
            number,
            code_until: code.as_ref().map(|code| code.expires_at),
            delivery: delivery(code.as_ref(), newest.as_ref(), now),
            code_by_text: code.is_some_and(|code| code.channel == "text"),
            next_send: next_send.filter(|next| *next > now),
        }))
    }

    /// Sends a code to one of the user's numbers by a call or a text, in the place of the one before.
    pub async fn send_code(
        &self,
        user: UserId,
        id: NumberId,
        channel: Channel,
        address: IpAddr,
    ) -> Result<(), SendError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            Ok::<_, DbError>((numbers::find(conn, user, id)?, numbers::has_ever_verified(conn, user)?))
        };
        let (stored, has_verified) = self.db.transaction(work).await?;
        let stored = stored.ok_or(SendError::NotFound)?;
        if stored.verified_at.is_some() {
            return Err(SendError::AlreadyVerified);
        }
        let number =
            self.sealer.open(&stored.sealed, Place::number(id.0)).map_err(|_| SendError::DoesNotOpen)?;
        if !self.channel_works(number, channel) {
            return Err(SendError::ChannelOff);
        }
        let sender = self.settings.code_sender.ok_or(SendError::NoSender)?;
        let (mut rules, mut limits) = self.code_rules(user, &stored, number, address);
        if !has_verified {
            let shares = self.codes_of_newcomers(&area_of(number));
            limits.extend(shares.iter().map(|_| CodeLimit::House));
            rules.extend(shares);
        }
        let code = self.new_code(id, channel, now);
        let (reference, waits) = (code.id.to_string(), self.settings.limits.code_waits.clone());
        let taken = rules.clone();
        let (carrier, settings) = (self.carrier.name(), self.settings.clone());
        self.db
            .transaction(move |conn| {
                users::lock(conn, user)?;
                if codes_are_stopped(conn, carrier, number, user)? {
                    return Err(SendError::Stopped);
                }
                if masks::is_mask(conn, sender)? {
                    return Err(SendError::NoSender);
                }
                let (sent, last) = rates::count_since(conn, taken[0].bucket, now - DAY)?;
                let pause =
                    last.map(|last| verification::next_send(sent, last, &waits)).filter(|next| *next > now);
                // A day's limit says more than a pause does.
                let full = rates::take(conn, &taken, now)?;
                match (full, pause) {
                    (Err(exceeded), _) => {
                        Err(SendError::Wait { limit: limits[exceeded.rule], until: exceeded.until })
                    }
                    (Ok(()), Some(until)) => Err(SendError::Wait { limit: CodeLimit::Pause, until }),
                    (Ok(()), None) => {
                        // Counted under the lock of the rule about all codes.
                        if let Some(until) = codes_money_until(conn, &settings, now)? {
                            return Err(SendError::Wait { limit: CodeLimit::House, until });
                        }
                        spend::add(conn, Tally::Codes, 1, now)?;
                        Ok(codes::replace(conn, &code, now)?)
                    }
                }
            })
            .await?;
        match self.carrier.launch(channel, &reference).await {
            Ok(()) => Ok(()),
            Err(CarrierError::Unclear(error)) => {
                tracing::warn!(%error, "nobody knows whether a code goes out");
                Err(SendError::Unclear)
            }
            Err(error) => {
                tracing::warn!(%error, "a code was not sent");
                let work = move |conn: &mut _| {
                    rates::give_back(conn, &rules, now)?;
                    spend::add(conn, Tally::Codes, -1, now)?;
                    codes::end_live(conn, id, now)
                };
                self.db.transaction(work).await?;
                Err(SendError::NotTaken)
            }
        }
    }

    /// Proves one of the user's numbers by the code that was sent to it. A number that is proved already stays so.
    pub async fn check_code(&self, user: UserId, id: NumberId, typed: &str) -> Result<(), CheckError> {
        let typed = verification::typed_code(typed).ok_or(CheckError::NotACode)?;
        let (now, key, limit) = (self.now(), self.code_key, self.settings.limits.numbers_per_user);
        let (rest, sealer) = (self.settings.limits.rest, self.sealer.clone());
        let checked = self.db.transaction(move |conn| {
            users::lock(conn, user)?;
            let Some(stored) = numbers::find(conn, user, id)? else { return Ok(Err(CheckError::NotFound)) };
            if stored.verified_at.is_some() {
                return Ok(Ok(None));
            }
            let Some(code) = codes::live(conn, id, now)? else { return Ok(Err(CheckError::NoCode)) };
            match verdict(conn, &code, &typed, &key, now)? {
                None => return Ok(Err(CheckError::NoCode)),
                Some(Verdict::Wrong { left }) => return Ok(Err(CheckError::Wrong { left })),
                Some(Verdict::Right) => {}
            }
            if counted(conn, user)?.0 >= limit {
                return Ok(Err(CheckError::TooMany));
            }
            let number = sealer.open(&stored.sealed, Place::number(id.0)).ok();
            let lookups = number.map_or(stored.lookups, |number| sealer.number_lookups(number));
            let former = take_over(conn, &lookups, number, now, rest)?;
            numbers::set_verified(conn, id, now)?;
            codes::end(conn, code.id, now)?;
            audit::write(conn, now, Actor::User(user), "number proved", id.0, &code.channel)?;
            Ok::<_, DbError>(Ok(former))
        });
        if let Some(letter) = checked.await?? {
            self.tell_former_holder(letter);
        }
        Ok(())
    }

    /// Whether codes reach the number by that way: landlines take no texts.
    pub fn channel_works(&self, number: PhoneNumber, channel: Channel) -> bool {
        match channel {
            Channel::Voice => self.settings.channels.voice,
            Channel::Text => {
                self.settings.channels.text
                    && number.line_kind(self.settings.allowed) != Ok(LineKind::FixedLine)
            }
        }
    }

    pub(super) fn code(&self, id: VerificationId) -> String {
        verification::code_from_digest(&secrets::keyed_digest(&self.code_key, id.0.as_bytes()))
    }

    fn new_code(&self, number: NumberId, channel: Channel, now: DateTime<Utc>) -> SentCode {
        let limits = &self.settings.limits;
        SentCode {
            id: VerificationId(secrets::random_uuid()),
            number,
            channel: channel_word(channel).into(),
            expires_at: now + limits.code_life,
            tries_left: i32::try_from(limits.code_tries).unwrap_or(i32::MAX),
            carrier_session: None,
        }
    }

    /// The rules that a send keeps, and what each is about; the first is the pair of user and number.
    fn code_rules(
        &self,
        user: UserId,
        stored: &StoredNumber,
        number: PhoneNumber,
        address: IpAddr,
    ) -> (Vec<Rule>, Vec<CodeLimit>) {
        let limits = &self.settings.limits;
        let (mut rules, mut about) = self.own_code_rules(user, stored, Some(number));
        let (an_hour, a_day) = limits.codes_per_address;
        for rate in [Rate::per_hour(an_hour), Rate::per_day(a_day)] {
            let from_there = self.rules_from("codes from", address, rate);
            about.extend(from_there.iter().map(|_| CodeLimit::Network));
            rules.extend(from_there);
        }
        rules.push(self.rule("codes to an area", &area_of(number), Rate::per_hour(limits.codes_per_area)));
        rules.push(self.codes_in_all());
        about.extend([CodeLimit::House; 2]);
        (rules, about)
    }

    /// Those of the rules that are about the user and the number, wherever the request comes from.
    fn own_code_rules(
        &self,
        user: UserId,
        stored: &StoredNumber,
        number: Option<PhoneNumber>,
    ) -> (Vec<Rule>, Vec<CodeLimit>) {
        let limits = &self.settings.limits;
        let Limits { codes_per_user, .. } = self.settings.limits;
        // The digests that a number is found by change with the keys; what buckets are named by does not.
        let whose = number.map_or_else(|| stored.id.to_string(), |number| number.e164());
        let user_name = user.to_string();
        let own = [
            (
                "codes to a number",
                format!("{user}|{whose}"),
                Rate::per_day(limits.codes_per_user_and_number),
                CodeLimit::Number,
            ),
            ("codes to a number", whose, Rate::per_day(limits.codes_per_number), CodeLimit::Number),
            ("codes of a user", user_name.clone(), Rate::per_hour(codes_per_user.0), CodeLimit::User),
            ("codes of a user", user_name, Rate::per_day(codes_per_user.1), CodeLimit::User),
        ];
        own.into_iter().map(|(what, whose, rate, limit)| (self.rule(what, &whose, rate), limit)).unzip()
    }
}

/// Takes a try and compares; `None` where no try is left.
fn verdict(
    conn: &mut Connection,
    code: &SentCode,
    typed: &str,
    key: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<Verdict>, DbError> {
    let Some(left) = codes::take_try(conn, code.id, now)? else { return Ok(None) };
    let right = verification::code_from_digest(&secrets::keyed_digest(key, code.id.0.as_bytes()));
    if secrets::same(right.as_bytes(), typed.as_bytes()) {
        return Ok(Some(Verdict::Right));
    }
    Ok(Some(Verdict::Wrong { left: u32::try_from(left).unwrap_or(0) }))
}

/// What a number's area is taken for, where codes to it are counted.
fn area_of(number: PhoneNumber) -> String {
    number.digits().chars().take(5).collect()
}

pub(super) fn channel_word(channel: Channel) -> &'static str {
    match channel {
        Channel::Voice => "voice",
        Channel::Text => "text",
    }
}
