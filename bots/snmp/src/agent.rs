//! What can be asked of a device: the seam between our engine and the SNMP library under it.

use async_trait::async_trait;

use crate::oid::Oid;
use crate::value::Value;

/// A value and the object that it is of.
pub type Binding = (Oid, Value);

/// An SNMP agent, as the poll engine sees it: one request, one answer. Timeouts and retries are below this;
/// batching, bisecting and walking are above.
#[async_trait]
pub trait Agent: Send + Sync {
    /// The values of exactly these objects, in this order. [`Value::Nothing`] stands for what is not there.
    async fn get(&self, oids: &[Oid]) -> Result<Vec<Binding>, SnmpError>;

    /// For each of these objects the one after it.
    async fn get_next(&self, oids: &[Oid]) -> Result<Vec<Binding>, SnmpError>;

    /// For each of these objects up to `rows` ones after it, row by row. SNMPv1 has no such request.
    async fn get_bulk(&self, oids: &[Oid], rows: u32) -> Result<Vec<Binding>, SnmpError>;

    /// Whether [`get_bulk`](Self::get_bulk) exists for this agent's version.
    fn has_bulk(&self) -> bool;
}

/// A request that was not answered with values.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnmpError {
    /// No answer, all tries included. With SNMPv3 there may be a hint at why.
    #[error("no answer within {after:.1?}{}", hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    Timeout {
        /// How long all tries took.
        after: std::time::Duration,
        /// What is known of the reason: an unknown user, a wrong key, an answer from another address.
        hint: Option<String>,
    },
    /// The answer would not fit into a message.
    #[error("the answer is too big for one message")]
    TooBig,
    /// The agent reported an error.
    #[error("the agent answers {status}{}", index.map(|index| format!(" for object {index}")).unwrap_or_default())]
    Agent {
        /// The error status: `genErr`, `noAccess`, …
        status: String,
        /// Which object it is about, from 1.
        index: Option<usize>,
    },
    /// The port is closed, or the network has no way there.
    #[error("{0}")]
    Unreachable(String),
    /// The credential cannot be used with this agent, or at all.
    #[error("{0}")]
    Credential(String),
    /// Something else, below the protocol.
    #[error("{0}")]
    Transport(String),
}
