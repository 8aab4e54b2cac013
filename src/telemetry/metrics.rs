//! Counters that are plain atomics, and the text in which Prometheus reads them.
//!
//! Nothing is registered: who counts keeps the counters in a struct of its own, and writes them when asked.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// The number is `n` now.
    pub fn set(&self, n: i64) {
        self.0.store(n, Relaxed);
    }

    /// `n` more, or fewer.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How long something took, counted in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Box<[AtomicU64]>,
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Buckets with these upper bounds, in seconds, growing; what is above the last is counted too.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_micros: AtomicU64::new(0),
        }
    }

    /// It took `duration` once.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Collects metrics as Prometheus text, one family after the other.
///
/// ```
/// use grafoleancollector::telemetry::{Counter, MetricsText};
/// let late = Counter::default();
/// late.inc();
/// let mut out = MetricsText::default();
/// out.counter("ping_replies_late_total", "Replies that came after their timeout.", &late);
/// assert!(out.as_str().ends_with("ping_replies_late_total 1\n"));
/// ```
#[derive(Debug, Default)]
pub struct MetricsText(String);

impl MetricsText {
    /// A counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
        self.family(name, "counter", help).sample(name, &[], counter.get() as f64);
    }

    /// A number that goes up and down, without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help).sample(name, &[], value);
    }

    /// Begins a family: `kind` is `counter`, `gauge` or `histogram`.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) -> &mut Self {
        let _ = writeln!(self.0, "# HELP {name} {}\n# TYPE {name} {kind}", escape(help));
        self
    }

    /// One line of the family begun last.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.0.push_str(name);
        for (index, (key, value)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{key}=\"{}\"", if index == 0 { '{' } else { ',' }, escape(value));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
        self
    }

    /// All lines of a histogram, of the family begun last.
    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) -> &mut Self {
        #[expect(clippy::cast_precision_loss, reason = "Prometheus holds all numbers as f64")]
        let float = |n: u64| n as f64;
        let bounds = histogram.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut below = 0;
        for (count, bound) in histogram.counts.iter().zip(bounds) {
            below += count.load(Relaxed);
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.sample(&format!("{name}_bucket"), &labels, float(below));
        }
        self.sample(&format!("{name}_sum"), labels, float(histogram.sum_micros.load(Relaxed)) / 1e6);
        self.sample(&format!("{name}_count"), labels, float(below))
    }

    /// What was written so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_buckets_are_cumulative_and_end_with_all() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for millis in [50, 100, 500, 5_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut out = MetricsText::default();
        out.family("d", "histogram", "h").histogram("d", &[("kind", "a\"b")], &histogram);
        let expected = r#"# HELP d h
# TYPE d histogram
d_bucket{kind="a\"b",le="0.1"} 2
d_bucket{kind="a\"b",le="1"} 3
d_bucket{kind="a\"b",le="+Inf"} 4
d_sum{kind="a\"b"} 5.65
d_count{kind="a\"b"} 4
"#;
        assert_eq!(out.as_str(), expected);
    }
}
