//! What the environment says of this bot.

use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use grafoleancollector::{AccountId, Environment, SettingProblem, StartError, Variable};

use crate::archive::{self, DEFAULT_MAX_BYTES};
use crate::receive::{DEFAULT_RECEIVE_BUFFER, Networks, addresses};

/// The bot's own variables.
pub const VARIABLES: &[Variable] = &[
    Variable::new(
        "NETFLOW_LISTEN",
        "[::]:2055",
        "where flows are received: addr:port, :port or port, with commas",
    ),
    Variable::new("NETFLOW_PORT", "2055", "the same, as a port only"),
    Variable::new("NETFLOW_RECEIVE_BUFFER", "4194304", "bytes that the kernel holds for each socket"),
    Variable::new("NETFLOW_THREADS", "1", "threads for each address"),
    Variable::new("NETFLOW_ALLOW", "", "networks that may send, with commas: 10.0.0.0/8,2001:db8::/32"),
    Variable::new("NETFLOW_EXPORTER_RATE", "0", "packets per second of one exporter at most; 0: any"),
    Variable::new(
        "NETFLOW_SUGGEST_ACCOUNT",
        "",
        "account in which unknown exporters become devices; `none`: nowhere",
    ),
    Variable::new("TOP_N", "10", "how many of the biggest addresses, protocols, connections and ports"),
    Variable::new("FLOWS_KEEP", "", "keeps each flow for so long, in Parquet files in DATA_DIR: 12h, 5d"),
    Variable::new("FLOWS_MAX_BYTES", "50GB", "size of these files at most, the oldest go first"),
];

/// The port that NetFlow collectors listen on.
const PORT: u16 = 2055;
/// More than people can read; each costs paths in the backend, and memory for each interface.
const MOST_TOP_N: usize = 500;
const MOST_THREADS: usize = 64;

/// What the environment says of this bot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where flows are received.
    pub listen: Vec<SocketAddr>,
    /// Bytes that the kernel holds for each socket.
    pub receive_buffer: usize,
    /// Threads for each address.
    pub threads: usize,
    /// Networks that may send; none: all.
    pub allow: Option<Networks>,
    /// Packets per second of one exporter at most.
    pub exporter_rate: Option<NonZeroU32>,
    /// Where unknown exporters are suggested.
    pub suggest: Suggest,
    /// How many of the biggest.
    pub top_n: usize,
    /// How long each flow is kept in files.
    pub flows_keep: Option<Duration>,
    /// The size of these files at most.
    pub flows_max_bytes: u64,
}

/// Where unknown exporters are suggested as devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suggest {
    /// In the account that the bot serves, if it is only one.
    OnlyAccount,
    /// In this one.
    Account(AccountId),
    /// Nowhere.
    Nowhere,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT))],
            receive_buffer: DEFAULT_RECEIVE_BUFFER,
            threads: 1,
            allow: None,
            exporter_rate: None,
            suggest: Suggest::OnlyAccount,
            top_n: 10,
            flows_keep: None,
            flows_max_bytes: DEFAULT_MAX_BYTES,
        }
    }
}

impl Options {
    /// Reads the environment.
    ///
    /// # Errors
    /// All that is wrong with the variables.
    pub fn from_environment(environment: &Environment) -> Result<Self, StartError> {
        Self::from_lookup(|name| environment.get(name))
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, StartError> {
        let mut options = Self::default();
        let mut problems = Vec::new();
        let mut set = |name: &'static str, read: &mut dyn FnMut(&str) -> Result<(), String>| {
            let given = lookup(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            if let Some(text) = given
                && let Err(problem) = read(&text)
            {
                problems.push(SettingProblem::new(name, problem));
            }
        };
        set("NETFLOW_PORT", &mut |text| {
            let port = number(text, 1, u16::MAX.into())?;
            options.listen =
                vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, u16::try_from(port).unwrap_or(PORT)))];
            Ok(())
        });
        set("NETFLOW_LISTEN", &mut |text| {
            options.listen = addresses(text).map_err(|error| error.to_string())?;
            Ok(())
        });
        set("NETFLOW_RECEIVE_BUFFER", &mut |text| {
            options.receive_buffer = size(text, 4_096, 1 << 30)?;
            Ok(())
        });
        set("NETFLOW_THREADS", &mut |text| {
            options.threads = size(text, 1, MOST_THREADS)?;
            Ok(())
        });
        set("NETFLOW_ALLOW", &mut |text| {
            options.allow = Some(Networks::parse(text).map_err(|error| error.to_string())?);
            Ok(())
        });
        set("NETFLOW_EXPORTER_RATE", &mut |text| {
            let rate = number(text, 0, u32::MAX.into())?;
            options.exporter_rate = u32::try_from(rate).ok().and_then(NonZeroU32::new);
            Ok(())
        });
        set("NETFLOW_SUGGEST_ACCOUNT", &mut |text| {
            options.suggest = match text {
                "none" => Suggest::Nowhere,
                id => Suggest::Account(AccountId::new(
                    number(id, 0, i64::MAX.unsigned_abs())
                        .map_err(|_| format!("expected an account's id or none, got {id:?}"))?,
                )),
            };
            Ok(())
        });
        // As the bot before called it.
        for name in ["TOP_N_MAX", "TOP_N"] {
            set(name, &mut |text| {
                options.top_n = size(text, 1, MOST_TOP_N)?;
                Ok(())
            });
        }
        set("FLOWS_KEEP", &mut |text| {
            options.flows_keep = match text {
                "0" | "off" | "none" => None,
                time => Some(archive::keep(time).map_err(|error| error.to_string())?),
            };
            Ok(())
        });
        set("FLOWS_MAX_BYTES", &mut |text| {
            options.flows_max_bytes = archive::size(text).map_err(|error| error.to_string())?;
            Ok(())
        });
        if problems.is_empty() { Ok(options) } else { Err(StartError::Settings(problems)) }
    }
}

fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("expected a whole number from {least} to {most}, got {text:?}"))
}

fn size(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = number(text, least as u64, most as u64)?;
    usize::try_from(number).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn read(variables: &[(&'static str, &str)]) -> Result<Options, String> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let lookup = |name: &str| variables.get(name).map(|value| (*value).to_owned());
        Options::from_lookup(lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn without_any_variable_flows_are_received_on_port_2055_of_both_ip_versions() {
        let options = read(&[]).unwrap();
        assert_eq!(options.listen, ["[::]:2055".parse().unwrap()]);
        assert_eq!((options.top_n, options.threads, options.flows_keep), (10, 1, None));
        assert_eq!(options.suggest, Suggest::OnlyAccount);
        assert_eq!(read(&[("NETFLOW_PORT", "9995")]).unwrap().listen, ["[::]:9995".parse().unwrap()]);
        assert_eq!(read(&[("TOP_N", "")]).unwrap().top_n, 10);
    }

    #[test]
    fn variables_are_read_and_the_old_name_of_one_is_known() {
        let options = read(&[
            ("NETFLOW_LISTEN", "127.0.0.1:2055, 127.0.0.1:6343"),
            ("NETFLOW_PORT", "9"),
            ("NETFLOW_ALLOW", "10.0.0.0/8"),
            ("NETFLOW_EXPORTER_RATE", "500"),
            ("NETFLOW_SUGGEST_ACCOUNT", "7"),
            ("TOP_N_MAX", "25"),
            ("FLOWS_KEEP", "5d"),
        ])
        .unwrap();
        assert_eq!(options.listen.len(), 2);
        assert!(options.allow.is_some_and(|allow| allow.contains(crate::Ip::v4(0x0a01_0203))));
        assert_eq!(options.exporter_rate, NonZeroU32::new(500));
        assert_eq!(options.suggest, Suggest::Account(AccountId::new(7)));
        assert_eq!((options.top_n, options.flows_keep), (25, Some(Duration::from_secs(432_000))));
        assert_eq!(read(&[("NETFLOW_SUGGEST_ACCOUNT", "none")]).unwrap().suggest, Suggest::Nowhere);
        assert_eq!(read(&[("FLOWS_KEEP", "off")]).unwrap().flows_keep, None);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let problems = read(&[
            ("NETFLOW_LISTEN", "nowhere"),
            ("NETFLOW_THREADS", "0"),
            ("NETFLOW_ALLOW", "10.0.0.0/33"),
            ("NETFLOW_SUGGEST_ACCOUNT", "mine"),
            ("TOP_N", "-1"),
            ("FLOWS_KEEP", "5 days"),
            ("FLOWS_MAX_BYTES", "1"),
        ])
        .unwrap_err();
        let names: Vec<_> = problems.lines().filter_map(|line| line.split(':').next()).collect();
        let expected =
            ["NETFLOW_LISTEN", "NETFLOW_THREADS", "NETFLOW_ALLOW", "NETFLOW_SUGGEST_ACCOUNT", "TOP_N"];
        assert_eq!(names[..5], expected, "{problems}");
        assert_eq!(names[5..], ["FLOWS_KEEP", "FLOWS_MAX_BYTES"], "{problems}");
    }
}
