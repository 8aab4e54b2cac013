//! What is sent and answered, as JSON schemas: the vocabulary of the description, and of the tests that hold
//! the answers against it.

use serde_json::{Value, json};

fn text() -> Value {
    json!({"type": "string"})
}

fn optional_text() -> Value {
    json!({"type": ["string", "null"]})
}

fn id() -> Value {
    json!({"type": "integer", "minimum": 1})
}

fn optional_id() -> Value {
    json!({"type": ["integer", "null"]})
}

fn number() -> Value {
    json!({"type": "number"})
}

fn optional_number() -> Value {
    json!({"type": ["number", "null"]})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn named(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn list_of(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

/// An object with these members and no others; those whose name ends in `?` may be left out.
fn object(members: &[(&str, Value)]) -> Value {
    let name = |name: &&str| name.trim_end_matches('?').to_owned();
    let properties: serde_json::Map<String, Value> =
        members.iter().map(|(member, schema)| (name(member), schema.clone())).collect();
    let required: Vec<_> =
        members.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// `{"list": […]}`.
fn list(items: &Value) -> Value {
    object(&[("list", list_of(items))])
}

fn map_of(values: &Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

fn any_object() -> Value {
    json!({"type": "object"})
}

/// All schemas by name.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    let mut all = answers();
    all.extend(inputs());
    all
}

fn answers() -> Vec<(&'static str, Value)> {
    let methods = json!({"type": ["array", "null"], "items": {"enum": ["GET", "POST", "PUT", "DELETE"]}});
    let permission = [("id", id()), ("resource_prefix", optional_text()), ("methods", methods)];
    let account = [("id", id()), ("name", text()), ("raw_days", id())];
    let bot = [
        ("id", id()),
        ("name", text()),
        ("protocol", optional_text()),
        ("tied_to_account", optional_id()),
        ("insert_time", json!({"type": "integer"})),
        ("last_login", optional_id()),
    ];
    let with =
        |members: &[(&'static str, Value)], more: &[(&'static str, Value)]| object(&[members, more].concat());
    let person = [
        ("user_id", id()),
        ("name", text()),
        ("email", text()),
        ("username", text()),
        ("timezone", text()),
        ("email_confirmed", flag()),
    ];
    let session = [("user_id", id()), ("session_id", text()), ("permissions", list_of(&named("Permission")))];
    let entity = [
        ("id", id()),
        ("name", text()),
        ("entity_type", text()),
        ("parent", optional_id()),
        ("details", any_object()),
        ("protocols", map_of(&named("EntityProtocol"))),
        ("suggested_by?", id()),
    ];
    let sensor_use = object(&[("sensor", id()), ("interval", optional_id())]);
    let minutes = json!({"type": "array", "items": optional_number(), "minItems": 30, "maxItems": 30});
    let point = object(&[("t", number()), ("v", number())]);
    let bucket = object(&[("t", number()), ("v", number()), ("minv", number()), ("maxv", number())]);
    let series = |point: &Value| {
        let series = object(&[("next_data_point", optional_number()), ("data", list_of(point))]);
        object(&[("paths", map_of(&series))])
    };
    let found = list_of(&object(&[("id", id()), ("path", text())]));
    vec![
        ("Object", any_object()),
        ("Events", text()),
        ("Error", object(&[("detail", text())])),
        ("Id", object(&[("id", id())])),
        (
            "Status",
            object(&[
                ("alive", flag()),
                ("db_migration_needed", flag()),
                ("db_version", id()),
                ("user_exists", flag()),
                ("cors_domains", list_of(&text())),
                ("mqtt_ws_hostname", text()),
                ("mqtt_ws_port", text()),
                ("enable_signup", flag()),
                ("setup_needed", flag()),
                ("features", list_of(&text())),
                ("version", text()),
            ]),
        ),
        ("Session", object(&session)),
        ("Login", with(&session, &[("csrf", text()), ("id?", id())])),
        (
            "Profile",
            object(&[
                ("user_id", id()),
                ("user_type", json!({"enum": ["person", "bot"]})),
                ("record", any_object()),
                ("csrf?", text()),
            ]),
        ),
        ("Permission", object(&permission)),
        ("Permissions", list(&named("Permission"))),
        ("Granted", with(&permission, &[("user_id", id())])),
        (
            "User",
            object(&[
                ("user_id", id()),
                ("user_type", json!({"enum": ["person", "bot"]})),
                ("name", text()),
                ("permissions", list_of(&named("Permission"))),
            ]),
        ),
        ("Account", object(&account)),
        ("NewAccount", object(&[("id", id()), ("name", text())])),
        ("Accounts", list(&named("Account"))),
        ("Bots", list(&object(&bot))),
        ("Bot", with(&bot, &[("config", json!({}))])),
        ("NewBot", with(&bot, &[("config", json!({})), ("token", text())])),
        ("Token", object(&[("token", text())])),
        ("Person", object(&person)),
        ("Persons", list(&named("Person"))),
        ("PersonWithPermissions", with(&person, &[("permissions", list_of(&named("Permission")))])),
        (
            "EntityProtocol",
            object(&[("credential", id()), ("bot", optional_id()), ("sensors", list_of(&sensor_use))]),
        ),
        ("Entity", object(&entity)),
        ("Entities", list(&named("Entity"))),
        (
            "Credential",
            object(&[
                ("id", id()),
                ("name", text()),
                ("protocol", text()),
                ("details", any_object()),
                ("secrets_hidden?", flag()),
            ]),
        ),
        ("AllCredentials", list(&named("Credential"))),
        (
            "Sensor",
            object(&[
                ("id", id()),
                ("name", text()),
                ("protocol", text()),
                ("default_interval", optional_id()),
                ("details", any_object()),
            ]),
        ),
        ("Sensors", list(&named("Sensor"))),
        ("Series", series(&point)),
        ("Rollups", series(&bucket)),
        (
            "Top",
            object(&[
                ("t", number()),
                ("total", number()),
                ("list", list_of(&object(&[("p", text()), ("v", number())]))),
            ]),
        ),
        ("Last", list(&object(&[("p", text()), ("t", number()), ("v", number())]))),
        (
            "Paths",
            object(&[
                ("paths", map_of(&found)),
                ("limit_reached", flag()),
                ("paths_with_trailing?", map_of(&found)),
            ]),
        ),
        ("Path", object(&[("path", text())])),
        (
            "Problems",
            list(&object(&[
                ("bot", id()),
                ("entity", id()),
                ("protocol", text()),
                ("since", number()),
                ("error", text()),
            ])),
        ),
        (
            "Overview",
            object(&[
                ("now", number()),
                ("devices", list_of(&named("OverviewDevice"))),
                ("suggested", list_of(&named("Entity"))),
                (
                    "bots",
                    list_of(&object(&[
                        ("id", id()),
                        ("name", text()),
                        ("protocol", optional_text()),
                        ("last_login", optional_id()),
                        ("online", flag()),
                    ])),
                ),
            ]),
        ),
        (
            "OverviewDevice",
            object(&[
                ("id", id()),
                ("name", text()),
                ("address", optional_text()),
                ("protocols", list_of(&text())),
                ("state", json!({"enum": ["ok", "warning", "down", "unknown", "off"]})),
                ("last_seen", optional_number()),
                (
                    "ping",
                    json!({
                        "type": ["object", "null"],
                        "properties": {"success": optional_number(), "rtt": optional_number(), "rtts": minutes},
                        "required": ["success", "rtt", "rtts"],
                    }),
                ),
                (
                    "traffic",
                    json!({
                        "type": ["object", "null"],
                        "properties": {"in": optional_number(), "out": optional_number(), "ins": minutes, "outs": minutes},
                        "required": ["in", "out", "ins", "outs"],
                    }),
                ),
                ("problem", optional_text()),
            ]),
        ),
    ]
}

fn inputs() -> Vec<(&'static str, Value)> {
    let id_or_text = json!({"type": ["integer", "string"]});
    let methods = json!({"type": ["array", "null"], "items": {"enum": ["GET", "POST", "PUT", "DELETE"]}});
    let person = [("username", text()), ("password", text()), ("name", text()), ("email", text())];
    let value = json!({"type": ["number", "string"]});
    let series =
        [("p", text()), ("t0?", value.clone()), ("t1?", value.clone()), ("sort?", text()), ("limit?", id())];
    let sensor = object(&[("sensor", id_or_text.clone()), ("interval?", optional_id())]);
    let protocol = object(&[
        ("credential", id_or_text),
        ("bot", json!({"type": ["integer", "string", "null"]})),
        ("sensors", list_of(&sensor)),
    ]);
    let bot = [("name", text()), ("protocol?", optional_text())];
    vec![
        (
            "FirstPerson",
            object(&[&person[..], &[("timezone?", optional_text()), ("setup", text())]].concat()),
        ),
        ("Credentials", object(&[("username", text()), ("password", text())])),
        ("AccountInput", object(&[("name?", text()), ("raw_days?", id())])),
        ("BotInput", object(&bot)),
        ("AccountBotInput", object(&[&bot[..], &[("config?", optional_text())]].concat())),
        ("Grant", object(&[("resource_prefix", optional_text()), ("methods", methods)])),
        (
            "EntityInput",
            object(&[
                ("name", text()),
                ("entity_type", text()),
                ("parent?", json!({"type": ["integer", "string", "null"]})),
                ("details", any_object()),
                ("protocols?", map_of(&protocol)),
            ]),
        ),
        ("CredentialInput", object(&[("name", text()), ("protocol", text()), ("details", any_object())])),
        (
            "SensorInput",
            object(&[
                ("name", text()),
                ("protocol", text()),
                ("default_interval", optional_id()),
                ("details", any_object()),
            ]),
        ),
        ("PersonInput", object(&[&person[..], &[("timezone?", optional_text())]].concat())),
        (
            "PersonChange",
            object(&[("username?", text()), ("name?", text()), ("email?", text()), ("timezone?", text())]),
        ),
        ("PasswordChange", object(&[("old_password?", text()), ("new_password", text())])),
        ("TimedValues", list_of(&object(&[("p", text()), ("v", value.clone()), ("t", value.clone())]))),
        ("Values", list_of(&object(&[("p", text()), ("v", value)]))),
        ("SeriesQuery", object(&series)),
        ("RollupQuery", object(&[&series[..], &[("a", json!({"type": "integer"}))]].concat())),
        (
            "BotProblems",
            list(&object(&[
                ("account", id()),
                ("entity", id()),
                ("protocol", text()),
                ("since", number()),
                ("error", text()),
            ])),
        ),
    ]
}
