//! What a backend may offer beyond the original: then it is as the status says.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::entities::{create, delete};
use crate::peer::Peer;

pub(crate) async fn changes_are_told_where_they_are_offered(peer: &Peer) {
    if !peer.offers("changes") {
        assert_eq!(peer.get("changes").await.status, 404, "what is not there is not found");
        return;
    }
    let client = reqwest::Client::builder().build().unwrap();
    let request = client.get(format!("{}/changes?b={}", peer.url, peer.token));
    let mut stream = request.header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(stream.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let mut told = String::new();
    let topic = format!("\"accounts/{}/entities\"", peer.account);
    let mut device = None;
    let heard = async {
        while !told.lines().any(|line| line.starts_with("data:") && line.contains(&topic)) {
            told.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("it goes on")));
            if device.is_none() && told.contains("event: hello") {
                let entity = json!({"name": "contract", "entity_type": "device", "details": {}});
                device = Some(create(peer, &entity).await);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), heard).await.expect("the change is told");
    let device = device.unwrap();
    assert!(told.contains(&format!("\"id\":{device}")) && told.contains("event: changed"), "{told}");
    drop(stream);
    assert_eq!(delete(peer, device).await, 204);
}

pub(crate) async fn problems_are_taken_where_they_are_offered(peer: &Peer) {
    let device = create(peer, &json!({"name": "contract", "entity_type": "device", "details": {}})).await;
    let problem = json!({
        "account": peer.account, "entity": device, "protocol": "snmp", "since": 1_700_000_000.25,
        "error": "no answer within 8.0 s from 10.0.0.1:161 (4 tries)",
    });
    let report = |list: &[_]| json!({ "list": list }).to_string();
    let answer = peer.ask(Method::PUT, "profile/problems", report(std::slice::from_ref(&problem))).await;
    if peer.offers("problems") {
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        let wrong = peer.ask(Method::PUT, "profile/problems", r#"{"list":[{"account":"x"}]}"#).await;
        assert_eq!(wrong.status, 400, "{}", wrong.text);
        peer.ask(Method::PUT, "profile/problems", report(&[])).await.with(204);
    } else {
        assert_eq!(answer.status, 404, "{}", answer.text);
    }
    assert_eq!(delete(peer, device).await, 204);
}
