//! Which entity owns which exporter's flows: from the configuration to what shards and deliveries need.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use grafoleancollector::{AccountId, Context, Entity, Host};
use tokio::task::JoinSet;

use crate::aggregate::{ExporterKey, Rules};
use crate::deliver::Owner;
use crate::flow::Ip;
use crate::protocol::{NetFlow, Ownership};

/// A name server that does not answer must not keep the other entities waiting.
const LONGEST_LOOKUP: Duration = Duration::from_secs(5);

/// What the configuration says, sorted out.
#[derive(Default, Debug)]
pub(crate) struct Sorted {
    pub(crate) owners: BTreeMap<AccountId, Vec<Owner>>,
    pub(crate) exporters: Vec<(ExporterKey, Rules)>,
}

/// The addresses of names, as they were when they were last known.
#[derive(Default, Debug)]
pub(crate) struct Names(Mutex<HashMap<Box<str>, Vec<Ip>>>);

impl Names {
    /// Looks up all names at once. One that cannot be looked up keeps the addresses that it had.
    async fn look_up(&self, names: impl Iterator<Item = Box<str>>) -> HashMap<Box<str>, Vec<Ip>> {
        let mut lookups = JoinSet::new();
        let mut asked: Vec<_> = names.collect();
        asked.sort_unstable();
        asked.dedup();
        for name in asked {
            lookups.spawn(async move {
                let answer = tokio::time::timeout(LONGEST_LOOKUP, tokio::net::lookup_host((&*name, 0))).await;
                let addresses = answer.ok().and_then(Result::ok).into_iter().flatten();
                let mut addresses: Vec<_> =
                    addresses.map(|address: SocketAddr| Ip::from(address.ip())).collect();
                addresses.sort_unstable();
                addresses.dedup();
                (name, addresses)
            });
        }
        let found = lookups.join_all().await;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *known);
        for (name, addresses) in found {
            let last = || before.get(&name).cloned().unwrap_or_default();
            let addresses = if addresses.is_empty() { last() } else { addresses };
            known.insert(name, addresses);
        }
        known.clone()
    }
}

/// Sorts out the entities; what is wrong with one is said, and costs no other.
pub(crate) async fn sort_out(cx: &Context, names: &Names, entities: &[Arc<Entity<NetFlow>>]) -> Sorted {
    let mut read = Vec::with_capacity(entities.len());
    for entity in entities {
        match Ownership::read(&entity.details, *entity.credential) {
            Ok(ownership) => read.push((entity, ownership)),
            Err(why) => cx.skip(&**entity, why),
        }
    }
    read.sort_by_key(|(entity, _)| entity.id);
    let hosts = read.iter().flat_map(|(_, ownership)| &ownership.hosts);
    let named = hosts.filter_map(|host| if let Host::Name(name) = host { Some(name.clone()) } else { None });
    let found = names.look_up(named).await;
    let mut sorted = Sorted::default();
    let mut claims: BTreeMap<ExporterKey, Vec<Claim<'_>>> = BTreeMap::new();
    for (entity, Ownership { hosts, domain, rules, boundary }) in read {
        let mut exporters = Vec::new();
        for host in &hosts {
            let addresses = match host {
                Host::Address(address) => vec![Ip::from(address.ip())],
                Host::Name(name) => found.get(name).cloned().unwrap_or_default(),
            };
            if addresses.is_empty() {
                cx.skip(&**entity, format_args!("the name {host} has no address"));
            }
            exporters.extend(addresses.into_iter().map(|address| ExporterKey { address, domain }));
        }
        exporters.sort_unstable();
        exporters.dedup();
        for exporter in &exporters {
            claims.entry(*exporter).or_default().push(Claim { entity, rules });
        }
        if !exporters.is_empty() {
            let owner = Owner { entity: entity.id, exporters, boundary };
            sorted.owners.entry(entity.account).or_default().push(owner);
        }
    }
    sorted.exporters =
        claims.into_iter().map(|(exporter, claims)| (exporter, settle(cx, exporter, &claims))).collect();
    sorted
}

/// What an entity says of an exporter.
struct Claim<'a> {
    entity: &'a Entity<NetFlow>,
    rules: Rules,
}

/// The rules of an exporter. Of entities of one account the first has the say; accounts that do not agree have none: nobody
/// is to change the values of others.
fn settle(cx: &Context, exporter: ExporterKey, claims: &[Claim<'_>]) -> Rules {
    let Some(first) = claims.first() else { return Rules::default() };
    if claims.iter().all(|claim| claim.rules == first.rules) {
        return first.rules;
    }
    let one_account = claims.iter().all(|claim| claim.entity.account == first.entity.account);
    let rules = if one_account { first.rules } else { Rules::default() };
    for Claim { entity, .. } in claims.iter().filter(|claim| claim.rules != rules) {
        let (address, first) = (exporter.address, first.entity.id);
        if one_account {
            cx.skip(
                entity,
                format_args!(
                    "its sampling or nsel is not used: entity {first} has the same exporter {address}"
                ),
            );
        } else {
            cx.skip(
                entity,
                format_args!(
                    "its sampling or nsel is not used: an entity of another account has the same exporter {address}, and \
                     says otherwise"
                ),
            );
        }
    }
    rules
}
