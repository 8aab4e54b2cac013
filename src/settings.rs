//! Settings from the environment: read through a look-up function, and all problems reported at once.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::backend::http::{EXPECTED, base_url, shown_url};
use crate::backend::{DeliveryMode, Token};
use crate::error::{SettingProblem, StartError};

/// All that the environment says about a bot.
///
/// ```
/// use grafoleancollector::Settings;
/// let env = [("BACKEND_URL", "https://grafolean.example.org/api"), ("BOT_TOKEN", "secret"), ("DATA_DIR", "none")];
/// let settings = Settings::from_lookup(|name| env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()))?;
/// assert_eq!(settings.jobs_refresh_interval.as_secs(), 120);
/// # Ok::<(), grafoleancollector::StartError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// `BACKEND_URL`: where the API is, such as `https://grafolean.example.org/api`.
    pub backend_url: String,
    /// `BOT_TOKEN`, or the content of the file that `BOT_TOKEN_FROM_FILE` names.
    pub token: Token,
    /// `JOBS_REFRESH_INTERVAL`: seconds between two looks at what is to be done (120).
    pub jobs_refresh_interval: Duration,
    /// `DATA_DIR`: where samples wait while the backend is away, and what the bot remembers. None keeps both in
    /// memory.
    pub data_dir: Option<PathBuf>,
    /// `HEALTH_ADDR`: where `/healthz`, `/readyz`, `/metrics` and `/jobs` are served (off).
    pub health_addr: Option<SocketAddr>,
    /// `MAX_CONCURRENT_RUNS`: runs under way at once. None leaves it to the bot.
    pub max_concurrent_runs: Option<usize>,
    /// `DELIVERY`: `put` or `post`.
    pub delivery: DeliveryMode,
}

impl fmt::Debug for Settings {
    /// Without secrets: the token, and a password in the backend's address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("backend_url", &shown_url(&self.backend_url))
            .field("data_dir", &self.data_dir)
            .field("health_addr", &self.health_addr)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

/// A variable that bots read, for `--help`: name, default, meaning.
///
/// ```
/// use grafoleancollector::Variable;
/// const VARIABLES: &[Variable] = &[Variable::new("PING_RATE", "5000", "echo requests sent per second at most")];
/// assert_eq!(VARIABLES[0].name, "PING_RATE");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is when it is not set.
    pub default: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

impl Variable {
    /// A variable.
    #[must_use]
    pub const fn new(name: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self { name, default, meaning }
    }
}

/// The variables that all bots read.
pub(crate) const VARIABLES: &[Variable] = &[
    Variable::new(
        "BACKEND_URL",
        "required",
        "where the API is, with /api: https://grafolean.example.org/api",
    ),
    Variable::new("BOT_TOKEN", "required", "the bot's token"),
    Variable::new("BOT_TOKEN_FROM_FILE", "", "a file that holds the token, instead of BOT_TOKEN"),
    Variable::new("JOBS_REFRESH_INTERVAL", "120", "seconds between two looks at the configuration"),
    Variable::new(
        "DATA_DIR",
        // Depends on the program's name, as that of the runs depends on the bot.
        "",
        "where samples wait and what the bot remembers; `none` keeps both in memory",
    ),
    Variable::new("HEALTH_ADDR", "off", "address for /healthz, /readyz, /metrics, /jobs: 127.0.0.1:9100"),
    Variable::new("MAX_CONCURRENT_RUNS", "", "runs under way at once"),
    Variable::new("DELIVERY", "put", "put: values carry their time; post: the backend stamps them"),
    Variable::new("LOG", "info", "error, warn, info, debug, trace; or target=level,…"),
    Variable::new("LOG_FORMAT", "text", "text or json"),
];

/// Refreshing more often than this only loads the backend.
pub(crate) const SHORTEST_REFRESH: Duration = Duration::from_secs(1);
/// A day: a configuration that nobody looks at for longer is not central any more.
pub(crate) const LONGEST_REFRESH: Duration = Duration::from_secs(86_400);
const DEFAULT_REFRESH: Duration = Duration::from_secs(120);
/// A token is a UUID; a file much larger than that is another file.
const MAX_TOKEN_BYTES: u64 = 4_096;

impl Settings {
    /// Settings with all defaults, and samples kept in memory.
    #[must_use]
    pub fn new(backend_url: impl Into<String>, token: impl AsRef<str>) -> Self {
        Self {
            backend_url: backend_url.into().trim_end_matches('/').to_owned(),
            token: Token::new(token.as_ref()),
            jobs_refresh_interval: DEFAULT_REFRESH,
            data_dir: None,
            health_addr: None,
            max_concurrent_runs: None,
            delivery: DeliveryMode::default(),
        }
    }

