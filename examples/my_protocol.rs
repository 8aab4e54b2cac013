//! A bot for a protocol of one's own. Run it with BACKEND_URL and BOT_TOKEN.
use grafoleancollector::prelude::*;
use serde::Deserialize;

#[derive(Clone, Deserialize)]
struct Credential {
    api_key: String,
}

#[derive(Clone, Deserialize)]
struct Register {
    number: u16,
}

/// How Grafolean names the protocol, and what it stores for it.
struct MyProtocol;
impl Protocol for MyProtocol {
    const SLUG: &'static str = "myprotocol";
    type Credential = Credential;
    type Sensor = Register;
}

struct MyBot;
impl Collector for MyBot {
    type Task = Entity<MyProtocol>;

    async fn jobs(&self, cx: &Context) -> Result<Vec<Job<Self::Task>>, FetchError> {
        let entities = self.fetch_job_configs::<MyProtocol>(cx).await?;
        Ok(entities
            .into_iter()
            .map(|e| Job::shared(e.id, e.clone()).every(e.intervals()).about(&e))
            .collect())
    }

    async fn perform(&self, run: &Run<Self::Task>) -> Result<Samples, JobError> {
        let (entity, mut samples) = (&run.task, Samples::for_account(run.task.account));
        for sensor in entity.due(run) {
            // Here the device would be asked for the register, opened with the credential.
            let answer = (entity.credential.api_key.len() + usize::from(sensor.details.number)) as f64;
            samples.push(format!("entity.{}.myprotocol.{}", entity.id, sensor.id), answer, None);
        }
        Ok(samples)
    }
}

fn main() -> std::process::ExitCode {
    grafoleancollector::main(MyBot)
}
