//! Logs to standard error, as text or JSON, with all tokens stripped from every line.

use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::backend::Token;
use crate::error::{SettingProblem, StartError};
use crate::settings::Environment;

/// How a program logs: to standard error, as `LOG` and `LOG_FORMAT` say. [`Program`](crate::Program) does this for a
/// bot.
///
/// ```no_run
/// use grafoleancollector::{Environment, Token, telemetry::Logging};
///
/// # fn main() -> Result<(), grafoleancollector::StartError> {
/// let log = Logging::from_environment(&Environment::load()?)?.quiet("chatty_library").start();
/// // Whoever logs it: nobody will read it.
/// log.hide(&Token::new("4f0b1f2a-9c3d-4e5f-8a7b-0123456789ab"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is logged until it is started"]
pub struct Logging {
    filter: LogFilter,
    format: LogFormat,
}

/// The secrets that no line of the log shows. Clones are of the same log.
#[derive(Clone, Default, Debug)]
pub struct Log {
    hidden: Arc<RwLock<Vec<Token>>>,
}

impl Logging {
    /// As `LOG` and `LOG_FORMAT` say.
    ///
    /// # Errors
    /// [`StartError::Settings`] when one of them is wrong.
    pub fn from_environment(environment: &Environment) -> Result<Self, StartError> {
        const LEVELS: &str = "error, warn, info, debug, trace, or target=level,…";
        let mut problems = Vec::new();
        let filter = parsed(environment, "LOG", "info", LEVELS, &mut problems);
        let format = parsed(environment, "LOG_FORMAT", "text", "text or json", &mut problems);
        match (filter, format) {
            (Some(filter), Some(format)) => Ok(Self { filter, format }),
            _ => Err(StartError::Settings(problems)),
        }
    }

    /// Hears a library only where `LOG` names it. `library` is the crate's name in code, with `_`.
    pub fn quiet(self, library: &str) -> Self {
        Self { filter: self.filter.without(library), ..self }
    }

    /// Starts logging for the whole process. Where the program has set up logging of its own, that is used.
    #[must_use = "a log that is not told its secrets shows them"]
    pub fn start(self) -> Log {
        let log = Log::default();
        let _ = start(self.filter, self.format, log.clone());
        log
    }
}

impl Log {
    /// Strips this token from all lines from now on.
    pub fn hide(&self, token: &Token) {
        let mut hidden = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        if !hidden.contains(token) {
            hidden.push(token.clone());
        }
    }

    fn redact(&self, line: &str) -> String {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        hidden.iter().fold(line.to_owned(), |line, token| token.redact(&line))
    }
}

fn parsed<T: FromStr>(
    environment: &Environment,
    name: &'static str,
    default: &str,
    expected: &str,
    problems: &mut Vec<SettingProblem>,
) -> Option<T> {
    let text = environment.get(name);
    let text = text.as_deref().unwrap_or(default).trim();
    let parsed = text.parse().ok();
    if parsed.is_none() {
        problems.push(SettingProblem::new(name, format_args!("expected {expected}, got {text:?}")));
    }
    parsed
}

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

fn start(filter: LogFilter, format: LogFormat, log: Log) -> Result<(), TryInitError> {
    let writer = Redacting { log };
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
    // A panic is a line like any other: in the log's format, and without tokens.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

/// A last line of defence: errors have no token in them already, but a library's trace line may.
struct Redacting {
    log: Log,
}

struct RedactingLine<'a> {
    log: &'a Log,
}

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = RedactingLine<'a>;
    fn make_writer(&'a self) -> Self::Writer {
        RedactingLine { log: &self.log }
    }
}

impl io::Write for RedactingLine<'_> {
    /// One call is one line: that is how the layer writes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().lock().write_all(self.log.redact(&text).as_bytes())?;
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
    fn no_token_of_any_bot_is_in_a_line() {
        let log = Log::default();
        let other = log.clone();
        [&log, &other, &log].iter().zip(["first-secret", "second-secret", "first-secret"]).for_each(
            |(log, token)| {
                log.hide(&Token::new(token));
            },
        );
        assert_eq!(log.redact("a first-secret, a second%2Dsecret"), "a [token], a [token]");
        assert_eq!(log.hidden.read().unwrap().len(), 2);
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
