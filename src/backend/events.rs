//! Server-sent events, read piece by piece as they come over the wire.

/// The longest event that is kept, in bytes: those of the backend have some hundred.
pub(crate) const LONGEST_EVENT: usize = 64 << 10;

/// What a stream says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said<'a> {
    Event {
        /// `message` where the stream gives none.
        name: &'a str,
        data: &'a str,
    },
    /// An event that was too long to be kept.
    TooLong,
}

/// Reads a stream of events, in pieces of any size. It keeps one event at most, and no more of it than
/// [`LONGEST_EVENT`].
#[derive(Default, Debug)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    line_is_cut: bool,
    /// The line before ended with a carriage return, of which a newline may be the second half.
    after_return: bool,
    /// Only the very first line may begin with a byte order mark.
    past_first_line: bool,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    too_long: bool,
}

impl EventReader {
    /// Reads the next piece, and tells each event that ends in it.
    pub(crate) fn read(&mut self, piece: &[u8], tell: &mut dyn FnMut(Said<'_>)) {
        for &byte in piece {
            let second_half = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                _ if second_half => {}
                b'\n' | b'\r' => self.end_line(tell),
                _ if self.kept() < LONGEST_EVENT => self.line.push(byte),
                _ => self.line_is_cut = true,
            }
        }
    }

    const fn kept(&self) -> usize {
        self.line.len() + self.name.len() + self.data.len()
    }

    fn end_line(&mut self, tell: &mut dyn FnMut(Said<'_>)) {
        let (line, is_cut) = (std::mem::take(&mut self.line), std::mem::take(&mut self.line_is_cut));
        let mut text = &*line;
        if !std::mem::replace(&mut self.past_first_line, true) {
            text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        }
        match text {
            [] if is_cut => self.too_long = true,
            [] => self.end_event(tell),
            // A comment: it keeps the connection alive.
            [b':', ..] => {}
            _ if is_cut => self.too_long = true,
            _ => self.take_field(text),
        }
        // The memory of a line serves the next one.
        self.line = line;
        self.line.clear();
    }

    fn take_field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = colon.map_or((line, &[][..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = value.to_vec(),
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            // `id` and `retry` are for those who ask where they left off: a new look sees all that there is.
            _ => {}
        }
    }

    fn end_event(&mut self, tell: &mut dyn FnMut(Said<'_>)) {
        let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        self.has_data = false;
        if std::mem::take(&mut self.too_long) {
            tell(Said::TooLong);
        } else if !data.is_empty() {
            let name = if name.is_empty() { "message".into() } else { String::from_utf8_lossy(&name) };
            tell(Said::Event { name: &name, data: &String::from_utf8_lossy(&data) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Told = Vec<Option<(String, String)>>;

    fn told(pieces: &[&[u8]]) -> Told {
        let (mut reader, mut told) = (EventReader::default(), Vec::new());
        for piece in pieces {
            reader.read(piece, &mut |said| {
                told.push(match said {
                    Said::Event { name, data } => Some((name.to_owned(), data.to_owned())),
                    Said::TooLong => None,
                });
            });
            assert!(reader.kept() <= LONGEST_EVENT);
        }
        told
    }

    fn event(name: &str, data: &str) -> Option<(String, String)> {
        Some((name.to_owned(), data.to_owned()))
    }

    #[test]
    fn events_are_told_at_the_blank_line_that_ends_them() {
        let stream = b"\xef\xbb\xbfevent: hello\ndata: {}\n\n: alive\n\nevent:changed\r\ndata:{\"a\":\r\ndata: 1}\r\n\r\ndata: x\r\rid: 7\nretry: 5\n\nevent: unfinished\ndata: x\n";
        let expected = [event("hello", "{}"), event("changed", "{\"a\":\n1}"), event("message", "x")];
        assert_eq!(told(&[stream]), expected);
    }

    #[test]
    fn an_event_that_never_ends_takes_no_memory_and_is_told_as_too_long() {
        let mut stream = b"data: x\n".repeat(LONGEST_EVENT);
        stream.extend_from_slice(b"\n\n: ");
        stream.resize(stream.len() + 2 * LONGEST_EVENT, b'c');
        stream.extend_from_slice(b"\n\ndata: ");
        stream.resize(stream.len() + 2 * LONGEST_EVENT, b'd');
        stream.extend_from_slice(b"\n\ndata: y\n\n");
        assert_eq!(told(&[&stream]), [None, None, event("message", "y")]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_a_stream_is_cut_into_pieces(
            stream in "(data: |event: |: |[a-z:\u{e9}]{0,5}|\r\n|\n|\r|\u{feff}){0,40}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let stream = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
            prop_assert_eq!(told(&pieces), told(&[stream]));
        }

        #[test]
        fn what_is_written_as_events_is_read_as_these_events(
            events in prop::collection::vec(("[a-z]{1,9}", "[ -~\u{e9}]([ -~\u{e9}\n]{0,20}[ -~])?"), 0..9),
            end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        ) {
            let mut stream = String::new();
            for (name, data) in &events {
                stream.push_str(&format!(": comment{end}event: {name}{end}"));
                data.split('\n').for_each(|line| stream.push_str(&format!("data: {line}{end}")));
                stream.push_str(end);
            }
            let expected: Told = events.iter().map(|(name, data)| event(name, data)).collect();
            prop_assert_eq!(told(&[stream.as_bytes()]), expected);
        }
    }
}
