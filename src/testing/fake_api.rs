//! The fake backend without a network, for tests in simulated time.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::changes::Listening;
use super::grafolean::{FakeGrafolean, Reply};
use super::state::Ask;
use crate::backend::events::Said;
use crate::backend::{
    Api, ApiError, Change, DeliveryMode, EntityWrite, OnChange, Problem, Resource, problem, wire,
};
use crate::clock::Clock;
use crate::ids::{AccountId, EntityId};
use crate::sample::Sample;

/// A Grafolean backend in memory, spoken to without a socket: with paused time, hours of a bot's life pass in
/// milliseconds.
///
/// Its rules and faults are those of [`FakeGrafolean`], which this dereferences to. A delay is slept in tokio's
/// time.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use grafoleancollector::{Runner, Settings, Stop, Timestamp, testing::{FakeApi, TestClock}};
/// # use grafoleancollector::{prelude::*, FetchError, JobError, AccountId, Interval};
/// # struct Bot(AccountId);
/// # impl Collector for Bot {
/// #     type Task = ();
/// #     async fn jobs(&self, _: &Context) -> Result<Vec<Job<()>>, FetchError> {
/// #         Ok(vec![Job::new(1, ()).every(Interval::from_secs(60))])
/// #     }
/// #     async fn perform(&self, _: &Run<()>) -> Result<Samples, JobError> {
/// #         Ok(Samples::for_account(self.0).with("answer", 42.0))
/// #     }
/// # }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
/// let clock = Arc::new(TestClock::at(Timestamp::from_secs(1_700_000_000)));
/// let api = FakeApi::new(clock.clone());
/// let account = api.add_account("First account");
///
/// let stop = Stop::new();
/// let bot = Bot(AccountId::new(account));
/// let running = Runner::new(bot, Settings::new("http://fake/api", api.token()))
///     .api(Arc::new(api.clone()))
///     .clock(clock)
///     .share_runtime()
///     .run_until(stop.clone());
/// let an_hour = async {
///     tokio::time::sleep(Duration::from_secs(3_600)).await;
///     stop.now();
/// };
/// let (ended, ()) = tokio::join!(running, an_hour);
/// assert!(ended.is_ok());
/// assert!(api.values(account)["answer"].len() >= 60);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct FakeApi {
    grafolean: FakeGrafolean,
    clock: Arc<dyn Clock>,
    token: Box<str>,
    mode: DeliveryMode,
}

impl FakeApi {
    /// A backend without accounts, whose time is `clock`'s. The bot that speaks to it has the token that
    /// [`token`](FakeGrafolean::token) gives.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let grafolean = FakeGrafolean::new();
        let token = grafolean.token().into();
        Self { grafolean, clock, token, mode: DeliveryMode::Put }
    }

    /// The same backend, to which values are posted: for a bot whose settings say [`DeliveryMode::Post`].
    #[must_use]
    pub fn posting(mut self) -> Self {
        self.mode = DeliveryMode::Post;
        self
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    async fn ask_to_store(&self, account: AccountId, body: &[u8]) -> Result<(), ApiError> {
        let path = format!("accounts/{account}/values");
        let method = self.mode.method();
        let (_, answer) = self.ask(method, &path, body).await?;
        wire::stored(&answer)
            .map_err(|reason| ApiError::Malformed { request: format!("{method} {path}"), reason })
    }

    /// The status and the body of a success.
    async fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>), ApiError> {
        match self.begin(method, path, body).await? {
            Begun::Answered(status, body) => Ok((status, body)),
            Begun::Changes(_) => Ok((200, Vec::new())),
        }
    }

    async fn begin(&self, method: &str, path: &str, body: &[u8]) -> Result<Begun, ApiError> {
        let request = format!("{method} {path}");
        let path = format!("/{path}");
        let query = format!("b={}", self.token);
        let now = self.clock.now().as_micros();
        let exchange = self.grafolean.exchange(&Ask { method, path: &path, query: &query, body, now });
        tokio::time::sleep(exchange.delay).await;
        match exchange.reply {
            Reply::Whole(answer) if answer.status < 300 => {
                Ok(Begun::Answered(answer.status, answer.bytes().to_vec()))
            }
            Reply::Changes(listening) => Ok(Begun::Changes(listening)),
            Reply::Whole(answer) => Err(ApiError::Status {
                request,
                status: answer.status,
                message: String::from_utf8_lossy(answer.bytes()).into_owned(),
                retry_after: exchange.retry_after.map(|seconds| Duration::from_secs(seconds.into())),
            }),
            Reply::Half(_) | Reply::None => {
                Err(ApiError::Transport { request, reason: "the connection was closed".to_owned() })
            }
            Reply::Huge(bytes) => {
                Err(ApiError::TooLarge { request, limit: usize::try_from(bytes).unwrap_or(usize::MAX) })
            }
        }
    }
}

/// Tells a request that is refused from one that the backend does not know.
fn offered(request: &str, error: ApiError) -> ApiError {
    match error.status() {
        Some(404) => ApiError::NotOffered { request: request.to_owned() },
        _ => error,
    }
}

/// What comes of a request.
enum Begun {
    Answered(u16, Vec<u8>),
    Changes(Listening),
}

impl Deref for FakeApi {
    type Target = FakeGrafolean;

    fn deref(&self) -> &FakeGrafolean {
        &self.grafolean
    }
}

impl std::fmt::Debug for FakeApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.grafolean.fmt(f)
    }
}

#[async_trait]
impl Api for FakeApi {
    async fn get(&self, resource: Resource) -> Result<Vec<u8>, ApiError> {
        self.ask("GET", &resource.to_string(), &[]).await.map(|(_, body)| body)
    }

    async fn store(&self, account: AccountId, samples: &[Sample]) -> Result<(), ApiError> {
        let body = wire::values(samples, self.mode);
        self.ask_to_store(account, &body).await
    }

    async fn may_store(&self, account: AccountId) -> Result<(), ApiError> {
        match self.ask_to_store(account, b"[]").await {
            Err(error) if error.status() != Some(400) => Err(error),
            _ => Ok(()),
        }
    }

    async fn write_entity(&self, account: AccountId, write: &EntityWrite) -> Result<EntityId, ApiError> {
        let (method, path) = (write.method(), write.path(account));
        match self.ask(method, &path, &write.body().unwrap_or_default()).await {
            Ok((status, body)) => write
                .done(status, &body)
                .map_err(|reason| ApiError::Malformed { request: format!("{method} {path}"), reason }),
            Err(error) => write.is_done_already(error.status()).ok_or(error),
        }
    }

    async fn follow_changes(&self, heard: OnChange) -> Result<(), ApiError> {
        let begun = self.begin("GET", "changes", &[]).await;
        if let Begun::Changes(mut listening) = begun.map_err(|error| offered("GET changes", error))? {
            while let Some((name, data)) = listening.next().await {
                Change::told(Said::Event { name, data: &data }).into_iter().for_each(|change| heard(change));
            }
        }
        Ok(())
    }

    async fn report_problems(&self, problems: &[Problem]) -> Result<(), ApiError> {
        let body = problem::report(problems, str::to_owned);
        let answered = self.ask("PUT", "profile/problems", &body).await;
        answered.map(drop).map_err(|error| offered("PUT profile/problems", error))
    }
}
