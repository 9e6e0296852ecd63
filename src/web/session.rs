//! Who is signed in: actix-session over Postgres. A visitor who is not signed in makes no row.

use std::collections::HashMap;

use actix_session::config::{PersistentSession, TtlExtensionPolicy};
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::{Key, SameSite, time::Duration};
use actix_web::web;
use uuid::Uuid;

use super::Settings;
use super::error::PageError;
use crate::app::App;
use crate::app::sessions::password_stamp;
use crate::db::users::User;
use crate::domain::ids::{SessionId, UserId};
use crate::secrets;

const USER: &str = "user";
const ID: &str = "id";
const DEVICE: &str = "device";
/// Which password the user showed: a session of one that was changed meanwhile does not begin.
const PROOF: &str = "proof";
/// The longest life of a cookie; the server ends sessions by rules of its own.
const COOKIE_DAYS: i64 = 30;

type State = HashMap<String, String>;

/// Sessions as rows, known by a digest of the key in the cookie.
pub(super) struct Store(web::Data<App>);

pub(super) fn sessions(app: &web::Data<App>, settings: &Settings) -> SessionMiddleware<Store> {
    let lifecycle = PersistentSession::default()
        .session_ttl(Duration::days(COOKIE_DAYS))
        .session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
    SessionMiddleware::builder(Store(app.clone()), Key::derive_from(app.cookie_key()))
        .cookie_name(settings.cookie_name("sid"))
        .cookie_secure(settings.is_https())
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".into())
        .session_lifecycle(lifecycle)
        .build()
}

/// Signs the browser in under a new key.
pub(super) fn begin(session: &Session, user: &User, device: &str) -> Result<(), PageError> {
    session.renew();
    session.insert(USER, user.id.0).map_err(|_| PageError::Internal)?;
    session.insert(ID, secrets::random_uuid()).map_err(|_| PageError::Internal)?;
    session.insert(DEVICE, device).map_err(|_| PageError::Internal)?;
    session.insert(PROOF, password_stamp(user)).map_err(|_| PageError::Internal)?;
    Ok(())
}

/// Whose session it is, and its name.
pub(super) fn read(session: &Session) -> Option<(UserId, SessionId)> {
    let user: Uuid = session.get(USER).ok()??;
    let id: Uuid = session.get(ID).ok()??;
    Some((UserId(user), SessionId(id)))
}

fn field<T: serde::de::DeserializeOwned>(state: &State, name: &str) -> Result<T, SaveError> {
    let value = state.get(name).and_then(|value| serde_json::from_str(value).ok());
    value.ok_or_else(|| SaveError::Serialization(std::io::Error::other("not a signed-in session").into()))
}

fn written(state: &State) -> Result<String, SaveError> {
    serde_json::to_string(state).map_err(|error| SaveError::Serialization(error.into()))
}

impl SessionStore for Store {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let state =
            self.0.session_state(key.as_ref()).await.map_err(|error| LoadError::Other(error.into()))?;
        let read = |state: String| {
            serde_json::from_str(&state).map_err(|error| LoadError::Deserialization(error.into()))
        };
        state.map(read).transpose()
    }

    async fn save(&self, state: State, _: &Duration) -> Result<SessionKey, SaveError> {
        let key = format!("{}{}", secrets::random_token(), secrets::random_token());
        let (user, id, device) = (field(&state, USER)?, field(&state, ID)?, field::<String>(&state, DEVICE)?);
        let proof: String = field(&state, PROOF)?;
        let session = (SessionId(id), device, written(&state)?);
        let begun = self.0.begin_session(&key, UserId(user), &proof, session);
        begun.await.map_err(|error| SaveError::Other(error.into()))?;
        key.try_into()
            .map_err(|_| SaveError::Serialization(std::io::Error::other("the key is too long").into()))
    }

    async fn update(&self, key: SessionKey, state: State, _: &Duration) -> Result<SessionKey, UpdateError> {
        let state = written(&state).map_err(|error| UpdateError::Serialization(error.into()))?;
        self.0
            .set_session_state(key.as_ref(), state)
            .await
            .map_err(|error| UpdateError::Other(error.into()))?;
        Ok(key)
    }

    async fn update_ttl(&self, key: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        // What was asked for is done by now: that the session's clock was not wound does not undo it.
        if let Err(error) = self.0.keep_session(key.as_ref()).await {
            tracing::warn!(%error, "a session was not kept");
        }
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(self.0.end_session_by_key(key.as_ref()).await?)
    }
}
