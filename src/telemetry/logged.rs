//! What a test's thread logs.

use std::io;
use std::sync::{Arc, Mutex, Once};

/// The lines of one thread.
#[derive(Clone, Default)]
pub(crate) struct Logged(Arc<Mutex<Vec<u8>>>);

/// What is logged on this thread from now on.
///
/// The subscriber is the whole process's, and each thread keeps its own lines: one that is set for a thread alone
/// hears nothing of a place that another thread logged from first, where nobody listened.
pub(crate) fn logged() -> Logged {
    thread_local! {
        static LOG: Logged = Logged::default();
    }
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false);
        let subscriber = subscriber.with_writer(|| LOG.try_with(Logged::clone).unwrap_or_default()).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    LOG.with(Logged::clone)
}

impl Logged {
    /// The lines since it was asked last.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
