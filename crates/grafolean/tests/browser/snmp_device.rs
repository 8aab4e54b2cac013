use reqwest::Method;
use serde_json::{Value, json};

use crate::driver::{Browser, button, field, in_dialog};
use crate::person::{PASSWORD, Person};
use crate::scene::{Scene, url};
use crate::simulated::snmpd::Snmpd;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_snmp_device_is_added_by_form_and_charted_and_a_wrong_community_is_shown_where_one_looks() {
    let Some(snmpd) = Snmpd::start("the SNMP form", "rocommunity public\n").await else { return };
    let Some(browser) = Browser::start("the SNMP form", 1440, 1000).await else { return };
    let scene = Scene::new();
    let grafolean = scene.everything().start();
    let admin = Person::first(&grafolean).await;
    let account = admin.account().await;
    // Every minute would be long to wait for.
    let sensors = admin.ask(Method::GET, &format!("/accounts/{account}/sensors"), Value::Null).await;
    for sensor in sensors["list"].as_array().unwrap().iter().filter(|sensor| sensor["protocol"] == "snmp") {
        let quick = json!({"name": sensor["name"], "protocol": "snmp", "default_interval": 2, "details": sensor["details"]});
        admin.ask(Method::PUT, &format!("/accounts/{account}/sensors/{}", sensor["id"]), quick).await;
    }

    browser.open(&url(&grafolean)).await;
    browser.fill(&field("User name"), "admin").await;
    browser.fill(&field("Password"), PASSWORD).await;
    browser.click(&button("Log in")).await;
    browser.click("//a[normalize-space()='Add a device']").await;
    browser.fill(&field("Address"), "127.0.0.1").await;
    browser.fill(&field("Name"), "a switch").await;
    let snmp = "//section[.//h2[normalize-space()='SNMP']]";
    browser.click(&format!("{snmp}//label")).await;
    browser.click(&format!("{snmp}//button[normalize-space()='New']")).await;
    browser.fill(&in_dialog(&field("Name")), "the lab").await;
    browser.fill(&in_dialog(&field("Community")), "public").await;
    browser.click(&in_dialog("//summary")).await;
    browser.fill(&in_dialog(&field("Port")), &snmpd.address.port().to_string()).await;
    browser.fill(&in_dialog(&field("Timeout")), "0.5").await;
    browser.fill(&in_dialog(&field("Further tries")), "0").await;
    browser.click(&in_dialog(&button("Save"))).await;
    browser.until("return !document.querySelector('dialog[open]')").await;
    browser.click(&button("Add the device")).await;

    // Its interfaces come, with their traffic, and open into charts.
    browser.see("a switch").await;
    browser.see("Interfaces").await;
    browser.until("return [...document.querySelectorAll('main *')].some(e => e.children.length === 0 && e.textContent.trim() === 'lo')").await;
    browser.see("b/s").await;
    browser.until("return document.querySelectorAll('.uplot canvas').length > 0").await;
    assert_eq!(browser.console().await, Vec::<String>::new(), "the page made errors");

    // Somebody changes the community.
    let credentials = admin.ask(Method::GET, &format!("/accounts/{account}/credentials"), Value::Null).await;
    let lab = credentials["list"].as_array().unwrap().iter().find(|one| one["name"] == "the lab").unwrap();
    let mut details = lab["details"].clone();
    details["snmpv12_community"] = "wrong".into();
    let wrong = json!({"name": "the lab", "protocol": "snmp", "details": details});
    admin.ask(Method::PUT, &format!("/accounts/{account}/credentials/{}", lab["id"]), wrong).await;
    browser.see("SNMP does not work").await;
    browser.see("community").await;
    browser.open(&format!("{}/#/", url(&grafolean))).await;
    browser.see("no answer").await;
}