    /// Reads the process's environment, and a `.env` file in the working directory for what it lacks.
    ///
    /// # Errors
    /// [`StartError::Settings`] with all that is missing or wrong.
    pub fn from_env() -> Result<Self, StartError> {
        let environment = Environment::load()?;
        Self::from_lookup(|name| environment.get(name))
    }

    /// Reads settings through a function that gives the value of a variable.
    ///
    /// # Errors
    /// [`StartError::Settings`] with all that is missing or wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, StartError> {
        Self::of_program(&own_name(), lookup)
    }

    /// The same for the program of that name, whose state has a folder of that name.
    pub(crate) fn of_program(
        program: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, StartError> {
        let mut reader = Reader { lookup: &lookup, program, problems: Vec::new() };
        let settings = Self {
            backend_url: reader.backend_url(),
            token: reader.token(),
            jobs_refresh_interval: reader.refresh_interval(),
            data_dir: reader.data_dir(),
            health_addr: reader.parsed("HEALTH_ADDR", "an address and port such as 127.0.0.1:9100"),
            max_concurrent_runs: reader
                .parsed::<std::num::NonZeroUsize>("MAX_CONCURRENT_RUNS", "a whole number from 1")
                .map(std::num::NonZeroUsize::get),
            delivery: reader.parsed("DELIVERY", "put or post").unwrap_or_default(),
        };
        if reader.problems.is_empty() { Ok(settings) } else { Err(StartError::Settings(reader.problems)) }
    }
}

/// The process's environment, with a `.env` file under it.
///
/// ```
/// use grafoleancollector::{Environment, StartError};
/// let environment = Environment::load()?;
/// assert_eq!(environment.get("A_VARIABLE_THAT_NOBODY_SETS"), None);
/// # Ok::<(), StartError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Environment {
    file: HashMap<String, String>,
    /// What comes before both the process's variables and those of the file.
    set: HashMap<String, String>,
}

impl Environment {
    /// Reads `.env` in the working directory, if there is one. The process's own variables come before it.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load() -> Result<Self, StartError> {
        let text = match std::fs::read_to_string(".env") {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(file_problem(error)),
        };
        let lines = dotenvy::from_read_iter(text.as_bytes());
        let file = lines.collect::<Result<_, _>>().map_err(|error| {
            // The error quotes the line, and with it a token: say where, not what.
            let dotenvy::Error::LineParse(bad, _) = error else { return file_problem("it cannot be read") };
            let bad = bad.lines().next().unwrap_or_default().trim();
            let number = text.lines().position(|line| line.trim() == bad).map_or(0, |index| index + 1);
            file_problem(format_args!("line {number} is not NAME=value"))
        })?;
        Ok(Self { file, set: HashMap::new() })
    }

    /// The same with a variable that has this value, whatever the process's environment says: for a program that holds
    /// several bots.
    ///
    /// ```
    /// use grafoleancollector::Environment;
    /// let environment = Environment::default().with("NETFLOW_LISTEN", "127.0.0.1:0");
    /// assert_eq!(environment.get("NETFLOW_LISTEN").as_deref(), Some("127.0.0.1:0"));
    /// ```
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.insert(name.into(), value.into());
        self
    }

    /// Where a program of this name keeps its state: `DATA_DIR`, else `$STATE_DIRECTORY`, `$XDG_STATE_HOME/name` or
    /// `~/.local/state/name`. None where `DATA_DIR` is `none`.
    ///
    /// # Errors
    /// [`StartError::Settings`] when nothing says where.
    pub fn data_dir(&self, program: &str) -> Result<Option<PathBuf>, StartError> {
        let lookup = |name: &str| self.get(name);
        let mut reader = Reader { lookup: &lookup, program, problems: Vec::new() };
        let data_dir = reader.data_dir();
        if reader.problems.is_empty() { Ok(data_dir) } else { Err(StartError::Settings(reader.problems)) }
    }

    /// The value of a variable; one that is set to nothing counts as not set.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn get(&self, name: &str) -> Option<String> {
        let set = |value: &String| !value.trim().is_empty();
        // What is not UTF-8 is no value that a setting can have: its reader says so.
        let own = || std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        match self.set.get(name) {
            Some(value) => Some(value.clone()).filter(set),
            None => own().filter(set).or_else(|| self.file.get(name).cloned().filter(set)),
        }
    }
}

