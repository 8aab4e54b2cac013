//! How delivery fares, for people and for the health endpoint.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::books::SetAside;
use super::triage::Refusal;
use crate::clock::{Timestamp, as_text};
use crate::ids::AccountId;

/// How delivery fares.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeliveryState {
    /// Samples that wait for the backend.
    pub(crate) waiting: usize,
    /// How many of them are lost when the process ends.
    pub(crate) in_memory: usize,
    /// The bytes that they take.
    pub(crate) bytes: u64,
    /// When the first of them was measured.
    #[serde(serialize_with = "optional_text")]
    pub(crate) oldest: Option<Timestamp>,
    /// The file in which they wait.
    pub(crate) file: Option<PathBuf>,
    /// Why it cannot be written.
    pub(crate) file_trouble: Option<String>,
    /// Why it is not written any more until the bot is started again.
    pub(crate) file_given_up: Option<String>,
    /// The backend does not know the bot's token: nothing is delivered.
    pub(crate) token_refused: bool,
    pub(crate) accounts: Vec<AccountState>,
    pub(crate) accepted: u64,
    pub(crate) stored: u64,
    pub(crate) set_aside: BTreeMap<&'static str, u64>,
    pub(crate) set_aside_last: Vec<SetAside>,
    pub(crate) dropped: BTreeMap<&'static str, u64>,
}

impl DeliveryState {
    /// Why nothing is accepted, or delivered for an account, until a person has done something.
    pub(crate) fn stopped_because(&self) -> impl Iterator<Item = String> {
        // An account for which nothing waits holds up nothing, however it ended.
        let waiting = self.accounts.iter().filter(|account| account.waiting > 0);
        let accounts = waiting.filter_map(|account| match &account.status {
            Status::Stopped { why, .. } => Some(why.clone()),
            Status::Delivering | Status::BackingOff { .. } => None,
        });
        self.file_given_up.clone().into_iter().chain(accounts)
    }
}

/// How one account's samples fare.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccountState {
    pub(crate) account: AccountId,
    pub(crate) waiting: usize,
    #[serde(flatten)]
    pub(crate) status: Status,
}

/// Whether samples go through.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum Status {
    /// They do, or there are none.
    Delivering,
    /// They do not; it is tried again and again.
    BackingOff {
        #[serde(serialize_with = "as_text")]
        since: Timestamp,
        why: String,
    },
    /// They may not; a person has to do something.
    Stopped {
        #[serde(serialize_with = "as_text")]
        since: Timestamp,
        stop: Refusal,
        why: String,
    },
}

fn optional_text<S: serde::Serializer>(time: &Option<Timestamp>, out: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => out.collect_str(time),
        None => out.serialize_none(),
    }
}

/// What a drain left behind, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Drained {
    /// Samples that the next start delivers.
    pub(crate) on_disk: usize,
    /// Samples that are lost when the process ends.
    pub(crate) in_memory: usize,
    /// The file in which they wait.
    pub(crate) file: Option<PathBuf>,
    /// Why they were not delivered, where the backend had a say in it.
    pub(crate) why: Option<String>,
}

impl Drained {
    pub(crate) fn of(state: &DeliveryState) -> Self {
        let why = state.accounts.iter().find_map(|account| match &account.status {
            Status::Delivering => None,
            Status::BackingOff { why, .. } | Status::Stopped { why, .. } => Some(why.clone()),
        });
        Self {
            on_disk: state.waiting.saturating_sub(state.in_memory),
            in_memory: state.in_memory,
            file: state.file.clone(),
            why,
        }
    }

    /// Whether all samples were delivered.
    pub(crate) const fn is_complete(&self) -> bool {
        self.on_disk == 0 && self.in_memory == 0
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_complete() {
            return f.write_str("all samples are delivered");
        }
        if self.on_disk > 0
            && let Some(file) = &self.file
        {
            write!(f, "{} samples wait in {} for the next start", self.on_disk, file.display())?;
        }
        if self.in_memory > 0 {
            let and = if self.on_disk > 0 { ", " } else { "" };
            write!(f, "{and}{} samples in memory could not be delivered", self.in_memory)?;
        }
        self.why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}
