//! What the bots of all tests say: one log for the whole process, since runs have threads of their own.

use std::io;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static BEGUN: Once = Once::new();

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        text().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

fn text() -> MutexGuard<'static, Vec<u8>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on everything is kept.
pub(crate) fn begin() {
    BEGUN.call_once(|| {
        tracing_subscriber::fmt().with_ansi(false).with_writer(Log).init();
    });
}

/// The lines with this in them: a name that only one test uses.
pub(crate) fn lines(part: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&text()).into_owned();
    text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
}
