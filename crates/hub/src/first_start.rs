//! What a fresh data directory is given, so that something can be seen at once; and the bots of this machine,
//! which live in the same process and are given a new token at each start.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use crate::{
    api::shared::no_random,
    auth::secret,
    error::HubError,
    hub::Hub,
    people,
    store::{
        StoreError, accounts,
        entities::{self, EntityInput, ProtocolInput},
        records,
        users::{self, NewBot},
    },
};

/// What is to be there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FirstStart {
    /// The name of the first account.
    pub account: String,
    /// Protocols for which this machine runs a bot, by the names that the API knows.
    pub bots: Vec<String>,
    /// Whether the machine itself is measured from the beginning: the entity `localhost`, with ping.
    pub localhost: bool,
}

impl Default for FirstStart {
    fn default() -> Self {
        let bots = ["ping", "snmp", "netflow"].map(str::to_owned).to_vec();
        Self { account: "My network".to_owned(), bots, localhost: true }
    }
}

/// What is there now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Started {
    /// Whether the data directory was fresh.
    pub fresh: bool,
    /// The first account, unless somebody deleted it.
    pub account: Option<i64>,
    /// The bots that are to run here. One that somebody deleted is not among them.
    pub bots: Vec<LocalBot>,
}

/// A bot of this machine.
#[derive(Clone)]
#[non_exhaustive]
pub struct LocalBot {
    /// Its id.
    pub id: i64,
    /// What it measures with.
    pub protocol: String,
    /// Its token until the next start.
    pub token: String,
}

impl std::fmt::Debug for LocalBot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalBot")
            .field("id", &self.id)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// The tables of this.
pub(crate) const TABLES: &str = "
-- The account that was made at the first start; null when somebody deleted it.
CREATE TABLE first_account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    account INTEGER REFERENCES accounts (id) ON DELETE SET NULL
);
-- The bots of this machine; null when somebody deleted one.
CREATE TABLE local_bots (
    protocol TEXT PRIMARY KEY,
    bot INTEGER REFERENCES users (id) ON DELETE SET NULL
);
";

impl Hub {
    /// Sees to it that the first account and the bots of this machine are there, and gives each bot a new token.
    /// What somebody has deleted meanwhile is not made again.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub async fn first_start(&self, wanted: &FirstStart) -> Result<Started, HubError> {
        let tokens = wanted.bots.iter().map(|protocol| {
            let token = secret::random_uuid().map_err(no_random)?;
            Ok((protocol.clone(), token))
        });
        let tokens: HashMap<String, String> = tokens.collect::<Result<_, StoreError>>()?;
        let (wanted, now) = (wanted.clone(), self.shared.now());
        let written = self.shared.store.write(move |c| ensure(c, &wanted, &tokens, now));
        let started = written.await?;
        if let Some(account) = started.account {
            self.shared.accounts.add(account);
        }
        self.shared.reload_users().await?;
        Ok(started)
    }
}

fn ensure(
    c: &Connection,
    wanted: &FirstStart,
    tokens: &HashMap<String, String>,
    now: i64,
) -> Result<Started, StoreError> {
    let first: Option<Option<i64>> =
        c.query_row("SELECT account FROM first_account", [], |row| row.get(0)).optional()?;
    let is_empty = accounts::list(c)?.is_empty();
    let (account, fresh) = match first {
        Some(account) => (account, false),
        None if !is_empty => (None, false),
        None => {
            let account = accounts::insert(c, &wanted.account)?;
            c.execute("INSERT INTO first_account (id, account) VALUES (1, ?1)", [account])?;
            (Some(account), true)
        }
    };
    let mut bots = Vec::new();
    for protocol in &wanted.bots {
        let Some(token) = tokens.get(protocol) else { continue };
        let found: Option<Option<i64>> = c
            .query_row("SELECT bot FROM local_bots WHERE protocol = ?1", [protocol], |row| row.get(0))
            .optional()?;
        let token_hash = secret::hash(token);
        let id = match (found, account) {
            (Some(Some(id)), _) => {
                users::set_token(c, id, token_hash)?;
                id
            }
            (None, Some(account)) => {
                let (protocol, config) = (Some(protocol.clone()), None);
                let name = format!("{} bot of this machine", title(protocol.as_deref().unwrap_or_default()));
                let new =
                    NewBot { name, protocol, account: Some(account), config, token_hash, inserted: now };
                let id = people::insert_bot(c, &new)?;
                c.execute("INSERT INTO local_bots (protocol, bot) VALUES (?1, ?2)", (&new.protocol, id))?;
                id
            }
            // Somebody deleted it, or there is no account for it.
            _ => continue,
        };
        bots.push(LocalBot { id, protocol: protocol.clone(), token: token.clone() });
    }
    if let Some(account) = account.filter(|_| fresh && wanted.localhost) {
        let bot = bots.iter().find(|bot| bot.protocol == "ping").map(|bot| bot.id);
        insert_localhost(c, account, bot)?;
    }
    Ok(Started { fresh, account, bots })
}

fn title(protocol: &str) -> &str {
    match protocol {
        "ping" => "Ping",
        "snmp" => "SNMP",
        "netflow" => "NetFlow",
        other => other,
    }
}

fn insert_localhost(c: &Connection, account: i64, bot: Option<i64>) -> Result<(), StoreError> {
    let credential = records::credentials(c, account)?.into_iter().find(|one| one.protocol == "ping");
    let sensor = records::sensors(c, account)?.into_iter().find(|one| one.protocol == "ping");
    let protocols = credential.zip(sensor).map(|(credential, sensor)| ProtocolInput {
        protocol: "ping".to_owned(),
        credential: credential.id,
        bot,
        sensors: vec![(sensor.id, None)],
    });
    let entity = EntityInput {
        name: "localhost".to_owned(),
        entity_type: "device".to_owned(),
        parent: None,
        details: r#"{"ipv4":"127.0.0.1"}"#.to_owned(),
        protocols: protocols.into_iter().collect(),
    };
    match entities::insert(c, account, &entity, None)? {
        Ok(_) => Ok(()),
        Err(why) => Err(StoreError::TakenBack(format!("localhost cannot be added: {why:?}"))),
    }
}
