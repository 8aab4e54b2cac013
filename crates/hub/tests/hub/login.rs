//! Logging in, staying so, and being let go.

use serde_json::json;

use crate::support::{Got, PASSWORD, Served, Who};

/// A browser: a cookie and the proof that belongs to it.
struct Browser {
    cookie: String,
    csrf: String,
}

async fn browser(hub: &Served, username: &str, password: &str) -> Browser {
    let body = json!({"username": username, "password": password});
    let got = hub.ask(&Who::Nobody, "POST", "auth/login", body).await.expect(200);
    from(&got)
}

fn from(got: &Got) -> Browser {
    let cookie = got.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "without TLS the browser would not send it back");
    let csrf = got.json()["csrf"].as_str().unwrap().to_owned();
    Browser { cookie: cookie.split(';').next().unwrap().to_owned(), csrf }
}

impl Browser {
    async fn get(&self, hub: &Served, path: &str) -> Got {
        hub.send(hub.request("GET", path, &Who::Nobody).header("cookie", &self.cookie)).await
    }

    async fn post(&self, hub: &Served, path: &str, body: &str, headers: &[(&str, &str)]) -> Got {
        let request =
            hub.request("POST", path, &Who::Nobody).header("cookie", &self.cookie).body(body.to_owned());
        hub.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }
}

