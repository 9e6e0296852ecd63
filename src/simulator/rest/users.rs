//! `/users` and what describes the account: one user, who may do all that is simulated.
//!
//! The official gem asks for its own user before anything else. What would change another's account, or spend money,
//! is refused.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::reply::{self, href};
use crate::simulator::account::Refusal;
use crate::simulator::fields::Fields;
use crate::simulator::switchboard::Switchboard;

/// What the account may do: the number, the letter that operators know it by, and its description.
const FEATURES: [(u32, &str, &str); 6] = [
    (4, "u", "Domestic Outbound Voice"),
    (5, "i", "International Outbound Voice"),
    (6, "c", "Override Caller ID"),
    (8, "d", "Domestic Outbound SMS"),
    (9, "w", "International Outbound SMS"),
    (10, "s", "Outbound SIP"),
];

/// `GET /users/{id or name}`: of others it is only told whether there are any.
pub(crate) async fn show(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    reply::answer(own(&board, &path).map(|()| user(&board)))
}

/// `GET /users`, and `GET /users?username=…`: the users that fit.
pub(crate) async fn search(board: Data<Switchboard>, request: HttpRequest) -> HttpResponse {
    let user = user(&board);
    let query = Fields::from_form(request.query_string().as_bytes());
    let fits = query.all().all(|(name, value)| {
        user.get(name).and_then(Value::as_str).is_some_and(|own| own.eq_ignore_ascii_case(value))
    });
    reply::answer(Ok(if fits { json!([user]) } else { json!([]) }))
}

/// `GET /usernames/{name}`: whether somebody has it.
pub(crate) async fn username(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let taken = own(&board, &path);
    reply::answer(
        taken.map(|()| json!({"href": href(&board, &format!("usernames/{path}")), "username": *path})),
    )
}

/// `GET /users/{id}/usage`: nothing is ever billed.
pub(crate) async fn usage(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let usage = json!({"balance": "3.00", "pendingUsageAmount": "0.00", "pendingRechargeAmount": "0.00"});
    reply::answer(own(&board, &path).map(|()| usage))
}

/// `GET /features`
pub(crate) async fn features(board: Data<Switchboard>) -> HttpResponse {
    let object = |(id, flag, name): (u32, &str, &str)| {
        json!({"id": id.to_string(), "name": name, "description": name, "flag": flag,
               "href": href(&board, &format!("features/{id}"))})
    };
    reply::answer(Ok(FEATURES.map(object).into_iter().collect()))
}

/// `GET /users/{id}/features`
pub(crate) async fn features_of_user(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    let object = |(id, _, name): (u32, &str, &str)| {
        let feature = format!("features/{id}");
        json!({"featureName": name, "feature": href(&board, &feature),
               "href": href(&board, &format!("users/{}/{feature}", board.settings.account_id))})
    };
    reply::answer(own(&board, &path).map(|()| FEATURES.map(object).into_iter().collect()))
}

/// `GET /users/{id}/partitions/{partition}/platforms/sms/whitelist`, and the same without an id: nobody is on it, as
/// simulated phones need not be.
pub(crate) async fn whitelist() -> HttpResponse {
    reply::answer(Ok(json!([])))
}

/// `GET /invitations`: nobody is invited to a pretend account.
pub(crate) async fn invitations() -> HttpResponse {
    reply::answer(Ok(json!([])))
}

/// `GET /partitions`
pub(crate) async fn partitions(board: Data<Switchboard>) -> HttpResponse {
    let object = |name: &str| json!({"name": name, "href": href(&board, &format!("partitions/{name}"))});
    reply::answer(Ok(["staging", "production"].map(object).into_iter().collect()))
}

/// `GET /partitions/{partition}/platforms`
pub(crate) async fn platforms(board: Data<Switchboard>, path: Path<String>) -> HttpResponse {
    if !matches!(path.as_str(), "staging" | "production") {
        return reply::refused(&Refusal::NotFound);
    }
    let object = |(name, description): (&str, &str)| json!({"name": name, "description": description, "href": href(&board, &format!("platforms/{name}"))});
    let platforms = [("scripting", "Scripting API"), ("webapi", "Web API")];
    reply::answer(Ok(platforms.map(object).into_iter().collect()))
}

/// What would need more than the one account.
pub(crate) async fn not_here() -> HttpResponse {
    reply::refused(&Refusal::NotAllowed("the simulator has one user, who cannot be changed"))
}

/// Tropo tells somebody else's name from one that nobody has by 403; here nobody else has one.
fn own(board: &Switchboard, id_or_name: &str) -> Result<(), Refusal> {
    let settings = &board.settings;
    let own = id_or_name.eq_ignore_ascii_case(&settings.username) || id_or_name == settings.account_id;
    if own { Ok(()) } else { Err(Refusal::NotFound) }
}

/// The user as recorded ones are: the id a text.
fn user(board: &Switchboard) -> Value {
    let settings = &board.settings;
    json!({
        "href": href(board, &format!("users/{}", settings.account_id)),
        "id": settings.account_id,
        "username": settings.username,
        "firstName": "Ada",
        "lastName": "Example",
        "email": "ada@example.com",
        "phoneNumber": "+14075550100",
        "organization": "Example",
        "city": "Orlando",
        "country": "USA",
        "joinDate": "2010-05-17T18:26:07.217+0000",
        "marketingOptIn": false,
        "status": "active",
    })
}
