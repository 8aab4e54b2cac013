use reqwest::Method;
use serde_json::json;

use crate::driver::{Browser, button, field};
use crate::person::{PASSWORD, Person};
use crate::scene::{Scene, url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_look_sees_everything_and_is_offered_and_allowed_no_change() {
    let Some(browser) = Browser::start("permissions", 1280, 900).await else { return };
    let scene = Scene::new();
    let grafolean = scene.grafolean(&["--no-bots", "--listen", "127.0.0.1:0"]).start();
    let admin = Person::first(&grafolean).await;
    let account = admin.account().await;
    let viewer =
        json!({"name": "Vera", "username": "vera", "email": "vera@example.org", "password": PASSWORD});
    let viewer = admin.ask(Method::POST, "/persons", viewer).await["id"].clone();
    let look = json!({"resource_prefix": format!("accounts/{account}"), "methods": ["GET"]});
    admin.ask(Method::POST, &format!("/persons/{viewer}/permissions"), look).await;

    browser.open(&url(&grafolean)).await;
    browser.fill(&field("User name"), "vera").await;
    browser.fill(&field("Password"), "not her password").await;
    browser.click(&button("Log in")).await;
    browser.see("User name or password is wrong.").await;
    browser.fill(&field("Password"), PASSWORD).await;
    browser.click(&button("Log in")).await;
    browser.see("localhost").await;
    assert!(browser.shown("//a[normalize-space()='Add a device']").await.is_none(), "she may not add any");

    // By its address, the form says why it is not there.
    browser.open(&format!("{}/#/device/new", url(&grafolean))).await;
    browser.see("permission").await;
    // And the API refuses it, whatever the page shows.
    let refused = "const { csrf } = await (await fetch('/api/profile')).json();
        const answer = await fetch('/api/accounts/ACCOUNT/entities', {method: 'POST',
            headers: {'content-type': 'application/json', 'x-csrf-token': csrf},
            body: JSON.stringify({name: 'x', entity_type: 'device', details: {}})});
        return answer.status";
    assert_eq!(browser.run(&refused.replace("ACCOUNT", &account.to_string())).await, 403);
    let forged = "const answer = await fetch('/api/auth/logout', {method: 'POST'}); return answer.status";
    assert_eq!(browser.run(forged).await, 403, "a request without the page's own token is not from the page");
}
