//! A fresh data directory, and the same one later.

use grafolean_hub::{FirstStart, Hub, HubOptions, NewUser};

use crate::support::{Served, Who};

#[tokio::test]
async fn a_second_start_finds_everything_and_gives_the_bots_new_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = Vec::new();
    let mut ids = Vec::new();
    for start in 0..3 {
        let hub = Hub::open(HubOptions::new(directory.path())).await.unwrap();
        let started = hub.first_start(&FirstStart::default()).await.unwrap();
        assert_eq!(started.fresh, start == 0);
        assert_eq!(started.account, Some(1));
        tokens.extend(started.bots.iter().map(|bot| bot.token.clone()));
        ids.push(started.bots.iter().map(|bot| bot.id).collect::<Vec<_>>());
        assert!(!format!("{started:?}").contains(&started.bots[0].token), "a token is no text for logs");
        hub.close().await;
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 9);
    assert!(ids.iter().all(|one| *one == ids[0] && one.len() == 3));
}

#[tokio::test]
async fn what_somebody_deleted_is_not_made_again() {
    let hub = Served::start().await;
    let admin = hub.admin().await;
    let account = hub.account();
    hub.ask(&admin, "DELETE", &format!("accounts/{account}/bots/{}", hub.local("snmp").id), "")
        .await
        .expect(204);
    let again = hub.hub.first_start(&FirstStart::default()).await.unwrap();
    let protocols: Vec<_> = again.bots.iter().map(|bot| bot.protocol.as_str()).collect();
    assert_eq!(protocols, ["ping", "netflow"]);
    hub.get(&hub.bot("ping"), "profile").await.expect(401);
    hub.get(&Who::Bot(again.bots[0].token.clone()), "profile").await.expect(200);
    hub.ask(&admin, "DELETE", &format!("accounts/{account}"), "").await.expect(204);
    let again = hub.hub.first_start(&FirstStart::default()).await.unwrap();
    assert_eq!((again.account, again.bots.len(), again.fresh), (None, 0, false));
}

#[tokio::test]
async fn bots_that_are_wanted_later_are_made_later() {
    let directory = tempfile::tempdir().unwrap();
    let hub = Hub::open(HubOptions::new(directory.path())).await.unwrap();
    let mut wanted = FirstStart::default();
    wanted.bots.clear();
    assert!(hub.first_start(&wanted).await.unwrap().bots.is_empty());
    assert_eq!(hub.first_start(&FirstStart::default()).await.unwrap().bots.len(), 3);
    hub.close().await;
}

#[tokio::test]
async fn users_are_managed_without_the_page() {
    let hub = Served::fresh().await;
    let link = hub.hub.setup_link_token().unwrap();
    assert!(link.is_some());
    hub.hub.add_user(NewUser::new("ada", "long enough").admin()).await.unwrap();
    assert_eq!(hub.hub.setup_link_token().unwrap(), None);
    let users = hub.hub.users().await.unwrap();
    assert_eq!((users.len(), users[0].username.as_str(), users[0].admin), (1, "ada", true));
    for (new, text) in [
        (NewUser::new("ada", "long enough"), "already"),
        (NewUser::new("bob", "short"), "shorter than 8"),
        (NewUser::new(" ", "long enough"), "empty"),
    ] {
        let error = hub.hub.add_user(new).await.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
    let who = hub.login("ada", "long enough").await;
    hub.hub.set_password("ada", "another one").await.unwrap();
    hub.get(&who, "profile").await.expect(401);
    hub.login("ada", "another one").await;
    hub.hub.remove_user("ada").await.unwrap();
    hub.hub.remove_user("ada").await.unwrap_err();
    hub.hub.set_password("ada", "another one").await.unwrap_err();
    let bots = hub.hub.bots().await.unwrap();
    assert_eq!(bots.len(), 3);
    let token = hub.hub.new_bot_token(bots[0].id).await.unwrap();
    hub.get(&Who::Bot(token), "profile").await.expect(200);
    hub.hub.new_bot_token(424_242).await.unwrap_err();
    hub.hub.add_bot(424_242, "x", "ping").await.unwrap_err();
}

#[tokio::test]
async fn a_backup_is_a_data_directory_while_the_hub_runs_and_after() {
    let hub = Served::start().await;
    let copies = tempfile::tempdir().unwrap();
    let (one, other) = (copies.path().join("one"), copies.path().join("other"));
    for directory in [&one, &other] {
        std::fs::create_dir(directory).unwrap();
    }
    hub.hub.backup(one.join("hub.sqlite3")).await.unwrap();
    Hub::backup_of(hub.directory.path(), other.join("hub.sqlite3")).await.unwrap();
    hub.hub.backup(one.join("hub.sqlite3")).await.unwrap_err();
    for directory in [one, other] {
        let copy = Hub::open(HubOptions::new(directory)).await.unwrap();
        assert_eq!(copy.users().await.unwrap().len(), 1);
        copy.close().await;
    }
}

#[tokio::test]
async fn secrets_are_kept_as_hashes_only() {
    let hub = Served::start().await;
    let bearer = hub.admin().await;
    let (token, directory) = (hub.local("ping").token.clone(), hub.directory.path().to_owned());
    let Who::Bearer(_) = bearer else { panic!("no bearer") };
    let mut found = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        found += bytes.len();
        for secret in [token.as_str(), crate::support::PASSWORD] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }
    assert!(found > 10_000, "the files were looked at");
}
