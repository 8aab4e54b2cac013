//! One try of a request: sent, and answered, refused or too late; no sockets.

use std::net::SocketAddr;

use async_snmp::{Candidate, Error, RequestRegistration, Result};
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::pending::{Arrival, Asked, Pending};
use super::stats::Counters;

/// Registers the try, sends it, and waits until one of the datagrams that come for it is its answer.
pub(super) async fn exchange<T>(
    pending: &Pending,
    counters: &Counters,
    asked: &Asked<'_>,
    registration: RequestRegistration,
    until: Instant,
    send: impl Future<Output = Result<()>>,
    mut validate: impl FnMut(Bytes, SocketAddr) -> Result<Candidate<T>>,
) -> Result<T> {
    let (began, request_id) = (Instant::now(), registration.request_id());
    let waiting = pending.register(registration, asked, counters);
    let mut waiting = waiting.ok_or_else(|| Error::RequestIdInUse { request_id }.boxed())?;
    let unanswered = || Error::Timeout { target: asked.target, elapsed: began.elapsed(), retries: 0 }.boxed();
    let exchange = async {
        send.await?;
        loop {
            match waiting.next().await {
                Arrival::Candidate(datagram, source) => match validate(datagram, source)? {
                    Candidate::Accept(answer) => return Ok(answer),
                    Candidate::Reject => counters.unexpected.add(),
                },
                // No reason to give up as long as there are tries: an agent that restarts is away for a moment.
                Arrival::Refused => return Err(unanswered()),
            }
        }
    };
    let result = timeout_at(until, exchange).await.unwrap_or_else(|_| Err(unanswered()));
    if result.is_ok() {
        counters.answers.add();
        counters.round_trips.observe(began.elapsed());
        (0..waiting.answered()).for_each(|_| counters.unexpected.add());
    }
    result
}
