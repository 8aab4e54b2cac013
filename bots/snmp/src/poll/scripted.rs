//! An agent in memory: honest, unless a script says otherwise. Its time is simulated.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::agent::{Agent, Binding, SnmpError};
use crate::oid::Oid;
use crate::poll::conversation::{Conversation, Ending};
use crate::value::Value;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Get,
    Next,
    Bulk(u32),
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) oids: Vec<Oid>,
}

impl Request {
    pub(crate) fn is_bulk(&self) -> bool {
        matches!(self.kind, Kind::Bulk(_))
    }

    /// How many values it asks for.
    pub(crate) fn size(&self) -> usize {
        match self.kind {
            Kind::Bulk(rows) => self.oids.len() * rows as usize,
            _ => self.oids.len(),
        }
    }
}

type Reply = Result<Vec<Binding>, SnmpError>;
/// Turns the honest answer to the n-th request (from 0) into the one that is given.
type Script = Box<dyn Fn(usize, &Request, Reply) -> Reply + Send + Sync>;

pub(crate) struct Scripted {
    objects: BTreeMap<Oid, Value>,
    log: Mutex<Vec<Request>>,
    script: Script,
    has_bulk: bool,
    latency: Duration,
    ending: Ending,
}

/// How long all tries of a request take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

pub(crate) fn silence() -> SnmpError {
    SnmpError::Timeout { after: TIMEOUT, hint: None }
}

pub(crate) fn gen_err(index: Option<usize>) -> SnmpError {
    SnmpError::Agent { status: "genErr".into(), index }
}

impl Scripted {
    pub(crate) fn new(objects: impl IntoIterator<Item = (Oid, Value)>) -> Self {
        Self {
            objects: objects.into_iter().collect(),
            log: Mutex::default(),
            script: Box::new(|_, _, honest| honest),
            has_bulk: true,
            latency: Duration::from_millis(20),
            ending: Ending::default(),
        }
    }

    /// A table of `columns` at 1.3.9.1.1, 1.3.9.1.2, … with rows 1 to `rows`: each value is
    /// 1000 × column + row.
    pub(crate) fn table(columns: u32, rows: u32) -> Self {
        let cell = |column, row| {
            (Oid::new([1, 3, 9, 1, column, row]), Value::Integer(i64::from(1_000 * column + row)))
        };
        Self::new((1..=columns).flat_map(|column| (1..=rows).map(move |row| cell(column, row))))
    }

    pub(crate) fn and(mut self, at: &str, value: Value) -> Self {
        self.objects.insert(oid(at), value);
        self
    }

    pub(crate) fn scripted(
        mut self,
        script: impl Fn(usize, &Request, Reply) -> Reply + Send + Sync + 'static,
    ) -> Self {
        self.script = Box::new(script);
        self
    }

    pub(crate) fn without_bulk(mut self) -> Self {
        self.has_bulk = false;
        self
    }

    pub(crate) fn talk(&self) -> Conversation<'_> {
        Conversation::new(self, Instant::now() + Duration::from_secs(3_600), &self.ending)
    }

    pub(crate) fn log(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    /// The requests since this was last called.
    pub(crate) fn new_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn next(&self, after: &Oid) -> Binding {
        let mut rest = self.objects.range((Bound::Excluded(after), Bound::Unbounded));
        rest.next().map_or((after.clone(), Value::Nothing), |(oid, value)| (oid.clone(), value.clone()))
    }

    fn honest(&self, request: &Request) -> Vec<Binding> {
        let Request { kind, oids } = request;
        match kind {
            Kind::Get => {
                let value = |oid| self.objects.get(oid).cloned().unwrap_or(Value::Nothing);
                oids.iter().map(|oid| (oid.clone(), value(oid))).collect()
            }
            Kind::Next => oids.iter().map(|oid| self.next(oid)).collect(),
            Kind::Bulk(rows) => {
                let (mut last, mut answer) = (oids.clone(), Vec::new());
                for _ in 0..*rows {
                    for at in &mut last {
                        let binding = self.next(at);
                        *at = binding.0.clone();
                        answer.push(binding);
                    }
                }
                answer
            }
        }
    }

    async fn answer(&self, kind: Kind, oids: &[Oid]) -> Reply {
        let request = Request { kind, oids: oids.to_vec() };
        let reply = {
            let mut log = self.log.lock().unwrap();
            log.push(request.clone());
            (self.script)(log.len() - 1, &request, Ok(self.honest(&request)))
        };
        sleep(if let Err(SnmpError::Timeout { after, .. }) = &reply { *after } else { self.latency }).await;
        reply
    }
}

#[async_trait]
impl Agent for Scripted {
    async fn get(&self, oids: &[Oid]) -> Reply {
        self.answer(Kind::Get, oids).await
    }

    async fn get_next(&self, oids: &[Oid]) -> Reply {
        self.answer(Kind::Next, oids).await
    }

    async fn get_bulk(&self, oids: &[Oid], rows: u32) -> Reply {
        assert!(self.has_bulk, "SNMPv1 has no GETBULK");
        self.answer(Kind::Bulk(rows), oids).await
    }

    fn has_bulk(&self) -> bool {
        self.has_bulk
    }
}
