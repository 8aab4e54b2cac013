//! What the fuzz targets call: the readers of answers, on any bytes.

use serde::Deserialize;

use super::change::Change;
use super::events::EventReader;
use super::job_configs;
use super::wire;
use crate::ids::{AccountId, UserId};
use crate::protocol::Protocol;

#[derive(Deserialize, Clone)]
#[expect(dead_code, reason = "only its reading matters")]
struct Credential {
    n_packets: Option<u32>,
    timeout: Option<f64>,
    version: Option<Version>,
}

#[derive(Deserialize, Clone)]
enum Version {
    #[serde(rename = "snmpv1")]
    V1,
    #[serde(rename = "snmpv2c")]
    V2c,
}

#[derive(Deserialize, Clone)]
#[expect(dead_code, reason = "only its reading matters")]
struct Sensor {
    oids: Option<Vec<(String, u16)>>,
    expression: Option<String>,
}

struct Fuzzed;

impl Protocol for Fuzzed {
    const SLUG: &'static str = "ping";
    type Credential = Credential;
    type Sensor = Sensor;
    const PARTS: Option<&'static str> = Some("interface");
}

/// Reads `answer` as every answer that there is: as accounts, as an entity list with the lists that follow it
/// after a byte 0, as a profile, as a status, as the answer
/// to a new entity.
pub fn wire(answer: &[u8]) {
    let _ = wire::read_profile(answer);
    let _ = wire::read_status(answer);
    let _ = wire::created(answer);
    let mut lists = answer.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let mut next = || lists.next().unwrap_or_else(|| br#"{"list":[]}"#.to_vec());
    job_configs::read_any::<Fuzzed>(AccountId::new(1), UserId::new(1), next(), next(), next());
}

/// Reads `stream` as what the backend tells of changes, in pieces as long as its first byte says.
pub fn events(stream: &[u8]) {
    let Some((length, stream)) = stream.split_first() else { return };
    let mut reader = EventReader::default();
    for piece in stream.chunks(usize::from(*length).max(1)) {
        reader.read(piece, &mut |said| drop(Change::told(said)));
    }
}
