//! The many ways in which records tell the time, as milliseconds since the epoch.

/// Seconds between the beginning of NTP's time and the epoch.
const NTP: i64 = 2_208_988_800;

/// How an element tells the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum TimeKind {
    #[default]
    None,
    /// Milliseconds since the exporter began, in 32 bits.
    Uptime,
    Seconds,
    Millis,
    /// NTP's format, 64 bits.
    Ntp,
    /// Microseconds before the export.
    Before,
}

impl TimeKind {
    /// What an element tells: how, whether it is the start of a flow, and how well it serves.
    pub(super) const fn of(element: u16, length: usize) -> Option<(Self, bool, u8)> {
        Some(match element {
            152 => (Self::Millis, true, 6),
            153 => (Self::Millis, false, 6),
            154 | 156 if length == 8 => (Self::Ntp, true, 5),
            155 | 157 if length == 8 => (Self::Ntp, false, 5),
            150 => (Self::Seconds, true, 4),
            151 => (Self::Seconds, false, 4),
            22 => (Self::Uptime, true, 3),
            21 => (Self::Uptime, false, 3),
            158 => (Self::Before, true, 2),
            159 => (Self::Before, false, 2),
            // observationTimeMilliseconds, of a firewall's events
            323 => (Self::Millis, false, 1),
            _ => return None,
        })
    }
}

/// The time of one packet, against which its records tell theirs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Times {
    /// When the packet was exported, by the exporter's clock, in milliseconds since the epoch.
    pub(super) export: i64,
    /// Milliseconds since the exporter began, as 32 bits hold them: they begin anew after 49.7 days.
    /// None: the exporter has not said.
    pub(super) uptime: Option<u32>,
}

impl Times {
    /// The same when the exporter began at `boot`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as 32 bits hold it")]
    pub(super) const fn since_boot(self, boot: i64) -> Self {
        Self { uptime: Some(self.export.wrapping_sub(boot) as u32), ..self }
    }

    /// What `value` says. 0: it cannot be known.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "what a time is kept in")]
    pub(super) const fn read(self, kind: TimeKind, value: u64) -> i64 {
        match (kind, self.uptime) {
            (TimeKind::Uptime, Some(uptime)) => {
                // Either is at most 24 days after the other, so that the difference is right after a wrap too.
                self.export - uptime.wrapping_sub(value as u32) as i32 as i64
            }
            (TimeKind::None | TimeKind::Uptime, _) => 0,
            (TimeKind::Seconds, _) => (value as u32 as i64) * 1_000,
            (TimeKind::Millis, _) => match value {
                0..=MAX_MILLIS => value as i64,
                _ => 0,
            },
            (TimeKind::Ntp, _) => {
                if value == 0 {
                    return 0;
                }
                let seconds = (value >> 32) as i64;
                // From 2036 on the seconds begin anew.
                let era = if seconds < NTP { 1 << 32 } else { 0 };
                (seconds + era - NTP) * 1_000 + (((value & 0xffff_ffff) * 1_000) >> 32) as i64
            }
            (TimeKind::Before, _) => self.export - (value as u32 / 1_000) as i64,
        }
    }
}

/// The year 10889: what is later is nonsense.
const MAX_MILLIS: u64 = 1 << 48;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    #[test]
    fn uptimes_are_right_when_the_counter_of_49_days_has_begun_anew() {
        let times = Times { export: NOW, uptime: Some(5_000) };
        assert_eq!(times.read(TimeKind::Uptime, 3_000), NOW - 2_000);
        assert_eq!(times.read(TimeKind::Uptime, u64::from(u32::MAX)), NOW - 5_001);
        assert_eq!(times.read(TimeKind::Uptime, 6_000), NOW + 1_000, "a clock that is read twice");
        assert_eq!(Times { uptime: None, ..times }.read(TimeKind::Uptime, 3_000), 0);
        assert_eq!(times.since_boot(NOW - (1 << 32) - 7_000), Times { uptime: Some(7_000), ..times });
    }

    #[test]
    fn all_units_tell_the_same_time() {
        let times = Times { export: NOW, uptime: None };
        assert_eq!(times.read(TimeKind::Seconds, 1_700_000_000), NOW);
        assert_eq!(times.read(TimeKind::Millis, 1_700_000_000_000), NOW);
        let ntp = (1_700_000_000_u64 + 2_208_988_800) << 32 | 0x8000_0000;
        assert_eq!(times.read(TimeKind::Ntp, ntp), NOW + 500);
        assert_eq!(times.read(TimeKind::Before, 2_000_000), NOW - 2_000);
        assert_eq!(times.read(TimeKind::Ntp, 0), 0);
        assert_eq!(times.read(TimeKind::Ntp, 5 << 32), 2_085_978_496_000 + 5_000, "2036");
        assert_eq!(times.read(TimeKind::Millis, u64::MAX), 0);
        assert_eq!(times.read(TimeKind::Seconds, u64::from(u32::MAX)), 4_294_967_295_000, "2106");
    }
}
