//! What the last refresh found: kept for accounts that cannot be read, and so that a problem is said once.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::ApiError;
use super::entities::{Built, Problems};
use crate::ids::AccountId;
use crate::job::About;
use crate::protocol::{Entity, Protocol};
use crate::telemetry::Warnings;

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) name: Box<str>,
}

/// What the last refresh found, of every protocol: so that an account that cannot be read keeps what it had,
/// and a problem is said once.
///
/// It holds what the backend holds: an account that is not listed any more is forgotten.
#[derive(Default)]
pub(crate) struct ConfigCache {
    protocols: Mutex<HashMap<TypeId, Known>>,
}

#[derive(Default)]
struct Known {
    protocol: &'static str,
    accounts: HashMap<AccountId, Kept>,
    warnings: Warnings,
    report: RefreshReport,
}

#[derive(Default)]
struct Kept {
    /// A `Vec<Arc<Entity<P>>>`; none until the account was read once.
    entities: Option<Box<dyn Any + Send + Sync>>,
    problems: Problems,
    /// What was last said of the account's failure.
    failing: Option<Sort>,
}

/// What sort of failure it is: only another sort is worth another warning.
type Sort = (std::mem::Discriminant<ApiError>, Option<u16>);

/// How the last refresh went.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefreshReport {
    /// Accounts that this bot may see.
    pub(crate) accounts: usize,
    /// Accounts that could not be read, and keep what they had.
    pub(crate) failed: Vec<FailedAccount>,
    /// Entities to serve, with those that failed accounts keep.
    pub(crate) entities: usize,
    /// Sensors of these entities.
    pub(crate) sensors: usize,
    /// Things that are broken and were skipped, all of them.
    pub(crate) problem_count: usize,
    /// The same in words; of very many only some.
    pub(crate) problems: Vec<String>,
}

/// An account that could not be read.
#[derive(Clone, Debug)]
pub(crate) struct FailedAccount {
    pub(crate) id: AccountId,
    pub(crate) name: Box<str>,
    pub(crate) error: ApiError,
    /// It has not been read since the start, so that nothing of it is served.
    pub(crate) never_read: bool,
}

impl RefreshReport {
    /// What there is to do, in a line.
    pub(crate) fn summary(&self) -> String {
        let Self { accounts, entities, sensors, .. } = self;
        let count = |n: &usize, one: &str, many: &str| format!("{n} {}", if *n == 1 { one } else { many });
        let (accounts, sensors) =
            (count(accounts, "account", "accounts"), count(sensors, "sensor", "sensors"));
        format!("{} with {sensors} in {accounts}", count(entities, "entity", "entities"))
    }
}

impl fmt::Display for FailedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, error, .. } = self;
        write!(f, "account {id} ({name}) cannot be read: {error}")
    }
}

impl ConfigCache {
    /// How the last refresh went: all protocols together.
    pub(crate) fn report(&self) -> RefreshReport {
        let protocols = self.protocols.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = RefreshReport::default();
        for known in protocols.values() {
            let RefreshReport { accounts, failed, entities, sensors, problem_count, .. } = &known.report;
            // Every protocol sees the same accounts.
            sum.accounts = sum.accounts.max(*accounts);
            sum.failed.extend(failed.iter().cloned());
            sum.entities += entities;
            sum.sensors += sensors;
            sum.problem_count += problem_count;
            sum.problems.extend(known.warnings.list());
        }
        sum.failed.sort_by_key(|account| account.id);
        sum.failed.dedup_by_key(|account| account.id);
        sum
    }

    /// Entities that are not served, or not in full, and why.
    pub(crate) fn broken(&self) -> Vec<(About, Box<str>)> {
        let protocols = self.protocols.lock().unwrap_or_else(PoisonError::into_inner);
        let mut broken = Vec::new();
        for Known { protocol, accounts, .. } in protocols.values() {
            for (account, Kept { problems, .. }) in accounts {
                broken.extend(problems.of_entities.iter().map(|(entity, why)| {
                    (About { account: *account, entity: *entity, protocol }, why.clone())
                }));
            }
        }
        broken
    }

    /// The accounts of the last refresh, sorted.
    pub(crate) fn accounts(&self) -> Vec<AccountId> {
        let protocols = self.protocols.lock().unwrap_or_else(PoisonError::into_inner);
        let mut accounts: Vec<_> =
            protocols.values().flat_map(|known| known.accounts.keys().copied()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }

    /// Takes a refresh's answers, and gives the entities that there are now.
    pub(super) fn accept<P: Protocol>(
        &self,
        answers: Vec<(Account, Result<Built<P>, ApiError>)>,
        mut problems: Problems,
    ) -> Vec<Arc<Entity<P>>> {
        let mut protocols = self.protocols.lock().unwrap_or_else(PoisonError::into_inner);
        let known = protocols.entry(TypeId::of::<P>()).or_default();
        known.protocol = P::SLUG;
        let mut before = std::mem::take(&mut known.accounts);
        let mut report = RefreshReport { accounts: answers.len(), ..RefreshReport::default() };
        let mut all = Vec::new();
        for (account, answer) in answers {
            let mut kept = before.remove(&account.id).unwrap_or_default();
            match answer {
                Ok(built) => {
                    if kept.failing.take().is_some() {
                        tracing::info!("{} can be read again", account.shown());
                    }
                    all.extend(built.entities.iter().cloned());
                    kept = Kept {
                        entities: Some(Box::new(built.entities)),
                        problems: built.problems,
                        failing: None,
                    };
                }
                Err(error) => {
                    let had = kept.entities.as_deref().and_then(<dyn Any + Send + Sync>::downcast_ref);
                    let had: &[Arc<Entity<P>>] = had.map_or(&[], |had: &Vec<_>| had);
                    all.extend(had.iter().cloned());
                    let sort = (std::mem::discriminant(&error), error.status());
                    if kept.failing.replace(sort) != Some(sort) {
                        let (who, keeps) = (account.shown(), had.len());
                        tracing::warn!(
                            "{who} cannot be read and keeps what it had (entities: {keeps}): {error}"
                        );
                    }
                    let never_read = kept.entities.is_none();
                    report.failed.push(FailedAccount {
                        id: account.id,
                        name: account.name,
                        error,
                        never_read,
                    });
                }
            }
            problems.count += kept.problems.count;
            problems.texts.extend(kept.problems.texts.iter().cloned());
            known.accounts.insert(account.id, kept);
        }
        report.entities = all.len();
        report.sensors = all.iter().map(|entity| entity.sensors.len()).sum();
        report.problem_count = problems.count;
        known.report = report;
        known.warnings.look(problems.texts.into_iter().collect());
        all
    }
}

impl Account {
    fn shown(&self) -> String {
        let Self { id, name } = self;
        if name.is_empty() { format!("account {id}") } else { format!("account {id} ({name})") }
    }
}