#[tokio::test]
async fn the_first_person_is_created_with_the_setup_link_and_nobody_after() {
    let hub = Served::fresh().await;
    let token = hub.hub.setup_link_token().unwrap().unwrap();
    let newer = hub.hub.setup_link_token().unwrap().unwrap();
    let person = |setup: &str| json!({"name": "Ada", "username": "ada", "password": PASSWORD, "email": "ada@example.org", "setup": setup});
    for wrong in ["", "x", &token] {
        hub.ask(&Who::Nobody, "POST", "admin/first", person(wrong)).await.expect(403);
    }
    let short = json!({"name": "A", "username": "a", "password": "short", "email": "a@b", "setup": newer});
    let got = hub.ask(&Who::Nobody, "POST", "admin/first", short).await.expect(400);
    assert!(got.text.contains("shorter than 8"));
    let got = hub.ask(&Who::Nobody, "POST", "admin/first", person(&newer)).await.expect(201);
    assert!(got.json()["id"].is_i64());
    let ada = from(&got);
    let profile = ada.get(&hub, "profile").await.expect(200).json();
    assert_eq!((&profile["record"]["username"], &profile["csrf"]), (&json!("ada"), &json!(ada.csrf)));
    ada.get(&hub, "persons").await.expect(200);
    let got = hub.ask(&Who::Nobody, "POST", "admin/first", person(&newer)).await.expect(401);
    assert_eq!(got.text, r#"{"detail":"System already initialized"}"#);
    assert_eq!(hub.hub.setup_link_token().unwrap(), None);
    assert_eq!(hub.get(&Who::Nobody, "status/info").await.json()["setup_needed"], false);
}

#[tokio::test]
async fn of_several_who_use_the_setup_link_at_once_one_is_the_first() {
    let hub = Served::fresh().await;
    let token = hub.hub.setup_link_token().unwrap().unwrap();
    let create = async |name: &str| {
        let body =
            json!({"name": name, "username": name, "password": PASSWORD, "email": "a@b", "setup": token});
        hub.ask(&Who::Nobody, "POST", "admin/first", body).await.status
    };
    let (one, other, third) = tokio::join!(create("a"), create("b"), create("c"));
    let mut statuses = [one, other, third];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401, 401]);
    assert_eq!(hub.hub.users().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bearer_token_opens_what_its_person_may_and_is_exchanged() {
    let hub = Served::start().await;
    let body = json!({"username": "admin", "password": PASSWORD});
    let got = hub.ask(&Who::Nobody, "POST", "auth/login/", body).await.expect(200);
    let header = got.header("x-jwt-token").to_owned();
    let (key, _) = header.strip_prefix("Bearer ").unwrap().split_once(':').unwrap();
    assert!(key.parse::<u32>().is_ok(), "{header}");
    let answer = got.json();
    assert_eq!(answer["permissions"][0]["resource_prefix"], json!(null));
    let who = Who::Bearer(header);
    hub.get(&who, "admin/accounts").await.expect(200);
    let got = hub.ask(&who, "POST", "auth/refresh", "").await.expect(200);
    assert_eq!(got.json()["session_id"], answer["session_id"]);
    let fresh = Who::Bearer(got.header("x-jwt-token").to_owned());
    hub.get(&fresh, "admin/accounts").await.expect(200);
    hub.ask(&fresh, "POST", "auth/logout", "").await.expect(204);
    for ended in [&who, &fresh] {
        hub.get(ended, "profile").await.expect(401);
        let got = hub.ask(ended, "POST", "auth/refresh", "").await.expect(401);
        assert_eq!(got.text, r#"{"detail":"Access denied"}"#);
    }
    for wrong in ["Bearer 0:abc", "Basic YWRtaW46eA==", "Bearer", ""] {
        hub.get(&Who::Bearer(wrong.to_owned()), "bots").await.expect(401);
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_answered_alike() {
    let hub = Served::start().await;
    let mut answers = Vec::new();
    for username in ["admin", "nobody", "", "admin\u{0}", &"x".repeat(5_000)] {
        let body = json!({"username": username, "password": "wrong wrong"});
        let got = hub.ask(&Who::Nobody, "POST", "auth/login", body).await.expect(401);
        answers.push(got.text);
    }
    answers.dedup();
    assert_eq!(answers, [r#"{"detail":"Invalid credentials"}"#]);
}

#[tokio::test]
async fn who_guesses_passwords_has_to_wait_even_for_the_right_one() {
    let hub = Served::start().await;
    let attempt = async |password: &str| {
        hub.ask(&Who::Nobody, "POST", "auth/login", json!({"username": "admin", "password": password})).await
    };
    for _ in 0..10 {
        attempt("wrong wrong").await.expect(401);
    }
    let got = attempt(PASSWORD).await.expect(429);
    let wait: u64 = got.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(got.json()["detail"].as_str().unwrap().contains("try again"));
}

#[tokio::test]
async fn a_cookie_reads_and_writes_only_with_the_proof_and_from_the_page_itself() {
    let hub = Served::start().await;
    let browser = browser(&hub, "admin", PASSWORD).await;
    browser.get(&hub, "persons").await.expect(200);
    let csrf = ("x-csrf-token", browser.csrf.as_str());
    let origin = hub.listening.url();
    let body = r#"{"name":"x"}"#;
    for headers in [
        &[][..],
        &[("x-csrf-token", "")],
        &[("x-csrf-token", "wrong")],
        &[csrf, ("origin", "http://evil.example")],
        &[csrf, ("origin", "null")],
        &[csrf, ("sec-fetch-site", "cross-site")],
    ] {
        browser.post(&hub, "accounts", body, headers).await.expect(403);
    }
    browser.post(&hub, "accounts", body, &[csrf]).await.expect(201);
    browser
        .post(&hub, "accounts", body, &[csrf, ("origin", &origin), ("sec-fetch-site", "same-origin")])
        .await
        .expect(201);
    let got = browser.post(&hub, "auth/logout", "", &[csrf]).await.expect(204);
    assert!(got.header("set-cookie").contains("Max-Age=0"));
    browser.get(&hub, "persons").await.expect(401);
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions() {
    let hub = Served::start().await;
    let (id, bearer) = hub.person("nora", &[]).await;
    let (mine, other) = (browser(&hub, "nora", PASSWORD).await, browser(&hub, "nora", PASSWORD).await);
    let path = format!("persons/{id}/password");
    let csrf = [("x-csrf-token", mine.csrf.as_str())];
    for wrong in [
        json!({"old_password": "wrong wrong", "new_password": "another one"}),
        json!({"new_password": "another one"}),
        json!({"old_password": PASSWORD, "new_password": "short"}),
        json!({"old_password": PASSWORD}),
    ] {
        mine.post(&hub, &path, &wrong.to_string(), &csrf).await.expect(400);
    }
    let change = json!({"old_password": PASSWORD, "new_password": "another one"}).to_string();
    mine.post(&hub, &path, &change, &csrf).await.expect(204);
    mine.get(&hub, "profile").await.expect(200);
    other.get(&hub, "profile").await.expect(401);
    hub.get(&bearer, "profile").await.expect(401);
    hub.ask(&Who::Nobody, "POST", "auth/login", json!({"username": "nora", "password": PASSWORD}))
        .await
        .expect(401);
    hub.login("nora", "another one").await;
}

#[tokio::test]
async fn sessions_outlive_a_restart_and_end_with_their_person() {
    let hub = Served::start().await;
    let (_, bearer) = hub.person("nora", &[]).await;
    let cookie = browser(&hub, "nora", PASSWORD).await;
    let Served { hub: open, listening, directory, started, .. } = hub;
    listening.stop().await;
    open.close().await;
    let open = grafolean_hub::Hub::open(grafolean_hub::HubOptions::new(directory.path())).await.unwrap();
    let listening = open.listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let mut hub = Served::fresh().await;
    (hub.hub, hub.listening, hub.started) = (open, listening, started);
    hub.get(&bearer, "profile").await.expect(200);
    cookie.get(&hub, "profile").await.expect(200);
    hub.hub.remove_user("nora").await.unwrap();
    hub.get(&bearer, "profile").await.expect(401);
    cookie.get(&hub, "profile").await.expect(401);
    drop(directory);
}

#[tokio::test]
async fn another_site_cannot_log_a_browser_in() {
    let hub = Served::start().await;
    let body = json!({"username": "admin", "password": PASSWORD}).to_string();
    let login = |headers: &[(&'static str, &str)]| {
        let request = hub.request("POST", "auth/login", &Who::Nobody).body(body.clone());
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    for headers in
        [&[("origin", "http://evil.example")][..], &[("origin", "null")], &[("sec-fetch-site", "cross-site")]]
    {
        let got = hub.send(login(headers)).await.expect(403);
        assert_eq!(got.header("set-cookie"), "");
    }
    let origin = hub.listening.url();
    hub.send(login(&[("origin", &origin), ("sec-fetch-site", "same-origin")])).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_of_the_old_password_begins_while_it_is_changed() {
    let hub = Served::start().await;
    let (id, _) = hub.person("nora", &[]).await;
    let admin = hub.admin().await;
    let mut old = PASSWORD.to_owned();
    for i in 0..8 {
        let new = format!("password {i}");
        let (body, path) = (json!({ "new_password": new }), format!("persons/{id}/password"));
        let login = json!({"username": "nora", "password": old});
        let (change, got) = tokio::join!(
            hub.ask(&admin, "POST", &path, body),
            hub.ask(&Who::Nobody, "POST", "auth/login", login),
        );
        change.expect(204);
        // It may have begun before, but then it has ended.
        if got.status == 200 {
            hub.get(&Who::Bearer(got.header("x-jwt-token").to_owned()), "profile").await.expect(401);
        }
        old = new;
    }
}
