//! What a device let slip while it did not answer: hints for people, never a reason to trust anything.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::envelope::{Outside, Report};

/// What was noted of a device since it last answered.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Noted>);

/// Something, and when it was noted: an error of an hour ago does not explain why there is no answer now.
type Once<T> = Option<(T, Instant)>;

#[derive(Clone, Debug, Default)]
pub(super) struct Noted {
    /// The last complaint that is a reason for silence.
    complaint: Once<Report>,
    /// Whether this engine ever answered: then its user and keys are right.
    answered: bool,
    /// Whether an SNMPv3 engine is there at all.
    engine_there: bool,
    other_source: Once<SocketAddr>,
    other_community: Once<()>,
    /// The port was closed.
    refused: Once<()>,
    /// What a router says.
    unreachable: Once<String>,
}

impl Notes {
    fn locked(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.locked());
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
            noted.complaint = now(complaint).or(noted.complaint);
        });
    }

    pub(super) fn other_source(&self, source: SocketAddr) {
        self.update(|noted| noted.other_source = now(Some(source)));
    }

    pub(super) fn other_community(&self) {
        self.update(|noted| noted.other_community = now(Some(())));
    }

    pub(super) fn refused(&self) {
        self.update(|noted| noted.refused = now(Some(())));
    }

    /// When a request was refused last, if there was no answer since.
    pub(super) fn last_refused(&self) -> Option<Instant> {
        self.locked().refused.map(|((), at)| at)
    }

    pub(super) fn unreachable(&self, why: String) {
        self.update(|noted| noted.unreachable = now(Some(why)));
    }

    /// What is known, of all that may pass only what happened since then.
    pub(super) fn since(&self, began: Instant) -> Noted {
        fn old<T>(began: Instant) -> impl Fn(&mut (T, Instant)) -> bool {
            move |(_, at)| *at < began
        }
        let mut noted = self.locked().clone();
        noted.complaint.take_if(old(began));
        noted.other_source.take_if(old(began));
        noted.other_community.take_if(old(began));
        noted.refused.take_if(old(began));
        noted.unreachable.take_if(old(began));
        noted
    }
}

fn now<T>(what: Option<T>) -> Once<T> {
    what.map(|what| (what, Instant::now()))
}

impl Noted {
    pub(super) fn engine_replaced(&self) -> bool {
        self.complaint().is_some_and(|complaint| complaint == Report::UnknownEngine)
    }

    fn complaint(&self) -> Option<Report> {
        self.complaint.map(|(complaint, _)| complaint)
    }

    /// Why nobody is there to answer. What a router says of a device that let slip something was about another moment.
    pub(super) fn nobody_there(&self, asked: SocketAddr, with_hint: bool) -> Option<String> {
        if self.refused.is_some() {
            return Some(format!("port {} is closed: nothing answers SNMP there", asked.port()));
        }
        let unreachable = self.unreachable.as_ref().filter(|_| !with_hint);
        unreachable.map(|(why, _)| why.clone())
    }

    /// Why there may be no answer; `report` is one that the library made out.
    pub(super) fn hint(&self, asked: SocketAddr, encrypts: bool, report: Option<&str>) -> Option<String> {
        if let Some((source, _)) = self.other_source {
            let (source, asked) = (shown(source, asked), asked.ip());
            return Some(format!(
                "answers come from address {source}, not from {asked} (accept_any_source accepts them)"
            ));
        }
        if let (None, Some(report)) = (self.complaint(), report) {
            return Some(format!("the agent reports: {report}"));
        }
        let hint = match self.complaint() {
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
            None if self.other_community.is_some() => "an answer has another community",
            None => return None,
        };
        Some(hint.to_owned())
    }
}

fn shown(source: SocketAddr, asked: SocketAddr) -> String {
    if source.port() == asked.port() { source.ip().to_string() } else { source.to_string() }
}
