//! Exporters that no entity has become devices: a suggestion, for a person to accept or to delete.
//!
//! The bot before put every unknown exporter into every account that it could see, again and again (G24). Here there is
//! one account, an exporter is suggested once, and what a person deletes stays deleted.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use grafoleancollector::{AccountId, Context, Device, Host, JobError, Table};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OnceCell};

use crate::flow::Ip;
use crate::gateway;
use crate::settings::Suggest;

/// Where it is remembered who was suggested.
const SUGGESTED: &str = "netflow-suggested";
/// An exporter that is worth a suggestion has been sending for this long: one packet in another's name is sent easily.
pub(crate) const LASTING: Duration = Duration::from_secs(60);
/// Suggestions in all the bot's lives. A network has some dozens of exporters; beyond this somebody makes them up.
const MOST: usize = 500;
/// Suggestions of one run.
const MOST_AT_ONCE: usize = 20;

/// Who was suggested.
#[derive(Default)]
pub(crate) struct Suggestions {
    kept: OnceCell<(Table, Mutex<HashSet<Ip>>)>,
    /// That a bridge hides the exporters is worth one line.
    bridge_said: AtomicBool,
}

/// The account for suggestions, if there is one.
pub(crate) fn account(suggest: Suggest, accounts: &[AccountId]) -> Option<AccountId> {
    match (suggest, accounts) {
        (Suggest::Account(account), _) if accounts.contains(&account) => Some(account),
        (Suggest::OnlyAccount, [only]) => Some(*only),
        _ => None,
    }
}

impl Suggestions {
    async fn kept(&self, cx: &Context) -> &(Table, Mutex<HashSet<Ip>>) {
        let load = async || {
            let table = cx.state().table(SUGGESTED);
            let keys = table.load().await.into_iter();
            let known = keys.filter_map(|(key, _)| Some(Ip::v6(key.as_ref().try_into().ok()?))).collect();
            (table, Mutex::new(known))
        };
        self.kept.get_or_init(load).await
    }

    /// Suggests those of `lasting` exporters that no entity has and that were never suggested.
    pub(crate) async fn suggest(
        &self,
        cx: &Context,
        account: AccountId,
        lasting: Vec<Ip>,
        known: &HashSet<Ip>,
    ) -> Result<(), JobError> {
        let (table, suggested) = self.kept(cx).await;
        let mut suggested = suggested.lock().await;
        let is_new = |ip: &Ip| !known.contains(ip) && !suggested.contains(ip);
        if let Some(bridge) = gateway::of_container().filter(|bridge| lasting.contains(bridge))
            && !self.bridge_said.swap(true, Relaxed)
        {
            tracing::warn!(
                "flows come from {bridge}, the gateway of this container: its bridge hides which exporter sends \
                     them; run the container with --network host"
            );
        }
        let new: Vec<_> = lasting.into_iter().filter(is_new).take(MOST_AT_ONCE).collect();
        if new.is_empty() {
            return Ok(());
        }
        let devices = cx.devices(account).await;
        let devices =
            devices.map_err(|error| JobError::because("cannot look for the exporters' devices", error))?;
        let have = addresses(&devices);
        for ip in new {
            if !have.contains(&ip) {
                if suggested.len() >= MOST {
                    return Err(JobError::failed(format_args!(
                        "{MOST} exporters were suggested already, {ip} is not: is somebody making them up? \
                         NETFLOW_ALLOW says who may send"
                    )));
                }
                let failed =
                    |error| JobError::because(format_args!("cannot suggest the exporter {ip}"), error);
                let id = cx.suggest_device(account, name(ip), details(ip)).await.map_err(failed)?;
                if let Some(id) = id {
                    tracing::info!(
                        "{ip} sends flows, and no entity has it: suggested as entity {id} in account {account}"
                    );
                }
            }
            suggested.insert(ip);
            table.put(&ip.octets(), Vec::new());
        }
        Ok(())
    }
}

fn name(ip: Ip) -> String {
    format!("{ip} (NetFlow exporter)")
}

fn details(ip: Ip) -> Map<String, Value> {
    let field = if ip.to_addr().is_ipv4() { "ipv4" } else { "ipv6" };
    [(field.to_owned(), Value::String(ip.to_string()))].into_iter().collect()
}

/// The addresses that devices have. One without any is no reason to fail, as it was once.
fn addresses(devices: &[Device]) -> HashSet<Ip> {
    let texts = devices.iter().flat_map(|device| ["ipv4", "ipv6"].map(|field| device.details.text(field)));
    let hosts = texts.flatten().filter_map(|text| text.parse::<Host>().ok());
    let literal =
        hosts.filter_map(|host| if let Host::Address(address) = host { Some(address.ip()) } else { None });
    literal.map(Ip::from).collect()
}
