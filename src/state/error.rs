//! Why state cannot be kept where it should be.

use std::path::PathBuf;

/// The place where a bot's state is to be kept cannot be used.
///
/// A state file that is damaged, or cannot be written, is no error: the bot goes on without what it remembered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
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
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another bot: give each bot a directory of its own", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
}
