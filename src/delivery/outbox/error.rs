//! Why an outbox cannot be opened.

use std::path::PathBuf;

/// The place where samples wait cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The directory is missing and cannot be made.
    #[error("cannot create the directory {}", directory.display())]
    Create {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing can be written in the directory.
    #[error("cannot write {}", file.display())]
    NotWritable {
        /// The file that could not be written.
        file: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process has it open.
    #[error("{} is in use by another bot: give each bot a directory of its own", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "{} is damaged: move it away to start with an empty one (what waits in it is not delivered then)",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// How it was found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer version of this library wrote it.
    #[error(
        "{} has format version {found}, this program knows {known}: use the newer program again, \
         or move the file away",
        file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest known format version.
        known: u32,
    },
    /// Samples for another backend wait in it.
    #[error(
        "{waiting} samples for another backend, {backend}, wait in {}: let the bot deliver them there first, \
         or move the file away",
        file.display()
    )]
    OtherBackend {
        /// The file.
        file: PathBuf,
        /// The backend that they are for.
        backend: String,
        /// How many they are.
        waiting: u64,
    },
}