fn file_problem(problem: impl std::fmt::Display) -> StartError {
    StartError::Settings(vec![SettingProblem::new(".env", problem)])
}

struct Reader<'a, L> {
    lookup: &'a L,
    program: &'a str,
    problems: Vec<SettingProblem>,
}

impl<L: Fn(&str) -> Option<String>> Reader<'_, L> {
    fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn problem(&mut self, name: &'static str, problem: impl std::fmt::Display) {
        self.problems.push(SettingProblem::new(name, problem));
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let text = self.get(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(name, format_args!("expected {expected}, got {text:?}"));
        }
        parsed
    }

    fn backend_url(&mut self) -> String {
        let Some(url) = self.get("BACKEND_URL") else {
            self.problem("BACKEND_URL", format_args!("not set: {EXPECTED}"));
            return String::new();
        };
        if let Err(problem) = base_url(&url) {
            self.problem("BACKEND_URL", problem);
        }
        url.trim_end_matches('/').to_owned()
    }

    fn token(&mut self) -> Token {
        let (name, text) = match (self.get("BOT_TOKEN"), self.get("BOT_TOKEN_FROM_FILE")) {
            (Some(token), _) => ("BOT_TOKEN", token),
            (None, Some(file)) => ("BOT_TOKEN_FROM_FILE", self.token_file(&file)),
            (None, None) => {
                self.problem(
                    "BOT_TOKEN",
                    "not set: expected the bot's token, or a file with it in BOT_TOKEN_FROM_FILE",
                );
                return Token::new("");
            }
        };
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.problem(name, "the token has white space in it: expected one word, such as a UUID");
        }
        Token::new(&text)
    }

    fn token_file(&mut self, file: &str) -> String {
        const NAME: &str = "BOT_TOKEN_FROM_FILE";
        let read = || -> std::io::Result<String> {
            if std::fs::metadata(file)?.len() > MAX_TOKEN_BYTES {
                return Err(std::io::Error::other(format!(
                    "larger than {MAX_TOKEN_BYTES} bytes: that is no token"
                )));
            }
            std::fs::read_to_string(file)
        };
        match read() {
            Ok(text) if text.trim().is_empty() => {
                self.problem(NAME, format_args!("{file} is empty: expected the bot's token in it"));
            }
            Ok(text) => return text.trim().to_owned(),
            Err(error) => self.problem(NAME, format_args!("cannot read {file}: {error}")),
        }
        String::new()
    }

    fn refresh_interval(&mut self) -> Duration {
        const NAME: &str = "JOBS_REFRESH_INTERVAL";
        let expected =
            format!("whole seconds from {} to {}", SHORTEST_REFRESH.as_secs(), LONGEST_REFRESH.as_secs());
        let Some(seconds) = self.parsed::<u64>(NAME, &expected) else { return DEFAULT_REFRESH };
        let interval = Duration::from_secs(seconds);
        if !(SHORTEST_REFRESH..=LONGEST_REFRESH).contains(&interval) {
            self.problem(NAME, format_args!("expected {expected}, got \"{seconds}\""));
        }
        interval
    }

    /// Where systemd, or else the user, keeps state; below it a folder of the bot's own.
    fn data_dir(&mut self) -> Option<PathBuf> {
        match self.get("DATA_DIR") {
            Some(none) if none == "none" => return None,
            Some(dir) => return Some(dir.into()),
            None => {}
        }
        // systemd may give several, joined by colons; the first is the unit's own.
        if let Some(dir) =
            self.get("STATE_DIRECTORY").and_then(|dirs| dirs.split(':').next().map(PathBuf::from))
        {
            return Some(dir);
        }
        let state = self.get("XDG_STATE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let home = self.get("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let Some(dir) = state.or(home) else {
            self.problem(
                "DATA_DIR",
                "not set, and neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME says where state belongs: \
                 expected a folder, or `none` to keep samples in memory only",
            );
            return None;
        };
        Some(dir.join(self.program))
    }
}

