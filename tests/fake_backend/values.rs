//! Values: every line of the table.

use grafoleancollector::testing::FakeBackend;
use serde_json::json;

use crate::client::{Reply, ask, get};

async fn with_account() -> (FakeBackend, u64, String) {
    let backend = FakeBackend::start().await;
    let account = backend.add_account("one");
    (backend, account, format!("/accounts/{account}/values"))
}

#[tokio::test]
async fn posted_values_get_one_time_now() {
    let (backend, account, path) = with_account().await;
    let body = r#"[{"p":"entity.1.ping.p0.ok","v":1.0},{"p":"entity.1.ping.p0.rtt","v":"0.25"}]"#;
    let reply = ask(&backend, "POST", &path, body);
    assert_eq!((reply.status, reply.text()), (204, ""));
    let values = backend.values(account);
    let (time, ok) = values["entity.1.ping.p0.ok"][0];
    assert_eq!((ok, &values["entity.1.ping.p0.rtt"]), (1.0, &vec![(time, 0.25)]));
    assert!(time > 1_700_000_000.0);
}

#[tokio::test]
async fn a_value_put_twice_is_stored_once_with_the_later_value() {
    let (backend, account, path) = with_account().await;
    for value in ["3.5", "4.5"] {
        let body = format!(r#"[{{"p":"x.y","v":{value},"t":1700000000.25}}]"#);
        assert_eq!(ask(&backend, "PUT", &path, &body).status, 204);
    }
    assert_eq!(backend.values(account)["x.y"], [(1_700_000_000.25, 4.5)]);
    assert_eq!(backend.stored_writes(account)["x.y"], [(1_700_000_000_250_000, 2)]);
    assert_eq!((backend.value_count(), backend.write_count()), (1, 2));
    let reply = get(&backend, &format!("{path}/x.y?t0=1700000000&t1=1700000001"));
    let data = json!([{"t": 1_700_000_000.25, "v": 4.5}]);
    assert_eq!(reply.json(), json!({"paths": {"x.y": {"next_data_point": null, "data": data}}}));
    let reply = get(&backend, &format!("{path}/x.y?t0=1700000001&t1=1700000002"));
    assert_eq!(reply.json(), json!({"paths": {"x.y": {"next_data_point": null, "data": []}}}));
}

/// Sends a list of one good value and what is given; nothing of it may be stored.
async fn refused(method: &str, body: &str) -> Reply {
    let (backend, account, path) = with_account().await;
    let reply = ask(&backend, method, &path, body);
    assert!(backend.values(account).is_empty(), "{body}");
    assert_eq!(backend.write_count(), 0);
    reply
}

#[tokio::test]
async fn posting_an_empty_list_is_refused() {
    let reply = refused("POST", "[]").await;
    assert_eq!((reply.status, reply.json()), (400, json!({"detail": "Missing data"})));
}

#[tokio::test]
async fn posting_a_time_is_refused() {
    let reply = refused("POST", r#"[{"p":"a","v":1},{"p":"b","v":1,"t":5}]"#).await;
    let detail = "Parameter 't' shouldn't be specified with POST";
    assert_eq!((reply.status, reply.json()), (400, json!({ "detail": detail })));
}

#[tokio::test]
async fn the_backend_stumbles_over_what_is_no_list_of_values_with_times() {
    for body in [
        r#"[{"p":"a","v":1,"t":1},{"p":"b","v":1}]"#,
        r#"[{"p":"a","v":1,"t":null}]"#,
        r#"[{"p":"a","v":1,"t":"noon"}]"#,
        r#"[{"v":1,"t":1}]"#,
        r#"{"p":"a","v":1,"t":1}"#,
        "[1,2]",
        r#"[["a",1,1]]"#,
        "no JSON",
        "",
    ] {
        assert_eq!(refused("PUT", body).await.status, 500, "{body}");
    }
    for body in [r#"{"p":"a","v":1}"#, "no JSON", ""] {
        assert_eq!(refused("POST", body).await.status, 500, "{body}");
    }
}

#[tokio::test]
async fn one_invalid_path_refuses_the_whole_list_and_is_named() {
    let reply = refused("PUT", r#"[{"p":"good","v":1,"t":1},{"p":"bad path!","v":1,"t":1}]"#).await;
    let text = "Input validation failed: Invalid PathInputValue format: bad path!";
    assert_eq!((reply.status, reply.text()), (400, text));
    let reply = refused("POST", r#"[{"p":"good","v":1},{"p":"bad path!","v":1}]"#).await;
    assert_eq!((reply.status, reply.text()), (400, text));
}

#[tokio::test]
async fn the_backend_stumbles_over_duplicates_in_one_list() {
    assert_eq!(refused("POST", r#"[{"p":"a","v":1},{"p":"a","v":2}]"#).await.status, 500);
    assert_eq!(refused("PUT", r#"[{"p":"a","v":1,"t":1},{"p":"a","v":2,"t":"1.0"}]"#).await.status, 500);
}

#[tokio::test]
async fn one_path_at_two_times_is_no_duplicate() {
    let (backend, account, path) = with_account().await;
    let body = r#"[{"p":"a","v":1,"t":1},{"p":"a","v":2,"t":2}]"#;
    assert_eq!(ask(&backend, "PUT", &path, body).status, 204);
    assert_eq!(backend.values(account)["a"], [(1.0, 1.0), (2.0, 2.0)]);
}

#[tokio::test]
async fn a_value_that_is_no_number_refuses_the_list() {
    for value in ["null", "\"high\"", "true", "[1]", "{}", "\"\""] {
        let body = format!(r#"[{{"p":"good","v":1,"t":1}},{{"p":"b","v":{value},"t":1}}]"#);
        assert_eq!(refused("PUT", &body).await.status, 400, "{value}");
    }
    assert_eq!(refused("PUT", r#"[{"p":"a","t":1}]"#).await.status, 400);
}

#[tokio::test]
async fn nan_and_infinity_as_text_are_stored_and_break_later_reads() {
    let (backend, account, path) = with_account().await;
    for value in ["nan", "inf"] {
        let body = format!(r#"[{{"p":"{value}","v":"{value}","t":1}}]"#);
        assert_eq!(ask(&backend, "PUT", &path, &body).status, 204);
        let read = get(&backend, &format!("{path}/{value}"));
        assert_eq!(read.status, 200);
        assert!(serde_json::from_slice::<serde_json::Value>(&read.body).is_err(), "{}", read.text());
    }
    assert!(backend.values(account)["nan"][0].1.is_nan());
}

#[tokio::test]
async fn the_system_prefix_is_refused() {
    assert_eq!(
        refused("PUT", r#"[{"p":"good","v":1,"t":1},{"p":"system.x","v":1,"t":1}]"#).await.status,
        400
    );
    let (backend, _, path) = with_account().await;
    assert_eq!(ask(&backend, "PUT", &path, r#"[{"p":"systematic.x","v":1,"t":1}]"#).status, 204);
}

#[tokio::test]
async fn a_time_has_up_to_six_decimals_as_number_or_text() {
    let (backend, account, path) = with_account().await;
    let body = r#"[{"p":"a","v":1,"t":1700000000.123456},{"p":"b","v":"2.5","t":"1700000000.123456"}]"#;
    assert_eq!(ask(&backend, "PUT", &path, body).status, 204);
    for (_, times) in backend.stored_writes(account) {
        assert_eq!(times, [(1_700_000_000_123_456, 1)]);
    }
}

#[tokio::test]
async fn a_path_of_2000_characters_and_a_list_of_20000_paths_are_accepted() {
    let (backend, account, path) = with_account().await;
    let long = "a".repeat(2_000);
    assert_eq!(ask(&backend, "POST", &path, &format!(r#"[{{"p":"{long}","v":1}}]"#)).status, 204);
    let many: Vec<_> = (0..20_000).map(|i| json!({"p": format!("many.{i}"), "v": i, "t": 1})).collect();
    assert_eq!(ask(&backend, "PUT", &path, &json!(many).to_string()).status, 204);
    assert_eq!(backend.values(account).len(), 20_001);
}

#[tokio::test]
async fn unknown_fields_of_a_value_are_ignored() {
    let (backend, _, path) = with_account().await;
    let body = r#"[{"p":"a","v":1,"t":1,"unit":{"is":["ms"]}}]"#;
    assert_eq!(ask(&backend, "PUT", &path, body).status, 204);
}

#[tokio::test]
async fn accounts_keep_their_values_apart() {
    let (backend, account, path) = with_account().await;
    let other = backend.add_account("other");
    assert_eq!(ask(&backend, "PUT", &path, r#"[{"p":"a","v":1,"t":1}]"#).status, 204);
    assert_eq!((backend.values(account).len(), backend.values(other).len()), (1, 0));
}
