//! What is remembered of a device that is asked with one credential.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use async_snmp::{Auth, Client, ClientBuilder, DecodeConfig, Error, Retry, UsmConfig};
use grafoleancollector::telemetry::Throttle;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tracing::{debug, info};

use super::credential::{Access, Credential};
use super::keys::KeyCache;
use super::line::{Line, Road};
use crate::agent::SnmpError;

/// After so many requests in a row without an answer, an SNMPv3 agent is met as a stranger again: it may have been
/// replaced by one with another engine, which owes no answer to who takes it for the old one.
const STRANGER_AFTER: u32 = 3;
/// Batches are made above; the library shall not split them further.
const NO_SPLIT: usize = usize::MAX;

pub(super) struct Session<T: Road = Line> {
    target: SocketAddr,
    credential: Arc<Credential>,
    road: T,
    keys: Arc<KeyCache>,
    said: Arc<Throttle>,
    client: Mutex<Arc<OnceCell<Client<T>>>>,
    timeouts_in_a_row: AtomicU32,
    /// How often another engine was found at its place.
    replaced: AtomicU32,
    last_used: AtomicU64,
}

/// Why a request failed: on the way, or with an error of the agent's, which is an answer too.
pub(super) enum Failure {
    Snmp(SnmpError),
    Library(Box<Error>),
}

impl<T: Road> Session<T> {
    pub(super) fn new(
        credential: Arc<Credential>,
        road: T,
        keys: Arc<KeyCache>,
        said: Arc<Throttle>,
    ) -> Self {
        Self {
            target: road.peer_addr(),
            credential,
            road,
            keys,
            said,
            client: Mutex::default(),
            timeouts_in_a_row: AtomicU32::new(0),
            replaced: AtomicU32::new(0),
            last_used: AtomicU64::new(0),
        }
    }

    pub(super) fn road(&self) -> &T {
        &self.road
    }

    pub(super) fn used(&self, now: u64) {
        self.last_used.store(now, Relaxed);
    }

    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Relaxed)
    }

    /// Asks; when the agent turns out to be another one than before, asks again as a stranger.
    pub(super) async fn ask<A, F: Future<Output = Result<A, Box<Error>>>>(
        &self,
        mut request: impl FnMut(Client<T>) -> F,
    ) -> Result<A, Failure> {
        let (began, mut met_again) = (Instant::now(), false);
        let counters = self.road.counters();
        loop {
            let replaced_before = self.replaced.load(Relaxed);
            let client = self.client().await.map_err(Failure::Snmp)?;
            let error = match request(client).await {
                Ok(answer) => {
                    self.answered();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let (after, report) = match error.exchange_source() {
                Error::Timeout { elapsed, .. } => (*elapsed, None),
                // Nothing proves that it is the device's: as good as silence, with a hint.
                Error::Report { status, .. } => (began.elapsed(), Some(status.to_string())),
                Error::Snmp { .. } => {
                    self.answered();
                    return Err(Failure::Library(error));
                }
                _ => {
                    counters.failed.add();
                    return Err(Failure::Library(error));
                }
            };
            let in_a_row = self.timeouts_in_a_row.fetch_add(1, Relaxed) + 1;
            let (noted, user) = (self.road.notes().since(began), self.credential.user());
            if user.is_some() && !met_again {
                met_again = true;
                // Another request may have found out first.
                if self.replaced.load(Relaxed) != replaced_before {
                    continue;
                }
                if noted.engine_replaced() {
                    self.replaced.fetch_add(1, Relaxed);
                    if let Some(more) = self.said.say() {
                        info!("{}: the SNMPv3 engine of the device was replaced{more}", self.target);
                    }
                    self.forget_engine();
                    continue;
                }
            }
            if user.is_some() && in_a_row.is_multiple_of(STRANGER_AFTER) {
                debug!(target = %self.target, "meeting the SNMPv3 engine anew");
                self.forget_engine();
            }
            let passwords = user.and_then(|user| user.passwords.as_ref());
            let encrypts = passwords.is_some_and(|passwords| passwords.privacy.is_some());
            let hint = noted.hint(self.target, encrypts, report.as_deref());
            let reason = noted.nobody_there(self.target, hint.is_some());
            let counter = match (&reason, &report) {
                (Some(_), _) => &counters.refused,
                (None, Some(_)) => &counters.failed,
                (None, None) => &counters.timeouts,
            };
            counter.add();
            return Err(Failure::Snmp(match reason {
                Some(why) => SnmpError::Unreachable(why),
                None => SnmpError::Timeout { after, hint },
            }));
        }
    }

    fn answered(&self) {
        self.timeouts_in_a_row.store(0, Relaxed);
        self.road.notes().answered();
    }

    fn cell(&self) -> std::sync::MutexGuard<'_, Arc<OnceCell<Client<T>>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_engine(&self) {
        *self.cell() = Arc::default();
        self.road.notes().forget_engine();
    }

    async fn client(&self) -> Result<Client<T>, SnmpError> {
        let cell = Arc::clone(&self.cell());
        cell.get_or_try_init(|| self.connect()).await.cloned()
    }

    async fn connect(&self) -> Result<Client<T>, SnmpError> {
        let Credential { access, timeout, retries, context, .. } = &*self.credential;
        let mut salt = None;
        let auth = match access {
            Access::V1(community) => Auth::v1(community.expose().to_vec()),
            Access::V2c(community) => Auth::v2c(community.expose().to_vec()),
            Access::V3(user) => {
                let mut usm = UsmConfig::new(user.name.clone()).context_name(context.clone());
                if let Some(passwords) = &user.passwords {
                    let keys = self.keys.get(passwords).await?;
                    salt = Some(keys.salt);
                    usm = usm.with_master_keys(keys.master).map_err(refused)?;
                }
                usm.into()
            }
        };
        let mut decode = DecodeConfig::DEFAULT;
        // An exception is one whatever it carries.
        decode.malformed_exception_payloads = true;
        let mut builder = ClientBuilder::new(auth)
            .request_timeout(*timeout)
            .retry(Retry::fixed(*retries, std::time::Duration::ZERO).map_err(refused)?)
            .max_oids_per_request(NO_SPLIT)
            .decode_config(decode);
        if let Some(salt) = salt {
            builder = builder.des_salt_state(salt);
        }
        builder.build_with_transport(self.road.clone()).map_err(refused)
    }
}

/// Nothing that is refused here was accepted by [`Credential`]: the library's words may be shown, they hold no secret.
fn refused(error: impl std::fmt::Display) -> SnmpError {
    SnmpError::Credential(error.to_string())
}
