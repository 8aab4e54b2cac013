//! A device as the poll engine sees it: [`Agent`] over a session.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use async_snmp::{Client, Error, ErrorStatus, VarBind};
use async_trait::async_trait;

use super::convert;
use super::line::Road;
use super::session::{Failure, Session};
use crate::agent::{Agent, Binding, SnmpError};
use crate::oid::Oid;
use crate::value::Value;

/// A device that is asked with one credential.
///
/// It is cheap to make and to clone: what is known of the device is kept by the [`Wire`](super::Wire).
#[derive(Clone)]
pub struct Device {
    pub(super) target: SocketAddr,
    /// An address of a family that this host does not have cannot be asked.
    pub(super) session: Option<Arc<Session>>,
    pub(super) has_bulk: bool,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Device").field(&self.target).finish()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Get,
    GetNext,
}

/// What one request of some objects came to.
enum Asked {
    Answered(Vec<VarBind>),
    TooBig,
    /// This one is not there; the others were not answered because of it (SNMPv1).
    Missing(usize),
    /// The agent does not say which one is not there.
    OneIsMissing,
}

#[async_trait]
impl Agent for Device {
    async fn get(&self, oids: &[Oid]) -> Result<Vec<Binding>, SnmpError> {
        get(self.session()?, oids).await
    }

    async fn get_next(&self, oids: &[Oid]) -> Result<Vec<Binding>, SnmpError> {
        get_next(self.session()?, oids).await
    }

    async fn get_bulk(&self, oids: &[Oid], rows: u32) -> Result<Vec<Binding>, SnmpError> {
        let session = self.session()?;
        if !self.has_bulk {
            return Err(SnmpError::Transport("SNMPv1 has no GETBULK".to_owned()));
        }
        get_bulk(session, oids, rows).await
    }

    fn has_bulk(&self) -> bool {
        self.has_bulk
    }
}

pub(super) async fn get<T: Road>(session: &Session<T>, oids: &[Oid]) -> Result<Vec<Binding>, SnmpError> {
    let answers = each(session, Operation::Get, oids).await?;
    Ok(oids.iter().zip(answers).map(|(oid, (_, value))| (oid.clone(), value)).collect())
}

pub(super) async fn get_next<T: Road>(session: &Session<T>, oids: &[Oid]) -> Result<Vec<Binding>, SnmpError> {
    each(session, Operation::GetNext, oids).await
}

pub(super) async fn get_bulk<T: Road>(
    session: &Session<T>,
    oids: &[Oid],
    rows: u32,
) -> Result<Vec<Binding>, SnmpError> {
    let wanted = convert::oids_to_library(oids);
    let wanted = &wanted;
    let answer = session.ask(|client| async move { client.get_bulk(wanted, 0, rows).await }).await;
    let mut bindings = answer.map_err(Failure::into_error)?;
    if bindings.is_empty() && !oids.is_empty() && rows > 0 {
        return Err(without_values());
    }
    // Who was asked for so many and answers more is not to be trusted with our memory.
    bindings.truncate(oids.len().saturating_mul(usize::try_from(rows).unwrap_or(usize::MAX)));
    Ok(bindings.into_iter().map(binding).collect())
}

fn binding(VarBind { oid, value }: VarBind) -> Binding {
    (convert::oid(&oid), convert::value(value))
}

fn without_values() -> SnmpError {
    SnmpError::Agent { status: "without the values that it was asked for".to_owned(), index: None }
}

impl Failure {
    fn into_error(self) -> SnmpError {
        match self {
            Self::Snmp(error) => error,
            Self::Library(error) => convert::error(&error),
        }
    }
}

impl Device {
    /// The address that is asked.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    fn session(&self) -> Result<&Session, SnmpError> {
        self.session.as_deref().ok_or_else(|| {
            let family = if self.target.is_ipv6() { "IPv6" } else { "IPv4" };
            SnmpError::Unreachable(format!("this host has no {family}"))
        })
    }
}

