//! From packets to values in the backend.

use std::net::Ipv4Addr;

use serde_json::json;

use crate::scene::{A_WINDOW, Exporter, Scene, V5, receives_at, served};

pub(crate) fn flows_become_values_a_minute_later_and_not_a_byte_is_lost_or_counted_twice() {
    let scene = Scene::new();
    let entity = scene.exporter("127.31.0.1");
    let running = scene.bot(&[]).start();
    let mut exporter = Exporter::new("127.31.0.1", receives_at(&running));
    let mut stranger = Exporter::new("127.31.0.2", receives_at(&running));
    let (mut sent, path) = (0.0, format!("netflow.1min.ingress.entity.{entity}"));
    let udp = V5 { bytes: 70, protocol: 17, port: 53, from: Ipv4Addr::new(10, 0, 0, 9), ..V5::default() };
    // Over the end of a minute, so that more than one window has a share.
    let mut last = false;
    running.within(A_WINDOW, "two windows", || {
        let windows = scene.values().get(&path).map_or(0, Vec::len);
        if !last {
            // The last packet is one for the second window.
            last = windows == 1;
            exporter.send(&[V5::default(), udp, V5 { output: 0, bytes: 5, ..udp }]);
            stranger.send(&[V5::default()]);
            sent += 1.0;
            std::thread::sleep(std::time::Duration::from_millis(90));
        }
        windows == 2
    });
    let sum = |tail: &str| scene.sum(&format!("netflow.1min.{tail}"));
    let of = |tail: &str| sum(&format!("ingress.entity.{entity}{tail}"));
    assert_eq!((sum("ingress"), of(""), of(".if.3")), (1_075.0 * sent, 1_075.0 * sent, 1_075.0 * sent));
    assert_eq!((of(".topip.10%2e0%2e0%2e1"), of(".topip.10%2e0%2e0%2e9")), (1_000.0 * sent, 75.0 * sent));
    assert_eq!((of(".topprotocol.TCP"), of(".topprotocol.UDP")), (1_000.0 * sent, 75.0 * sent));
    assert_eq!(of(".topconn.10%2e0%2e0%2e1.10%2e0%2e0%2e2"), 1_000.0 * sent);
    assert_eq!((of(".topdstports.443"), of(".topdstports.53")), (1_000.0 * sent, 75.0 * sent));
    assert_eq!(of(".if.3.topip.10%2e0%2e0%2e1"), 1_000.0 * sent);
    // v5 has no egress: what came in goes out at the output interface, unless that is none (#16).
    let out = |tail: &str| sum(&format!("egress.entity.{entity}{tail}"));
    assert_eq!(
        (out(""), out(".if.4"), out(".topip.10%2e0%2e0%2e2")),
        (1_070.0 * sent, 1_070.0 * sent, 1_070.0 * sent)
    );
    let times: Vec<_> = scene.values().values().flatten().map(|(time, _)| *time).collect();
    assert!(times.iter().all(|time| time % 60.0 == 0.0), "all values of a window carry its end: {times:?}");
    assert!(!scene.values().keys().any(|path| path.contains("127")), "{:?}", scene.values().keys());
    running.terminated().with(0);
}

pub(crate) fn an_entity_may_override_the_sampling_rate_and_name_its_boundary() {
    let scene = Scene::new();
    let sampled =
        scene.exporter_with("127.32.0.1", json!({"netflow_sampling": 100, "netflow_boundary": "8"}));
    let plain = scene.exporter("127.32.0.2");
    let running = scene.bot(&[]).start();
    let at = receives_at(&running);
    served(&running);
    let mut exporters = [Exporter::new("127.32.0.1", at), Exporter::new("127.32.0.2", at)];
    for exporter in &mut exporters {
        exporter.send(&[V5::default(), V5 { input: 8, ..V5::default() }]);
    }
    let (of, total) = (|entity| format!("netflow.1min.ingress.entity.{entity}"), "netflow.1min.ingress");
    running.within(A_WINDOW, "a window", || scene.values().contains_key(total));
    assert_eq!((scene.sum(&of(sampled)), scene.sum(&of(plain))), (200_000.0, 2_000.0));
    assert_eq!(scene.sum(total), 102_000.0);
}

pub(crate) fn packets_that_are_no_flows_are_counted_and_cost_no_others() {
    let scene = Scene::new();
    scene.exporter("127.33.0.1");
    let running = scene.bot(&[]).start();
    let at = receives_at(&running);
    let socket = std::net::UdpSocket::bind("127.33.0.1:0").unwrap();
    for rubbish in [&b""[..], b"\0", b"GET / HTTP/1.1\r\n\r\n", &[0, 5], &[0, 9, 0xff, 0xff], &[0xff; 1_400]]
    {
        socket.send_to(rubbish, at).unwrap();
    }
    Exporter::new("127.33.0.1", at).send(&[V5::default()]);
    running.until("the flow", || {
        let metrics = running.health("/metrics").1;
        metrics.lines().any(|line| line.starts_with("grafolean_netflow_flows_total") && line.ends_with(" 1"))
    });
    let metrics = running.health("/metrics").1;
    let malformed = metrics.lines().filter(|line| line.starts_with("grafolean_netflow_malformed_total"));
    let counts = malformed.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    assert!(counts.sum::<u64>() >= 5, "{metrics}");
    let ended = running.terminated().with(0);
    assert!(ended.stderr.lines().count() < 30, "{}", ended.stderr);
}
