//! What all requests share: the store, and what is kept in memory beside it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, watch};

use super::{feed::Feed, overview::Pulses, problems::Problems, registry::Registry, seen::Seen};
use crate::{
    auth::{
        directory::Directory,
        jwt::{KEY_KNOWN, Key, Keys},
        limiter::LoginLimiter,
        passwords::Passwords,
        secret::{self, NoRandom},
        sessions::{Session, Sessions},
        who::Register,
    },
    clock::Clock,
    http::{Answer, Refusal, body::Bodies},
    store::{Store, StoreError, accounts, sessions, users},
};

/// Points in all answers at one time: some 50 bytes each.
pub(crate) const ANSWERED: usize = 6_000_000;

/// All that requests share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) directory: Directory,
    pub(crate) sessions: Sessions,
    /// Held while a session begins or a password changes, so that one comes after the other in the file and in memory.
    pub(crate) session_turn: tokio::sync::Mutex<()>,
    pub(crate) keys: Keys,
    pub(crate) passwords: Passwords,
    pub(crate) limiter: LoginLimiter,
    pub(crate) accounts: Registry,
    pub(crate) feed: Feed,
    pub(crate) seen: Seen,
    pub(crate) problems: Problems,
    pub(crate) pulses: Pulses,
    pub(crate) bodies: Bodies,
    /// Points in all answers that are being made or sent.
    pub(crate) answers: Arc<Semaphore>,
    /// The hash of the token that allows the first person to be created.
    pub(crate) setup: Mutex<Option<[u8; 32]>>,
    /// Tells the lists of this start from those of others.
    pub(crate) start: String,
    /// Becomes true when the hub stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Reads from the store what is kept in memory.
    pub(crate) async fn load(
        store: Store,
        clock: Arc<dyn Clock>,
        bodies: Bodies,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, StoreError> {
        let read = |c: &rusqlite::Connection| {
            let ids: Vec<i64> = accounts::list(c)?.into_iter().map(|account| account.id).collect();
            Ok((ids, users::all(c)?, sessions::all(c)?, sessions::keys(c)?))
        };
        let (ids, all, open, keys) = store.read(read).await?;
        let directory = Directory::default();
        directory.replace(all);
        let start = secret::random::<8>().map_err(no_random)?;
        Ok(Self {
            store,
            clock,
            directory,
            sessions: Sessions::new(open),
            session_turn: tokio::sync::Mutex::default(),
            keys: Keys::new(keys),
            passwords: Passwords::default(),
            limiter: LoginLimiter::default(),
            accounts: Registry::new(ids),
            feed: Feed::default(),
            seen: Seen::default(),
            problems: Problems::default(),
            pulses: Pulses::default(),
            bodies,
            answers: Arc::new(Semaphore::new(ANSWERED)),
            setup: Mutex::default(),
            start: secret::hex(&start),
            stopping,
        })
    }

    /// Microseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn register(&self) -> Register<'_> {
        Register { directory: &self.directory, sessions: &self.sessions, keys: &self.keys, now: self.now() }
    }

    /// To be called when a change of users or permissions is committed, and before it is answered.
    pub(crate) async fn reload_users(&self) -> Result<(), StoreError> {
        let _reading = self.directory.reading.lock().await;
        let users = self.store.read(users::all).await?;
        self.directory.replace(users);
        Ok(())
    }

    /// A bearer header for a session; makes a new key when the last one is too old to sign.
    pub(crate) async fn bearer(&self, user: i64, session: &str) -> Result<String, StoreError> {
        let now = self.now();
        if let Some(header) = self.keys.sign(user, session, now) {
            return Ok(header);
        }
        let secret = secret::random::<64>().map_err(no_random)?.to_vec();
        let kept = secret.clone();
        let id = self.store.write(move |c| sessions::insert_key(c, &kept, now, now - KEY_KNOWN)).await?;
        self.keys.add(Key { id, secret, created: now }, now);
        self.keys.sign(user, session, now).ok_or(StoreError::TakenBack("the clock was set".to_owned()))
    }

    /// Begins a session; returns its id and the cookie's secret. None when the person's password is no more the one of
    /// which `verified` was kept: it was changed while it was looked at.
    pub(crate) async fn begin_session(
        &self,
        user: i64,
        verified: Option<String>,
    ) -> Result<Option<(String, String)>, StoreError> {
        let cookie = secret::random_text().map_err(no_random)?;
        let id = secret::random_text().map_err(no_random)?;
        let now = self.now();
        let secret_hash = secret::hash(&cookie);
        let session = Session { id: id.clone(), user, secret_hash, created: now, seen: now };
        let kept = session.clone();
        let turn = self.session_turn.lock().await;
        let begin = self.store.write(move |c| {
            if verified.is_some() && users::password_hash(c, user)? != verified {
                return Ok(false);
            }
            sessions::insert(c, &kept).map(|()| true)
        });
        if !begin.await? {
            return Ok(None);
        }
        let ended = self.sessions.begin(session);
        drop(turn);
        self.forget_sessions(ended).await?;
        Ok(Some((id, cookie)))
    }

    /// Changes the password of a person and ends their sessions, except one: all at once, whatever happens. False when
    /// there is no such person.
    pub(crate) async fn set_password(
        &self,
        user: i64,
        hash: String,
        except: Option<String>,
    ) -> Result<bool, StoreError> {
        let _turn = self.session_turn.lock().await;
        let kept = except.clone();
        let change = self.store.write(move |c| {
            let is_there = users::set_password(c, user, &hash)?;
            sessions::delete_of_user(c, user, kept.as_deref())?;
            Ok(is_there)
        });
        let is_there = change.await?;
        self.sessions.end_all_of(user, except.as_deref());
        Ok(is_there)
    }

    /// Deletes sessions that have ended already.
    pub(crate) async fn forget_sessions(&self, ended: Vec<String>) -> Result<(), StoreError> {
        if ended.is_empty() {
            return Ok(());
        }
        self.store.write(move |c| sessions::delete(c, &ended)).await
    }

    pub(crate) fn has_persons(&self) -> bool {
        self.directory.now().has_persons()
    }

    /// A new one-time token for the first person, as long as there is none.
    pub(crate) fn new_setup_token(&self) -> Result<Option<String>, StoreError> {
        if self.has_persons() {
            return Ok(None);
        }
        let token = secret::random_text().map_err(no_random)?;
        *self.setup.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret::hash(&token));
        Ok(Some(token))
    }

    /// Whether this is the token that was made last.
    pub(crate) fn is_setup_token(&self, token: &str) -> bool {
        let kept = *self.setup.lock().unwrap_or_else(PoisonError::into_inner);
        kept.is_some_and(|kept| secret::same(&kept, &secret::hash(token)))
    }

    pub(crate) fn forget_setup_token(&self) {
        *self.setup.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A failure of the system that is told like one of the store.
pub(crate) fn no_random(error: NoRandom) -> StoreError {
    StoreError::TakenBack(error.to_string())
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        use hyper::StatusCode;
        match error {
            StoreError::DiskFull => Self::detail(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
            StoreError::Busy | StoreError::Closed => {
                Self::detail(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).retry_after(1)
            }
            StoreError::Invalid(why) => Self::bad_request(why),
            error => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

/// A list that is made anew each time, with an `ETag` of what is in it.
pub(crate) fn tagged(list: &serde_json::Value) -> Answer {
    let bytes = list.to_string().into_bytes();
    let hash = secret::hex(&secret::hash_bytes(&bytes));
    let etag = hyper::header::HeaderValue::try_from(format!("W/\"{}\"", hash.get(..24).unwrap_or(&hash)));
    etag.into_iter().fold(Answer::json_bytes(hyper::StatusCode::OK, bytes), Answer::with_etag)
}
