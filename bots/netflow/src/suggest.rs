//! Exporters that no entity has become devices: a suggestion, for a person to accept or to delete.
//!
//! The bot before put every unknown exporter into every account that it could see, again and again (G24). Here there is
//! one account, an exporter is suggested once, and what a person deletes stays deleted.

use std::collections::HashSet;
use std::time::Duration;

use grafoleancollector::{AccountId, Context, Device, Host, JobError, Table};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OnceCell};

use crate::flow::Ip;
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
    /// Those that have a device already, as somebody made it.
    has_device: Mutex<HashSet<Ip>>,
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
        let mut has_device = self.has_device.lock().await;
        let is_new = |ip: &Ip| !known.contains(ip) && !suggested.contains(ip) && !has_device.contains(ip);
        let new: Vec<_> = lasting.into_iter().filter(is_new).take(MOST_AT_ONCE).collect();
        if new.is_empty() {
            return Ok(());
        }
        let devices = cx.devices(account).await;
        let devices =
            devices.map_err(|error| JobError::because("cannot look for the exporters' devices", error))?;
        let addresses = addresses(&devices);
        for ip in new {
            if addresses.contains(&ip) {
                has_device.insert(ip);
                continue;
            }
            if suggested.len() >= MOST {
                return Err(JobError::failed(format_args!(
                    "{MOST} exporters were suggested already, {ip} is not: is somebody making them up? \
                     NETFLOW_ALLOW says who may send"
                )));
            }
            let failed = |error| JobError::because(format_args!("cannot suggest the exporter {ip}"), error);
            let id = cx.suggest_device(account, name(ip), details(ip)).await.map_err(failed)?;
            if let Some(id) = id {
                tracing::info!(
                    "{ip} sends flows, and no entity has it: suggested as entity {id} in account {account}"
                );
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The bot before put every unknown exporter into every account that it could see (G24).
    #[test]
    fn suggestions_go_to_the_only_account_or_to_the_one_that_is_named_and_to_no_other() {
        let [one, two] = [1, 2].map(AccountId::new);
        assert_eq!(account(Suggest::OnlyAccount, &[one]), Some(one));
        assert_eq!(account(Suggest::OnlyAccount, &[one, two]), None);
        assert_eq!(account(Suggest::Account(two), &[one, two]), Some(two));
        assert_eq!(account(Suggest::Account(two), &[one]), None, "it cannot be seen");
        assert_eq!(account(Suggest::Nowhere, &[one]), None);
    }
}
