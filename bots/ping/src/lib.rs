//! Grafolean's ICMP ping bot.

pub mod icmp;
