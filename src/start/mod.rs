//! A bot as a program: arguments, settings, logging, signals, exit codes.

mod check;
mod once;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::backend::http::shown_url;
use crate::collector::Collector;
use crate::error::{Chain, SettingProblem, StartError};
use crate::runtime::{DEFAULT_CONCURRENCY, Runner, Stop};
use crate::settings::{Environment, Settings, VARIABLES, Variable, own_name};
use crate::telemetry::{Logging, logging};

/// Runs a bot as a program: the whole of most `main` functions.
///
/// It reads the settings from the environment, logs to standard error, stops on SIGINT and SIGTERM, and knows
/// the commands `run`, `check` and `once`. [`Program`] has more to say about a bot.
///
/// ```no_run
/// # use grafoleancollector::{prelude::*, FetchError, JobError};
/// # struct MyBot;
/// # impl Collector for MyBot {
/// #     type Task = ();
/// #     async fn jobs(&self, _: &Context) -> Result<Vec<Job<()>>, FetchError> { Ok(vec![]) }
/// #     async fn perform(&self, _: &Run<()>) -> Result<Samples, JobError> { Err(JobError::failed("")) }
/// # }
/// fn main() -> std::process::ExitCode {
///     grafoleancollector::main(MyBot)
/// }
/// ```
pub fn main<C: Collector>(bot: C) -> ExitCode {
    Program::new(own_name(), env!("CARGO_PKG_VERSION")).main(|_| Ok(bot))
}

/// A bot as a program: its name, its own variables and commands.
///
/// ```no_run
/// # use grafoleancollector::{prelude::*, FetchError, JobError};
/// # struct MyBot;
/// # impl Collector for MyBot {
/// #     type Task = ();
/// #     async fn jobs(&self, _: &Context) -> Result<Vec<Job<()>>, FetchError> { Ok(vec![]) }
/// #     async fn perform(&self, _: &Run<()>) -> Result<Samples, JobError> { Err(JobError::failed("")) }
/// # }
/// use grafoleancollector::{Program, Variable};
///
/// const VARIABLES: &[Variable] = &[Variable::new("MY_UNIT", "metric", "metric or imperial")];
///
/// fn main() -> std::process::ExitCode {
///     Program::new("my-bot", env!("CARGO_PKG_VERSION"))
///         .about("Measures what I need")
///         .variables(VARIABLES)
///         .main(|_environment| Ok(MyBot))
/// }
/// ```
#[derive(Debug)]
#[must_use = "a program does nothing until main is called"]
pub struct Program {
    name: String,
    /// How it is called, where that is not its name.
    called: Option<String>,
    version: &'static str,
    about: &'static str,
    variables: &'static [Variable],
    commands: Vec<OwnCommand>,
    concurrency: Option<usize>,
    quiet_libraries: Vec<&'static str>,
}

#[derive(Debug)]
struct OwnCommand {
    name: &'static str,
    about: &'static str,
    run: fn(Vec<OsString>) -> ExitCode,
}

impl Program {
    /// A program of this name and version.
    pub fn new(name: impl Into<String>, version: &'static str) -> Self {
        Self {
            name: name.into(),
            called: None,
            version,
            about: "",
            variables: &[],
            commands: Vec::new(),
            concurrency: None,
            quiet_libraries: Vec::new(),
        }
    }

    /// How it is called, where it is a part of another program: `grafolean bot ping`. Its name stays that of its state's
    /// folder.
    pub fn called(mut self, called: impl Into<String>) -> Self {
        self.called = Some(called.into());
        self
    }

    /// What it is for, in a line.
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Variables of its own, for `--help`.
    pub const fn variables(mut self, variables: &'static [Variable]) -> Self {
        self.variables = variables;
        self
    }

    /// How many runs may be under way at once, unless `MAX_CONCURRENT_RUNS` says otherwise.
    pub const fn concurrency(mut self, runs: usize) -> Self {
        self.concurrency = Some(runs);
        self
    }

    /// A library that logs what the bot says itself, or what any device could fill a disk with: it is heard only
    /// where `LOG` names it, as in `info,library=debug`. Its spans cost nothing then. `library` is the crate's name
    /// in code, with `_`.
    pub fn quiet_library(mut self, library: &'static str) -> Self {
        self.quiet_libraries.push(library);
        self
    }

