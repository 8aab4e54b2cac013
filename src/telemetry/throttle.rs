//! A limit on how often one kind of line is logged.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Lets a few lines of the log through in a while, and counts the others.
///
/// ```
/// use std::time::Duration;
/// use grafoleancollector::telemetry::Throttle;
///
/// let throttle = Throttle::new(1, Duration::from_secs(60));
/// let mut said = 0;
/// for port in 0..1_000 {
///     if let Some(more) = throttle.say() {
///         eprintln!("port {port} is down{more}");
///         said += 1;
///     }
/// }
/// assert_eq!(said, 1);
/// ```
#[derive(Debug)]
pub struct Throttle {
    lines: u32,
    window: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    began: Option<Instant>,
    said: u32,
    unsaid: u64,
}

/// How many lines were not logged since the last one that was: ends that line, or nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsaid(u64);

impl Throttle {
    /// At most `lines` in each `window`.
    #[must_use]
    pub fn new(lines: u32, window: Duration) -> Self {
        Self { lines, window, state: Mutex::default() }
    }

    /// How many lines were not logged, when nothing has been let through for a while: somebody should say so.
    pub(crate) fn rest(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let over = state.began.is_some_and(|began| Instant::now().duration_since(began) >= self.window);
        (over && state.unsaid > 0).then(|| std::mem::take(&mut state.unsaid))
    }

    /// Whether this line may be logged, and how many were not.
    #[must_use]
    pub fn say(&self) -> Option<Unsaid> {
        self.say_all(1)
    }

    /// The same for a line that stands for so many events: those are counted then, not the lines.
    pub(crate) fn say_all(&self, events: u64) -> Option<Unsaid> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        if state.began.is_none_or(|began| now.duration_since(began) >= self.window) {
            state.began = Some(now);
            state.said = 0;
        }
        if state.said == self.lines {
            state.unsaid += events;
            return None;
        }
        state.said += 1;
        Some(Unsaid(std::mem::take(&mut state.unsaid)))
    }
}

impl Unsaid {
    pub(crate) const fn count(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " (and {n} more like this were not logged)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_beyond_the_limit_are_counted_and_said_with_the_next() {
        let throttle = Throttle::new(2, Duration::from_secs(10));
        assert_eq!(throttle.say(), Some(Unsaid(0)));
        assert_eq!(throttle.say(), Some(Unsaid(0)));
        assert_eq!((throttle.say(), throttle.say()), (None, None));
        assert_eq!(throttle.rest(), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(throttle.say(), Some(Unsaid(2)));
        assert_eq!((throttle.say(), throttle.say()), (Some(Unsaid(0)), None));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!((throttle.rest(), throttle.rest()), (Some(1), None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_may_stand_for_many_events() {
        let throttle = Throttle::new(1, Duration::from_secs(10));
        assert_eq!((throttle.say_all(5), throttle.say_all(7)), (Some(Unsaid(0)), None));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(throttle.say_all(3).map(Unsaid::count), Some(7));
    }
}
