//! Why a device does not answer: what is known, and what can be tried.

use std::net::SocketAddr;

use serde::Serialize;

use super::arguments::{Asking, Version};
use super::contact::{NoContact, Other, means_forbidden};
use crate::agent::SnmpError;

/// What is said of a device that does not answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Failure {
    pub(super) host: String,
    pub(super) address: Option<SocketAddr>,
    pub(super) error: String,
    /// What else is known, and what may help.
    pub(super) notes: Vec<String>,
}

/// What silence in SNMPv1 and v2c may mean: agents do not answer those whom they do not know.
const SILENCE: &str = "the community is wrong, or the agent does not allow this host, or a firewall drops packets, or \
                       nothing is there: SNMPv1 and v2c do not tell which; nobody said that the port is closed";
const ENGINE_THERE: &str = "an SNMPv3 engine answers there, so the agent runs and can be reached: the community is wrong, \
                            or not allowed for this host, or the agent speaks SNMPv3 only (-v 3 -u USER)";

impl Failure {
    /// What is to be said of silence, or of a refusal, when it was tried in other ways too.
    pub(super) fn new(host: &str, asking: &Asking, no_contact: &NoContact, others: &[Other]) -> Self {
        let NoContact { address, error } = no_contact;
        let (error, notes) = match error {
            SnmpError::Timeout { after, hint } => {
                let tries = asking.credential.retries() + 1;
                let tries = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
                let version = asking.version;
                let silent = format!("no answer to {version} within {:.1} s ({tries})", after.as_secs_f64());
                match hint {
                    Some(hint) => (format!("{silent}: {hint}"), advice(hint, version)),
                    None => (silent, silence(version, others)),
                }
            }
            SnmpError::Agent { status, .. } if means_forbidden(status) => {
                let note = "the agent knows who asks, but lets it read nothing at this level (-l), or in this context (-n)";
                (error.to_string(), vec![note.to_owned()])
            }
            other => (other.to_string(), Vec::new()),
        };
        Self { host: host.to_owned(), address: Some(*address), error, notes }
    }
}

fn silence(version: Version, others: &[Other]) -> Vec<String> {
    let answers = |version| others.iter().any(|other| other.version == version && other.answers);
    let community = others.iter().find(|other| other.version != Version::V3 && other.answers);
    match community {
        Some(Other { version: other, .. }) => {
            let option = if *other == Version::V1 { "-v 1" } else { "-v 2c" };
            vec![format!(
                "the same community is answered in {other}: the agent has no {version}; try {option}"
            )]
        }
        None if version == Version::V3 => vec![
            "no SNMPv3 engine answers: a wrong address or port, a firewall, or an agent without SNMPv3"
                .to_owned(),
        ],
        None if answers(Version::V3) => vec![ENGINE_THERE.to_owned()],
        None => vec![SILENCE.to_owned()],
    }
}

/// What may help when an agent let slip why it does not answer.
fn advice(hint: &str, version: Version) -> Vec<String> {
    let advice = match hint {
        _ if hint.starts_with("unknown user") => "the agent has no such user: see -u",
        _ if hint.starts_with("wrong authentication key") => {
            "the agent has the user, with another pass phrase or another protocol: see -A and -a"
        }
        _ if hint.starts_with("wrong privacy key") => {
            "user and authentication are right; the pass phrase or the protocol of the privacy is not: see -X and -x \
             (AES-192 and AES-256 have two kinds; the other one is AES-192-C, AES-256-C)"
        }
        _ if hint.starts_with("unsupported security level") => {
            "the agent has the user, but not the keys for this level: see -l"
        }
        _ if hint.starts_with("answers come from") => "see --accept-any-source",
        _ if version == Version::V3 => "",
        _ => SILENCE,
    };
    if advice.is_empty() { Vec::new() } else { vec![advice.to_owned()] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Credential;
    use std::sync::Arc;
    use std::time::Duration;

    fn notes(version: Version, hint: Option<&str>, answering: &[Version]) -> (String, Vec<String>) {
        let credential = Arc::new(Credential::v2c("hunter2").unwrap());
        let asking = Asking { version, credential, others: Vec::new() };
        let error = SnmpError::Timeout { after: Duration::from_millis(8_004), hint: hint.map(str::to_owned) };
        let no_contact = NoContact { address: ([127, 0, 0, 1], 161).into(), error };
        let all = [Version::V1, Version::V2c, Version::V3].into_iter().filter(|other| *other != version);
        let others: Vec<Other> =
            all.map(|version| Other { version, answers: answering.contains(&version) }).collect();
        let failure = Failure::new("switch7", &asking, &no_contact, &others);
        (failure.error, failure.notes)
    }

    #[test]
    fn silence_is_told_with_all_that_is_known() {
        let (error, silent) = notes(Version::V2c, None, &[]);
        assert_eq!(error, "no answer to SNMPv2c within 8.0 s (4 tries)");
        assert_eq!(silent, [SILENCE]);
        assert_eq!(notes(Version::V2c, None, &[Version::V3]).1, [ENGINE_THERE]);
        let old = notes(Version::V2c, None, &[Version::V1, Version::V3]).1;
        assert_eq!(old, ["the same community is answered in SNMPv1: the agent has no SNMPv2c; try -v 1"]);
        assert!(notes(Version::V1, None, &[Version::V2c]).1[0].ends_with("try -v 2c"));
        assert!(notes(Version::V3, None, &[]).1[0].starts_with("no SNMPv3 engine answers"));
    }

    #[test]
    fn what_an_agent_let_slip_names_the_option_to_look_at() {
        for (hint, option) in [
            ("unknown user", "-u"),
            ("wrong authentication key", "-A and -a"),
            ("wrong privacy key (probably)", "-X and -x"),
            ("unsupported security level", "-l"),
        ] {
            let (error, notes) = notes(Version::V3, Some(hint), &[]);
            assert_eq!(error, format!("no answer to SNMPv3 within 8.0 s (4 tries): {hint}"));
            assert!(notes[0].contains(option), "{notes:?}");
        }
    }
}
