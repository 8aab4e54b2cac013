//! What a handler works with.

use std::sync::Arc;

use hyper::HeaderMap;

use super::shared::Shared;
use crate::{
    auth::{Caller, User},
    http::{Refusal, body::Held, query::Query, server::Peer},
};

/// A request that may be done: who asks is known, and may.
pub(crate) struct Cx {
    pub(crate) hub: Arc<Shared>,
    /// Nobody on public routes.
    pub(crate) caller: Option<Caller>,
    /// The numbers in the path, in order.
    pub(crate) ids: Vec<i64>,
    /// The text in the path.
    pub(crate) text: String,
    /// Below `/api`, without slashes at its ends.
    pub(crate) resource: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Held,
    pub(crate) peer: Peer,
}

impl Cx {
    pub(crate) fn query(&self) -> Query<'_> {
        Query::new(&self.query)
    }

    pub(crate) fn caller(&self) -> Result<&Caller, Refusal> {
        self.caller.as_ref().ok_or_else(Refusal::access_denied)
    }

    pub(crate) fn user(&self) -> Result<&User, Refusal> {
        Ok(&self.caller()?.user)
    }

    /// The number at this place of the path; the route table sees to it that it is there.
    pub(crate) fn id(&self, place: usize) -> Result<i64, Refusal> {
        self.ids.get(place).copied().ok_or_else(|| Refusal::not_found("Not Found"))
    }

    /// The account: the first number of all paths that have one.
    pub(crate) fn account(&self) -> Result<i64, Refusal> {
        self.id(0)
    }

    pub(crate) fn now(&self) -> i64 {
        self.hub.now()
    }
}
