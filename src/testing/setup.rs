//! Setting up what a fake backend holds.

use serde_json::{Value, json};

use super::{
    defaults,
    device::Device,
    grafolean::FakeGrafolean,
    lists::{List, RecordKind},
    state::{Account, Bot},
    values::Values,
};

/// Setting up.
#[expect(clippy::must_use_candidate, reason = "what is added is there, whether its id is wanted or not")]
#[expect(clippy::panic, reason = "a test that names an account that is not there is to fail at that line")]
impl FakeGrafolean {
    /// The token of the bot that is there from the start. It may see all accounts.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A bot's user id, if the token is known.
    #[must_use]
    pub fn bot_id(&self, token: &str) -> Option<u64> {
        self.lock().state.bots.iter().find(|bot| bot.token == token).map(|bot| bot.id)
    }

    /// From now on accounts start empty, without the default credentials and sensors.
    pub fn without_account_defaults(&self) {
        self.lock().without_defaults = true;
    }

    /// Adds an account and returns its id. It starts with the default credentials and sensors.
    pub fn add_account(&self, name: &str) -> u64 {
        let (id, with_defaults) = {
            let mut inner = self.lock();
            let id = inner.state.new_id();
            inner.state.announcer.changed("accounts", id);
            inner.state.accounts.push(Account {
                id,
                record: json!({"id": id, "name": name}),
                entities: List::default(),
                credentials: List::default(),
                sensors: List::default(),
                values: Values::default(),
            });
            (id, !inner.without_defaults)
        };
        if with_defaults {
            for (protocol, name, details) in defaults::credentials() {
                self.add_named(id, RecordKind::Credentials, protocol, name, details, None);
            }
            for (protocol, name, interval, details) in defaults::sensors() {
                self.add_named(id, RecordKind::Sensors, protocol, name, details, Some(interval));
            }
        }
        id
    }

    /// Removes an account with all that is in it; says whether it was there.
    pub fn remove_account(&self, account: u64) -> bool {
        let state = &mut self.lock().state;
        let before = state.accounts.len();
        state.accounts.retain(|a| a.id != account);
        state.announcer.changed("accounts", account);
        state.accounts.len() != before
    }

    /// Adds a bot that may see all accounts, and returns its token.
    pub fn add_bot(&self, protocol: &str) -> String {
        let mut inner = self.lock();
        let id = inner.state.new_id();
        let token =
            format!("{id:08x}-fa4e-4bac-8eed-{:012x}", id.wrapping_mul(0x9e37_79b9) & 0xffff_ffff_ffff);
        let (name, protocol) = (format!("{protocol} bot"), protocol.to_owned());
        inner.state.bots.push(Bot {
            id,
            token: token.clone(),
            name,
            protocol,
            accounts: None,
            problems: Vec::new(),
        });
        token
    }

    /// From now on the bot sees these accounts only.
    pub fn restrict_bot(&self, token: &str, accounts: &[u64]) {
        let state = &mut self.lock().state;
        if let Some(bot) = state.bots.iter_mut().find(|bot| bot.token == token) {
            bot.accounts = Some(accounts.to_vec());
            state.announcer.changed("bots", bot.id);
        }
    }

    /// Forgets a bot: its token is answered with 401 from now on.
    pub fn revoke(&self, token: &str) {
        self.lock().state.bots.retain(|bot| bot.token != token);
    }

    /// Takes a permission from all bots: requests with this method (`*`: any) for this path or one below it
    /// are answered with 403. `forbid("PUT", "accounts/1/values")`
    pub fn forbid(&self, method: &str, path: &str) {
        let rule = (method.to_owned(), path.trim_matches('/').to_owned());
        self.lock().state.forbidden.push(rule);
    }

    /// Grants all that was forbidden.
    pub fn allow_all(&self) {
        self.lock().state.forbidden.clear();
    }

    /// From now on the backend offers to tell of changes as they happen, as its `status/info` says then. The original
    /// does not.
    pub fn offer_changes(&self) {
        self.lock().state.offers_changes = true;
    }

    /// From now on the backend wants to know which jobs fail, as its `status/info` says then. The original does not.
    pub fn offer_problems(&self) {
        self.lock().state.offers_problems = true;
    }

    /// Whether the backend says that its database has to be migrated: then it is not ready.
    pub fn set_migration_needed(&self, needed: bool) {
        self.lock().state.migration_needed = needed;
    }

    /// Adds a credential and returns its id.
    pub fn add_credential(&self, account: u64, protocol: &str, details: Value) -> u64 {
        let name = format!("{protocol} credential");
        self.add_named(account, RecordKind::Credentials, protocol, &name, details, None)
    }

    /// Adds a sensor and returns its id.
    pub fn add_sensor(
        &self,
        account: u64,
        protocol: &str,
        default_interval: Option<u32>,
        details: Value,
    ) -> u64 {
        let name = format!("{protocol} sensor");
        let interval = Some(default_interval);
        self.add_named(account, RecordKind::Sensors, protocol, &name, details, interval)
    }

    fn add_named(
        &self,
        account: u64,
        kind: RecordKind,
        protocol: &str,
        name: &str,
        details: Value,
        interval: Option<Option<u32>>,
    ) -> u64 {
        let mut record = json!({"name": name, "protocol": protocol, "details": details});
        if let Some(interval) = interval {
            record["default_interval"] = json!(interval);
        }
        self.add_record(account, kind, record)
    }

    /// Begins a device; [`Device::add`] puts it into the account.
    pub fn device(&self, account: u64, name: &str) -> Device {
        Device::new(self.clone(), account, name)
    }

    /// Adds any record, giving it an id if it is an object that has none; returns the id.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    pub fn add_record(&self, account: u64, kind: RecordKind, mut record: Value) -> u64 {
        let new_id = self.lock().state.new_id();
        if let Value::Object(fields) = &mut record {
            fields.entry("id").or_insert(new_id.into());
        }
        self.plant(account, kind, &record);
        record["id"].as_u64().unwrap_or(new_id)
    }

    /// Adds a record exactly as it is, however broken.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    pub fn plant(&self, account: u64, kind: RecordKind, record: &Value) {
        self.with_list(account, kind, |list| {
            list.push(record);
            record["id"].as_u64()
        });
    }

    /// Changes a record, in whatever way; says whether it was there. `change` must not use the backend itself:
    /// that is locked meanwhile.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    pub fn edit(&self, account: u64, kind: RecordKind, id: u64, change: impl FnOnce(&mut Value)) -> bool {
        self.with_list(account, kind, |list| {
            let mut record = serde_json::from_str(list.get(id)?).ok()?;
            change(&mut record);
            list.replace(id, &record).then_some(id)
        })
    }

    /// Removes a record; says whether it was there.
    ///
    /// # Panics
    ///
    /// If there is no such account.
    pub fn remove(&self, account: u64, kind: RecordKind, id: u64) -> bool {
        self.with_list(account, kind, |list| list.remove(id).then_some(id))
    }

    /// Acts on a list; `act` gives the id of what it changed. Whether it changed anything.
    fn with_list(&self, account: u64, kind: RecordKind, act: impl FnOnce(&mut List) -> Option<u64>) -> bool {
        let state = &mut self.lock().state;
        let changed = match state.account(account) {
            Some(account) => act(account.list(kind)),
            None => panic!("the fake backend has no account {account}"),
        };
        if let Some(id) = changed {
            state.announcer.in_account(account, kind.plural(), id);
        }
        changed.is_some()
    }
}
