//! Several addresses, both IP versions, several threads; a disk that is full.

use std::net::{SocketAddr, UdpSocket};

use crate::program::{Running, bot_in_namespace};
use crate::scene::{A_WINDOW, Exporter, Scene, V5, receives_at, served};

fn all_addresses(running: &Running) -> Vec<SocketAddr> {
    let line = running.line("flows are received at ");
    let list = line.rsplit("flows are received at ").next().unwrap().to_owned();
    list.split(", ").map(|address| address.trim().parse().unwrap()).collect()
}

pub(crate) fn exporters_of_both_ip_versions_are_received_at_several_addresses_by_several_threads() {
    let test = "exporters_of_both_ip_versions_are_received_at_several_addresses_by_several_threads";
    if UdpSocket::bind("[::1]:0").is_err() {
        return crate::program::skip(test, "this kernel has no IPv6");
    }
    let scene = Scene::new();
    let (four, six) = (scene.exporter("127.81.0.1"), scene.exporter("::1"));
    let listen = "127.0.0.1:0,[::1]:0,[::]:0";
    let running = scene.bot(&[]).env("NETFLOW_LISTEN", listen).env("NETFLOW_THREADS", "2").start();
    served(&running);
    let addresses = all_addresses(&running);
    let [first, second, all] = addresses[..] else { panic!("{addresses:?}") };
    let mut all_v4 = SocketAddr::from(([127, 0, 0, 1], all.port()));
    // As many source ports as it takes for each thread to have some.
    for _ in 0..20 {
        Exporter::new("127.81.0.1", first).send(&[V5::default()]);
        Exporter::new("127.81.0.1", all_v4).send(&[V5::default()]);
        Exporter::new("::1", second).send(&[V5::default()]);
        all_v4.set_port(all.port());
    }
    let of = |entity| scene.sum(&format!("netflow.1min.ingress.entity.{entity}"));
    running.within(A_WINDOW, "all values", || of(four) + of(six) >= 60_000.0);
    assert_eq!((of(four), of(six)), (40_000.0, 20_000.0));
    running.terminated().with(0);
}

pub(crate) fn a_full_disk_stops_neither_receiving_nor_delivering_and_is_said_once() {
    let test = "a_full_disk_stops_neither_receiving_nor_delivering_and_is_said_once";
    let scene = Scene::new();
    let entity = scene.exporter("127.82.0.1");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    // Enough for the files that a bot begins with, and for nothing more.
    let script = format!("mount -t tmpfs -o size=400k none {path}; exec \"$@\"");
    let Some(program) = bot_in_namespace(test, "--mount", &script, &[]) else { return };
    let program = program.serving(&scene.backend).env("DATA_DIR", directory.path());
    let running = program.env("NETFLOW_LISTEN", "127.0.0.1:0").env("FLOWS_KEEP", "1d").start();
    served(&running);
    let mut exporter = Exporter::new("127.82.0.1", receives_at(&running));
    let path = format!("netflow.1min.ingress.entity.{entity}");
    let mut sent = 0_u32;
    running.within(A_WINDOW, "a window", || {
        // Different flows, so that they take room.
        let flows: Vec<_> = (0..30)
            .map(|n| V5 { from: (0x0a00_0000 + sent * 30 + n).into(), bytes: 1_000 + n, ..V5::default() })
            .collect();
        exporter.send(&flows);
        sent += 1;
        std::thread::sleep(std::time::Duration::from_millis(2));
        scene.sum(&path) > 0.0
    });
    let ended = running.terminated();
    assert!(ended.stderr.contains("No space left on device"), "{}", ended.stderr);
    assert!(ended.stderr.lines().count() < 40, "{}", ended.stderr);
}
