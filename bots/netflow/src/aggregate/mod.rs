//! From flows to values.
