//! Reading the body of a request, within bounds of size, time, and memory for all requests together.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, StatusCode,
    body::{Body as _, Incoming},
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use super::Refusal;

/// What one body is counted in, of the memory for all of them.
const PIECE: usize = 1 << 10;

/// How much is read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// The largest body.
    pub(crate) size: usize,
    /// The longest silence in the middle of a body.
    pub(crate) silence: Duration,
    /// The longest time for a whole body.
    pub(crate) total: Duration,
    /// How long a request waits for memory that others have.
    pub(crate) room: Duration,
    /// Bytes of all bodies that are held at one time.
    pub(crate) all: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            // Some 200,000 values: far above what bots send at once.
            size: 16 << 20,
            silence: Duration::from_secs(15),
            // The largest body over a line of one megabit.
            total: Duration::from_secs(150),
            room: Duration::from_secs(10),
            all: 128 << 20,
        }
    }
}

/// Reads bodies for all connections.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    limits: BodyLimits,
    room: Arc<Semaphore>,
}

/// A body, and its part of the memory until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(crate) fn new(limits: BodyLimits) -> Self {
        Self { limits, room: Arc::new(Semaphore::new(limits.all / PIECE)) }
    }

    /// The whole body, or why not. A body that says that it is too large is refused before it is read.
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Incoming,
        limit: usize,
    ) -> Result<Held, Refusal> {
        let limit = limit.min(self.limits.size);
        if body.is_end_stream() {
            return Ok(Held::default());
        }
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Refusal::detail(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "compressed requests are not taken; send the body as it is",
            ));
        }
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let announced = announced.and_then(|length| length.parse::<usize>().ok());
        let size = announced.unwrap_or(limit);
        if size > limit {
            return Err(too_large(limit));
        }
        let pieces = u32::try_from(size.div_ceil(PIECE)).unwrap_or(u32::MAX);
        let room = timeout(self.limits.room, Arc::clone(&self.room).acquire_many_owned(pieces)).await;
        let Ok(Ok(room)) = room else {
            let busy = "too much is being sent at once; send it again in a moment";
            return Err(Refusal::detail(StatusCode::SERVICE_UNAVAILABLE, busy).retry_after(1));
        };
        // Grown while it comes, for a length is easily said.
        let mut bytes = BytesMut::with_capacity(size.min(64 << 10));
        let end = Instant::now() + self.limits.total;
        loop {
            let soon = end.min(Instant::now() + self.limits.silence);
            let Ok(frame) = timeout_at(soon, body.frame()).await else {
                return Err(Refusal::detail(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"));
            };
            match frame {
                None => return Ok(Held { bytes: bytes.freeze(), _room: Some(room) }),
                Some(Err(_)) => return Err(Refusal::bad_request("the body ended too early")),
                Some(Ok(frame)) => {
                    let Some(data) = frame.data_ref() else { continue };
                    if bytes.len() + data.len() > limit {
                        return Err(too_large(limit));
                    }
                    bytes.extend_from_slice(data);
                }
            }
        }
    }
}

fn too_large(limit: usize) -> Refusal {
    Refusal::detail(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body is larger than {limit} bytes; send it in parts"),
    )
}
