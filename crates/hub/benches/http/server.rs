//! The hub in a process of its own: this program, started once more.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};

use grafolean_hub::{FirstStart, Hub, HubOptions, NewUser};

use crate::client::Client;

/// The argument with which this program is asked to be the hub.
pub(crate) const ARGUMENT: &str = "be-the-hub";
const PERSON: (&str, &str) = ("admin", "a long enough passphrase");

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) account: i64,
    pub(crate) token: String,
    /// The process ends when this is closed, also when we die.
    _leash: Option<ChildStdin>,
    _directory: tempfile::TempDir,
}

/// How many records there are.
pub(crate) struct Filled {
    pub(crate) credentials: usize,
    pub(crate) sensors: usize,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .arg(ARGUMENT)
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program once more");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("where it is");
        let mut words = line.split_whitespace();
        let mut word = || words.next().expect("address, account and token").to_owned();
        Self {
            address: word().parse().expect("an address"),
            account: word().parse().expect("a number"),
            token: word(),
            _leash: child.stdin.take(),
            child,
            _directory: directory,
        }
    }

    /// Somebody who may do everything.
    pub(crate) fn log_in(&self) -> Client {
        Client::log_in(self.address, PERSON.0, PERSON.1)
    }

    /// So many of each, with as much in them as there usually is; at most 1,000 credentials and sensors.
    pub(crate) fn fill(&self, count: usize) -> Filled {
        let mut client = self.log_in();
        let within = |what: &str| format!("/api/accounts/{}/{what}", self.account);
        let few = count.min(1_000);
        for n in 0..few {
            let credential = format!(
                r#"{{"name":"credential {n}","protocol":"snmp","details":{{"version":"snmpv2c","snmpv12_community":"public"}}}}"#
            );
            assert_eq!(client.ask("POST", &within("credentials"), credential.as_bytes()).0, 201);
            let sensor = format!(
                r#"{{"name":"sensor {n}","protocol":"snmp","default_interval":60,"details":{{"oids":[{{"oid":"1.3.6.1.2.1.1.3.0","fetch_method":"get"}}],"expression":"$1","output_path":"uptime{n}"}}}}"#
            );
            assert_eq!(client.ask("POST", &within("sensors"), sensor.as_bytes()).0, 201);
        }
        std::thread::scope(|scope| {
            for part in 0..8 {
                scope.spawn(move || {
                    let mut client = self.log_in();
                    for n in (part..count).step_by(8) {
                        let entity = format!(
                            r#"{{"name":"device {n}","entity_type":"device","parent":null,"details":{{"ipv4":"10.{}.{}.{}"}},"protocols":{{}}}}"#,
                            n / 65_536,
                            n / 256 % 256,
                            n % 256
                        );
                        assert_eq!(client.ask("POST", &within("entities"), entity.as_bytes()).0, 201);
                    }
                });
            }
        });
        Filled { credentials: few, sensors: few }
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the hub runs")
    }

    /// User and system time: fields 14 and 15 of its stat, in ticks of 10 ms.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        [11, 12].map(|at| fields[at].parse::<f64>().expect("a number")).iter().sum::<f64>() / 100.0
    }

    /// The most memory that it ever had.
    pub(crate) fn memory_mb(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the hub, until standard input is closed.
pub(crate) fn serve(directory: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let hub = Hub::open(HubOptions::new(directory)).await.expect("an empty directory");
        let started = hub.first_start(&FirstStart::default()).await.expect("an account");
        hub.add_user(NewUser::new(PERSON.0, PERSON.1).admin()).await.expect("a person");
        let bot = started.bots.first().expect("a bot");
        let listening = hub.listen("127.0.0.1:0".parse().expect("an address"), None).await.expect("a port");
        let address = listening.url().trim_start_matches("http://").to_owned();
        println!("{address} {} {}", started.account.expect("an account"), bot.token);
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.ok();
    });
}
