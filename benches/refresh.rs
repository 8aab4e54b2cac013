//! What a refresh of the configuration costs: requests, time, CPU, memory.
//!
//! ```text
//! cargo bench --bench refresh
//! ```
//!
//! The backend is this same program, started again as a process of its own, so that what it needs is not counted. It
//! sends canned lists, each 5 ms after it was asked for.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use grafoleancollector::benching::Refresher;
use grafoleancollector::{Protocol, UserId};
use serde::Deserialize;
use support::{Error, arguments, cpu_seconds, memory_bytes};
use tokio::time::Instant;

/// How long the backend takes for an answer.
const DELAY: Duration = Duration::from_millis(5);
const BOT: u64 = 1_787_087_446;
/// Says that this process is to be the backend, of which case.
const BACKEND: &str = "--serve";
/// Says that this process is to measure a case, and whether the bot keeps parts.
const MEASURE: &str = "--measure";

/// What the backend has.
#[derive(Clone, Copy)]
struct Case {
    entities: usize,
    /// Whether they share one sensor.
    shared: bool,
    /// The interfaces of each.
    parts: usize,
}

impl Case {
    fn arguments(self) -> [String; 3] {
        [self.entities.to_string(), self.shared.to_string(), self.parts.to_string()]
    }

    fn parse(arguments: &[String]) -> Result<Self, Error> {
        let [entities, shared, parts] = arguments else { return Err("not a case".into()) };
        Ok(Self { entities: entities.parse()?, shared: shared.parse()?, parts: parts.parse()? })
    }
}

#[derive(Deserialize, Clone)]
#[expect(dead_code, reason = "only its reading matters")]
struct Credential {
    n_packets: u32,
    timeout: f64,
}

#[derive(Deserialize, Clone)]
struct Sensor {}

struct Ping;

impl Protocol for Ping {
    const SLUG: &'static str = "ping";
    type Credential = Credential;
    type Sensor = Sensor;
}

/// The same, with its interfaces.
struct PingWithParts;

impl Protocol for PingWithParts {
    const SLUG: &'static str = "ping";
    type Credential = Credential;
    type Sensor = Sensor;
    const PARTS: Option<&'static str> = Some("interface");
}

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    match args.as_slice() {
        [_, flag, case @ ..] if flag == BACKEND => return serve(Case::parse(case)?),
        [_, flag, keeps, case @ ..] if flag == MEASURE => {
            let case = Case::parse(case)?;
            return if keeps == "true" { measure::<PingWithParts>(case) } else { measure::<Ping>(case) };
        }
        _ => {}
    }
    if arguments().is_none() {
        return Ok(());
    }
    println!(
        "| entities | sensors | parts of each | kept | lists | requests | first | again | CPU of one | peak memory, both | memory afterwards |"
    );
    println!("|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    let case = |entities, shared, parts| Case { entities, shared, parts };
    // Each in a process of its own: peak memory never goes down again.
    for (case, keeps) in [
        (case(1_000, false, 0), false),
        (case(100_000, true, 0), false),
        (case(100_000, false, 0), false),
        (case(10_000, true, 24), false),
        (case(10_000, true, 24), true),
    ] {
        let status = Command::new(std::env::current_exe()?)
            .args([MEASURE, if keeps { "true" } else { "false" }])
            .args(case.arguments())
            .status()?;
        if !status.success() {
            return Err("a measurement failed".into());
        }
    }
    Ok(())
}

/// Refreshes three times, so that from the second time on the entities of the one before are still there.
fn measure<P: Protocol>(case: Case) -> Result<(), Error> {
    let Case { entities, shared, parts } = case;
    let mut backend = Backend::start(case)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let refresher = Refresher::new(&format!("http://{}/api", backend.addr), "t", UserId::new(BOT))?;
    let mut kept = Vec::new();
    let mut refresh = || -> Result<(f64, f64), Error> {
        let (cpu_before, begin) = (cpu_seconds(), Instant::now());
        kept = runtime.block_on(refresher.fetch::<P>())?;
        assert_eq!(kept.len(), entities);
        Ok((cpu_seconds() - cpu_before, begin.elapsed().as_secs_f64() * 1e3))
    };
    let (first_cpu, first) = refresh()?;
    let (requests, bytes) = backend.asked()?;
    let (again_cpu, again) = refresh()?;
    refresh()?;
    println!(
        "| {entities} | {} | {parts} | {} | {:.1} MB | {requests} | {first:.0} ms | {again:.0} ms | {:.2} s | {:.0} MB | {:.0} MB |",
        if shared { "one shared".to_owned() } else { format!("{entities}") },
        if P::PARTS.is_some() { "yes" } else { "no" },
        bytes as f64 / 1e6,
        first_cpu.max(again_cpu),
        memory_bytes("VmHWM") / (1 << 20) as f64,
        memory_bytes("VmRSS") / (1 << 20) as f64,
    );
    Ok(())
}

