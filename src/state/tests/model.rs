//! Random puts, removals, looks and lives, against a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Vec<u8>),
    Remove(u8),
    Write,
    Load,
    /// The file cannot be written, or can again.
    Trouble(bool),
    /// Closed, or all handles dropped.
    Reopen(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 0..9_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let step = prop_oneof![
        8 => (0..12_u8, value).prop_map(|(key, value)| Step::Put(key, value)),
        4 => (0..12_u8).prop_map(Step::Remove),
        2 => Just(Step::Write),
        1 => Just(Step::Load),
        1 => any::<bool>().prop_map(Step::Trouble),
        1 => any::<bool>().prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 0..60)
}

/// The key's number tells which of two tables it is in.
fn table(state: &State, key: u8) -> Table {
    state.table(if key.is_multiple_of(2) { "even" } else { "odd" })
}

async fn remembers(steps: Vec<Step>, directory: Option<&Path>) -> Result<(), TestCaseError> {
    let mut state = directory.map_or_else(State::memory, open);
    let mut model = BTreeMap::new();
    for step in steps.into_iter().chain([Step::Load, Step::Trouble(false), Step::Reopen(true), Step::Load]) {
        match step {
            Step::Put(key, value) => {
                table(&state, key).put(&[key], value.clone());
                model.insert(key, value);
            }
            Step::Remove(key) => {
                table(&state, key).remove(&[key]);
                model.remove(&key);
            }
            Step::Load => {
                let mut found = table(&state, 0).load().await;
                prop_assert!(found.iter().all(|(key, _)| key[0].is_multiple_of(2)));
                found.append(&mut table(&state, 1).load().await);
                let count = found.len();
                let found: BTreeMap<_, _> =
                    found.into_iter().map(|(key, value)| (key[0], value.into_vec())).collect();
                prop_assert_eq!(found.len(), count, "a key came twice");
                prop_assert_eq!(&found, &model);
            }
            Step::Write if directory.is_some() => write(&state).await,
            Step::Trouble(trouble) if directory.is_some() => {
                on_thread(&state, move |keeper| {
                    if let Store::Open(connection) = &keeper.store {
                        connection.pragma_update(None, "query_only", trouble).unwrap();
                    }
                })
                .await;
            }
            Step::Reopen(close) => {
                if let Some(directory) = directory {
                    let writable = |keeper: &mut Keeper| {
                        if let Store::Open(connection) = &keeper.store {
                            connection.pragma_update(None, "query_only", false).unwrap();
                        }
                    };
                    on_thread(&state, writable).await;
                    if close {
                        state.close().await;
                    }
                    drop(state);
                    state = open_when_free(directory).await;
                }
            }
            Step::Write | Step::Trouble(_) => {}
        }
    }
    let size =
        model.iter().fold((0, 0), |(keys, bytes), (_, value)| (keys + 1, bytes + 1 + value.len() as u64));
    let (even, odd) = (remembered(&state, "even"), remembered(&state, "odd"));
    prop_assert_eq!((even.0 + odd.0, even.1 + odd.1), size);
    Ok(())
}

fn run(steps: Vec<Step>, directory: Option<&Path>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(remembers(steps, directory))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn memory_remembers_what_a_map_does(steps in steps()) {
        run(steps, None)?;
    }

    #[test]
    fn a_file_remembers_what_a_map_does_through_lives_and_trouble(steps in steps()) {
        run(steps, Some(tempfile::tempdir().unwrap().path()))?;
    }
}
