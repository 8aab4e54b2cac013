//! GETs of scalars: in batches, cut in two where a batch fails, so that no object spoils another.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::agent::{Binding, SnmpError};
use crate::oid::Oid;
use crate::poll::conversation::{Conversation, Failure, means_absent};
use crate::poll::manners::GetManners;
use crate::value::Value;

/// A scalar's value, [`Value::Nothing`] where the agent has none, and when it came.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Scalar {
    pub(crate) value: Value,
    pub(crate) received: Instant,
}

/// What became of the objects that were asked for: each is either in `values` or in `failed`.
#[derive(Default, Debug)]
pub(crate) struct Gets {
    pub(crate) values: HashMap<Oid, Scalar>,
    pub(crate) failed: Vec<(Oid, GetError)>,
}

/// Why an object has not even [`Value::Nothing`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum GetError {
    #[error("the time for this poll was up")]
    TimeUp,
    #[error("the answer does not hold it")]
    LeftOut,
    #[error(transparent)]
    Failed(#[from] SnmpError),
}

impl From<Failure> for GetError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TimeUp => Self::TimeUp,
            Failure::Snmp(error) => Self::Failed(error),
        }
    }
}

/// Gets all `oids`, each once, the first ones first.
pub(crate) async fn get(talk: &Conversation<'_>, oids: &[Oid], manners: &mut GetManners) -> Gets {
    let mut gets = Gets::default();
    let (apart, together): (Vec<Oid>, Vec<Oid>) = oids.iter().cloned().partition(|oid| manners.is_apart(oid));
    let size = manners.batch.now() as usize;
    // A stack: what stands first is asked for first.
    let mut batches: Vec<Vec<Oid>> = apart.into_iter().rev().map(|oid| vec![oid]).collect();
    batches.extend(together.chunks(size.max(1)).rev().map(<[Oid]>::to_vec));

    while let Some(mut batch) = batches.pop() {
        let failure = match talk.get(&batch).await {
            Ok(answer) => {
                manners.batch.fits(u32::try_from(batch.len()).unwrap_or(u32::MAX));
                if let [oid] = &*batch {
                    manners.forgive(oid);
                }
                gets.take(batch, answer.bindings, answer.received);
                continue;
            }
            Err(failure) => failure,
        };
        match failure {
            // The device is gone, or the batch is one that it cannot stand: its first object alone tells.
            Failure::Snmp(SnmpError::Timeout { .. })
                if batch.len() > 1 && !talk.heard() && talk.given_up().is_none() =>
            {
                let rest = batch.split_off(1);
                batches.push(rest);
                batches.push(batch);
            }
            Failure::Snmp(SnmpError::TooBig) if batch.len() > 1 => {
                manners.batch.fails(u32::try_from(batch.len()).unwrap_or(u32::MAX));
                halve(batch, &mut batches);
            }
            Failure::Snmp(SnmpError::Agent { ref status, index: Some(index) })
                if (1..=batch.len()).contains(&index) =>
            {
                let culprit = batch.remove(index - 1);
                if means_absent(status) {
                    gets.values.insert(culprit, Scalar { value: Value::Nothing, received: Instant::now() });
                } else {
                    gets.failed.push((culprit, failure.into()));
                }
                if !batch.is_empty() {
                    batches.push(batch);
                }
            }
            Failure::Snmp(_) if batch.len() > 1 && talk.given_up().is_none() => halve(batch, &mut batches),
            failure => {
                if let (Failure::Snmp(SnmpError::Timeout { .. }), [oid], None) =
                    (&failure, &*batch, talk.given_up())
                {
                    manners.set_apart(oid);
                }
                gets.fail(batch, &failure.into());
            }
        }
    }
    gets
}

fn halve(mut batch: Vec<Oid>, batches: &mut Vec<Vec<Oid>>) {
    let rest = batch.split_off(batch.len().div_ceil(2));
    batches.push(rest);
    batches.push(batch);
}

impl Gets {
    /// Takes an answer, by name: some agents leave out objects, and some change their order.
    fn take(&mut self, asked: Vec<Oid>, mut bindings: Vec<Binding>, received: Instant) {
        for (n, oid) in asked.into_iter().enumerate() {
            let in_place = bindings.get(n).is_some_and(|(other, _)| *other == oid);
            let at = if in_place { Some(n) } else { bindings.iter().position(|(other, _)| *other == oid) };
            match at.and_then(|at| bindings.get_mut(at)) {
                Some((_, value)) => {
                    let value = std::mem::replace(value, Value::Nothing);
                    self.values.insert(oid, Scalar { value, received });
                }
                None => self.failed.push((oid, GetError::LeftOut)),
            }
        }
    }

    fn fail(&mut self, batch: Vec<Oid>, error: &GetError) {
        self.failed.extend(batch.into_iter().map(|oid| (oid, error.clone())));
    }
}

#[cfg(test)]
mod tests;
