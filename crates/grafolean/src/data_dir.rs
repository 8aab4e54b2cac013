//! What lies where in the data directory.
//!
//! ```text
//! hub.sqlite3                   all that is stored (the hub's own)
//! bots/<protocol>/              what a bot of this machine keeps: what is not delivered yet, what it remembers
//! tokens/<protocol>-bot.token   for bots that run in a process of their own
//! control.sock                  orders to the hub that runs here
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The protocols of the bots that this machine can run.
pub(crate) const PROTOCOLS: [&str; 3] = ["ping", "snmp", "netflow"];

/// A file that holds more than this holds no token, in bytes.
const LONGEST_TOKEN: usize = 256;

const SOCKET: &str = "control.sock";
/// The system takes no longer path of a socket, in bytes: 104 with the last zero, on the strictest.
const LONGEST_SOCKET_PATH: usize = 103;
/// Where a process finds what it has open, by short names.
const OPEN_FILES: &str = "/proc/self/fd";

/// A path to the socket, good as long as this is kept.
#[derive(Debug)]
pub(crate) struct SocketWay {
    pub(crate) path: PathBuf,
    _open: Option<File>,
}

/// A data directory.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes it, if it is not there, for nobody else to look into.
    pub(crate) fn make(path: &Path) -> Result<Self, Failure> {
        let problem = |error: io::Error| {
            Failure::config(format_args!(
                "cannot use the data directory {}: {error}: expected a directory that can be written (--data-dir)",
                path.display()
            ))
        };
        make(path).map_err(problem)?;
        // Said before the database says it in more words.
        probe(path).map_err(problem)?;
        Ok(Self::at(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether somebody has ever used it.
    pub(crate) fn is_used(&self) -> bool {
        self.0.join("hub.sqlite3").exists()
    }

    /// Where a bot of this machine keeps its files.
    pub(crate) fn of_bot(&self, protocol: &str) -> Result<PathBuf, Failure> {
        let path = self.0.join("bots").join(protocol);
        let made = make(&self.0.join("bots")).and_then(|()| make(&path));
        made.map_err(|error| Failure::config(format_args!("cannot make {}: {error}", path.display())))?;
        Ok(path)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join(SOCKET)
    }

    /// A way to the socket for who listens there or connects, however deep the directory lies.
    pub(crate) fn way_to_socket(&self) -> io::Result<SocketWay> {
        let path = self.socket();
        if path.as_os_str().len() <= LONGEST_SOCKET_PATH || !Path::new(OPEN_FILES).is_dir() {
            return Ok(SocketWay { path, _open: None });
        }
        let open = File::open(&self.0)?;
        let path = Path::new(OPEN_FILES).join(open.as_raw_fd().to_string()).join(SOCKET);
        Ok(SocketWay { path, _open: Some(open) })
    }

    pub(crate) fn token_file(&self, protocol: &str) -> PathBuf {
        self.0.join("tokens").join(format!("{protocol}-bot.token"))
    }

    /// The token that a bot elsewhere finds here; nothing where no bot could use what is there.
    pub(crate) fn token(&self, protocol: &str) -> Option<String> {
        let text = fs::read_to_string(self.token_file(protocol)).ok()?;
        let token = text.trim();
        (!token.is_empty() && token.len() <= LONGEST_TOKEN).then(|| token.to_owned())
    }

    /// Takes away a token that is about to end: whoever is killed before the next one is written leaves none,
    /// instead of one that is refused for ever.
    pub(crate) fn remove_token(&self, protocol: &str) -> Result<(), Failure> {
        let file = self.token_file(protocol);
        let removed = match fs::remove_file(&file) {
            Ok(()) => File::open(self.0.join("tokens")).and_then(|directory| directory.sync_all()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(|error| Failure::config(format_args!("cannot remove {}: {error}", file.display())))
    }

    /// Writes a bot's token for its owner to read, as a whole or not at all.
    pub(crate) fn write_token(&self, protocol: &str, token: &str) -> Result<(), Failure> {
        let file = self.token_file(protocol);
        let write = || {
            make(&self.0.join("tokens"))?;
            let new = file.with_extension("new");
            let _ = fs::remove_file(&new);
            let mut options = OpenOptions::new();
            let mut written = options.write(true).create_new(true).mode(0o600).open(&new)?;
            writeln!(written, "{token}")?;
            written.sync_all()?;
            fs::rename(&new, &file)
        };
        write().map_err(|error| Failure::config(format_args!("cannot write {}: {error}", file.display())))
    }
}

/// A directory of ours: only its owner may look into it. One that is there stays as it is.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    DirBuilder::new().mode(0o700).create(path)
}

/// Whether files can be made in a directory, or where it would be made. Another process may do the same at this moment,
/// and a link may lie in the way.
pub(crate) fn probe(directory: &Path) -> io::Result<()> {
    let there = directory.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    let file = there.join(format!(".probe-{}", std::process::id()));
    // Left by somebody who had this number and was killed.
    let _ = fs::remove_file(&file);
    OpenOptions::new().write(true).create_new(true).open(&file)?;
    fs::remove_file(&file)
}

/// Lets nobody else use a file.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_its_owner_only_and_replaces_the_one_before() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::make(&parent.path().join("new/data")).unwrap();
        assert!(!dir.is_used());
        for token in ["first", "second"] {
            dir.write_token("ping", token).unwrap();
        }
        let file = dir.token_file("ping");
        assert_eq!(fs::read_to_string(&file).unwrap(), "second\n");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap()), mode(dir.path())), (0o600, 0o700, 0o700));
    }

    #[test]
    fn looking_whether_it_can_be_written_emptied_the_file_that_a_link_led_to() {
        let parent = tempfile::tempdir().unwrap();
        let (mine, dir) = (parent.path().join("mine"), parent.path().join("data"));
        fs::write(&mine, "kept").unwrap();
        fs::create_dir(&dir).unwrap();
        for name in [".probe".to_owned(), format!(".probe-{}", std::process::id())] {
            std::os::unix::fs::symlink(&mine, dir.join(name)).unwrap();
        }
        DataDir::make(&dir).unwrap();
        assert_eq!(fs::read_to_string(&mine).unwrap(), "kept");
    }

    #[test]
    fn a_file_in_its_place_is_said_with_the_path() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let failure = DataDir::make(&file).unwrap_err().to_string();
        assert!(failure.contains(file.to_str().unwrap()) && failure.contains("--data-dir"), "{failure}");
    }
}
