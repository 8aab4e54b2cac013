//! A request whose answer does not end: the backend's word of what changes.

use reqwest::Response;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use tokio::time::Instant;

use super::exchange::{Answer, Call, Exchange};
use super::metrics::{Kind, Outcome};
use crate::backend::ApiError;
use crate::backend::change::{Change, OnChange};
use crate::backend::events::EventReader;
use crate::backend::room::Room;

/// What a stream of events is called in headers.
const EVENTS: &str = "text/event-stream";

impl Exchange {
    /// Tells `heard` what changes, until the connection ends; or gives what was answered instead.
    pub(super) async fn listen(&self, call: &Call, heard: &OnChange) -> Result<Answer, ApiError> {
        let started = Instant::now();
        // Packed events would wait for each other.
        let request = self.request(call).header(ACCEPT, EVENTS).header(ACCEPT_ENCODING, "identity");
        let refused = match self.begin(self.limits.request, call, request).await {
            Ok(response) if !response.status().is_success() => {
                Ok(self.refusal(call, response, &Room::default()).await)
            }
            Ok(response) if !is_stream(&response) => {
                let reason = "it is no stream of events".to_owned();
                Err(ApiError::Malformed { request: call.to_string(), reason })
            }
            Ok(response) => {
                self.metrics.count(Kind::Changes, Outcome::Success, started.elapsed());
                return self.tell(call, response, heard).await;
            }
            Err(error) => Err(error),
        };
        self.metrics.count(Kind::Changes, Outcome::of(&refused), started.elapsed());
        refused
    }

    async fn tell(&self, call: &Call, mut stream: Response, heard: &OnChange) -> Result<Answer, ApiError> {
        let mut reader = EventReader::default();
        // The backend says now and then that it is there: who is silent for long is not.
        while let Some(piece) = self
            .within(self.limits.stream_silence, call, stream.chunk())
            .await?
            .map_err(|error| self.transport(call, error))?
        {
            reader.read(&piece, &mut |said| Change::told(said).into_iter().for_each(|change| heard(change)));
        }
        Ok(Answer::Success { status: stream.status(), body: Vec::new() })
    }
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with(EVENTS))
}