/// The name of the running program: two bots of one user must not share a folder.
pub(crate) fn own_name() -> String {
    let name =
        std::env::current_exe().ok().and_then(|exe| Some(exe.file_stem()?.to_string_lossy().into_owned()));
    name.unwrap_or_else(|| "grafolean-bot".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(env: &[(&str, &str)]) -> Result<Settings, StartError> {
        let env: HashMap<_, _> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::from_lookup(|name| env.get(name).cloned())
    }

    const GOOD: [(&str, &str); 3] =
        [("BACKEND_URL", "http://127.0.0.1:1/api/"), ("BOT_TOKEN", "t0ken"), ("DATA_DIR", "none")];

    fn problems(env: &[(&str, &str)]) -> Vec<String> {
        match read(env) {
            Err(StartError::Settings(problems)) => problems.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_problems_are_reported_at_once_with_name_and_expectation() {
        let found = problems(&[
            ("BACKEND_URL", "grafolean.example.org"),
            ("JOBS_REFRESH_INTERVAL", "0"),
            ("HEALTH_ADDR", "9100"),
            ("MAX_CONCURRENT_RUNS", "many"),
            ("DELIVERY", "get"),
        ]);
        let names: Vec<_> = found.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(
            names,
            [
                "BACKEND_URL",
                "BOT_TOKEN",
                "JOBS_REFRESH_INTERVAL",
                "DATA_DIR",
                "HEALTH_ADDR",
                "MAX_CONCURRENT_RUNS",
                "DELIVERY"
            ]
        );
        assert!(found.iter().all(|line| line.contains("expected")), "{found:?}");
    }

    #[test]
    fn a_problem_never_repeats_the_token() {
        let found = problems(&[("BACKEND_URL", "x"), ("BOT_TOKEN", "se\ncret"), ("DATA_DIR", "none")]);
        assert!(found.iter().any(|line| line.starts_with("BOT_TOKEN: ")));
        assert!(!found.join("\n").contains("cret"));
    }

    #[test]
    fn settings_show_no_secret() {
        let settings = Settings::new("https://user:passw0rd@host/api", "t0ken");
        let shown = format!("{settings:?}");
        assert!(!shown.contains("passw0rd") && !shown.contains("t0ken"), "{shown}");
    }

    #[test]
    fn a_token_file_may_end_with_a_newline() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "t0ken\n").unwrap();
        let path = file.path().to_str().unwrap();
        let settings =
            read(&[("BACKEND_URL", "http://h/api"), ("BOT_TOKEN_FROM_FILE", path), ("DATA_DIR", "none")])
                .unwrap();
        assert_eq!(settings.token, Token::new("t0ken"));
    }

    #[test]
    fn an_empty_or_missing_token_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path().to_str().unwrap(), "/does/not/exist"] {
            let found =
                problems(&[("BACKEND_URL", "http://h"), ("BOT_TOKEN_FROM_FILE", path), ("DATA_DIR", "none")]);
            assert!(found[0].starts_with("BOT_TOKEN_FROM_FILE: ") && found[0].contains(path), "{found:?}");
        }
    }

    #[test]
    fn the_data_directory_comes_from_systemd_then_xdg_then_home() {
        let dir = |env: &[(&str, &str)]| {
            let env: Vec<_> = GOOD[..2].iter().chain(env).copied().collect();
            read(&env).unwrap().data_dir
        };
        assert_eq!(
            dir(&[("STATE_DIRECTORY", "/var/lib/bot:/x"), ("HOME", "/h")]),
            Some("/var/lib/bot".into())
        );
        let xdg = dir(&[("XDG_STATE_HOME", "/state"), ("HOME", "/h")]).unwrap();
        assert!(xdg.starts_with("/state") && xdg.as_os_str() != "/state");
        assert!(dir(&[("HOME", "/h")]).unwrap().starts_with("/h/.local/state"));
        assert_eq!(dir(&[("DATA_DIR", "none"), ("HOME", "/h")]), None);
    }

    #[test]
    fn a_slash_at_the_end_of_the_address_makes_no_difference() {
        assert_eq!(read(&GOOD).unwrap().backend_url, "http://127.0.0.1:1/api");
    }
}