struct Backend {
    addr: String,
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Backend {
    fn start(case: Case) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(BACKEND)
            .args(case.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut addr = String::new();
        output.read_line(&mut addr)?;
        Ok(Self { addr: addr.trim().to_owned(), child, output })
    }

    /// Requests and bytes sent so far.
    fn asked(&mut self) -> Result<(usize, usize), Error> {
        self.child.stdin.as_mut().ok_or("no input")?.write_all(b"\n")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let (requests, bytes) = line.trim().split_once(' ').ok_or("no numbers")?;
        Ok((requests.parse()?, bytes.parse()?))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(case: Case) -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let bodies = Arc::new(bodies(case));
    let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let asked = counts.clone();
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines() {
            println!("{} {}", asked.0.load(Ordering::Relaxed), asked.1.load(Ordering::Relaxed));
        }
    });
    for stream in listener.incoming() {
        let (stream, bodies, counts) = (stream?, bodies.clone(), counts.clone());
        std::thread::spawn(move || {
            let _ = answer(stream, &bodies, &counts);
        });
    }
    Ok(())
}

fn answer(
    mut stream: TcpStream,
    bodies: &HashMap<String, String>,
    counts: &(AtomicUsize, AtomicUsize),
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut seen, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        seen.extend_from_slice(&buffer[..count]);
        if !seen.ends_with(b"\r\n\r\n") {
            continue;
        }
        let request = String::from_utf8_lossy(&seen).into_owned();
        seen.clear();
        let path = request.split([' ', '?']).nth(1).unwrap_or_default();
        let body = bodies.get(path).map_or("", String::as_str);
        std::thread::sleep(DELAY);
        counts.0.fetch_add(1, Ordering::Relaxed);
        counts.1.fetch_add(body.len(), Ordering::Relaxed);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
    }
}

/// The answers, as the backend writes them.
fn bodies(case: Case) -> HashMap<String, String> {
    let Case { entities, shared, parts } = case;
    let list = |count: usize, record: &dyn Fn(&mut String, usize)| {
        let mut list = r#"{"list":["#.to_owned();
        for index in 0..count {
            if index > 0 {
                list.push(',');
            }
            record(&mut list, index);
        }
        list + "]}"
    };
    let accounts = r#"{"list":[{"id":1507890873,"name":"First account"}]}"#.to_owned();
    let devices = list(entities, &|list, index| {
        let sensor = 533_711_934 + if shared { 0 } else { index };
        let (id, high, low) = (234_739_785 + index, index / 250, index % 250);
        let _ = write!(
            list,
            r#"{{"id":{id},"name":"router-{index}.example.org","entity_type":"device","parent":null,"details":{{"ipv4":"127.20.{high}.{low}"}},"protocols":{{"ping":{{"credential":1188952909,"bot":{BOT},"sensors":[{{"sensor":{sensor},"interval":null}}]}}}}}}"#
        );
        for number in 1..=parts {
            let part = 1_234_567_890 + index * parts + number;
            let _ = write!(
                list,
                r#",{{"id":{part},"name":"GigabitEthernet1/0/{number}","entity_type":"interface","parent":{id},"details":{{"snmp_index":"{}","speed_bps":"1000000000","if_name":"Gi1/0/{number}","if_alias":"to server room 3, rack {number}"}},"protocols":{{}}}}"#,
                10_100 + number
            );
        }
    });
    let credentials = r#"{"list":[{"id":1188952909,"name":"Default ICMP ping credential (3 packets)","protocol":"ping","details":{"n_packets":"3","sleep_packets":"1.0","timeout":"1.0","retry":"0"}}]}"#.to_owned();
    let sensors = list(if shared { 1 } else { entities }, &|list, index| {
        let id = 533_711_934 + index;
        let _ = write!(
            list,
            r#"{{"id":{id},"name":"ICMP ping sensor","protocol":"ping","default_interval":60,"details":{{}}}}"#
        );
    });
    let below = "/api/accounts";
    HashMap::from([
        (below.to_owned(), accounts),
        (format!("{below}/1507890873/entities"), devices),
        (format!("{below}/1507890873/credentials"), credentials),
        (format!("{below}/1507890873/sensors"), sensors),
    ])
}
