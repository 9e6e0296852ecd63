//! `/webhooks`: who wants to hear of calls once they are over.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::reply::{self, change, href};
use crate::simulator::account::{Account, Refusal, Subscription};
use crate::simulator::fields::Fields;
use crate::simulator::switchboard::Switchboard;

/// How many subscriptions an account has at most.
const MOST: usize = 100;

/// `GET /webhooks`, perhaps of one `event` or `resource` alone.
pub(crate) async fn list(board: Data<Switchboard>, request: HttpRequest) -> HttpResponse {
    let query = Fields::from_form(request.query_string().as_bytes());
    let fits = |subscription: &&Subscription| {
        query.get("event").is_none_or(|event| subscription.event.eq_ignore_ascii_case(event))
            && query.get("resource").is_none_or(|resource| subscription.is_about(resource))
    };
    reply::answer(Ok(board.account.read(|account| {
        account.subscriptions.iter().filter(fits).map(|subscription| object(&board, subscription)).collect()
    })))
}

/// `POST /webhooks`
pub(crate) async fn create(board: Data<Switchboard>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let wanted = Fields::read(&request, &body).and_then(|fields| {
        for name in ["event", "resource", "targetUrl"] {
            fields.require(name)?;
        }
        filled(Subscription { enabled: true, ..Subscription::default() }, &fields)
    });
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(refusal) => return reply::refused(&refusal),
    };
    change(&board, |account| {
        if account.subscriptions.len() >= MOST {
            return Err(Refusal::NotAllowed("the account has as many webhooks as it may have"));
        }
        let last = account.subscriptions.iter().map(|subscription| subscription.id).max();
        let id = last.unwrap_or(0) + 1;
        account.subscriptions.push(Subscription { id, ..wanted });
        Ok(address(&board, id))
    })
}

/// `GET /webhooks/{id}`
pub(crate) async fn show(board: Data<Switchboard>, path: Path<u32>) -> HttpResponse {
    reply::answer(board.account.read(|account| {
        let found = account.subscriptions.iter().find(|subscription| subscription.id == *path);
        found.map(|subscription| object(&board, subscription)).ok_or(Refusal::NotFound)
    }))
}

/// `PUT /webhooks/{id}`
pub(crate) async fn update(
    board: Data<Switchboard>,
    path: Path<u32>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let fields = match Fields::read(&request, &body) {
        Ok(fields) => fields,
        Err(refusal) => return reply::refused(&refusal),
    };
    change(&board, |account| {
        let subscription = subscription_mut(account, *path)?;
        *subscription = filled(subscription.clone(), &fields)?;
        Ok(address(&board, *path))
    })
}

/// `DELETE /webhooks/{id}`
pub(crate) async fn delete(board: Data<Switchboard>, path: Path<u32>) -> HttpResponse {
    change(&board, |account| {
        subscription_mut(account, *path)?;
        account.subscriptions.retain(|subscription| subscription.id != *path);
        Ok(reply::deleted())
    })
}

fn subscription_mut(account: &mut Account, id: u32) -> Result<&mut Subscription, Refusal> {
    account.subscriptions.iter_mut().find(|subscription| subscription.id == id).ok_or(Refusal::NotFound)
}

/// Takes over the fields that were sent, and checks the whole.
fn filled(mut subscription: Subscription, fields: &Fields) -> Result<Subscription, Refusal> {
    let set = |target: &mut String, name: &str| {
        if let Some(value) = fields.get(name) {
            value.clone_into(target);
        }
    };
    set(&mut subscription.event, "event");
    set(&mut subscription.name, "name");
    set(&mut subscription.resource, "resource");
    set(&mut subscription.target_url, "targetUrl");
    if let Some(payload) = fields.get("payload") {
        subscription.payload = serde_json::from_str(payload).unwrap_or_else(|_| json!(payload));
    }
    if let Some(enabled) = fields.get("enabled") {
        subscription.enabled = enabled.eq_ignore_ascii_case("true");
    }
    check(&subscription).map_err(|text| Refusal::Invalid(text.to_owned()))?;
    Ok(subscription)
}

fn check(subscription: &Subscription) -> Result<(), &'static str> {
    if !matches!(subscription.event.as_str(), "smsdlr" | "cdrCreated" | "cdrRated") {
        return Err("event must be 'smsdlr', 'cdrCreated' or 'cdrRated'");
    }
    let known = ["call", "sms", "transcription", "all"];
    if !subscription.resource.split(',').all(|resource| known.contains(&resource.trim())) {
        return Err("resource must be of 'call', 'sms', 'transcription' and 'all'");
    }
    let usable = url::Url::parse(&subscription.target_url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if usable { Ok(()) } else { Err("targetUrl must be an http or https URL") }
}

fn address(board: &Switchboard, id: u32) -> Value {
    json!({"href": href(board, &format!("webhooks/{id}"))})
}

fn object(board: &Switchboard, subscription: &Subscription) -> Value {
    let Subscription { id, event, name, resource, target_url, payload, enabled } = subscription;
    let mut object = json!({
        "id": id,
        "accountId": board.settings.account_id,
        "event": event,
        "name": name,
        "resource": resource,
        "targetUrl": target_url,
        "enabled": enabled,
        "href": href(board, &format!("webhooks/{id}")),
    });
    if !payload.is_null() {
        object["payload"] = payload.clone();
    }
    object
}
