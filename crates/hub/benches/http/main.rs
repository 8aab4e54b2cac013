//! The hub as its clients see it: a process of its own, asked over HTTP on loopback.
//!
//! ```text
//! cargo bench -p grafolean-hub --bench http                  all of it
//! cargo bench -p grafolean-hub --bench http -- put 20000 10  values by PUT: paths, seconds
//! cargo bench -p grafolean-hub --bench http -- read          a year as roll-up, and 100,000 values as they are
//! cargo bench -p grafolean-hub --bench http -- lists 1000    entities, credentials and sensors
//! ```
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a load program prints, measures time, and has nobody to report to"
)]

mod client;
mod server;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::Server;

/// Values in a list, as bots send them.
const LIST: usize = 1_000;
/// What the original took: 20,000 known paths in 5 s at best.
const ORIGINAL_PER_SECOND: f64 = 4_300.0;
/// Bots that deliver at one time.
const WRITERS: usize = 4;
/// So many values in memory are moved.
const MOVED_AFTER: u64 = 2_100_000;
const NOW: u64 = 1_800_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, directory] = arguments.as_slice()
        && first == server::ARGUMENT
    {
        return server::serve(directory);
    }
    // `cargo test --all-targets` only wants to see that the program can be started.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<&str> = arguments.iter().map(String::as_str).filter(|a| *a != "--bench").collect();
    let number = |at: usize, default: usize| wanted.get(at).and_then(|n| n.parse().ok()).unwrap_or(default);
    match wanted.first().copied() {
        Some("put") => put(number(1, 20_000), number(2, 10) as u64),
        Some("read") => read(),
        Some("lists") => lists(number(1, 1_000)),
        _ => {
            put(20_000, 10);
            put(200_000, 10);
            read();
            lists(1_000);
            lists(100_000);
        }
    }
}

/// A list of values of the paths from `first` on, at a time.
fn list(first: usize, paths: usize, time: u64, body: &mut String) {
    body.clear();
    body.push('[');
    for n in 0..LIST {
        let path = (first + n) % paths;
        let value = (path * 7 + usize::try_from(time % 1_000).unwrap_or(0)) as f64 / 8.0;
        let comma = if n == 0 { "" } else { "," };
        // A String takes all that is written to it.
        let _ = write!(body, "{comma}{{\"p\":\"entity.{path}.ping.success\",\"v\":{value},\"t\":{time}.25}}");
    }
    body.push(']');
}

fn put(paths: usize, seconds: u64) {
    let server = Server::start();
    let resource = format!("/api/accounts/{}/values?b={}", server.account, server.token);
    let mut body = String::new();
    let mut client = Client::connect(server.address);
    for first in (0..paths).step_by(LIST) {
        list(first, paths, NOW - 60, &mut body);
        assert_eq!(client.ask("PUT", &resource, body.as_bytes()).0, 204);
    }
    // What is sent is made before, so that the time is the hub's. Each round over all paths is a minute.
    let lists_per_round = paths.div_ceil(LIST);
    let (stop, next, stored) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let (cpu, began) = (server.cpu_seconds(), Instant::now());
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let writer = || {
            let (mut client, mut body, mut times) =
                (Client::connect(server.address), String::new(), Vec::new());
            while !stop.load(Relaxed) {
                let n = next.fetch_add(1, Relaxed);
                let (round, at) =
                    (n / lists_per_round as u64, usize::try_from(n).unwrap_or(0) % lists_per_round);
                list(at * LIST, paths, NOW + 60 * round, &mut body);
                let sent = Instant::now();
                assert_eq!(client.ask("PUT", &resource, body.as_bytes()).0, 204);
                times.push(sent.elapsed());
                stored.fetch_add(LIST as u64, Relaxed);
            }
            times
        };
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(writer)).collect();
        std::thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Relaxed);
        writers.into_iter().flat_map(|writer| writer.join().expect("it does not panic")).collect()
    });
    let (took, stored) = (began.elapsed().as_secs_f64(), stored.load(Relaxed) as f64);
    times.sort_unstable();
    let quantile = |q: usize| times.get(times.len() * q / 1_000).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    println!(
        "PUT, lists of {LIST} over {paths} known paths, {WRITERS} writers: {:.0} values/s ({:.0} × the original), \
         {:.2} µs of CPU each; a list takes {:.1} ms (median), {:.1} ms (99.9 %); {:.0} MB of memory",
        stored / took,
        stored / took / ORIGINAL_PER_SECOND,
        (server.cpu_seconds() - cpu) / stored * 1e6,
        quantile(500),
        quantile(999),
        server.memory_mb()
    );
}

