//! The health endpoint: `/healthz`, `/readyz`, `/metrics` and `/jobs`.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode, header};
use tokio::net::TcpListener;

use super::metrics::MetricsText;
use crate::error::StartError;
use crate::http_server::{Limits, Request, ServerHandle, serve};

/// What the endpoint asks a running bot.
pub(crate) trait Report: Send + Sync + 'static {
    /// Why the process should be started anew, if it should.
    fn sick(&self) -> Option<String>;
    /// Why the bot cannot do its work now; nothing when it can.
    fn not_ready(&self) -> Vec<String>;
    /// All metrics.
    fn metrics(&self, out: &mut MetricsText);
    /// The jobs as JSON. None while there is no timetable yet.
    fn jobs(&self, filter: JobsFilter) -> impl Future<Output = Option<String>> + Send;
}

/// Which jobs to show: `?id=part&failing&limit=100`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct JobsFilter {
    /// Only ids that contain this.
    pub(crate) id: Option<String>,
    pub(crate) only_failing: bool,
    pub(crate) limit: usize,
}

/// Enough for most bots whole; a larger one is asked by id, or for what fails.
const JOBS_SHOWN: usize = 1_000;
/// Above this the answer takes longer than a scraper waits.
const MOST_JOBS_SHOWN: usize = 100_000;

impl JobsFilter {
    fn from_query(query: &str) -> Result<Self, String> {
        let mut filter = Self { id: None, only_failing: false, limit: JOBS_SHOWN };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("id", part) => filter.id = Some(part.to_owned()),
                ("failing", "" | "1" | "true") => filter.only_failing = true,
                ("limit", n) => match n.parse() {
                    Ok(limit) if limit <= MOST_JOBS_SHOWN => filter.limit = limit,
                    _ => return Err(format!("limit: expected a whole number up to {MOST_JOBS_SHOWN}")),
                },
                (name, _) => return Err(format!("{name}: expected id=, failing or limit=")),
            }
        }
        Ok(filter)
    }
}

/// Serves the report at `addr`.
pub(crate) async fn listen<R: Report>(addr: SocketAddr, report: Arc<R>) -> Result<ServerHandle, StartError> {
    let listener = TcpListener::bind(addr).await.map_err(|source| StartError::Health { addr, source })?;
    let handle = serve(listener, Limits::default(), move |request| {
        let report = report.clone();
        async move { Some(answer(&*report, &request).await) }
    });
    if let Some(addr) = handle.address() {
        tracing::info!("health: http://{addr}/healthz, /readyz, /metrics, /jobs");
    }
    Ok(handle)
}

async fn answer<R: Report>(report: &R, request: &Request) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n");
    }
    match request.uri().path().trim_end_matches('/') {
        "/healthz" => match report.sick() {
            None => text(StatusCode::OK, "ok\n"),
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/readyz" => match report.not_ready() {
            why if why.is_empty() => text(StatusCode::OK, "ready\n"),
            why => text(StatusCode::SERVICE_UNAVAILABLE, why.join("\n") + "\n"),
        },
        "/metrics" => {
            let mut out = MetricsText::default();
            report.metrics(&mut out);
            reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", out.as_str().to_owned())
        }
        "/jobs" => match JobsFilter::from_query(request.uri().query().unwrap_or_default()) {
            Err(problem) => text(StatusCode::BAD_REQUEST, problem + "\n"),
            Ok(filter) => match report.jobs(filter).await {
                Some(json) => reply(StatusCode::OK, "application/json", json),
                None => text(StatusCode::SERVICE_UNAVAILABLE, "no jobs yet: /readyz says why\n"),
            },
        },
        _ => text(StatusCode::NOT_FOUND, "here are /healthz, /readyz, /metrics and /jobs\n"),
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=utf-8", body.into())
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_for_jobs_is_read_or_refused_by_name() {
        let filter = JobsFilter::from_query("failing&id=router&limit=5").unwrap();
        assert_eq!(filter, JobsFilter { id: Some("router".into()), only_failing: true, limit: 5 });
        assert!(JobsFilter::from_query("limit=all").unwrap_err().starts_with("limit: "));
        assert!(JobsFilter::from_query("name=x").unwrap_err().starts_with("name: "));
    }
}
