//! Logs to standard error, as text or JSON, with the token stripped from every line.

use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::backend::Token;

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Which lines are logged: a level for our own code (the libraries under it stay at `warn`), or
/// `target=level,…` as given.
#[derive(Clone, Debug)]
pub(crate) struct LogFilter(Targets);

impl LogFilter {
    /// This without all lines and spans of a library that are not asked for by its name.
    pub(crate) fn without(self, library: &str) -> Self {
        let is_of_library = |target: &str| {
            let rest = target.strip_prefix(library);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        if self.0.iter().any(|(target, _)| is_of_library(target)) {
            return self;
        }
        Self(self.0.with_target(library, LevelFilter::OFF))
    }
}

impl FromStr for LogFilter {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let ours = |level: LevelFilter| {
            let libraries = level.min(LevelFilter::WARN);
            let targets = Targets::new().with_default(level);
            ["hyper", "hyper_util", "reqwest", "rustls", "tower_http", "mio"]
                .into_iter()
                .fold(targets, |targets, library| targets.with_target(library, libraries))
        };
        match text.parse::<LevelFilter>() {
            Ok(level) => Ok(Self(ours(level))),
            Err(_) if !text.contains('=') => Err(()),
            Err(_) => text.parse().map(Self).map_err(|_| ()),
        }
    }
}

/// Whether lines are written as JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// Whether lines are written as JSON: then nothing else may be.
pub(crate) fn is_json() -> bool {
    JSON.load(Relaxed)
}

/// Starts logging for the whole process.
pub(crate) fn start(filter: LogFilter, format: LogFormat, token: Token) -> Result<(), TryInitError> {
    let writer = Redacting { token };
    let registry = tracing_subscriber::registry().with(filter.0);
    match format {
        LogFormat::Text => registry
            .with(tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(writer))
            .try_init()?,
        LogFormat::Json => {
            registry.with(tracing_subscriber::fmt::layer().json().with_writer(writer)).try_init()?;
        }
    }
    JSON.store(format == LogFormat::Json, Relaxed);
    // A panic is a line like any other: in the log's format, and without the token.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

/// A last line of defence: errors have no token in them already, but a library's trace line may.
struct Redacting {
    token: Token,
}

struct RedactingLine<'a> {
    token: &'a Token,
}

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = RedactingLine<'a>;
    fn make_writer(&'a self) -> Self::Writer {
        RedactingLine { token: &self.token }
    }
}

impl io::Write for RedactingLine<'_> {
    /// One call is one line: that is how the layer writes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().lock().write_all(self.token.redact(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_targets() {
        assert!("debug".parse::<LogFilter>().is_ok());
        assert!("warn,grafoleancollector=trace".parse::<LogFilter>().is_ok());
        assert!("loud".parse::<LogFilter>().is_err());
    }

    #[test]
    fn a_quiet_library_says_nothing_unless_it_is_asked_by_name() {
        use tracing::Level;
        let enables = |filter: &str, level| {
            let LogFilter(targets) = filter.parse::<LogFilter>().unwrap().without("chatty");
            targets.would_enable("chatty::client", &level)
        };
        for filter in ["info", "trace", "warn,chatty_bot=debug,grafoleancollector=trace"] {
            assert!(!enables(filter, Level::ERROR), "{filter}");
        }
        assert!(enables("info,chatty=debug", Level::DEBUG));
        assert!(enables("info,chatty::client=debug", Level::DEBUG));
        assert!(!enables("info,chatty=warn", Level::INFO));
    }
}
