//! The bots as processes, and what they say of themselves.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::account::Account;

const PROGRAM: &str = env!("CARGO_BIN_EXE_grafolean");
pub(crate) const PROTOCOLS: [&str; 3] = ["ping", "snmp", "netflow"];
/// What waits is delivered within this: windows of flows are closed a minute after the last flow.
const SETTLED_WITHIN: Duration = Duration::from_secs(300);

pub(crate) struct Bots(Vec<Bot>);

struct Bot {
    protocol: &'static str,
    child: Child,
    health: String,
}

impl Bots {
    pub(crate) fn start(account: &Account, backend: &str, directory: &Path, netflow_port: u16) -> Self {
        let start = |protocol: &'static str| {
            let health =
                TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
            let child = Command::new(PROGRAM)
                .args(["bot", protocol])
                .env("BACKEND_URL", backend)
                .env("BOT_TOKEN", account.token(protocol))
                .env("DATA_DIR", directory.join(protocol))
                .env("HEALTH_ADDR", health.to_string())
                .env("NETFLOW_LISTEN", format!("127.0.0.1:{netflow_port}"))
                .env("LOG", "error")
                .spawn()
                .expect("the bot");
            Bot { protocol, child, health: health.to_string() }
        };
        Self(PROTOCOLS.map(start).into())
    }

    /// A metric of one bot, summed over its labels.
    pub(crate) async fn of(&self, protocol: &str, metric: &str) -> u64 {
        let bot = self.0.iter().find(|bot| bot.protocol == protocol).expect("a bot");
        let url = format!("http://{}/metrics", bot.health);
        let text = reqwest::get(url).await.expect("the bot's health").text().await.expect("metrics");
        let lines = text.lines().filter_map(|line| line.strip_prefix(metric));
        let values = lines.filter(|rest| rest.starts_with(['{', ' ']));
        values.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
    }

    pub(crate) async fn sum(&self, metric: &str) -> u64 {
        let mut sum = 0;
        for protocol in PROTOCOLS {
            sum += self.of(protocol, metric).await;
        }
        sum
    }

    /// Waits until nothing is measured any more and everything is delivered.
    pub(crate) async fn settle(&self) {
        let (began, mut before, mut quiet_since) = (Instant::now(), 0, Instant::now());
        // Longer than the shortest window of flows.
        while quiet_since.elapsed() < Duration::from_secs(150) {
            assert!(began.elapsed() < 2 * SETTLED_WITHIN, "samples are still waiting");
            sleep(Duration::from_secs(1)).await;
            let accepted = self.sum("grafolean_samples_accepted_total").await;
            if accepted != before || self.sum("grafolean_outbox_samples").await != 0 {
                (before, quiet_since) = (accepted, Instant::now());
            }
        }
    }
}

impl Drop for Bots {
    fn drop(&mut self) {
        for bot in &mut self.0 {
            let _ = bot.child.kill();
            let _ = bot.child.wait();
        }
    }
}
