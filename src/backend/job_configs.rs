//! From the backend's lists to a protocol's entities: `1 + 3 × accounts` requests, however many entities there are.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use super::config_cache::{Account, ConfigCache};
use super::entities::{Built, Lists, Problems};
use super::room::Room;
use super::wire::{self, RawRecord};
use super::{Api, ApiError, Resource};
use crate::error::FetchError;
use crate::ids::{AccountId, UserId};
use crate::parts::Knowledge;
#[cfg(fuzzing)]
use crate::parts::PartsByEntity;
use crate::protocol::{Entity, Protocol};

/// Accounts that are read at the same time: three requests each, and their lists in memory.
const ACCOUNTS_AT_ONCE: usize = 4;

/// Lists above this size, in bytes, are read on a thread that may block: there it takes milliseconds.
const READ_ASIDE_ABOVE: usize = 256 << 10;

/// Reads the entities that have protocol `P` and are this bot's to serve, from all accounts.
///
/// An account that cannot be read keeps the entities that it had.
pub(crate) async fn fetch<P: Protocol>(
    api: &Arc<dyn Api>,
    user: UserId,
    cache: &ConfigCache,
    parts: &Arc<Knowledge>,
) -> Result<Vec<Arc<Entity<P>>>, FetchError> {
    let look = parts.begin_look::<P>();
    let body = api.get(Resource::Accounts).await.map_err(FetchError::Accounts)?;
    let (accounts, problems) =
        wire::read(Resource::Accounts, &body, read_accounts).map_err(FetchError::Accounts)?;
    drop(body);
    let mut answers: Vec<_> = stream::iter(accounts)
        .map(|account| {
            let (api, parts) = (api.clone(), parts.clone());
            async move {
                let answer = Room::share(read_account::<P>(api, account.id, user, parts)).await;
                (account, answer)
            }
        })
        .buffered(ACCOUNTS_AT_ONCE)
        .collect()
        .await;
    if let Some(look) = look {
        let accounts = answers.iter().map(|(account, _)| account.id).collect::<HashSet<_>>();
        let built =
            answers.iter_mut().filter_map(|(account, answer)| Some((account.id, answer.as_mut().ok()?)));
        let found = built.map(|(account, built)| (account, std::mem::take(&mut built.parts))).collect();
        parts.end_look::<P>(look, &accounts, found);
    }
    Ok(cache.accept::<P>(answers, problems))
}

/// The accounts that this bot may see.
pub(crate) async fn accounts(api: &dyn Api) -> Result<Vec<Account>, ApiError> {
    let body = api.get(Resource::Accounts).await?;
    let (accounts, _) = wire::read(Resource::Accounts, &body, read_accounts)?;
    Ok(accounts)
}

/// The account list: accounts, and what is wrong with others.
fn read_accounts(body: &[u8]) -> Result<(Vec<Account>, Problems), String> {
    let mut problems = Problems::default();
    let mut accounts = Vec::new();
    let mut seen = HashSet::new();
    for (index, raw) in wire::list(body)?.into_iter().enumerate() {
        let read = wire::object::<RawRecord<'_>>(raw).and_then(|raw| {
            let id = wire::required("id", raw.id)?;
            Ok(Account { id, name: wire::shown_name(raw.name).into() })
        });
        match read {
            Ok(account) if seen.insert(account.id) => accounts.push(account),
            Ok(account) => {
                problems.add(format_args!("account {}: listed twice; the first one counts", account.id));
            }
            Err(problem) => problems.add(format_args!("account number {} of the list: {problem}", index + 1)),
        }
    }
    Ok((accounts, problems))
}

/// Reads the three lists of an account, all at the same time.
async fn read_account<P: Protocol>(
    api: Arc<dyn Api>,
    account: AccountId,
    user: UserId,
    parts: Arc<Knowledge>,
) -> Result<Built<P>, ApiError> {
    let (entities, credentials, sensors) = tokio::try_join!(
        api.get(Resource::Entities(account)),
        api.get(Resource::Credentials(account)),
        api.get(Resource::Sensors(account)),
    )?;
    let lists = Lists { account, user, entities, credentials, sensors };
    let known = parts.known_in::<P>(account);
    if lists.entities.len() + lists.credentials.len() + lists.sensors.len() <= READ_ASIDE_ABOVE {
        return lists.build::<P>(&known);
    }
    match tokio::task::spawn_blocking(move || lists.build::<P>(&known)).await {
        Ok(built) => built,
        Err(error) => match error.try_into_panic() {
            // Somebody's own `Deserialize` panicked: that is theirs to hear of, as if it had been called here.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(wire::malformed(Resource::Entities(account), "the bot is stopping".to_owned())),
        },
    }
}

/// Reads any bytes as the answers of a refresh.
#[cfg(fuzzing)]
pub(super) fn read_any<P: Protocol>(
    account: AccountId,
    user: UserId,
    entities: Vec<u8>,
    credentials: Vec<u8>,
    sensors: Vec<u8>,
) {
    let _ = read_accounts(&entities);
    let _ = Lists { account, user, entities, credentials, sensors }.build::<P>(&PartsByEntity::new());
}

#[cfg(test)]
mod tests;
