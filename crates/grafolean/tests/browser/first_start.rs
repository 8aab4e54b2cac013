use std::time::Duration;

use tokio::time::Instant;

use crate::driver::{Browser, button, field};
use crate::person::{PASSWORD, client};
use crate::program::{LIMIT, Running};
use crate::scene::{Scene, setup_link, url};

/// What the link asks of the first person.
async fn choose_a_password(browser: &Browser, grafolean: &Running) {
    browser.open(&setup_link(grafolean).unwrap()).await;
    browser.fill(&field("User name"), "ada").await;
    browser.fill(&field("Password"), PASSWORD).await;
    browser.fill(&field("The same again"), PASSWORD).await;
    browser.click(&button("Set the password")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_first_start_to_the_first_chart_there_is_nothing_to_install_and_little_to_type() {
    let Some(browser) = Browser::start("the first start", 1280, 900).await else { return };
    let scene = Scene::new();
    let grafolean = scene.everything().start();
    choose_a_password(&browser, &grafolean).await;

    // The machine itself is measured from the beginning.
    browser.see("localhost").await;
    browser.see("127.0.0.1").await;
    browser.see("100 %").await;
    browser.click("//a[contains(., 'localhost')]").await;
    browser.until("return document.querySelectorAll('.uplot canvas').length > 1").await;
    browser.see("mean of the packets").await;
    assert_eq!(browser.console().await, Vec::<String>::new(), "the page made errors");

    // The link is of no use any more, and without it there is only the login.
    let address = url(&grafolean);
    let setup = setup_link(&grafolean).unwrap();
    let body = "{\"name\":\"x\",\"username\":\"x\",\"email\":\"\",\"password\":\"another passphrase\",\"setup\":\"TOKEN\"}";
    let body = body.replace("TOKEN", setup.rsplit('/').next().unwrap());
    let again = client().post(format!("{address}/api/admin/first"));
    let answer = again.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 401, "{}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_appear_without_a_reload_as_they_are_measured() {
    let Some(browser) = Browser::start("live values", 390, 844).await else { return };
    let scene = Scene::new();
    let grafolean = scene.everything().start();
    choose_a_password(&browser, &grafolean).await;
    browser.see("localhost").await;
    // What the page is now must be what it still is when the next values are shown.
    browser.run("window.sameAsBefore = true").await;
    let wide = browser.run("return document.documentElement.scrollWidth > innerWidth").await;
    assert_eq!(wide, false, "on a phone nothing has to be scrolled sideways");
    browser.open(&format!("{}/#/", url(&grafolean))).await;
    let seen = "return [...document.querySelectorAll('main *')].some(e => /^(just now|now|[0-9] s ago)$/.test(e.textContent.trim()))";
    let began = Instant::now();
    // The round trip of localhost is measured every minute: twice within this limit.
    browser.until(seen).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    browser.until(seen).await;
    assert!(began.elapsed() < 2 * LIMIT);
    assert_eq!(browser.run("return window.sameAsBefore").await, true, "the page was loaded anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_left_and_visited_again_and_again_is_there_each_time() {
    let Some(browser) = Browser::start("visits", 1280, 900).await else { return };
    let scene = Scene::new();
    let grafolean = scene.everything().start();
    choose_a_password(&browser, &grafolean).await;
    browser.see("localhost").await;
    // Each page that was left kept one of the six connections that the browser has for a host, for a minute.
    for _ in 0..8 {
        browser.open("about:blank").await;
        browser.open(&url(&grafolean)).await;
        let seen = tokio::time::timeout(Duration::from_secs(30), browser.see("localhost")).await;
        seen.expect("the page waits for a connection");
    }
}