/// One answer for each object. What SNMPv1 says of one that is not there, it says instead of all answers: then the
/// others are asked for again.
async fn each<T: Road>(
    session: &Session<T>,
    operation: Operation,
    oids: &[Oid],
) -> Result<Vec<Binding>, SnmpError> {
    let mut answers: Vec<Option<Binding>> = vec![None; oids.len()];
    let mut most = oids.len();
    let mut open: Vec<usize> = (0..oids.len()).collect();
    while !open.is_empty() {
        let batch: Vec<usize> = open.iter().copied().take(most).collect();
        let wanted: Vec<Oid> = batch.iter().map(|&n| oids[n].clone()).collect();
        let asked = session.ask(|client| ask(client, operation, convert::oids_to_library(&wanted))).await;
        match asked.map_err(|failure| place(failure.into_error(), &batch))? {
            Asked::Answered(bindings) => {
                for (n, binding) in batch.iter().zip(pair(operation, &wanted, bindings)?) {
                    answers[*n] = Some(binding);
                }
            }
            Asked::TooBig => return Err(SnmpError::TooBig),
            Asked::Missing(missing) => {
                let n = batch[missing];
                answers[n] = Some((oids[n].clone(), Value::Nothing));
            }
            Asked::OneIsMissing => most = 1,
        }
        open.retain(|n| answers[*n].is_none());
    }
    Ok(answers.into_iter().flatten().collect())
}

/// The error of a batch, with the place among all objects that were asked for.
fn place(error: SnmpError, batch: &[usize]) -> SnmpError {
    match error {
        SnmpError::Agent { status, index } => {
            let index = index.and_then(|index| batch.get(index - 1)).map(|n| n + 1);
            SnmpError::Agent { status, index }
        }
        other => other,
    }
}

async fn ask<T: Road>(
    client: Client<T>,
    operation: Operation,
    oids: Vec<async_snmp::Oid>,
) -> Result<Asked, Box<Error>> {
    let mut chunks = match operation {
        Operation::Get => client.get_many_chunks(&oids)?,
        Operation::GetNext => client.get_next_many_chunks(&oids)?,
    };
    // The library halves what is too big until a part is answered. Who asked shall halve it, who remembers what fits:
    // the first part shows that it is necessary, and the others are not asked for.
    let failed = match chunks.next().await {
        None => return Ok(Asked::Answered(Vec::new())),
        Some(Ok(chunk)) if chunk.request_range.len() < oids.len() => return Ok(Asked::TooBig),
        Some(Ok(chunk)) => return Ok(Asked::Answered(chunk.response.varbinds)),
        Some(Err(failed)) => failed,
    };
    match failed.source.exchange_source() {
        Error::Snmp { .. } if failed.failed_request_range.len() < oids.len() => Ok(Asked::TooBig),
        Error::Snmp { status: ErrorStatus::NoSuchName, index, .. } => {
            let place = usize::try_from(*index).unwrap_or(0).wrapping_sub(1);
            match oids.len() {
                1 => Ok(Asked::Missing(0)),
                all if place < all => Ok(Asked::Missing(place)),
                _ => Ok(Asked::OneIsMissing),
            }
        }
        _ => Err(failed.source),
    }
}

/// One binding for each object.
fn pair(operation: Operation, wanted: &[Oid], bindings: Vec<VarBind>) -> Result<Vec<Binding>, SnmpError> {
    let mut found: Vec<Binding> = bindings.into_iter().map(binding).collect();
    if operation == Operation::GetNext {
        // Which of them is missing cannot be known.
        if found.len() < wanted.len() {
            return Err(without_values());
        }
        found.truncate(wanted.len());
        return Ok(found);
    }
    if found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| found.0 == *wanted) {
        return Ok(found);
    }
    // Some agents answer in an order of their own, or leave out what they do not have.
    let mut any = false;
    let paired = wanted.iter().map(|wanted| {
        let value = found.iter().find(|found| found.0 == *wanted).map(|found| found.1.clone());
        any |= value.is_some();
        (wanted.clone(), value.unwrap_or(Value::Nothing))
    });
    let paired = paired.collect();
    if any { Ok(paired) } else { Err(without_values()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arcs: &[u32], value: i32) -> VarBind {
        VarBind::new(async_snmp::Oid::from_slice(arcs), async_snmp::Value::Integer(value))
    }

    #[test]
    fn answers_to_a_get_are_joined_by_object_not_by_position() {
        let wanted = [Oid::new([1, 3, 1]), Oid::new([1, 3, 2]), Oid::new([1, 3, 3])];
        let found = pair(Operation::Get, &wanted, vec![of(&[1, 3, 3], 3), of(&[1, 3, 1], 1)]).unwrap();
        let values: Vec<Value> = found.into_iter().map(|found| found.1).collect();
        assert_eq!(values, [Value::Integer(1), Value::Nothing, Value::Integer(3)]);
        assert!(pair(Operation::Get, &wanted, vec![]).is_err());
        assert!(pair(Operation::Get, &wanted, vec![of(&[1, 3, 9], 9)]).is_err());
    }
}
