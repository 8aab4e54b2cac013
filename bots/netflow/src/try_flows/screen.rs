//! A terminal, redrawn each second.

use std::io::{self, Write};

/// Where nothing is known of the terminal.
const WIDTH: usize = 100;
const HEIGHT: usize = 24;

/// A page of its own, which is gone when it is dropped: then the terminal is as it was before.
pub(super) struct Screen;

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let mut out = io::stdout().lock();
        // The other page, and no cursor.
        out.write_all(b"\x1b[?1049h\x1b[?25l")?;
        out.flush()?;
        Ok(Self)
    }

    /// Draws the lines, cut to the terminal's size, over those before.
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let (width, height) = size();
        let mut page = b"\x1b[H".to_vec();
        for (n, line) in lines.iter().take(height).enumerate() {
            if n > 0 {
                page.extend(b"\r\n");
            }
            page.extend(line.chars().take(width).collect::<String>().as_bytes());
            // Nothing of the line before is left.
            page.extend(b"\x1b[K");
        }
        page.extend(b"\x1b[J");
        let mut out = io::stdout().lock();
        out.write_all(&page)?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        // Nobody is left to be told where the terminal is gone.
        let _ = out.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| out.flush());
    }
}

/// Columns and lines.
pub(super) fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        // No terminal, or one that does not know.
        _ => (WIDTH, HEIGHT),
    }
}
