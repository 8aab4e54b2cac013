//! The books as metrics.
