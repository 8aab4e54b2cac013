//! What is put and what is read. Times are microseconds since 1970-01-01 UTC.

/// A value to store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewPoint {
    pub(crate) path: Box<str>,
    pub(crate) time: i64,
    pub(crate) value: f64,
}

/// What a put has done beside storing its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PutDone {
    /// Paths that were not known before, with their ids.
    pub(crate) new_paths: Vec<(i64, Box<str>)>,
}

/// Times from `from` to `to`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Range {
    /// All times.
    pub(crate) const ALL: Self = Self { from: i64::MIN, to: i64::MAX };

    pub(crate) fn contains(&self, time: i64) -> bool {
        self.from <= time && time <= self.to
    }
}

/// Values of one path, in the order asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) points: Vec<(i64, f64)>,
    /// The time of the value that comes next, where the limit left some out.
    pub(crate) next: Option<i64>,
}

/// What a path did in 3^level hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) start: i64,
    pub(crate) average: f64,
    pub(crate) minimum: f64,
    pub(crate) maximum: f64,
}

/// Roll-ups of one path, in the order asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rollups {
    pub(crate) buckets: Vec<Bucket>,
    /// The start of the bucket that comes next, where the limit left some out.
    pub(crate) next: Option<i64>,
}

/// The largest values of one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Top {
    /// The newest time at which a matching path has a value.
    pub(crate) time: i64,
    /// The sum of all matching values of that time, shown or not.
    pub(crate) total: f64,
    /// Path and value, largest first; equal ones by path.
    pub(crate) list: Vec<(String, f64)>,
}

/// What became of a new name for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renamed {
    Done,
    NoSuchPath,
    /// Another path of the account has that name.
    Taken,
}
