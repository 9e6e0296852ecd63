//! `/applications`: what answers calls and texts.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::reply::{self, change, href, id};
use crate::simulator::account::{Application, Refusal};
use crate::simulator::fields::Fields;
use crate::simulator::switchboard::Switchboard;

/// `GET /applications`
pub(crate) async fn list(board: Data<Switchboard>) -> HttpResponse {
    let all = board.account.read(|account| {
        account.applications().map(|application| object(&board, application)).collect::<Vec<_>>()
    });
    reply::answer(Ok(Value::Array(all)))
}

/// `POST /applications`
pub(crate) async fn create(board: Data<Switchboard>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let wanted = Fields::read(&request, &body).and_then(|fields| {
        let mut application = Application { partition: "staging".into(), ..Application::default() };
        fields.require("name")?;
        fields.require("platform")?;
        fill(&mut application, &fields)?;
        Ok(application)
    });
    match wanted {
        Ok(application) => change(&board, |account| Ok(address(&board, account.create(application)))),
        Err(refusal) => reply::refused(&refusal),
    }
}

/// `GET /applications/{id}`
pub(crate) async fn show(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let found = |account: &_| Ok(object(&board, account_application(account, &path)?));
    reply::answer(board.account.read(found))
}

/// `PUT /applications/{id}`
pub(crate) async fn update(
    board: Data<Switchboard>,
    path: Path<String>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let fields = match Fields::read(&request, &body) {
        Ok(fields) => fields,
        Err(refusal) => return reply::refused(&refusal),
    };
    change(&board, |account| {
        let application = account.application_mut(id(&path)?)?;
        fill(application, &fields)?;
        Ok(address(&board, application.id))
    })
}

/// `DELETE /applications/{id}`
pub(crate) async fn delete(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let now = board.clock.now();
    change(&board, |account| account.delete(id(&path)?, now).map(|()| reply::deleted()))
}

fn account_application<'a>(
    account: &'a crate::simulator::account::Account,
    segment: &str,
) -> Result<&'a Application, Refusal> {
    account.application(id(segment)?)
}

/// Takes over the fields that were sent, and checks the whole.
fn fill(application: &mut Application, fields: &Fields) -> Result<(), Refusal> {
    let set = |target: &mut String, name: &str| {
        if let Some(value) = fields.get(name) {
            value.clone_into(target);
        }
    };
    set(&mut application.name, "name");
    set(&mut application.platform, "platform");
    set(&mut application.partition, "partition");
    for (target, name) in
        [(&mut application.voice_url, "voiceUrl"), (&mut application.messaging_url, "messagingUrl")]
    {
        if let Some(value) = fields.get(name) {
            *target = Some(value.to_owned());
        }
    }
    check(application)
}

fn check(application: &Application) -> Result<(), Refusal> {
    let invalid = |text: &str| Err(Refusal::Invalid(text.to_owned()));
    if !matches!(application.platform.as_str(), "scripting" | "webapi") {
        return invalid("platform must be 'scripting' or 'webapi'");
    }
    if !matches!(application.partition.as_str(), "staging" | "production") {
        return invalid("partition must be 'staging' or 'production'");
    }
    let urls = [&application.voice_url, &application.messaging_url];
    if urls.iter().all(|url| url.is_none()) {
        return invalid("voiceUrl or messagingUrl is a required parameter");
    }
    let usable = |url: &String| {
        url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    if !urls.into_iter().flatten().all(usable) {
        return invalid("voiceUrl and messagingUrl must be http or https URLs");
    }
    Ok(())
}

fn address(board: &Switchboard, id: u32) -> Value {
    json!({"href": href(board, &format!("applications/{id}"))})
}

/// An application as it was recorded in 2015: the id a text, the user's a number.
fn object(board: &Switchboard, application: &Application) -> Value {
    let user = board.settings.account_id.parse::<u64>().unwrap_or(1);
    let mut object = json!({
        "href": href(board, &format!("applications/{}", application.id)),
        "id": application.id.to_string(),
        "name": application.name,
        "platform": application.platform,
        "partition": application.partition,
        "userId": user,
        "user": href(board, &format!("users/{user}")),
    });
    for (name, url) in [("voiceUrl", &application.voice_url), ("messagingUrl", &application.messaging_url)] {
        if let Some(url) = url {
            object[name] = json!(url);
        }
    }
    object
}
