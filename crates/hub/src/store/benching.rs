//! What the load programs of this crate need of the storage. Not part of the API.

use std::path::Path;
use std::sync::Arc;

use super::Store;
use super::values::{NewPoint, PathFilter, Range};
use crate::clock::SystemClock;

/// Whatever went wrong.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The values of a database.
#[derive(Clone, Debug)]
pub struct Values(Store);

impl Values {
    /// Opens the database of a directory.
    ///
    /// # Errors
    /// As the hub's own.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Ok(Self(Store::open(directory, Arc::new(SystemClock))?))
    }

    /// Puts a list: path, time in microseconds, value. Returns when it is durable.
    ///
    /// # Errors
    /// When it is not stored.
    pub async fn put(&self, account: i64, list: Vec<(Box<str>, i64, f64)>) -> Result<(), Error> {
        let points = list.into_iter().map(|(path, time, value)| NewPoint { path, time, value }).collect();
        self.0.values().put(account, points).await?;
        Ok(())
    }

    /// The first `limit` values of a path.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(&self, account: i64, path: &str, limit: usize) -> Result<Vec<(i64, f64)>, Error> {
        let series = self.0.values().read(account, path, Range::ALL, false, limit).await?;
        Ok(series.unwrap_or_default().points)
    }

    /// The roll-ups of a path: start, average, minimum, maximum.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn rollup(
        &self,
        account: i64,
        path: &str,
        level: u8,
    ) -> Result<Vec<(i64, f64, f64, f64)>, Error> {
        let rollups = self.0.values().rollup(account, path, level, Range::ALL, false, usize::MAX).await?;
        let buckets = rollups.unwrap_or_default().buckets;
        Ok(buckets
            .iter()
            .map(|bucket| (bucket.start, bucket.average, bucket.minimum, bucket.maximum))
            .collect())
    }

    /// How many of the paths have a newest value.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn last(&self, account: i64, paths: &[String]) -> Result<usize, Error> {
        Ok(self.0.values().last(account, paths).await?.iter().flatten().count())
    }

    /// The sum of the top of a filter, and how many are listed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn top(&self, account: i64, filter: &str, n: usize) -> Result<(f64, usize), Error> {
        let top = self.0.values().top(account, &PathFilter::parse(filter)?, n, i64::MAX).await?;
        Ok(top.map_or((0.0, 0), |top| (top.total, top.list.len())))
    }

    /// Moves all that waits in memory to its place in the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn settle(&self) -> Result<(), Error> {
        Ok(self.0.values().settle().await?)
    }

    /// Closes the database.
    pub async fn close(self) {
        self.0.close().await;
    }
}
