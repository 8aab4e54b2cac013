//! What the hub has at the end.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::account::Account;
use crate::bots::PROTOCOLS;

/// Paths asked for at one time.
const AT_ONCE: usize = 200;

pub(crate) struct Stored(HashMap<&'static str, Of>);

#[derive(Default)]
struct Of {
    values: u64,
    longest_gap: f64,
}

impl Stored {
    /// Counts what each protocol's paths have.
    pub(crate) async fn read(account: &Account) -> Self {
        let mut stored = HashMap::<_, Of>::new();
        let listed = account.within(Method::GET, "/paths?filter=*&limit=10000000", Value::Null).await;
        let paths: Vec<&str> = listed["paths"]["*"]
            .as_array()
            .expect("paths")
            .iter()
            .filter_map(|p| p["path"].as_str())
            .collect();
        for some in paths.chunks(AT_ONCE) {
            let asked = json!({"p": some.join(","), "t0": "1000000000", "limit": 100_000});
            let answer = account.within(Method::POST, "/getvalues", asked).await;
            for (path, series) in answer["paths"].as_object().expect("paths") {
                let Some(protocol) = PROTOCOLS
                    .into_iter()
                    .find(|protocol| path.starts_with(protocol) || path.contains(&format!(".{protocol}.")))
                else {
                    continue;
                };
                assert!(series["next_data_point"].is_null(), "{path} has more values than are read at once");
                let times: Vec<f64> =
                    series["data"].as_array().expect("data").iter().filter_map(|v| v["t"].as_f64()).collect();
                let of = stored.entry(protocol).or_default();
                of.values += times.len() as u64;
                let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
                assert!(gaps.clone().all(|gap| gap > 0.0), "{path} has two values at one time");
                of.longest_gap = gaps.fold(of.longest_gap, f64::max);
            }
        }
        Self(stored)
    }

    pub(crate) fn of(&self, protocol: &str) -> u64 {
        self.0.get(protocol).map_or(0, |of| of.values)
    }

    pub(crate) fn longest_gap(&self, protocol: &str) -> Duration {
        Duration::from_secs_f64(self.0.get(protocol).map_or(0.0, |of| of.longest_gap))
    }
}
