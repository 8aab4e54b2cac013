//! Every job of a bot once, for tests.

use std::sync::Arc;

use super::fake_api::FakeApi;
use crate::collector::Collector;
use crate::context::Context;
use crate::error::{FetchError, JobError};
use crate::ids::UserId;
use crate::runtime::{DEFAULT_CONCURRENCY, perform_once};
use crate::sample::Samples;

/// Lists the jobs of `bot` against a fake backend and performs each once, all its intervals affecting. Gives
/// the job ids with what each run returned; nothing is delivered.
///
/// # Errors
/// When the bot cannot list its jobs.
pub async fn run_once<C: Collector>(
    bot: C,
    api: &FakeApi,
) -> Result<Vec<(Arc<str>, Result<Samples, JobError>)>, FetchError> {
    let user = UserId::new(api.bot_id(api.token()).unwrap_or_default());
    let context = Context::new(Arc::new(api.clone())).of_user(user);
    let jobs = bot.jobs(&context).await;
    context.settle();
    Ok(perform_once(Arc::new(bot), &context, api.clock(), jobs?, DEFAULT_CONCURRENCY).await)
}
