//! What a device let slip while it did not answer: hints for people, never a reason to trust anything.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use super::envelope::{Outside, Report};

/// What was noted of a device since it last answered.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Noted>);

#[derive(Clone, Debug, Default)]
pub(super) struct Noted {
    /// The last complaint that is a reason for silence.
    complaint: Option<Report>,
    /// Whether this engine ever answered: then its user and keys are right.
    answered: bool,
    /// Whether an SNMPv3 engine is there at all.
    engine_there: bool,
    other_source: Option<SocketAddr>,
    other_community: bool,
    /// What a router says.
    unreachable: Option<String>,
}

impl Notes {
    fn update(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A request was answered with a response.
    pub(super) fn answered(&self) {
        self.update(|noted| {
            *noted = Noted { answered: true, engine_there: noted.engine_there, ..Noted::default() }
        });
    }

    /// Whatever was known of the engine is forgotten.
    pub(super) fn forget_engine(&self) {
        self.update(|noted| *noted = Noted::default());
    }

    /// An SNMPv3 message came in answer to a discovery, or to another request.
    pub(super) fn heard(&self, outside: &Outside<'_>, discovery: bool) {
        let complaint = match outside.report {
            // That is how engines are discovered, and clocks set.
            Some(Report::UnknownEngine) if discovery => None,
            Some(Report::NotInTimeWindow) if outside.authenticated => None,
            report => report,
        };
        self.update(|noted| {
            noted.engine_there = true;
            noted.complaint = complaint.or(noted.complaint);
        });
    }

    pub(super) fn other_source(&self, source: SocketAddr) {
        self.update(|noted| noted.other_source = Some(source));
    }

    pub(super) fn other_community(&self) {
        self.update(|noted| noted.other_community = true);
    }

    pub(super) fn unreachable(&self, why: String) {
        self.update(|noted| noted.unreachable = Some(why));
    }

    pub(super) fn get(&self) -> Noted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Noted {
    pub(super) fn engine_replaced(&self) -> bool {
        self.complaint == Some(Report::UnknownEngine)
    }

    pub(super) fn unreachable_because(&self) -> Option<&str> {
        self.unreachable.as_deref()
    }

    /// Why there may be no answer.
    pub(super) fn hint(&self, asked: SocketAddr, encrypts: bool) -> Option<String> {
        if let Some(source) = self.other_source {
            let (source, asked) = (shown(source, asked), asked.ip());
            return Some(format!(
                "answers come from address {source}, not from {asked} (accept_any_source accepts them)"
            ));
        }
        let hint = match self.complaint {
            Some(Report::UnsupportedSecurityLevel) => "unsupported security level",
            Some(Report::NotInTimeWindow) => {
                "the device refuses our clock, without proof that it is the device"
            }
            Some(Report::UnknownUser) => "unknown user",
            Some(Report::UnknownEngine) => "engine replaced",
            Some(Report::WrongDigest) => "wrong authentication key",
            Some(Report::DecryptionError) => "wrong privacy key",
            // It told its engine and its time, so it is there, knows the user and the authentication key.
            None if self.engine_there && !self.answered && encrypts => "wrong privacy key (probably)",
            None if self.engine_there && !self.answered => "the device tells its engine, and then nothing",
            None if self.other_community => "an answer has another community",
            None => return None,
        };
        Some(hint.to_owned())
    }
}

fn shown(source: SocketAddr, asked: SocketAddr) -> String {
    if source.port() == asked.port() { source.ip().to_string() } else { source.to_string() }
}
