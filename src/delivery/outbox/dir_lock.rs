//! One bot per directory.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::OutboxError;

/// Holds a directory for this process. The system gives it back when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct DirLock(File);

impl DirLock {
    pub(super) fn take(directory: &Path) -> Result<Self, OutboxError> {
        let file = directory.join("outbox.lock");
        let not_writable =
            |source: std::io::Error| OutboxError::NotWritable { file: file.clone(), source: source.into() };
        let lock =
            File::options().create(true).truncate(false).write(true).open(&file).map_err(not_writable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self(lock)),
            Err(TryLockError::WouldBlock) => Err(OutboxError::InUse { directory: directory.to_owned() }),
            Err(TryLockError::Error(source)) => Err(not_writable(source)),
        }
    }
}

impl Drop for DirLock {
    /// Closing the file would do, but for a child that is being started: until it runs its own program it has a
    /// copy of the file, and the lock with it. An error leaves it at that.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
