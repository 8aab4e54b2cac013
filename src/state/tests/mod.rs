//! State in memory and in a file: real time, as its thread does not follow a simulated one.

mod keeping;
mod limits;
mod misfits;
mod model;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::keeper::{Command, Keeper, Store};
use super::{MAX_TABLE_BYTES, MAX_WAITING_BYTES, Remembered, State, StateError, Table};
use crate::telemetry::MetricsText;

const URL: &str = "https://grafolean.example.org/api";

fn open(directory: &Path) -> State {
    State::sqlite(directory, URL).unwrap()
}

/// Opens it once the thread of another that was dropped or killed has let it go.
async fn open_when_free(directory: &Path) -> State {
    loop {
        match State::sqlite(directory, URL) {
            Err(StateError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            other => return other.unwrap(),
        }
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join("state.sqlite")
}

fn beside(directory: &Path, suffix: &str) -> PathBuf {
    directory.join(format!("state.sqlite{suffix}"))
}

/// All of a table as text, sorted.
async fn all(table: &Table) -> Vec<(String, String)> {
    as_text(table.load().await)
}

fn as_text(mut remembered: Remembered) -> Vec<(String, String)> {
    remembered.sort();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    remembered.iter().map(|(key, value)| (text(key), text(value))).collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Does something on the thread that owns the file.
async fn on_thread<T: Send + 'static>(
    state: &State,
    act: impl FnOnce(&mut Keeper) -> T + Send + 'static,
) -> T {
    let command = |reply: tokio::sync::oneshot::Sender<T>| {
        Command::Test(Box::new(move |keeper| {
            let _ = reply.send(act(keeper));
        }))
    };
    state.ask(command).await.unwrap()
}

/// Keeps the thread from doing anything until what it returns is dropped.
pub(crate) fn hold(state: &State) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let wait = move |_: &mut Keeper| assert!(released.recv().is_err(), "it is dropped, not used");
    state.keeper.as_ref().unwrap().send(Command::Test(Box::new(wait))).unwrap();
    release
}

async fn write(state: &State) {
    on_thread(state, Keeper::write).await;
}

/// What the thread has logged since it was asked last. Needs `logged` to be called before it logs.
async fn said(state: &State) -> Vec<String> {
    on_thread(state, |_| crate::telemetry::logged().lines()).await
}

fn metrics(state: &State) -> String {
    let mut out = MetricsText::default();
    state.write_metrics(&mut out);
    out.as_str().to_owned()
}

/// The value of a metric; with its labels, if it has any.
fn metric(state: &State, name: &str) -> u64 {
    let metrics = metrics(state);
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

fn dropped(state: &State, reason: &str) -> u64 {
    metric(state, &format!("grafolean_state_dropped_total{{reason=\"{reason}\"}}"))
}

fn pending(state: &State, table: &str) -> u64 {
    metric(state, &format!("grafolean_state_pending{{table=\"{table}\"}}"))
}

fn remembered(state: &State, table: &str) -> (u64, u64) {
    let of = |what| metric(state, &format!("grafolean_state_{what}{{table=\"{table}\"}}"));
    (of("keys"), of("bytes"))
}
