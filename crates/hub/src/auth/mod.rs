//! Who asks, and what they may do.

pub(crate) mod directory;
pub(crate) mod jwt;
pub(crate) mod limiter;
pub(crate) mod passwords;
pub(crate) mod permissions;
pub(crate) mod secret;
pub(crate) mod sessions;
pub(crate) mod who;

pub(crate) use directory::{Kind, User};
pub(crate) use permissions::{Grant, Permission, Verb, Verbs};
pub(crate) use who::{Caller, Via};
