//! `try`: listens without any backend, or reads a capture, and shows who sends flows and what is in them.
//!
//! | file | its one idea |
//! |---|---|
//! | `arguments` | what the command line says, checked |
//! | `ear` | from datagrams to what is shown of them |
//! | `live` | sockets, until somebody ends it |
//! | `capture` | a file, once |
//! | `traffic` | the top talkers of a second, of a minute, of a capture |
//! | `view` | what is shown: exporters, talkers |
//! | `json` | each flow as a line |
//! | `print` | how figures are shown, as people read them, and where |
//! | `screen` | a terminal, redrawn each second |

mod arguments;
mod capture;
mod ear;
mod json;
mod live;
mod print;
mod screen;
mod traffic;
mod view;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use grafoleancollector::show::safe;

use arguments::Input;

/// All well, or nobody listens to it.
const WELL: u8 = 0;
/// No flows, or no way to them.
const UNWELL: u8 = 1;

/// Runs `try` with its arguments, how it was called first.
///
/// ```
/// use grafolean_netflow_bot::try_flows;
/// let help = try_flows(["grafolean-netflow-bot try", "--help"].map(Into::into).to_vec());
/// assert_eq!(help, std::process::ExitCode::SUCCESS);
/// ```
#[must_use]
pub fn try_flows(arguments: Vec<OsString>) -> ExitCode {
    let options = match arguments::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            // Nothing is left to say where even this cannot be printed.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let shown = match &options.input {
        Input::Listen(addresses) => live::show(&options, addresses),
        Input::Capture { file, port } => capture::show(&options, file, *port),
    };
    match shown {
        Ok(code) => ExitCode::from(code),
        // Nobody listens any more, as in `try --json | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(WELL),
        Err(error) => {
            complain(&error);
            ExitCode::from(UNWELL)
        }
    }
}

/// An error with its causes, on one line.
#[expect(clippy::print_stderr, reason = "a command says on standard error what went wrong")]
fn complain(error: &dyn std::error::Error) {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    eprintln!("{}", safe(&line));
}

/// What helps where there is nothing to show.
#[expect(clippy::print_stderr, reason = "standard output is for what was asked for")]
fn hint(lines: &[String]) {
    lines.iter().for_each(|line| eprintln!("{}", safe(line)));
}
