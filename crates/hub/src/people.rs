//! Users and tokens by hand: for the shell, and for who is locked out.

use rusqlite::Connection;

use crate::{
    api::{bots, persons::check_password, shared::no_random},
    auth::{Grant, Verb, Verbs, passwords::PasswordError, permissions, secret},
    error::HubError,
    hub::Hub,
    store::{
        StoreError, accounts,
        users::{self, NewPerson},
    },
};

/// A person to be added.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewUser {
    /// What the person logs in as.
    pub username: String,
    /// What the person is called.
    pub name: String,
    /// Where the person is reached.
    pub email: String,
    /// At least eight characters.
    pub password: String,
    /// Whether the person may do everything. Otherwise it may do nothing until something is granted.
    pub admin: bool,
}

impl NewUser {
    /// A person who may do nothing yet.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        let username = username.into();
        let email = format!("{username}@localhost");
        Self { name: username.clone(), email, username, password: password.into(), admin: false }
    }

    /// Lets the person do everything.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.admin = true;
        self
    }
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A person that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserInfo {
    /// The id.
    pub id: i64,
    /// What the person logs in as.
    pub username: String,
    /// What the person is called.
    pub name: String,
    /// Where the person is reached.
    pub email: String,
    /// Whether the person may do everything.
    pub admin: bool,
}

/// A bot that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BotInfo {
    /// The id.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it measures with.
    pub protocol: Option<String>,
    /// The account that it belongs to; none for a bot of the whole system.
    pub account: Option<i64>,
    /// When it was seen last, in seconds since 1970.
    pub last_login: Option<i64>,
}

fn person_id(c: &Connection, username: &str) -> Result<Option<i64>, StoreError> {
    Ok(users::person_by_username(c, username)?.map(|person| person.user_id))
}

fn no_such(username: &str) -> HubError {
    HubError::Refused(format!("there is no user {username:?}"))
}

fn unhashed(error: PasswordError) -> HubError {
    HubError::Refused(error.to_string())
}

