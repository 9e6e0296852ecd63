//! Call detail records: what the subscriptions of `/webhooks`, and the `callbackUrl` of a document, hear of each call
//! that was answered, once its session is over.
//!
//! The shape is that of a published stand-in for Tropo, which sent the records of a real application's calls.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use url::Url;

use super::document::Dial;
use super::session::Session;
use crate::simulator::account::Subscription;
use crate::simulator::switchboard::hex_id;
use crate::simulator::trace::Kind;

/// What is known of one call when it is over.
#[derive(Debug, Clone)]
pub(super) struct Detail {
    call_id: String,
    /// The call that it was a transfer of.
    parent: Option<String>,
    outgoing: bool,
    from: String,
    to: String,
    tags: Tags,
    /// When it was answered and when it ended, in milliseconds of the session's own time.
    answered_at: u64,
    ended_at: u64,
}

/// What a document says about the record of a call that it places.
#[derive(Debug, Clone, Default)]
pub(super) struct Tags {
    label: Option<String>,
    callback: Option<String>,
}

impl Tags {
    /// Those of a `call` or a `transfer`.
    pub(super) fn of(dial: &Dial) -> Self {
        Self { label: dial.label.clone(), callback: dial.callback_url.clone() }
    }
}

impl Session {
    /// Keeps the detail of a transfer that was connected for so long until now.
    pub(super) fn keep_detail(&mut self, dial: &Dial, connected: u64) {
        let detail = Detail {
            call_id: hex_id(),
            parent: self.leg.call_id.clone(),
            outgoing: true,
            from: dial.from.clone().unwrap_or_else(|| self.leg.party.clone()),
            to: dial.to.first().cloned().unwrap_or_default(),
            tags: Tags::of(dial),
            answered_at: self.elapsed - connected,
            ended_at: self.elapsed,
        };
        self.details.push(detail);
    }

    /// Posts the records of the session's calls.
    pub(super) async fn post_details(&mut self) {
        let own = self.own_detail();
        let details: Vec<Detail> = self.details.drain(..).chain(own).collect();
        let subscriptions = self.board.account.read(|account| account.subscriptions.clone());
        let wanted = |subscription: &&Subscription| subscription.enabled && subscription.is_about("call");
        for detail in &details {
            for subscription in subscriptions.iter().filter(wanted) {
                let Some(mut record) = self.record_for(detail, &subscription.event, &subscription.name)
                else {
                    continue;
                };
                if !subscription.payload.is_null() {
                    record["payload"] = subscription.payload.clone();
                }
                self.post_record(&subscription.target_url, &record).await;
            }
            if let Some(callback) = &detail.tags.callback
                && let Some(record) = self.record_for(detail, "cdrCreated", "callbackUrl")
            {
                self.post_record(callback, &record).await;
            }
        }
    }

    fn own_detail(&self) -> Option<Detail> {
        let leg = &self.leg;
        let (from, to) = match leg.placed {
            Some(_) => (&leg.line, &leg.party),
            None => (&leg.party, &leg.line),
        };
        Some(Detail {
            call_id: leg.call_id.clone().filter(|_| !leg.is_text)?,
            parent: None,
            outgoing: leg.placed.is_some(),
            from: from.clone(),
            to: to.clone(),
            tags: leg.placed.clone().unwrap_or_default(),
            answered_at: leg.answered_at?,
            ended_at: self.elapsed,
        })
    }

    /// The record for an event; nothing for those that are not about calls.
    fn record_for(&self, detail: &Detail, event: &str, name: &str) -> Option<Value> {
        let (parent_call, parent_session) = match &detail.parent {
            Some(call) => (call.as_str(), self.id.as_str()),
            None => ("none", "none"),
        };
        let seconds = (detail.ended_at - detail.answered_at).div_ceil(1000);
        let answered = written(self.at(detail.answered_at));
        let mut data = json!({
            "callId": detail.call_id,
            "sessionId": self.id,
            "parentCallId": parent_call,
            "parentSessionId": parent_session,
            "accountId": self.board.settings.account_id,
            "applicationId": self.application.id.to_string(),
            "applicationName": self.application.name,
            "applicationType": "tropo-web",
            "startUrl": self.application.voice_url,
            "network": if detail.to.contains('@') { "SIP" } else { "PSTN" },
            "direction": if detail.outgoing { "out" } else { "in" },
            "from": detail.from,
            "to": detail.to,
            "label": detail.tags.label,
            "initiationTime": answered,
            "startTime": answered,
            "endTime": written(self.at(detail.ended_at)),
            "messageCount": 0,
            "status": "Success",
        });
        match event {
            "cdrCreated" => data["duration"] = json!(detail.ended_at - detail.answered_at),
            "cdrRated" => {
                data["duration"] = json!(seconds);
                data["roundedDuration"] = json!(seconds.div_ceil(60) * 60);
                data["cost"] = json!(0);
            }
            _ => return None,
        }
        Some(json!({"id": hex_id(), "name": name, "resource": "call", "event": event, "data": data}))
    }

    async fn post_record(&self, target: &str, record: &Value) {
        let Some(url) = Url::parse(target).ok().or_else(|| self.resolve(target)) else {
            return self
                .tell(Kind::Problem, format!("\"{target}\" is not an address that can be posted to."));
        };
        self.tell(Kind::Note, format!("Tropo posts the record of the call to {}.", url.path()));
        if let Err(error) = self.board.http.post(url).json(record).send().await {
            let why = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
            self.tell(Kind::Problem, format!("Whoever wants the record {why}."));
        }
    }

    fn at(&self, milliseconds: u64) -> DateTime<Utc> {
        self.now() - TimeDelta::milliseconds(i64::try_from(self.elapsed - milliseconds).unwrap_or(0))
    }
}

fn written(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}
