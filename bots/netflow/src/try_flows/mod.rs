//! The command `try`.