    /// A command of its own. It is given how it was called (`my-bot try`) and then its arguments, and needs neither
    /// settings nor backend.
    pub fn command(
        mut self,
        name: &'static str,
        about: &'static str,
        run: fn(Vec<OsString>) -> ExitCode,
    ) -> Self {
        self.commands.push(OwnCommand { name, about, run });
        self
    }

    /// Does what the arguments say. `build` makes the bot; it is called inside the runtime, and may read
    /// variables of its own.
    pub fn main<C, B>(self, build: B) -> ExitCode
    where
        C: Collector,
        B: FnOnce(&Environment) -> Result<C, StartError>,
    {
        self.main_with(std::env::args_os().skip(1), build)
    }

    /// Does what these arguments say, as [`main`](Self::main) does with those of the process.
    pub fn main_with<C, B>(self, arguments: impl IntoIterator<Item = OsString>, build: B) -> ExitCode
    where
        C: Collector,
        B: FnOnce(&Environment) -> Result<C, StartError>,
    {
        let arguments = std::iter::once(OsString::from(self.shown())).chain(arguments);
        let matches = match self.arguments().try_get_matches_from(arguments) {
            Ok(matches) => matches,
            Err(error) => {
                // Help and version are "errors" too, which go to standard output and exit with 0.
                let _ = error.print();
                return exit_code(error.exit_code());
            }
        };
        match matches.subcommand() {
            Some(("help", asked)) => return self.help(asked.get_one::<String>("command")),
            Some((name, arguments)) => {
                if let Some(command) = self.own_command(name) {
                    let rest = arguments.get_many::<OsString>("arguments").into_iter().flatten().cloned();
                    return self.run_own(command, rest);
                }
            }
            None => {}
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return self.refuse(&StartError::Threads(error)),
        };
        let done = runtime.block_on(self.act(&matches, build));
        // Whatever still blocks a thread, such as a name server that does not answer, is not waited for; all other
        // threads are: see `Workers::stop` for why.
        runtime.shutdown_timeout(Duration::from_millis(200));
        done.unwrap_or_else(|error| self.refuse(&error))
    }

    async fn act<C, B>(&self, matches: &ArgMatches, build: B) -> Result<ExitCode, StartError>
    where
        C: Collector,
        B: FnOnce(&Environment) -> Result<C, StartError>,
    {
        let environment = Environment::load();
        match matches.subcommand() {
            Some(("check", _)) => Ok(check::check(&self.name, environment, build).await),
            Some(("once", arguments)) => {
                let (settings, bot) = self.ready(&environment?, build)?;
                once::once(bot, settings, self.concurrency, arguments.get_flag("json")).await
            }
            _ => {
                let (settings, bot) = self.ready(&environment?, build)?;
                let backend = shown_url(&settings.backend_url);
                let mut runner = Runner::new(bot, settings);
                if let Some(runs) = self.concurrency {
                    runner = runner.concurrency(runs);
                }
                tracing::info!("{} {}, for the backend at {backend}", self.name, self.version);
                runner.run_until(Stop::on_signals()).await.map(|()| ExitCode::SUCCESS)
            }
        }
    }

    /// Settings, logging and the bot, or all that is wrong with them.
    fn ready<C: Collector>(
        &self,
        environment: &Environment,
        build: impl FnOnce(&Environment) -> Result<C, StartError>,
    ) -> Result<(Settings, C), StartError> {
        let mut problems = Vec::new();
        let settings = Settings::of_program(&self.name, |name| environment.get(name));
        let settings = gather(settings, &mut problems)?;
        if let Some(logging) = gather(Logging::from_environment(environment), &mut problems)? {
            let logging =
                self.quiet_libraries.iter().fold(logging, |logging, library| logging.quiet(library));
            let log = logging.start();
            settings.iter().for_each(|settings| log.hide(&settings.token));
        }
        let bot = gather(build(environment), &mut problems)?;
        match (settings, bot) {
            (Some(settings), Some(bot)) if problems.is_empty() => Ok((settings, bot)),
            _ => Err(StartError::Settings(problems)),
        }
    }

