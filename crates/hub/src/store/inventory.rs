//! The tables of what is known beside values: accounts, users, what is measured how.
//!
//! Ids are never used twice: paths of values name entities by their id. What refers to something that is
//! deleted goes with it, or forgets it: SQLite sees to that (`ON DELETE`).

/// The tables as they are created first. Later changes are migrations of their own.
pub(crate) const TABLES: &str = "
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL
);
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('person', 'bot'))
);
CREATE TABLE persons (
    user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    timezone TEXT NOT NULL
);
CREATE TABLE bots (
    user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    protocol TEXT,
    account INTEGER REFERENCES accounts (id) ON DELETE CASCADE,
    config TEXT,
    token_hash BLOB NOT NULL UNIQUE,
    inserted INTEGER NOT NULL,
    last_login INTEGER
);
CREATE INDEX bots_account ON bots (account);
CREATE TABLE permissions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    resource_prefix TEXT,
    methods TEXT
);
CREATE INDEX permissions_user ON permissions (user_id);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    secret_hash BLOB NOT NULL,
    created INTEGER NOT NULL,
    seen INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE TABLE jwt_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    secret BLOB NOT NULL,
    created INTEGER NOT NULL
);
CREATE TABLE credentials (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    details TEXT NOT NULL,
    UNIQUE (account, name)
);
CREATE TABLE sensors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    default_interval INTEGER,
    details TEXT NOT NULL,
    UNIQUE (account, name)
);
CREATE TABLE entities (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    parent INTEGER REFERENCES entities (id) ON DELETE CASCADE,
    details TEXT NOT NULL,
    suggested_by INTEGER REFERENCES users (id) ON DELETE SET NULL
);
CREATE INDEX entities_account ON entities (account, id);
CREATE INDEX entities_parent ON entities (parent) WHERE parent IS NOT NULL;
CREATE INDEX entities_suggested ON entities (suggested_by) WHERE suggested_by IS NOT NULL;
CREATE TABLE entity_protocols (
    entity INTEGER NOT NULL REFERENCES entities (id) ON DELETE CASCADE,
    protocol TEXT NOT NULL,
    credential INTEGER NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    bot INTEGER REFERENCES users (id) ON DELETE SET NULL,
    PRIMARY KEY (entity, protocol)
) WITHOUT ROWID;
CREATE INDEX entity_protocols_credential ON entity_protocols (credential);
CREATE INDEX entity_protocols_bot ON entity_protocols (bot);
CREATE TABLE entity_sensors (
    entity INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    position INTEGER NOT NULL,
    sensor INTEGER NOT NULL REFERENCES sensors (id) ON DELETE CASCADE,
    interval INTEGER,
    PRIMARY KEY (entity, protocol, position),
    FOREIGN KEY (entity, protocol) REFERENCES entity_protocols (entity, protocol) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX entity_sensors_sensor ON entity_sensors (sensor);
";
