//! Parts: the entities that a bot itself keeps below its own, such as the interfaces of a switch.

mod knowledge;
mod list;
mod part;
mod register;

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tracing::Instrument as _;

pub(crate) use knowledge::Knowledge;
use knowledge::{Shelf, Writing};
pub(crate) use list::PartList;
pub use part::{Part, PartContent};
pub(crate) use register::PartsByEntity;
use register::{Outcome, Refusal, Version};

use crate::backend::{Api, ApiError, EntityContent, EntityWrite};
use crate::ids::{AccountId, EntityId};
use crate::protocol::Protocol;

/// The parts of one entity, and the pen to change them.
///
/// [`Context::parts_of`](crate::Context::parts_of) gives it, but only where the parts are known: from the account's
/// list, which the last look at the jobs read, and from what was written since. So nothing is created twice:
///
/// - what a run writes is known to the next one, however long the next look takes;
/// - a look that began before a write ended does not bring the old state back;
/// - of two runs that were shown the same list, only one may write;
/// - where an answer is lost, so that a part may or may not have been created, nothing is known of this entity's
///   parts, and nothing can be written, until a look that begins a minute later.
///
/// All runs together write four at a time, so that a first start does not keep the backend from storing values. A
/// write that is under way goes on when its run is dropped; until its end nobody is given these parts.
///
/// ```
/// use std::collections::HashMap;
/// use grafoleancollector::{AccountId, EntityId, JobError, PartContent, Protocol, Run};
/// # struct Snmp;
/// # impl Protocol for Snmp {
/// #     const SLUG: &'static str = "snmp";
/// #     const PARTS: Option<&'static str> = Some("interface");
/// #     type Credential = ();
/// #     type Sensor = ();
/// # }
///
/// /// Makes the interfaces of a device what they are to be.
/// async fn keep<T>(
///     run: &Run<T>,
///     account: AccountId,
///     device: EntityId,
///     mut wanted: HashMap<String, PartContent>,
/// ) -> Result<(), JobError> {
///     let failed = |error| JobError::because("cannot write the interfaces", error);
///     let Some(parts) = run.context().parts_of::<Snmp>(account, device) else {
///         return Err(JobError::failed("the interfaces are not known until the next look"));
///     };
///     for part in parts.list() {
///         match wanted.remove(part.name) {
///             None => parts.delete(part.id).await.map_err(failed)?,
///             Some(content) if content.details == part.details() => {}
///             Some(content) => parts.update(part.id, &content).await.map_err(failed)?,
///         }
///     }
///     for content in wanted.values() {
///         parts.create(content).await.map_err(failed)?;
///     }
///     Ok(())
/// }
/// ```
pub struct Parts {
    api: Arc<dyn Api>,
    knowledge: Arc<Knowledge>,
    shelf: Shelf,
    entity_type: &'static str,
    account: AccountId,
    owner: EntityId,
    list: Arc<PartList>,
    shown: Mutex<Version>,
}

/// A part was not written.
///
/// ```
/// use grafoleancollector::{EntityId, PartsError};
/// let error = PartsError::NotKnown { owner: EntityId::new(7) };
/// assert!(error.to_string().starts_with("which parts entity 7 has is not known"));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// Nothing was sent: it could create a second part for the same thing.
    #[error(
        "which parts entity {owner} has is not known until the next look at the jobs, so that none is written"
    )]
    NotKnown {
        /// Whose parts they are.
        owner: EntityId,
    },
    /// Nothing was sent: another run has written to the same entity's parts since they were listed for this one.
    #[error("another run has written the parts of entity {owner} since they were listed")]
    Outdated {
        /// Whose parts they are.
        owner: EntityId,
    },
    /// The backend refused, or nobody knows what it did.
    #[error(transparent)]
    Backend(ApiError),
}

impl Parts {
    /// None where they are not known.
    pub(crate) fn of<P: Protocol>(
        api: Arc<dyn Api>,
        knowledge: Arc<Knowledge>,
        account: AccountId,
        owner: EntityId,
    ) -> Option<Self> {
        let (entity_type, shelf) = (P::PARTS?, Shelf::of::<P>());
        let (list, version) = knowledge.of(shelf, account, owner)?;
        Some(Self { api, knowledge, shelf, entity_type, account, owner, list, shown: Mutex::new(version) })
    }

    /// The parts, by id, as they were known when this was asked for.
    pub fn list(&self) -> impl Iterator<Item = Part<'_>> {
        self.list.iter()
    }

    /// Creates a part and gives its id.
    ///
    /// # Errors
    /// When the backend refuses, or when it is not known which parts there are; see [`PartsError`].
    pub async fn create(&self, content: &PartContent) -> Result<EntityId, PartsError> {
        self.write(EntityWrite::Create { parent: Some(self.owner), content: self.entity(content) }).await
    }

    /// Gives a part another name, and other details in place of all that it has.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn update(&self, id: EntityId, content: &PartContent) -> Result<(), PartsError> {
        self.write(EntityWrite::Update { id, content: self.entity(content) }).await.map(drop)
    }

    /// Deletes a part. One that is not there any more is as good as deleted.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn delete(&self, id: EntityId) -> Result<(), PartsError> {
        self.write(EntityWrite::Delete { id }).await.map(drop)
    }

    fn entity(&self, content: &PartContent) -> EntityContent {
        EntityContent::new(content.name.as_str(), self.entity_type, content.details.clone())
    }

    async fn write(&self, write: EntityWrite) -> Result<EntityId, PartsError> {
        let Self { account, owner, .. } = *self;
        let writing = Writing::begin(self.knowledge.clone(), self.shelf, account, owner, &self.shown).await;
        let writing = writing.map_err(|refusal| match refusal {
            Refusal::NotKnown => PartsError::NotKnown { owner },
            Refusal::Outdated => PartsError::Outdated { owner },
        })?;
        let request = format!("{} {}", write.method(), write.path(account));
        let api = self.api.clone();
        let work = async move {
            let result = api.write_entity(account, &write).await;
            writing.end(outcome(write, &result));
            result
        };
        // A task of its own: a run that is dropped at its deadline leaves no doubt behind.
        let result = match Handle::try_current() {
            Ok(runtime) => match runtime.spawn(work.in_current_span()).await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(ApiError::Transport { request, reason: "the bot is stopping".to_owned() }),
                },
            },
            Err(_) => work.await,
        };
        result.map_err(PartsError::Backend)
    }
}

/// What the backend's answer means for what is known.
fn outcome(write: EntityWrite, result: &Result<EntityId, ApiError>) -> Outcome {
    match (write, result) {
        (EntityWrite::Create { content, .. } | EntityWrite::Update { content, .. }, Ok(id)) => {
            // A map of JSON is written without fail, in the form that is read again.
            let details = serde_json::to_string(&content.details).unwrap_or_else(|_| "{}".to_owned());
            Outcome::Is { id: *id, name: content.name, details }
        }
        (EntityWrite::Delete { .. }, Ok(id)) => Outcome::Gone(*id),
        (EntityWrite::Create { .. }, Err(error)) if !error.is_refusal() => Outcome::Doubtful,
        // Somebody else deleted it: what else is different?
        (EntityWrite::Update { .. }, Err(error)) if error.status() == Some(404) => Outcome::Doubtful,
        (_, Err(_)) => Outcome::Same,
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("account", &self.account)
            .field("owner", &self.owner)
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
