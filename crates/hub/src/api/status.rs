//! Whether the hub is ready, and what it can do.

use serde_json::json;

use super::cx::Cx;
use crate::http::{Answer, Refusal};

/// The version of the schema that clients know this API by.
const DB_VERSION: u32 = 30;

pub(crate) async fn info(cx: &Cx) -> Result<Answer, Refusal> {
    let has_users = !cx.hub.directory.now().by_id.is_empty();
    Ok(Answer::ok(&json!({
        "alive": true,
        "db_migration_needed": false,
        "db_version": DB_VERSION,
        "user_exists": has_users || !cx.hub.accounts.is_empty(),
        "cors_domains": [],
        "mqtt_ws_hostname": "",
        "mqtt_ws_port": "",
        "enable_signup": false,
        "setup_needed": !cx.hub.has_persons(),
        "features": ["changes", "problems"],
        "version": env!("CARGO_PKG_VERSION"),
    })))
}

/// The database is brought up to date when the hub starts: there is never anything to do.
pub(crate) async fn migrate(_: &Cx) -> Result<Answer, Refusal> {
    Ok(Answer::done())
}

pub(crate) async fn openapi(_: &Cx) -> Result<Answer, Refusal> {
    Ok(Answer::ok(&super::openapi::document()))
}
