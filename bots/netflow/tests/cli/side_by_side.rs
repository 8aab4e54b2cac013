//! A small harness: each test has a thread of its own, all at once.

use std::process::ExitCode;
use std::thread;

/// A test, and how it is called.
pub(crate) type Trial = (&'static str, fn());

/// Runs those whose names contain a word of the command line, or all where it has none. Of the options of the standard
/// harness, those that choose tests are obeyed; the others mean nothing here.
pub(crate) fn run(trials: &[Trial]) -> ExitCode {
    let mut words = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--list" => {
                trials.iter().for_each(|(name, _)| println!("{name}: test"));
                return ExitCode::SUCCESS;
            }
            // None is to be run only when it is asked for.
            "--ignored" => return ExitCode::SUCCESS,
            "--test-threads" | "--color" | "--format" => drop(arguments.next()),
            option if option.starts_with('-') => {}
            _ => words.push(argument),
        }
    }
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let running: Vec<_> = trials
        .iter()
        .filter(|(name, _)| chosen(name))
        .map(|&(name, test)| {
            let told = move || {
                test();
                println!("test {name} ... ok");
            };
            (name, thread::Builder::new().name(name.to_owned()).spawn(told).unwrap())
        })
        .collect();
    let count = running.len();
    println!("running {count} tests side by side");
    // What went wrong was said when it did, with the thread's name.
    let ended = running.into_iter().map(|(name, test)| (name, test.join().is_ok()));
    let failed: Vec<_> = ended.filter(|(_, well)| !well).map(|(name, _)| name).collect();
    failed.iter().for_each(|name| println!("test {name} ... FAILED"));
    println!("test result: {} passed, {} failed", count - failed.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
