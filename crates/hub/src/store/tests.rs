use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;

fn open(directory: &Path) -> Result<Store, OpenError> {
    Store::open(directory, Arc::new(SystemClock))
}

async fn with_table() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    store.write(|db| Ok(db.execute_batch("CREATE TABLE things (name TEXT UNIQUE)")?)).await.unwrap();
    (directory, store)
}

fn add(db: &Connection, name: &str) -> Result<(), StoreError> {
    db.execute("INSERT INTO things VALUES (?1)", [name])?;
    Ok(())
}

async fn things(store: &Store) -> Vec<String> {
    let question = |db: &Connection| {
        let mut names = db.prepare("SELECT name FROM things ORDER BY name")?;
        let names = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(names)
    };
    store.read(question).await.unwrap()
}

fn bytes(directory: &Path) -> Vec<u8> {
    fs::read(directory.join("hub.sqlite3")).unwrap()
}

#[tokio::test]
async fn what_is_written_is_read_and_is_there_after_a_restart() {
    let (directory, store) = with_table().await;
    store.write(|db| add(db, "one")).await.unwrap();
    assert_eq!(things(&store).await, ["one"]);
    store.close().await;
    let store = open(directory.path()).unwrap();
    assert_eq!(things(&store).await, ["one"]);
}

#[tokio::test]
async fn a_change_that_fails_or_panics_is_taken_back_alone() {
    let (_directory, store) = with_table().await;
    let taken_back = store.write(|db| {
        add(db, "half")?;
        Err::<(), _>(StoreError::TakenBack("no".to_owned()))
    });
    let panicking = store.write(|db| {
        add(db, "panic").unwrap();
        if true {
            panic!("as asked");
        }
        Ok(())
    });
    let twice = store.write(|db| add(db, "first"));
    let (first, taken_back, panicking, twice, last) = tokio::join!(
        store.write(|db| add(db, "first")),
        taken_back,
        panicking,
        twice,
        store.write(|db| add(db, "last")),
    );
    first.unwrap();
    assert!(matches!(taken_back, Err(StoreError::TakenBack(_))));
    assert!(matches!(panicking, Err(StoreError::Panicked)));
    assert!(twice.unwrap_err().is_duplicate());
    last.unwrap();
    assert_eq!(things(&store).await, ["first", "last"]);
}

#[tokio::test]
async fn a_question_that_panics_leaves_the_others_alone() {
    let (_directory, store) = with_table().await;
    for _ in 0..10 {
        let answer = store.read(|_| if true { panic!("as asked") } else { Ok(()) }).await;
        assert!(matches!(answer, Err(StoreError::Panicked)));
    }
    assert!(things(&store).await.is_empty());
}

#[tokio::test]
async fn readers_cannot_write() {
    let (_directory, store) = with_table().await;
    store.read(|db| add(db, "sly")).await.unwrap_err();
    assert!(things(&store).await.is_empty());
}

#[tokio::test]
async fn many_changes_at_once_are_all_written() {
    let (_directory, store) = with_table().await;
    let changes = (0..2_000).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.write(move |db| add(db, &format!("{n:04}"))).await })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.unwrap().unwrap();
    }
    assert_eq!(things(&store).await.len(), 2_000);
}

#[tokio::test]
async fn a_second_open_is_refused_until_the_first_is_closed() {
    let (directory, store) = with_table().await;
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    store.close().await;
    open(directory.path()).unwrap().close().await;
}

