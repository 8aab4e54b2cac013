//! Whether it is ready, and who we are there.

use reqwest::Method;

use crate::peer::Peer;

pub(crate) async fn the_status_says_that_it_is_ready_to_anybody(peer: &Peer) {
    let status = peer.ask_as("nobody", Method::GET, "status/info", "").await.with(200).json();
    assert_eq!((&status["alive"], &status["db_migration_needed"]), (&true.into(), &false.into()), "{status}");
    assert_eq!(status["user_exists"], true, "{status}");
    for (field, is_right) in [
        ("db_version", status["db_version"].is_u64()),
        ("cors_domains", status["cors_domains"].is_array()),
        ("mqtt_ws_hostname", status["mqtt_ws_hostname"].is_string()),
        ("enable_signup", status["enable_signup"].is_boolean()),
    ] {
        assert!(is_right, "{field}: {status}");
    }
}

pub(crate) async fn the_profile_says_that_this_is_a_bot(peer: &Peer) {
    let profile = peer.get("profile").await.with(200).json();
    assert_eq!(profile["user_type"], "bot", "{profile}");
    let record = &profile["record"];
    assert!(profile["user_id"].is_u64() && record["id"] == profile["user_id"], "{profile}");
    assert!(record["name"].is_string() && record["insert_time"].is_u64(), "{profile}");
    for field in ["protocol", "tied_to_account", "config", "last_login"] {
        assert!(record.get(field).is_some(), "{field}: {profile}");
    }
}

pub(crate) async fn an_unknown_token_is_denied(peer: &Peer) {
    for token in ["00000000-0000-4000-8000-000000000000", "no-uuid", ""] {
        for path in
            ["profile".to_owned(), "accounts".to_owned(), format!("accounts/{}/entities", peer.account)]
        {
            let answer = peer.ask_as(token, Method::GET, &path, "").await;
            assert_eq!((answer.status, answer.text.trim()), (401, "Access denied"), "{token:?} {path}");
        }
    }
}

pub(crate) async fn an_account_that_is_not_ours_is_denied(peer: &Peer) {
    for path in ["accounts/2147480001/entities", "accounts/2147480001/values/a"] {
        let answer = peer.get(path).await.with(403);
        assert_eq!(answer.text.trim(), "Access to resource denied, insufficient permissions", "{path}");
    }
}

pub(crate) async fn a_trailing_slash_makes_no_difference(peer: &Peer) {
    let account = peer.account;
    for path in ["status/info".to_owned(), "accounts".to_owned(), format!("accounts/{account}/sensors")] {
        let (with, without) = (peer.get(&format!("{path}/")).await, peer.get(&path).await);
        assert_eq!((with.status, with.json()), (200, without.json()), "{path}");
    }
}
