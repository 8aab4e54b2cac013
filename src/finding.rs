//! What `check` reports.

use std::fmt;

/// One line of the report that `check` prints.
///
/// ```
/// use grafoleancollector::{Finding, Verdict};
/// let finding = Finding::doubtful("buffer", "the kernel grants 208 KiB only: raise net.core.rmem_max");
/// assert_eq!(finding.verdict, Verdict::Doubtful);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// How good that is.
    pub verdict: Verdict,
    /// What was looked at, in a word or two.
    pub about: String,
    /// What was found, and what to do where it is bad.
    pub text: String,
}

/// How good a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// As it should be.
    Good,
    /// The bot works, but somebody should look at this.
    Doubtful,
    /// The bot does not work like this.
    Bad,
}

impl Finding {
    /// All is well with `about`.
    pub fn good(about: impl fmt::Display, text: impl fmt::Display) -> Self {
        Self { verdict: Verdict::Good, about: about.to_string(), text: text.to_string() }
    }

    /// Somebody should look at `about`.
    pub fn doubtful(about: impl fmt::Display, text: impl fmt::Display) -> Self {
        Self { verdict: Verdict::Doubtful, ..Self::good(about, text) }
    }

    /// The bot does not work because of `about`.
    pub fn bad(about: impl fmt::Display, text: impl fmt::Display) -> Self {
        Self { verdict: Verdict::Bad, ..Self::good(about, text) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Good => "ok  ",
            Verdict::Doubtful => "warn",
            Verdict::Bad => "FAIL",
        };
        write!(f, "{verdict}  {:<12}  {}", self.about, self.text)
    }
}