#[tokio::test]
async fn a_store_that_nobody_holds_any_more_gives_its_directory_back() {
    let (directory, store) = with_table().await;
    drop(store);
    assert!(things(&open(directory.path()).unwrap()).await.is_empty());
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let (_directory, store) = with_table().await;
    let other = store.clone();
    store.close().await;
    assert!(matches!(other.write(|_| Ok(())).await, Err(StoreError::Closed)));
    assert!(matches!(other.read(|_| Ok(())).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn only_the_owner_can_read_the_directory_and_the_file() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("new/data");
    let store = open(&directory).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for file in ["hub.sqlite3", "hub.sqlite3-wal", "hub.lock"] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
    let copy = parent.path().join("copy");
    store.backup(copy.clone()).await.unwrap();
    assert_eq!(mode(&copy), 0o600);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let (directory, store) = with_table().await;
    store.write(|db| Ok(db.pragma_update(None, "user_version", 1_000_000)?)).await.unwrap();
    store.close().await;
    let before = bytes(directory.path());
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 1_000_000, .. }), "{error}");
    assert!(error.to_string().contains("format version 1000000, this program knows"), "{error}");
    assert_eq!(bytes(directory.path()), before);
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_alone() {
    let (directory, store) = with_table().await;
    let many =
        |db: &Connection| (0..2_000).try_for_each(|n| add(db, &format!("a rather long name of a thing {n}")));
    store.write(many).await.unwrap();
    store.close().await;
    let whole = bytes(directory.path());
    let mut scribbled = whole.clone();
    scribbled[whole.len() / 2..][..20_000].fill(0xa5);
    let cut = whole[..whole.len() / 2].to_vec();
    let mut header = whole.clone();
    header[..16].fill(b'x');
    for damaged in [scribbled, cut, header, b"no database at all, but a text of some length".to_vec()] {
        fs::write(directory.path().join("hub.sqlite3"), &damaged).unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(bytes(directory.path()) == damaged, "the file was changed");
    }
    fs::write(directory.path().join("hub.sqlite3"), &whole).unwrap();
    assert_eq!(things(&open(directory.path()).unwrap()).await.len(), 2_000);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let db = Connection::open(directory.path().join("hub.sqlite3")).unwrap();
    db.execute_batch("CREATE TABLE theirs (x)").unwrap();
    db.close().unwrap();
    let before = bytes(directory.path());
    let error = open(directory.path()).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(bytes(directory.path()), before);
}

#[tokio::test]
async fn an_empty_file_is_taken_as_new() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("hub.sqlite3"), "").unwrap();
    open(directory.path()).unwrap().close().await;
}

#[tokio::test]
async fn a_directory_that_is_a_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "mine").unwrap();
    let error = open(&file).unwrap_err();
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[tokio::test]
async fn a_backup_is_not_written_through_a_link_or_into_a_file_that_others_can_read() {
    let (directory, store) = with_table().await;
    let (victim, part) = (directory.path().join("victim"), directory.path().join("copy.part"));
    fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, &part).unwrap();
    let copy = directory.path().join("copy");
    store.backup(copy.clone()).await.unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
    assert!(fs::symlink_metadata(&copy).unwrap().is_file());
    fs::write(&part, "").unwrap();
    fs::set_permissions(&part, fs::Permissions::from_mode(0o666)).unwrap();
    let copy = directory.path().join("another");
    fs::rename(&part, directory.path().join("another.part")).unwrap();
    store.backup(copy.clone()).await.unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_backup_is_a_database_that_opens() {
    let (_directory, store) = with_table().await;
    store.write(|db| add(db, "kept")).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let file = other.path().join("hub.sqlite3");
    store.backup(file.clone()).await.unwrap();
    let error = store.backup(file).await.unwrap_err();
    assert!(error.to_string().contains("exists"), "{error}");
    let copy = open(other.path()).unwrap();
    assert_eq!(things(&copy).await, ["kept"]);
}

#[tokio::test]
async fn a_full_disk_is_said_and_the_store_goes_on_when_there_is_room() {
    let (_directory, store) = with_table().await;
    let limit = |pages: u32| {
        // The limit is that of the connection, so it is set outside of any transaction's reach.
        store
            .write(move |db| Ok(db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?))
    };
    limit(1).await.unwrap();
    let mut written = Vec::new();
    let mut refused = 0;
    for n in 0..200 {
        let name = format!("{n:03}{}", "x".repeat(5_000));
        let row = name.clone();
        match store.write(move |db| add(db, &row)).await {
            Ok(()) => written.push(name),
            Err(StoreError::DiskFull) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0);
    limit(1_000_000).await.unwrap();
    store.write(|db| add(db, "zzz")).await.unwrap();
    written.push("zzz".to_owned());
    assert_eq!(things(&store).await, written);
}
