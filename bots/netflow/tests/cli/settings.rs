//! What is wrong with the settings or the surroundings is said in a line.

use std::net::UdpSocket;

use crate::program::bot;
use crate::scene::Scene;

pub(crate) fn everything_that_is_wrong_is_said_at_once_and_ends_the_bot_with_78() {
    let scene = Scene::new();
    let wrong = scene.bot(&[]).env("NETFLOW_LISTEN", "here").env("TOP_N", "none").env("FLOWS_KEEP", "ever");
    let ended = wrong.run().with(78);
    for name in ["NETFLOW_LISTEN", "TOP_N", "FLOWS_KEEP"] {
        assert!(ended.stderr.contains(&format!("{name}: ")), "{}", ended.stderr);
    }
}

pub(crate) fn a_port_that_is_taken_is_named_with_the_way_to_find_by_whom() {
    let scene = Scene::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().map(|address| (address, address.port()));
    let (address, port) = taken.unwrap();
    let _holder = UdpSocket::bind(address).unwrap();
    let ended = scene.bot(&[]).env("NETFLOW_LISTEN", address.to_string()).run().with(78);
    let line = ended.stderr.lines().last().unwrap();
    assert!(
        line.contains(&address.to_string()) && line.contains("taken") && line.contains("ss -ulpn"),
        "{line}"
    );
    let ended = scene.bot(&["check"]).env("NETFLOW_LISTEN", format!("127.0.0.1:{port}")).run();
    assert!(ended.stdout.contains("by this bot's service?"), "{}", ended.stdout);
}

/// A port that nobody has for now.
fn free_port() -> u16 {
    UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0")).unwrap().local_addr().unwrap().port()
}

/// `check` said "the bot can work" of them, and the bot that another program had the port.
pub(crate) fn addresses_that_are_part_of_one_another_are_refused_by_the_bot_and_by_its_check() {
    let scene = Scene::new();
    let port = free_port();
    let both = |arguments| scene.bot(arguments).env("NETFLOW_LISTEN", format!("0.0.0.0:{port},[::]:{port}"));
    let said =
        format!("[::]:{port} receives what is sent to 0.0.0.0:{port} already: leave 0.0.0.0:{port} out");
    let ended = both(&[]).run().with(78);
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    let ended = both(&["check"]).run().with(1);
    assert!(ended.stdout.contains(&said), "{}", ended.stdout);
}

/// The kernel gave each of them half of the exporters, and nobody was told.
pub(crate) fn a_second_bot_with_several_threads_does_not_take_half_of_the_exporters() {
    let scene = Scene::new();
    let listen = format!("127.0.0.1:{}", free_port());
    let bot = |arguments: &[&str], threads| {
        scene.bot(arguments).env("NETFLOW_LISTEN", &listen).env("NETFLOW_THREADS", threads)
    };
    let first = bot(&[], "2").start();
    first.line("flows are received at ");
    for threads in ["1", "2"] {
        let ended = bot(&[], threads).run().with(78);
        assert!(ended.stderr.contains(&format!("{listen} is taken by another program")), "{}", ended.stderr);
        let ended = bot(&["check"], threads).run();
        assert!(ended.stdout.contains("by this bot's service?"), "{}", ended.stdout);
    }
    first.terminated().with(0);
}

pub(crate) fn raw_flows_need_a_place() {
    let scene = Scene::new();
    let ended = scene.bot(&[]).env("FLOWS_KEEP", "1d").run().with(78);
    assert!(ended.stderr.contains("FLOWS_KEEP needs a place for its files"), "{}", ended.stderr);
}

pub(crate) fn help_names_the_variables_and_the_commands() {
    let ended = bot(&["--help"]).run().with(0);
    for word in
        ["NETFLOW_LISTEN", "NETFLOW_SUGGEST_ACCOUNT", "TOP_N", "FLOWS_KEEP", "try", "check", "[::]:2055"]
    {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
}
