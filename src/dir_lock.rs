//! One bot per directory.

use std::fs::{File, TryLockError};
use std::path::Path;

/// Holds what is kept beside a file for this process. The system gives it back when the process dies, however it
/// dies.
#[derive(Debug)]
pub(crate) struct DirLock(File);

impl DirLock {
    /// Takes the lock that `file` stands for; the file is made, and stays.
    pub(crate) fn take(file: &Path) -> Result<Self, TryLockError> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(file)
            .map_err(TryLockError::Error)?;
        lock.try_lock()?;
        Ok(Self(lock))
    }
}

impl Drop for DirLock {
    /// Closing the file would do, but for a child that is being started: until it runs its own program it has a
    /// copy of the file, and the lock with it. An error leaves it at that.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
