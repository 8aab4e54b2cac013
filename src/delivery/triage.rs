//! Judging what the backend refuses: the sample's fault, the bot's rights, or the backend's trouble.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::batch::{Fate, Load};
use crate::backend::{ApiError, DeliveryMode};
use crate::ids::AccountId;

/// Samples that may be refused singly, one after the other, before it is not believed any more that they are
/// the bad ones: a wrong proxy that answers 400 to everything must not destroy data.
pub(crate) const REFUSED_IN_A_ROW: u32 = 100;

/// Whose fault a failed request is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Judgement {
    /// A sample in it.
    Samples,
    /// This bot may not store.
    Stopped(Refusal),
    /// The backend's, or the network's: it is tried again.
    Trouble {
        kind: Kind,
        /// How long the backend asks to wait.
        retry_after: Option<Duration>,
        /// It may have to do with what was sent, or how much: smaller requests may pass.
        smaller: bool,
    },
}

/// Why this bot may not store. All of it needs a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    /// The backend does not know the token.
    Token,
    /// The bot was not granted this account's values.
    Permission,
    /// The account is gone.
    Account,
}

impl Refusal {
    /// What a person has to know, and do.
    pub(crate) fn words(self, account: AccountId, mode: DeliveryMode) -> String {
        match self {
            Self::Token => {
                "the backend does not know the bot's token: check BOT_TOKEN or BOT_TOKEN_FROM_FILE".to_owned()
            }
            Self::Permission => {
                format!("the bot lacks the permission {} on accounts/{account}/values", mode.method())
            }
            Self::Account => format!("the backend does not know account {account}"),
        }
    }
}

/// What trouble. A change of kind is worth a line in the log; a change of words is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Status(u16),
    Transport,
    Timeout,
    Malformed,
    TooLarge,
    /// So many samples refused in a row that it cannot be the samples.
    RefusesAll,
    /// Our own: the courier panicked.
    Panicked,
}

/// Judges a failed request to store samples.
pub(crate) fn judge(error: &ApiError) -> Judgement {
    let trouble = |kind, smaller| Judgement::Trouble { kind, retry_after: None, smaller };
    match error {
        ApiError::Status { status: 400 | 422, .. } => Judgement::Samples,
        ApiError::Status { status: 401, .. } => Judgement::Stopped(Refusal::Token),
        ApiError::Status { status: 403, .. } => Judgement::Stopped(Refusal::Permission),
        ApiError::Status { status: 404 | 410, .. } => Judgement::Stopped(Refusal::Account),
        ApiError::Status { status, retry_after, .. } => Judgement::Trouble {
            kind: Kind::Status(*status),
            retry_after: *retry_after,
            smaller: matches!(status, 408 | 413 | 500 | 502 | 504),
        },
        ApiError::Transport { .. } => trouble(Kind::Transport, false),
        ApiError::Timeout { .. } => trouble(Kind::Timeout, true),
        ApiError::Malformed { .. } | ApiError::NotOffered { .. } => trouble(Kind::Malformed, true),
        ApiError::TooLarge { .. } => trouble(Kind::TooLarge, true),
    }
}

/// A delivery that did not go through.
#[derive(Clone, Debug)]
pub(crate) struct Setback {
    pub(crate) judgement: Judgement,
    /// The backend's words.
    pub(crate) words: String,
    /// What was being sent.
    pub(crate) range: Range<usize>,
    /// Only these parcels fail: others pass, and delivery goes on with them.
    pub(crate) local: bool,
}

impl fmt::Display for Setback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.judgement {
            Judgement::Trouble { kind: Kind::RefusesAll, .. } => write!(
                f,
                "{REFUSED_IN_A_ROW} samples in a row were refused, so it is the backend or a proxy in front \
                 of it, not the samples: {}",
                self.words
            ),
            Judgement::Trouble { kind: Kind::Panicked, .. } => {
                write!(f, "delivery itself failed, which is a bug: {}", self.words)
            }
            _ => f.write_str(&self.words),
        }
    }
}

impl Setback {
    /// The courier panicked: something in it is wrong, or in what it calls.
    pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let judgement = Judgement::Trouble { kind: Kind::Panicked, retry_after: None, smaller: false };
        Self { judgement, words: crate::error::panic_message(panic).to_owned(), range: 0..0, local: false }
    }
}

/// Why a request stored nothing, as far as is known.
#[derive(Debug)]
pub(crate) enum Unsent {
    Failed(ApiError),
    /// Delivery stops: nobody waits for the answer.
    Stopping,
}