impl Hub {
    /// All persons.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn users(&self) -> Result<Vec<UserInfo>, HubError> {
        let persons = self.shared.store.read(users::persons).await?;
        let everything = Grant::new(None, None);
        let info = |person: users::Person| {
            let user = self.shared.directory.user(person.user_id);
            let admin = user.is_some_and(|user| permissions::can_grant(&user.permissions, &everything));
            let users::Person { user_id: id, username, name, email, .. } = person;
            UserInfo { id, username, name, email, admin }
        };
        Ok(persons.into_iter().map(info).collect())
    }

    /// Adds a person; returns the id.
    ///
    /// # Errors
    ///
    /// When somebody has this user name, or the password is too short.
    pub async fn add_user(&self, new: NewUser) -> Result<i64, HubError> {
        check_password(&new.password).map_err(HubError::Refused)?;
        if new.username.trim().is_empty() {
            return Err(HubError::Refused("the user name is empty".to_owned()));
        }
        let username = new.username.clone();
        let person = NewPerson {
            name: new.name,
            email: new.email,
            username: new.username,
            password_hash: self.shared.passwords.hash(new.password).await.map_err(unhashed)?,
            timezone: "UTC".to_owned(),
        };
        let admin = new.admin;
        let added = self.shared.store.write(move |c| {
            let id = users::insert_person(c, &person)?;
            if admin {
                users::grant(c, id, &Grant::new(None, None))?;
            }
            Ok(id)
        });
        let id = added.await.map_err(|error| {
            if error.is_duplicate() {
                return HubError::Refused(format!("there is a user {username:?} already"));
            }
            error.into()
        })?;
        self.shared.forget_setup_token();
        self.shared.reload_users().await?;
        self.shared.feed.changed("persons", Some(id));
        Ok(id)
    }

    /// Gives a person another password, and ends all of their sessions.
    ///
    /// # Errors
    ///
    /// When there is no such person, or the password is too short.
    pub async fn set_password(&self, username: &str, password: &str) -> Result<(), HubError> {
        check_password(password).map_err(HubError::Refused)?;
        let hash = self.shared.passwords.hash(password.to_owned()).await.map_err(unhashed)?;
        let name = username.to_owned();
        let found = self.shared.store.read(move |c| person_id(c, &name)).await?;
        let id = found.ok_or_else(|| no_such(username))?;
        if !self.shared.set_password(id, hash, None).await? {
            return Err(no_such(username));
        }
        Ok(())
    }

    /// Removes a person.
    ///
    /// # Errors
    ///
    /// When there is no such person.
    pub async fn remove_user(&self, username: &str) -> Result<(), HubError> {
        let name = username.to_owned();
        let removed = self.shared.store.write(move |c| {
            let Some(id) = person_id(c, &name)? else { return Ok(None) };
            users::delete(c, id)?;
            Ok(Some(id))
        });
        let id = removed.await?.ok_or_else(|| no_such(username))?;
        self.shared.sessions.end_all_of(id, None);
        self.shared.reload_users().await?;
        self.shared.feed.changed("persons", Some(id));
        Ok(())
    }

    /// All bots, of the whole system and of all accounts.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn bots(&self) -> Result<Vec<BotInfo>, HubError> {
        let read = self.shared.store.read(|c| {
            let mut bots = users::bots(c, None)?;
            for account in accounts::list(c)? {
                bots.extend(users::bots(c, Some(account.id))?);
            }
            Ok(bots)
        });
        let info = |bot: users::Bot| {
            let last_login = self.shared.seen.last(bot.id).or(bot.last_login).map(|time| time / 1_000_000);
            let users::Bot { id, name, protocol, account, .. } = bot;
            BotInfo { id, name, protocol, account, last_login }
        };
        Ok(read.await?.into_iter().map(info).collect())
    }

    /// Adds a bot to an account with what it needs there; returns its id and its token, which is shown this once.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub async fn add_bot(&self, account: i64, name: &str, protocol: &str) -> Result<(i64, String), HubError> {
        let token = secret::random_uuid().map_err(no_random)?;
        let new = users::NewBot {
            name: name.to_owned(),
            protocol: Some(protocol.to_owned()),
            account: Some(account),
            config: None,
            token_hash: secret::hash(&token),
            inserted: self.shared.now(),
        };
        let added = self.shared.store.write(move |c| {
            if accounts::get(c, account)?.is_none() {
                return Ok(None);
            }
            insert_bot(c, &new).map(Some)
        });
        let id = added.await?.ok_or_else(|| HubError::Refused(format!("there is no account {account}")))?;
        self.shared.reload_users().await?;
        bots::changed(&self.shared, Some(account), id);
        Ok((id, token))
    }

    /// Whether this is the token of some bot now.
    #[must_use]
    pub fn knows_token(&self, token: &str) -> bool {
        self.shared.directory.bot_by_token(token).is_some()
    }

    /// Makes a new token for a bot; the old one ends.
    ///
    /// # Errors
    ///
    /// When there is no such bot.
    pub async fn new_bot_token(&self, bot: i64) -> Result<String, HubError> {
        let token = secret::random_uuid().map_err(no_random)?;
        let hash = secret::hash(&token);
        if !self.shared.store.write(move |c| users::set_token(c, bot, hash)).await? {
            return Err(HubError::Refused(format!("there is no bot {bot}")));
        }
        self.shared.reload_users().await?;
        Ok(token)
    }
}

/// Adds a bot of an account with what bots need: to see the account, to store values, and, for those that find
/// parts of devices or devices, to write entities.
pub(crate) fn insert_bot(c: &Connection, new: &users::NewBot) -> Result<i64, StoreError> {
    let id = users::insert_bot(c, new)?;
    let Some(account) = new.account else { return Ok(id) };
    let account = format!("accounts/{account}");
    let mut grants =
        vec![(account.clone(), vec![Verb::Get]), (format!("{account}/values"), vec![Verb::Post, Verb::Put])];
    if matches!(new.protocol.as_deref(), Some("snmp" | "netflow")) {
        grants.push((format!("{account}/entities"), vec![Verb::Post, Verb::Put, Verb::Delete]));
    }
    for (prefix, verbs) in grants {
        users::grant(c, id, &Grant::new(Some(&prefix), Some(Verbs::of(verbs))))?;
    }
    Ok(id)
}
