//! From a datagram to flows.
