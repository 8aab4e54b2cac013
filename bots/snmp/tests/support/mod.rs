//! What several tests share.

pub mod agent;
pub mod ber;
