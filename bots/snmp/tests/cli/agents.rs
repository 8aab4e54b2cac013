//! The bot at work with real agents.

use serde_json::json;

use crate::program::bot;
use crate::scene::{
    IF_DESCR, IF_HC_IN_OCTETS, IF_IN_OCTETS, SYS_UP_TIME, Scene, TRAFFIC, Traffic, quick, snmpd, start_again,
    v2c, v3,
};

/// The families of a page of metrics, each of which says what it is.
#[track_caller]
fn families(metrics: &str) -> Vec<&str> {
    let about = |kind: &str| -> Vec<&str> {
        let begins = format!("# {kind} ");
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(&*begins));
        lines.map(|line| line.split(' ').next().unwrap()).collect()
    };
    let (helped, typed) = (about("HELP"), about("TYPE"));
    assert_eq!(helped, typed);
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let parts = ["", "_bucket", "_sum", "_count"].map(|part| name.strip_suffix(part));
        assert!(parts.iter().flatten().any(|name| typed.contains(name)), "{line} is of no family");
    }
    typed
}

#[test]
fn the_traffic_of_a_real_interface_arrives_in_every_version() {
    let Some(snmpd) = snmpd("the_traffic_of_a_real_interface_arrives_in_every_version") else { return };
    let scene = Scene::new();
    let sensors = [
        scene.sensor(&[SYS_UP_TIME], "$1 / 100", "uptime"),
        scene.sensor(&[IF_DESCR, IF_IN_OCTETS], "$2", "in.{$1}"),
        scene.sensor(&[IF_DESCR, IF_HC_IN_OCTETS], "$2", "hc-in.{$1}"),
    ];
    let v1 = json!({"version": "snmpv1", "snmpv12_community": "public"});
    let port = snmpd.address.port();
    // SNMPv1 has no counters of 64 bits.
    let first = scene.device("127.0.0.1", port, v1, &sensors[..2]);
    let devices = [v2c(), v3()].map(|credential| scene.device("127.0.0.1", port, credential, &sensors));
    let _traffic = Traffic::start();
    let running = bot(&[]).serving(&scene.backend).env("SNMP_STATS", "1").start();
    running.until("rates", || {
        scene.count(first, "in.lo") > 2 && devices.iter().all(|device| scene.count(*device, "hc-in.lo") > 2)
    });
    let metrics = running.health("/metrics").1;
    let families = families(&metrics);
    for family in [
        "grafolean_snmp_polls_total",
        "grafolean_snmp_values_read_total",
        "grafolean_snmp_requests_total",
        "grafolean_snmp_rates_discarded_total",
        "grafolean_snmp_round_trip_seconds",
        "grafolean_snmp_sessions",
        "grafolean_snmp_devices_resting",
        "grafolean_snmp_counters",
        "grafolean_snmp_counters_dropped_total",
    ] {
        assert!(families.contains(&family), "{families:?}");
    }
    assert_eq!(running.metric("grafolean_snmp_sessions"), 3);
    let ended = running.terminated().with(0);
    assert_eq!(ended.count(" WARN ") + ended.count(" ERROR "), 0, "{}", ended.stderr);
    for device in [first, devices[0], devices[1]] {
        let values = scene.values(device);
        assert!(values["uptime"].is_sorted_by(|one, next| one.1 < next.1), "{values:?}");
        for rates in ["in.lo", "hc-in.lo"].iter().filter_map(|tail| values.get(*tail)) {
            // What else goes over the interface is not ours to say.
            let most = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
            assert!((TRAFFIC / 2.0..TRAFFIC * 1e5).contains(&most), "{values:?}");
        }
        assert!(values["poll.ok"].len() > values["in.lo"].len());
    }
}

#[test]
fn an_agent_that_goes_and_comes_is_named_and_polled_again() {
    let Some(mut snmpd) = snmpd("an_agent_that_goes_and_comes_is_named_and_polled_again") else { return };
    let scene = Scene::new();
    let sensors = [
        scene.sensor(&[SYS_UP_TIME], "$1 / 100", "uptime"),
        scene.sensor(&[IF_DESCR, IF_HC_IN_OCTETS], "$2", "in.{$1}"),
    ];
    let port = snmpd.address.port();
    let devices =
        [v2c(), v3()].map(|credential| scene.device("127.0.0.1", port, quick(credential), &sensors));
    let mistaken = json!({"version": "snmpv2c", "snmpv12_community": "mistaken-hush"});
    let refused = scene.device("127.0.0.1", port, quick(mistaken), &sensors);
    let closed = scene.device("127.0.0.1", 9, quick(v2c()), &sensors);
    let _traffic = Traffic::start();
    let running = bot(&[]).serving(&scene.backend).secret("hush").env("LOG", "info").start();
    let failing = |device| running.failing(device);
    let grow = |what: &str, tail: &str| {
        let before = devices.map(|device| scene.count(device, tail));
        running.until(what, || {
            devices.iter().zip(before).all(|(device, before)| scene.count(*device, tail) > before + 1)
        });
    };
    grow("rates", "in.lo");
    running.until("a closed port", || failing(closed).contains("port 9 is closed"));
    running.until("no answer", || failing(refused).contains("no answer within"));
    snmpd.kill();
    running.until("two that fail", || devices.iter().all(|device| !failing(*device).is_empty()));
    start_again(&mut snmpd);
    grow("rates again", "in.lo");
    running.until("two that are well", || devices.iter().all(|device| failing(*device).is_empty()));
    let ended = running.terminated().with(0);
    for device in devices {
        let values = scene.values(device);
        let mut steps =
            values["uptime"].windows(2).map(|pair| (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1));
        assert!(steps.any(|(time, uptime)| uptime < time / 2.0), "it was restarted: {values:?}");
        assert!(values["in.lo"].iter().all(|(_, rate)| (0.0..TRAFFIC * 1e5).contains(rate)), "{values:?}");
        assert_eq!(ended.count(&format!("job {device} fails: ")), 1, "{}", ended.stderr);
        assert_eq!(ended.count(&format!("job {device} is well again")), 1, "{}", ended.stderr);
    }
    // Six jobs that failed, and perhaps an object that could not be got. What the library has to say is left out.
    assert!(ended.count(" WARN ") <= 7 && ended.count(" ERROR ") == 0, "{}", ended.stderr);
}
