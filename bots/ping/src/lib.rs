//! Grafolean's ICMP ping bot.
