//! The description of the API (OpenAPI 3.1), made from the table of routes.

use serde_json::{Map, Value, json};

use super::{
    routes::{Access, ROUTES, Route},
    schemas,
};

/// The whole description.
pub(crate) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = format!("/api/{}", route.pattern.replace("{*", "{"));
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[route.verb.name().to_ascii_lowercase()] = operation(route);
    }
    let schemas: Map<String, Value> =
        schemas::all().into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Grafolean hub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A trailing slash on a path makes no difference. Refusals are {\"detail\": …}, or plain text.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bot": {"type": "apiKey", "in": "query", "name": "b"},
                "bearer": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": crate::auth::who::COOKIE_NAME},
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let in_path = route.pattern.split('/').filter(|segment| segment.starts_with('{')).map(|segment| {
        let kind = if segment.starts_with("{*") { "string" } else { "integer" };
        let name = segment.trim_matches(['{', '}', '*']);
        json!({"name": name, "in": "path", "required": true, "schema": {"type": kind}})
    });
    let in_query = route.parameters.iter().map(|(name, meaning)| {
        json!({"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}})
    });
    let mut operation = json!({
        "summary": route.summary,
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses(route),
        "security": security(route.access),
    });
    if let Some(schema) = route.request {
        operation["requestBody"] = json!({"required": true, "content": content("application/json", schema)});
    }
    operation
}

fn content(kind: &str, schema: &str) -> Value {
    json!({kind: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

fn responses(route: &Route) -> Value {
    let kind = if route.response == Some("Events") { "text/event-stream" } else { "application/json" };
    let mut responses = Map::new();
    let done = match route.response {
        Some(schema) => json!({"description": route.summary, "content": content(kind, schema)}),
        None => json!({"description": route.summary}),
    };
    responses.insert(route.status.to_string(), done);
    let mut refusals = Vec::new();
    if route.request.is_some() || !route.parameters.is_empty() {
        refusals.push(("400", "What was sent is not as it should be"));
    }
    if route.access != Access::Public {
        refusals.push(("401", "Nobody that is known asks"));
        refusals.push(("403", "Who asks may not"));
    }
    if route.pattern.contains('{') {
        refusals.push(("404", "There is no such thing"));
    }
    if route.request.is_some() {
        refusals.push(("413", "The body is too large"));
    }
    for (status, meaning) in refusals {
        responses.insert(status.to_owned(), json!({"description": meaning}));
    }
    responses.into()
}

fn security(access: Access) -> Value {
    match access {
        Access::Public => json!([]),
        Access::Bot => json!([{"bot": []}]),
        Access::User | Access::Granted | Access::GrantedOrRead | Access::GrantedOrSelf => {
            json!([{"bot": []}, {"bearer": []}, {"cookie": []}])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_that_is_named_exists_and_every_one_is_named() {
        let document = document();
        let text = document.to_string();
        let mut named: Vec<&str> =
            text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        named.sort_unstable();
        named.dedup();
        let mut there: Vec<_> = schemas::all().into_iter().map(|(name, _)| name).collect();
        there.sort_unstable();
        assert_eq!(named, there);
    }

    #[test]
    fn every_route_is_described() {
        let document = document();
        let operations: usize =
            document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
        assert_eq!(operations, ROUTES.len());
        let parameters = &document["paths"]["/api/accounts/{account}/values/{path}"]["get"]["parameters"];
        assert_eq!(parameters[0]["schema"]["type"], "integer");
        assert_eq!(parameters[1]["schema"]["type"], "string");
        assert_eq!(parameters[2]["name"], "t0");
    }
}