fn read() {
    const YEAR: u64 = 365 * 24 * 60;
    let server = Server::start();
    let resource = format!("/api/accounts/{}/values", server.account);
    let mut client = server.log_in();
    // A year of minutes of one path.
    for first in (0..YEAR).step_by(LIST) {
        let values: Vec<String> = (first..(first + LIST as u64).min(YEAR))
            .map(|n| {
                let value = (n as f64 / 100.0).sin() * 50.0 + (n % 17) as f64;
                format!("{{\"p\":\"a.year\",\"v\":{value},\"t\":{}}}", NOW - 60 * (YEAR - n))
            })
            .collect();
        let body = format!("[{}]", values.join(","));
        assert_eq!(client.ask("PUT", &resource, body.as_bytes()).0, 204);
    }
    // More values, so that those are moved into the file, where all but the last quarter of an hour is.
    let mut body = String::new();
    for round in 0..MOVED_AFTER / LIST as u64 {
        list(0, LIST, NOW + round, &mut body);
        assert_eq!(client.ask("PUT", &resource, body.as_bytes()).0, 204);
    }
    std::thread::sleep(Duration::from_secs(5));
    let within = |what: &str| format!("/api/accounts/{}/{what}", server.account);
    for level in [0, 2] {
        let asked = format!("{{\"p\":\"a.year\",\"a\":{level},\"t0\":{},\"t1\":{NOW}}}", NOW - 60 * YEAR);
        let (took, bytes) = median(|| client.ask("POST", &within("getaggrvalues"), asked.as_bytes()));
        println!("a year of minutes as roll-up of {} h: {took:.2} ms, {bytes} bytes", 3_u32.pow(level));
    }
    let asked = format!("{{\"p\":\"a.year\",\"t0\":{},\"t1\":{NOW},\"limit\":100000}}", NOW - 60 * YEAR);
    let (took, bytes) = median(|| client.ask("POST", &within("getvalues"), asked.as_bytes()));
    println!("100,000 values as they are: {took:.1} ms, {bytes} bytes");
}

fn lists(count: usize) {
    let server = Server::start();
    let mut client = server.log_in();
    let within = |what: &str| format!("/api/accounts/{}/{what}", server.account);
    let ids = server.fill(count);
    println!("{count} entities, {} credentials, {} sensors:", ids.credentials, ids.sensors);
    for kind in ["entities", "credentials", "sensors"] {
        let (took, bytes) = median(|| client.ask("GET", &within(kind), b""));
        println!("  GET {kind}: {took:.1} ms, {bytes} bytes");
    }
    println!("  {:.0} MB of memory", server.memory_mb());
}

/// Milliseconds of the middle one of several, and the bytes of the answer.
fn median(mut ask: impl FnMut() -> (u16, usize)) -> (f64, usize) {
    let mut all: Vec<(Duration, usize)> = (0..15)
        .map(|_| {
            let began = Instant::now();
            let (status, bytes) = ask();
            assert_eq!(status, 200);
            (began.elapsed(), bytes)
        })
        .collect();
    all.sort_unstable();
    let (took, bytes) = all[all.len() / 2];
    (took.as_secs_f64() * 1e3, bytes)
}
