//! The lengths of windows.

use std::fmt;

use grafoleancollector::Timestamp;

/// How long a window lasts. Windows begin at multiples of that since the epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// A minute.
    Minute,
    /// Fifteen minutes.
    QuarterHour,
    /// An hour.
    Hour,
    /// Four hours.
    FourHours,
    /// A day, by UTC.
    Day,
}

impl Level {
    /// All of them, the shortest first.
    pub const ALL: [Self; 5] = [Self::Minute, Self::QuarterHour, Self::Hour, Self::FourHours, Self::Day];

    /// As the paths of values have it.
    ///
    /// ```
    /// use grafolean_netflow_bot::aggregate::Level;
    /// assert_eq!(Level::ALL.map(Level::name), ["1min", "15min", "1h", "4h", "24h"]);
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "1min",
            Self::QuarterHour => "15min",
            Self::Hour => "1h",
            Self::FourHours => "4h",
            Self::Day => "24h",
        }
    }

    /// How long.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::QuarterHour => 900,
            Self::Hour => 3_600,
            Self::FourHours => 14_400,
            Self::Day => 86_400,
        }
    }

    /// When the window begins in which `moment` lies.
    ///
    /// ```
    /// use grafolean_netflow_bot::aggregate::Level;
    /// use grafoleancollector::Timestamp;
    /// assert_eq!(Level::Minute.begin(Timestamp::from_secs(119)), Timestamp::from_secs(60));
    /// ```
    #[must_use]
    pub const fn begin(self, moment: Timestamp) -> Timestamp {
        let seconds = moment.as_micros().div_euclid(1_000_000);
        Timestamp::from_secs(seconds.div_euclid(self.seconds()).saturating_mul(self.seconds()))
    }

    /// When the window ends that began at `begin`.
    #[must_use]
    pub const fn end(self, begin: Timestamp) -> Timestamp {
        Timestamp::from_micros(begin.as_micros().saturating_add(self.seconds() * 1_000_000))
    }

    /// The next longer one, into which windows of this one are closed.
    pub(super) const fn longer(self) -> Option<Self> {
        match self {
            Self::Minute => Some(Self::QuarterHour),
            Self::QuarterHour => Some(Self::Hour),
            Self::Hour => Some(Self::FourHours),
            Self::FourHours => Some(Self::Day),
            Self::Day => None,
        }
    }

    pub(super) const fn code(self) -> u8 {
        self as u8
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
