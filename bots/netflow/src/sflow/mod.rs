//! sFlow v5.
