//! Values, and all refusals.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::json;

use crate::differences;
use crate::peer::{Answer, Peer};

async fn put(peer: &Peer, body: impl Into<String>) -> Answer {
    peer.in_account(Method::PUT, "values", body).await
}

async fn post(peer: &Peer, body: impl Into<String>) -> Answer {
    peer.in_account(Method::POST, "values", body).await
}

/// Sends a list of a good value and what is given: nothing of it may be stored.
async fn refused(peer: &Peer, method: Method, more: &str) -> Answer {
    let path = peer.new_path();
    let time = if method == Method::PUT { r#","t":1700000000"# } else { "" };
    let answer = peer.in_account(method, "values", format!(r#"[{{"p":"{path}","v":1{time}}},{more}]"#)).await;
    assert!((400..=599).contains(&answer.status), "{more}: {answer:?}");
    assert_eq!(peer.values(&path).await, [], "{more}");
    answer
}

pub(crate) async fn values_put_twice_are_stored_once(peer: &Peer) {
    let path = peer.new_path();
    for value in ["3.5", "4.5"] {
        let body = format!(r#"[{{"p":"{path}","v":{value},"t":1700000000.25}}]"#);
        let answer = put(peer, body).await.with(204);
        assert_eq!(answer.text, "");
    }
    assert_eq!(peer.values(&path).await, [(1_700_000_000.25, 4.5)]);
    let url = format!("values/{path}?t0=1700000000&t1=1700000001");
    let answer = peer.in_account(Method::GET, &url, "").await.with(200).json();
    let data = json!([{"t": 1_700_000_000.25, "v": 4.5}]);
    assert_eq!(answer["paths"][&path], json!({"next_data_point": null, "data": data}));
    let url = format!("values/{path}?t0=1700000001&t1=1700000002");
    let answer = peer.in_account(Method::GET, &url, "").await.with(200).json();
    assert_eq!(answer["paths"][&path]["data"], json!([]));
}

pub(crate) async fn posted_values_get_one_time(peer: &Peer) {
    let paths = [peer.new_path(), peer.new_path()];
    // A number may come as a text.
    let body = format!(r#"[{{"p":"{}","v":1.0}},{{"p":"{}","v":"0.25"}}]"#, paths[0], paths[1]);
    post(peer, body).await.with(204);
    let (first, second) = (peer.values(&paths[0]).await, peer.values(&paths[1]).await);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!((first[0].1, second[0].1), (1.0, 0.25));
    assert!(first[0].0 == second[0].0 && first[0].0 > 1_700_000_000.0, "{first:?} {second:?}");
}

pub(crate) async fn a_time_has_six_decimals_as_a_number_or_a_text(peer: &Peer) {
    let path = peer.new_path();
    let body = format!(
        r#"[{{"p":"{path}","v":1,"t":1700000000.000001}},{{"p":"{path}","v":2,"t":"1700000000.5"}},{{"p":"{path}","v":3,"t":1700000001}}]"#
    );
    put(peer, body).await.with(204);
    let expected = [(1_700_000_000.000_001, 1.0), (1_700_000_000.5, 2.0), (1_700_000_001.0, 3.0)];
    assert_eq!(peer.values(&path).await, expected);
}

pub(crate) async fn an_encoded_dot_stays_as_it_is(peer: &Peer) {
    let path = format!("{}.10%2e0%2e0%2e1.a%3ab", peer.new_path());
    put(peer, format!(r#"[{{"p":"{path}","v":7,"t":1700000000}}]"#)).await.with(204);
    assert_eq!(peer.values(&path).await, [(1_700_000_000.0, 7.0)]);
}

pub(crate) async fn posting_nothing_is_refused(peer: &Peer) {
    assert_eq!(post(peer, "[]").await.with(400).detail(), "Missing data");
}

pub(crate) async fn posting_a_time_is_refused(peer: &Peer) {
    let answer = refused(peer, Method::POST, r#"{"p":"contract.x","v":1,"t":5}"#).await.with(400);
    assert_eq!(answer.detail(), "Parameter 't' shouldn't be specified with POST");
}

pub(crate) async fn putting_without_a_time_is_refused(peer: &Peer) {
    for value in [r#"{"p":"contract.x","v":1}"#, r#"{"p":"contract.x","v":1,"t":null}"#] {
        let answer = refused(peer, Method::PUT, value).await;
        differences::is_bad_input(peer.kind, &answer, value);
    }
}

pub(crate) async fn what_is_no_list_of_values_is_refused(peer: &Peer) {
    for body in [r#"{"p":"contract.x","v":1,"t":1}"#, "no JSON", ""] {
        differences::is_bad_input(peer.kind, &put(peer, body).await, body);
        differences::is_bad_input(peer.kind, &post(peer, body).await, body);
    }
}

pub(crate) async fn one_invalid_path_refuses_the_whole_list_and_is_named(peer: &Peer) {
    for (path, shown) in
        [("bad path!", "bad path!"), ("a..b", "a..b"), (".a", ".a"), ("a%2f", "a%2f"), ("ä", "ä")]
    {
        let text = format!("Input validation failed: Invalid PathInputValue format: {shown}");
        let value = format!(r#"{{"p":"{path}","v":1,"t":1700000000}}"#);
        let answer = refused(peer, Method::PUT, &value).await.with(400);
        assert!(answer.text.contains(&text), "{}", answer.text);
        let value = format!(r#"{{"p":"{path}","v":1}}"#);
        let answer = refused(peer, Method::POST, &value).await.with(400);
        assert!(answer.text.contains(&text), "{}", answer.text);
    }
}

pub(crate) async fn a_value_twice_in_one_list_refuses_it(peer: &Peer) {
    let twice = r#"{"p":"contract.x","v":1,"t":1},{"p":"contract.x","v":2,"t":"1.0"}"#;
    let answer = refused(peer, Method::PUT, twice).await;
    differences::is_bad_input(peer.kind, &answer, twice);
    let twice = r#"{"p":"contract.x","v":1},{"p":"contract.x","v":2}"#;
    let answer = refused(peer, Method::POST, twice).await;
    differences::is_bad_input(peer.kind, &answer, twice);
}

pub(crate) async fn a_value_that_is_no_number_refuses_the_list(peer: &Peer) {
    for value in ["null", "\"high\""] {
        refused(peer, Method::PUT, &format!(r#"{{"p":"contract.x","v":{value},"t":1}}"#)).await.with(400);
        refused(peer, Method::POST, &format!(r#"{{"p":"contract.x","v":{value}}}"#)).await.with(400);
    }
}

pub(crate) async fn a_path_of_the_system_is_refused(peer: &Peer) {
    refused(peer, Method::PUT, r#"{"p":"system.load","v":1,"t":1}"#).await.with(400);
    refused(peer, Method::POST, r#"{"p":"system.load","v":1}"#).await.with(400);
}

pub(crate) async fn values_that_are_not_finite_are_never_ours(peer: &Peer) {
    if !peer.is_fresh {
        // What it does is known, and the path could never be read again.
        return eprintln!("skipped: it would leave a path that breaks");
    }
    for value in ["nan", "inf"] {
        let path = peer.new_path();
        let body = format!(r#"[{{"p":"{path}","v":"{value}","t":1700000000}}]"#);
        differences::is_not_finite(peer.kind, &put(peer, body).await);
    }
}

pub(crate) async fn a_long_list_of_new_paths_is_taken(peer: &Peer) {
    let path = peer.new_path();
    let mut body = String::from("[");
    for number in 0..1_000 {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(body, r#"{comma}{{"p":"{path}.{number}","v":{number},"t":1700000000}}"#);
    }
    put(peer, format!("{body}]")).await.with(204);
    assert_eq!(peer.values(&format!("{path}.999")).await, [(1_700_000_000.0, 999.0)]);
}
