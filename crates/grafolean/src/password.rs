//! A password from a terminal, a file, or standard input: never from the command line, which everybody can see.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::failure::Failure;

/// A file much larger than a password is another file.
const LONGEST: u64 = 4_096;

/// Reads a password.
pub(crate) fn read(file: Option<&Path>) -> Result<String, Failure> {
    let stdin = io::stdin();
    match file {
        Some(file) => of_file(file),
        None if stdin.is_terminal() => asked(),
        None => line().map_err(|error| Failure::failed(format_args!("cannot read the password: {error}"))),
    }
}

fn of_file(file: &Path) -> Result<String, Failure> {
    let problem = |why: &dyn std::fmt::Display| {
        Failure::config(format_args!("--password-file {}: {why}", file.display()))
    };
    let size = fs::metadata(file).map_err(|error| problem(&error))?.len();
    if size > LONGEST {
        return Err(problem(&"too large to be a password"));
    }
    let text = fs::read_to_string(file).map_err(|error| problem(&error))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks for it twice.
fn asked() -> Result<String, Failure> {
    let first = ask("Password: ")?;
    if ask("The same again: ")? != first {
        return Err(Failure::failed("the two are not the same"));
    }
    Ok(first)
}

fn ask(question: &str) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::failed(format_args!("cannot ask for the password: {error}"));
    let mut terminal = io::stderr();
    terminal.write_all(question.as_bytes()).and_then(|()| terminal.flush()).map_err(failed)?;
    let silent = Silent::new().map_err(failed)?;
    let answer = line();
    drop(silent);
    terminal.write_all(b"\n").map_err(failed)?;
    answer.map_err(failed)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silent(Termios);

impl Silent {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // There is nothing else to be done about it.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