    /// How people call it.
    fn shown(&self) -> &str {
        self.called.as_deref().unwrap_or(&self.name)
    }

    fn own_command(&self, name: &str) -> Option<&OwnCommand> {
        self.commands.iter().find(|command| command.name == name)
    }

    fn run_own(&self, command: &OwnCommand, arguments: impl Iterator<Item = OsString>) -> ExitCode {
        let called = format!("{} {}", self.shown(), command.name).into();
        (command.run)(std::iter::once(called).chain(arguments).collect())
    }

    /// `help`, or `help <command>`: the same as `--help` there.
    fn help(&self, about: Option<&String>) -> ExitCode {
        if let Some(command) = about.and_then(|name| self.own_command(name)) {
            return self.run_own(command, std::iter::once("--help".into()));
        }
        let path = std::iter::once(self.shown()).chain(about.map(String::as_str));
        match self.arguments().try_get_matches_from(path.chain(["--help"])) {
            Ok(_) => ExitCode::SUCCESS,
            Err(help) => {
                let _ = help.print();
                exit_code(help.exit_code())
            }
        }
    }

    fn arguments(&self) -> Command {
        let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON object a line");
        let about_commands = Arg::new("command").value_name("COMMAND").help("One of the commands above");
        let command = Command::new(self.name.clone())
            .bin_name(self.shown())
            .disable_help_subcommand(true)
            .version(self.version)
            .about(self.about)
            .after_help(self.environment_help())
            .subcommand(Command::new("run").about("Serve until SIGINT or SIGTERM (the default)"))
            .subcommand(
                Command::new("check")
                    .about("Report on settings, backend, token, permissions and jobs")
                    .after_help("Exit code: 0 the bot can work, 1 something has to be mended"),
            )
            .subcommand(
                Command::new("once")
                    .about("Do every job once, print the samples, deliver nothing")
                    .after_help(
                        "Exit code: 0 all jobs went well, 1 some failed, 78 a setting has to be mended",
                    )
                    .arg(json),
            );
        let command = self.commands.iter().fold(command, |command, own| {
            // Its arguments are its own to read, --help among them.
            let all = Arg::new("arguments").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
            let all = all.value_parser(clap::value_parser!(OsString));
            command.subcommand(Command::new(own.name).about(own.about).disable_help_flag(true).arg(all))
        });
        command.subcommand(Command::new("help").about("Tell how to call a command").arg(about_commands))
    }

    fn environment_help(&self) -> String {
        let mut help = String::from("Environment (also from a .env file):");
        let all = || VARIABLES.iter().chain(self.variables).copied();
        let width = all().map(|variable| variable.name.len()).max().unwrap_or_default();
        for Variable { name, default, meaning, .. } in all() {
            let default = match name {
                "DATA_DIR" => format!("$STATE_DIRECTORY, else $XDG_STATE_HOME/{}", self.name),
                "MAX_CONCURRENT_RUNS" => self.concurrency.unwrap_or(DEFAULT_CONCURRENCY).to_string(),
                _ => default.to_owned(),
            };
            let default = if default.is_empty() { default } else { format!(" [{default}]") };
            help.push_str(&format!("\n  {name:<width$}  {meaning}{default}"));
        }
        help + "\n\nExit code: 0 ended as told, 1 a failure, 2 wrong arguments, 78 a person has to change something"
    }

    fn refuse(&self, error: &StartError) -> ExitCode {
        for line in Chain(error).to_string().lines() {
            if logging::is_json() {
                // Whoever reads the log is a program.
                tracing::error!("{line}");
            } else {
                say(&format!("{}: {line}", self.shown()));
            }
        }
        ExitCode::from(error.exit_code())
    }
}

/// Puts problems with settings to the others; any other error ends the start.
fn gather<T>(
    result: Result<T, StartError>,
    problems: &mut Vec<SettingProblem>,
) -> Result<Option<T>, StartError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StartError::Settings(more)) => {
            problems.extend(more);
            Ok(None)
        }
        Err(other) if problems.is_empty() => Err(other),
        // Settings come first: the other problem may follow from them.
        Err(_) => Ok(None),
    }
}

#[expect(clippy::print_stderr, reason = "a program says on standard error why it does not start")]
fn say(line: &str) {
    eprintln!("{line}");
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
