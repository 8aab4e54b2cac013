//! What a bot is to do: the lists of an account.

use reqwest::Method;
use serde_json::Value;

use crate::differences::DEFAULTS;
use crate::peer::Peer;

pub(crate) async fn the_account_list_has_ids_and_names(peer: &Peer) {
    let accounts = peer.get("accounts").await.with(200).json();
    for account in accounts["list"].as_array().unwrap() {
        assert!(account["id"].is_u64() && account["name"].is_string(), "{account}");
    }
}

pub(crate) async fn a_new_account_has_the_default_credentials_and_sensors(peer: &Peer) {
    if !peer.is_fresh {
        return eprintln!("skipped: only a new account is known to have them");
    }
    for (list, name) in DEFAULTS {
        let records = peer.list(list).await;
        let found = records.iter().find(|record| record["name"] == name);
        let record = found.unwrap_or_else(|| panic!("no {name}: {records:?}"));
        assert!(record["protocol"].is_string() && record["details"].is_object(), "{record}");
    }
    let records = peer.list("sensors").await;
    let interval = |name: &str| {
        let sensor = records.iter().find(|record| record["name"] == name).unwrap();
        sensor.get("default_interval").cloned().unwrap()
    };
    assert_eq!(interval("Default ICMP ping sensor"), 60);
    assert_eq!(interval("Default NetFlow sensor"), Value::Null);
}

pub(crate) async fn a_record_is_the_same_alone_as_in_its_list(peer: &Peer) {
    for list in ["entities", "credentials", "sensors"] {
        for record in peer.list(list).await.iter().take(5) {
            let alone = peer.in_account(Method::GET, &format!("{list}/{}", record["id"]), "").await.with(200);
            assert_eq!(alone.json(), *record);
        }
    }
}

pub(crate) async fn what_is_not_there_is_not_found(peer: &Peer) {
    for (list, detail) in
        [("entities", "No such entity"), ("credentials", "No such credential"), ("sensors", "No such sensor")]
    {
        let answer = peer.in_account(Method::GET, &format!("{list}/2147480001"), "").await.with(404);
        assert_eq!(answer.detail(), detail);
    }
}
