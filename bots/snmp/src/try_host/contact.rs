//! The first word with the device, and in which other ways it answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::arguments::{Asking, Version};
use crate::agent::{Agent, SnmpError};
use crate::oid::Oid;
use crate::poll::{
    DEFAULT_GET_BATCH, DEFAULT_MAX_REPETITIONS, Manners, PollOptions, Polled, Source, Wanted, poll,
};
use crate::wire::{Credential, Device, Tuning, Wire};

/// How long the device has been up: every agent has it.
pub(super) const SYS_UP_TIME: [u32; 9] = [1, 3, 6, 1, 2, 1, 1, 3, 0];
/// How long one poll may take: there is no schedule to keep here.
const LONGEST_POLL: Duration = Duration::from_secs(300);

/// A device that answers.
pub(super) struct Contact {
    pub(super) version: Version,
    pub(super) address: SocketAddr,
    wire: Arc<Wire>,
    credential: Arc<Credential>,
    device: Device,
    manners: Manners,
}

/// A device that does not.
#[derive(Debug)]
pub(super) struct NoContact {
    pub(super) address: SocketAddr,
    pub(super) error: SnmpError,
}

impl Contact {
    /// Meets the device at this address.
    pub(super) async fn new(
        wire: &Arc<Wire>,
        address: SocketAddr,
        asking: &Asking,
    ) -> Result<Self, NoContact> {
        let device = wire.agent(address, &asking.credential);
        let error = match device.get(&[Oid::new(SYS_UP_TIME)]).await {
            Err(SnmpError::Agent { status, index }) if means_forbidden(&status) => {
                SnmpError::Agent { status, index }
            }
            // Any other error of the agent's is an answer.
            Ok(_) | Err(SnmpError::TooBig | SnmpError::Agent { .. }) => {
                return Ok(Self::with(wire, address, device, asking));
            }
            Err(error) => error,
        };
        Err(NoContact { address, error })
    }

    fn with(wire: &Arc<Wire>, address: SocketAddr, device: Device, asking: &Asking) -> Self {
        let (version, credential) = (asking.version, Arc::clone(&asking.credential));
        let rows = credential.max_repetitions().unwrap_or(DEFAULT_MAX_REPETITIONS);
        let manners = Manners::new(rows, DEFAULT_GET_BATCH);
        Self { version, address, wire: Arc::clone(wire), credential, device, manners }
    }

    /// Polls it as the bot does.
    pub(super) async fn poll<'a>(&mut self, sources: impl IntoIterator<Item = &'a Source>) -> Polled {
        let options =
            PollOptions::until(Instant::now() + LONGEST_POLL).any_order(self.credential.any_order());
        poll(&self.device, &Wanted::of(sources), &mut self.manners, &options).await
    }

    /// The same device, asked once only, so that what is lost can be seen.
    pub(super) fn without_retries(&self) -> Device {
        let tuning = Tuning { retries: Some(0), ..Tuning::default() };
        let once = Credential::clone(&self.credential).tuned(&tuning);
        // No number of retries is as good as 0, which is in range.
        let once = once.map_or_else(|_| Arc::clone(&self.credential), Arc::new);
        self.wire.agent(self.address, &once)
    }

    pub(super) fn max_repetitions(&self) -> Option<u32> {
        self.credential.max_repetitions()
    }
}

impl NoContact {
    /// Nothing listens at this address, or there is no way to it. An agent may listen at one of a name's addresses
    /// only; but silence is not worth to be met twice.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.error, SnmpError::Unreachable(_))
    }
}

/// Whether an agent's error says that it knows who asks, but does not let him read.
pub(super) fn means_forbidden(status: &str) -> bool {
    ["authorizationError", "noAccess"].iter().any(|known| status.eq_ignore_ascii_case(known))
}

/// Whether an agent answers in a version that was not asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Other {
    pub(super) version: Version,
    pub(super) answers: bool,
}

/// Asks in all other ways at once, while other things go on.
pub(super) fn ask_otherwise(
    wire: &Arc<Wire>,
    address: SocketAddr,
    asking: &Asking,
) -> JoinHandle<Vec<Other>> {
    let devices: Vec<(Version, Device)> = asking
        .others
        .iter()
        .map(|(version, credential)| (*version, wire.agent(address, credential)))
        .collect();
    tokio::spawn(async move {
        let asked: Vec<_> = devices
            .into_iter()
            .map(|(version, device)| (version, tokio::spawn(async move { answers(version, &device).await })))
            .collect();
        let mut others = Vec::new();
        for (version, answers) in asked {
            // What was cut off because the program ends is not known to answer.
            others.push(Other { version, answers: answers.await.unwrap_or(false) });
        }
        others
    })
}

async fn answers(version: Version, device: &Device) -> bool {
    match device.get(&[Oid::new(SYS_UP_TIME)]).await {
        Ok(_) | Err(SnmpError::TooBig | SnmpError::Agent { .. }) => true,
        // Nobody is a user there, and the engine says so.
        Err(SnmpError::Timeout { hint: Some(hint), .. }) => {
            version == Version::V3 && !hint.starts_with("answers come from")
        }
        Err(_) => false,
    }
}

/// Waits until this much has passed since then.
pub(super) async fn wait_until(since: Instant, interval: Duration) {
    tokio::time::sleep_until(since + interval).await;
}
