//! A file, once.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use grafoleancollector::Timestamp;
use grafoleancollector::show::safe;

use super::arguments::Options;
use super::ear::Ear;
use super::live::why_no_flows;
use super::print::many;
use super::screen;
use super::view::View;
use super::{UNWELL, WELL, complain, hint};
use crate::pcap::{Capture, Seen};

/// Other ports of which is told where the wanted one was not there.
const PORTS: usize = 8;

pub(super) fn show(options: &Options, file: &Path, port: Option<u16>) -> io::Result<u8> {
    let mut capture = match Capture::open(file) {
        Ok(capture) => capture,
        Err(error) => {
            complain(&error);
            return Ok(UNWELL);
        }
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    let mut ear = Ear::new(options.json, options.count);
    let mut now = Timestamp::from_micros(0);
    let mut other_ports = BTreeMap::<u16, u64>::new();
    let mut is_whole = true;
    while !ear.has_enough() {
        match capture.datagram() {
            Ok(Some(datagram)) => {
                now = datagram.time;
                if port.is_none_or(|port| port == datagram.destination_port) {
                    ear.hear(now, datagram.source, datagram.payload, &mut out)?;
                } else {
                    *other_ports.entry(datagram.destination_port).or_default() += 1;
                }
            }
            Ok(None) => break,
            // What came before it is shown all the same.
            Err(error) => {
                complain(&error);
                is_whole = false;
                break;
            }
        }
    }
    if !options.json {
        let traffic = ear.take_traffic();
        let view = View { books: &ear.books, now, recent: None, traffic: &traffic, top: 10 };
        writeln!(
            out,
            "{}: {}, {}",
            safe(&file.display().to_string()),
            capture.seen(),
            many(ear.heard.flows, "flow")
        )?;
        for line in view.lines(screen::size().0) {
            writeln!(out, "{}", safe(&line))?;
        }
    }
    out.flush()?;
    if ear.heard.flows == 0 {
        hint(&why_nothing(&ear, capture.seen(), &other_ports));
    }
    Ok(if ear.heard.flows > 0 && is_whole { WELL } else { UNWELL })
}

fn why_nothing(ear: &Ear, seen: &Seen, other_ports: &BTreeMap<u16, u64>) -> Vec<String> {
    if ear.heard.datagrams > 0 {
        return why_no_flows(ear, ear.heard.datagrams);
    }
    if other_ports.is_empty() {
        return vec![format!("No UDP datagram is in it: {seen}")];
    }
    let mut ports: Vec<_> =
        other_ports.iter().map(|(port, count)| (std::cmp::Reverse(*count), *port)).collect();
    ports.sort_unstable();
    let ports: Vec<_> = ports.iter().take(PORTS).map(|(_, port)| port.to_string()).collect();
    vec![format!("Nothing was sent to that port; there are datagrams to {}", ports.join(", "))]
}