impl From<ApiError> for Unsent {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// One request at a time to store samples of one account.
pub(crate) trait Sender {
    /// Sends the samples.
    fn send(&mut self, samples: &[crate::sample::Sample]) -> impl Future<Output = Result<(), Unsent>> + Send;
}

/// Sends a range of a load. Where a sample in it is refused, halves are sent until it is alone: `k` bad ones
/// among `n` cost about `2 k log2 n` requests. `in_a_row` counts samples refused since one was stored. Ends
/// early, with what was not stored still waiting, when delivery stops.
pub(crate) async fn send(
    sender: &mut impl Sender,
    load: &mut Load,
    range: Range<usize>,
    in_a_row: &mut u32,
) -> Result<(), Setback> {
    /// What is known of a part before it is sent.
    #[derive(Clone, Copy)]
    enum Known {
        Nothing,
        /// It is a right half, and the whole was refused.
        RightOf(usize),
    }
    let mut parts = vec![(range, Known::Nothing)];
    // How many samples were refused so far: when a left half passes, its right half holds the bad one.
    let mut refused = 0;
    while let Some((part, known)) = parts.pop() {
        let halves = |part: Range<usize>, refused: usize| {
            let middle = part.start + part.len() / 2;
            [(middle..part.end, Known::RightOf(refused)), (part.start..middle, Known::Nothing)]
        };
        if let Known::RightOf(before) = known
            && before == refused
            && part.len() > 1
        {
            parts.extend(halves(part, refused));
            continue;
        }
        let error = match sender.send(&load.samples[part.clone()]).await {
            Ok(()) => {
                load.set(part, Fate::Stored);
                *in_a_row = 0;
                continue;
            }
            Err(Unsent::Stopping) => return Ok(()),
            Err(Unsent::Failed(error)) => error,
        };
        let judgement = judge(&error);
        if judgement != Judgement::Samples {
            load.set(part.clone(), Fate::Failed);
            return Err(Setback { judgement, words: error.to_string(), range: part, local: false });
        }
        if part.len() > 1 {
            parts.extend(halves(part, refused));
            continue;
        }
        refused += 1;
        *in_a_row += 1;
        load.set(part.clone(), Fate::Refused);
        load.refused.push((part.start, error.to_string()));
        if *in_a_row >= REFUSED_IN_A_ROW {
            let judgement = Judgement::Trouble { kind: Kind::RefusesAll, retry_after: None, smaller: false };
            return Err(Setback { judgement, words: error.to_string(), range: part, local: false });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::delivery::outbox::parcel::{Parcel, Seq};
    use crate::sample::{Path, Sample};

    struct Strict {
        bad: Vec<String>,
        requests: usize,
    }

    impl Sender for Strict {
        async fn send(&mut self, samples: &[Sample]) -> Result<(), Unsent> {
            self.requests += 1;
            let refused = samples.iter().any(|sample| self.bad.iter().any(|bad| bad == sample.path.as_str()));
            if refused { Err(refusal(400).into()) } else { Ok(()) }
        }
    }

    fn refusal(status: u16) -> ApiError {
        ApiError::Status {
            request: "PUT accounts/1/values".into(),
            status,
            message: "no".into(),
            retry_after: None,
        }
    }

    fn load(n: usize) -> Load {
        let sample = |n| Sample {
            path: Path::new(format!("p.{n}")).unwrap(),
            value: 1.0,
            time: Timestamp::from_secs(1),
        };
        Load::new(vec![Parcel { seq: Seq(1), samples: (0..n).map(sample).collect() }]).0
    }

    #[tokio::test]
    async fn bad_samples_are_found_with_few_requests_and_their_neighbours_are_stored() {
        let cases: &[(&[usize], usize)] =
            &[(&[0], 22), (&[500], 22), (&[999], 22), (&[3, 4, 5, 6], 40), (&[1, 250, 600, 998], 80)];
        for (bad, most) in cases {
            let mut sender = Strict { bad: bad.iter().map(|n| format!("p.{n}")).collect(), requests: 0 };
            let mut load = load(1_000);
            send(&mut sender, &mut load, 0..1_000, &mut 0).await.unwrap();
            let refused: Vec<_> = load.refused.iter().map(|(at, _)| *at).collect();
            assert_eq!(refused, *bad);
            assert_eq!(load.fates.iter().filter(|fate| **fate == Fate::Stored).count(), 1_000 - bad.len());
            assert!(sender.requests <= *most, "{bad:?}: {} requests", sender.requests);
        }
    }

    #[tokio::test]
    async fn when_a_hundred_are_refused_in_a_row_it_is_not_the_samples() {
        let mut sender = Strict { bad: (0..1_000).map(|n| format!("p.{n}")).collect(), requests: 0 };
        let mut load = load(1_000);
        let setback = send(&mut sender, &mut load, 0..1_000, &mut 0).await.unwrap_err();
        assert!(matches!(setback.judgement, Judgement::Trouble { kind: Kind::RefusesAll, .. }));
        assert_eq!(load.refused.len(), 100);
    }

    #[test]
    fn each_refusal_has_its_meaning() {
        assert_eq!(judge(&refusal(422)), Judgement::Samples);
        assert_eq!(judge(&refusal(401)), Judgement::Stopped(Refusal::Token));
        assert_eq!(judge(&refusal(403)), Judgement::Stopped(Refusal::Permission));
        assert_eq!(judge(&refusal(404)), Judgement::Stopped(Refusal::Account));
        for (status, may_be_the_size) in [(302, false), (429, false), (500, true), (503, false), (413, true)]
        {
            let Judgement::Trouble { smaller, .. } = judge(&refusal(status)) else { panic!("{status}") };
            assert_eq!(smaller, may_be_the_size, "{status}");
        }
    }
}
