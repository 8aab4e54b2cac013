//! Any datagrams as what a device answers.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::oid::Oid;
use crate::poll::{Column, FetchMethod, Manners, PollOptions, Source, Wanted, poll};
use crate::wire::replay::{REQUEST_ID, Replays};
use crate::wire::{Credential, Tuning, WireStats};

/// Nothing is waited for, so this is never reached.
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// How a device is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Version {
    /// SNMPv1, with the community `public`.
    V1,
    /// SNMPv2c, with the community `public`.
    V2c,
    /// SNMPv3, as `nobody`, without authentication.
    V3,
    /// SNMPv3, as `somebody`, with authentication and encryption.
    V3Encrypted,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::V1, Self::V2c, Self::V3, Self::V3Encrypted];

    fn credential(self) -> Result<Credential, String> {
        let credential = match self {
            Self::V1 => Credential::v1("public"),
            Self::V2c => Credential::v2c("public"),
            Self::V3 => Credential::v3("nobody", None, None),
            Self::V3Encrypted => {
                let (auth, privacy) = ("an authentic secret".to_owned(), "a private secret".to_owned());
                Credential::v3("somebody", Some(("SHA", auth)), Some(("AES", privacy)))
            }
        };
        // What does not answer at once does not answer later either.
        let tuning = Tuning { retries: Some(0), ..Tuning::default() };
        credential?.tuned(&tuning)
    }
}

/// Polls devices that answer with any datagrams.
pub struct Replies {
    runtime: Runtime,
    replays: Replays,
    credentials: [Arc<Credential>; 4],
    wanted: Wanted,
}

impl Replies {
    /// The id of all requests: an answer needs it to be looked at.
    pub const REQUEST_ID: i32 = REQUEST_ID;

    /// The answer to an SNMPv3 discovery: a report of an unknown engine, which tells the right one.
    #[rustfmt::skip]
    pub const ENGINE_REPORT: [u8; 86] = [
        0x30, 84, 2, 1, 3,
        // Which request it answers, what it may be sent at most, neither authentic nor secret, by users.
        0x30, 15, 2, 2, 1, 2, 2, 3, 0, 0xff, 0xe3, 4, 1, 0, 2, 1, 3,
        // The engine, its time, and no user.
        4, 21, 0x30, 19, 4, 5, 0x80, 0, 0x1f, 0x88, 4, 2, 1, 1, 2, 1, 1, 4, 0, 4, 0, 4, 0,
        // The engine once more, and no context.
        0x30, 39, 4, 5, 0x80, 0, 0x1f, 0x88, 4, 4, 0,
        // usmStatsUnknownEngineIDs.0 is 1.
        0xa8, 28, 2, 1, 0, 2, 1, 0, 2, 1, 0, 0x30, 17, 0x30, 15,
        6, 10, 0x2b, 6, 1, 6, 3, 15, 1, 1, 4, 0, 0x41, 1, 1,
    ];

    /// A thread's own.
    ///
    /// # Errors
    /// If there can be no runtime.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let [v1, v2c, v3, encrypted] = Version::ALL.map(|version| version.credential().map(Arc::new));
        let credentials = (|| Ok([v1?, v2c?, v3?, encrypted?]))().map_err(io::Error::other::<String>)?;
        let scalar = |n| Source { oid: Oid::new([1, 3, 6, 1, 2, 1, 1, n, 0]), fetch: FetchMethod::Get };
        let column = |n| Source { oid: Oid::new([1, 3, 6, 1, 2, 1, 2, 2, 1, n]), fetch: FetchMethod::Walk };
        let sources: Vec<Source> = (1..=7).map(scalar).chain([2, 10].map(column)).collect();
        Ok(Self { runtime, replays: Replays::new(), credentials, wanted: Wanted::of(&sources) })
    }

    /// Polls a device that answers the first request with the first of these, and so on, and all others with the last.
    /// It is asked for the system group and two columns of the ifTable. Returns how many values came of it.
    ///
    /// # Panics
    /// If what came of it is not as it must be.
    pub fn poll(&self, version: Version, answers: &[&[u8]]) -> usize {
        let answers: Vec<Vec<u8>> = answers.iter().map(|answer| answer.to_vec()).collect();
        let device = self.replays.device(&self.credentials[version as usize], answers);
        let (mut manners, options) = (Manners::default(), PollOptions::until(Instant::now() + LONGEST_POLL));
        let polled = self.runtime.block_on(poll(&device, &self.wanted, &mut manners, &options));
        judge(&polled.columns);
        let stats = device.stats();
        let WireStats { requests, retries, answers, unexpected, malformed, late, foreign, timeouts, .. } =
            stats;
        // All have the same id: a request after one without an answer looks like a further try of it.
        let asked = requests + retries;
        assert!(answers + unexpected + malformed + late + foreign <= asked, "counted twice: {stats:?}");
        assert!(answers + timeouts <= asked, "counted twice: {stats:?}");
        polled.stats.values
    }
}

/// The rows of each column stand in order, and below the column.
fn judge(columns: &HashMap<Oid, Column>) {
    for column in columns.values() {
        assert!(column.rows.is_sorted_by(|one, next| one.index < next.index), "{column:?}");
        assert!(column.rows.iter().all(|row| !row.index.is_empty()), "{column:?}");
    }
}
