//! Sockets, until somebody ends it.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use grafoleancollector::show::safe;
use grafoleancollector::{Clock as _, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::arguments::Options;
use super::ear::Ear;
use super::print::{many, span};
use super::screen::{self, Screen};
use super::traffic::Recent;
use super::view::{View, counts};
use super::{UNWELL, WELL, complain, hint};
use crate::receive::{ListenOptions, Listener, Receiver};

const SECOND: Duration = Duration::from_secs(1);
/// How long one of several sockets is waited for while the others may have something.
const SHORT_WAIT: Duration = Duration::from_millis(20);
/// How late the end may be noticed.
const LONG_WAIT: Duration = Duration::from_millis(200);
/// Without any datagram for so long, something is wrong.
const SILENCE: Duration = Duration::from_secs(10);

pub(super) fn show(options: &Options, addresses: &[SocketAddr]) -> io::Result<u8> {
    let mut receivers = Vec::new();
    for address in addresses {
        match Listener::bind(*address, &ListenOptions::default()) {
            Ok(listener) => receivers.push(Receiver::new(listener)),
            Err(error) => {
                complain(&error);
                return Ok(UNWELL);
            }
        }
    }
    let stop = until_stopped()?;
    let mut show = Show {
        options,
        ear: Ear::new(options.json, options.count),
        receivers,
        recent: Recent::default(),
        began: Instant::now(),
        screen: None,
        has_hinted: false,
    };
    hint(&[format!("listening on {}; Ctrl-C ends", show.addresses())]);
    if !options.json && io::stdout().is_terminal() {
        show.screen = Some(Screen::open()?);
    }
    let heard = show.listen(&stop);
    // Then the summary stays.
    show.screen = None;
    heard?;
    show.end()
}

/// True as soon as somebody wants an end.
fn until_stopped() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // From now on a signal does not kill the process.
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let told = Arc::clone(&stop);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        told.store(true, Relaxed);
    })?;
    Ok(stop)
}

struct Show<'a> {
    options: &'a Options,
    ear: Ear,
    receivers: Vec<Receiver>,
    recent: Recent,
    began: Instant,
    screen: Option<Screen>,
    has_hinted: bool,
}

impl Show<'_> {
    fn listen(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
        let (mut turned, mut printed) = (self.began, self.began);
        self.draw()?;
        while !stop.load(Relaxed) && !self.ear.has_enough() {
            if self.options.time.is_some_and(|time| self.began.elapsed() >= time) {
                break;
            }
            self.receive(&mut out)?;
            out.flush()?;
            if turned.elapsed() >= SECOND {
                self.turn(turned.elapsed());
                turned = Instant::now();
                self.draw()?;
                if self.screen.is_none() && !self.options.json && printed.elapsed() >= self.options.every {
                    printed = Instant::now();
                    self.print()?;
                }
            }
        }
        self.turn(turned.elapsed());
        Ok(())
    }

    /// What is there, or comes soon.
    fn receive(&mut self, out: &mut impl Write) -> io::Result<()> {
        let wait = if self.receivers.len() > 1 { SHORT_WAIT } else { LONG_WAIT };
        let ear = &mut self.ear;
        for receiver in &mut self.receivers {
            let mut written = Ok(());
            receiver.receive(wait, &mut |source, datagram| {
                if written.is_ok() && !ear.has_enough() {
                    written = ear.hear(SystemClock.now(), source, datagram, out);
                }
            })?;
            written?;
        }
        Ok(())
    }

    /// A second is over.
    fn turn(&mut self, took: Duration) {
        if !self.options.json {
            let traffic = self.ear.take_traffic();
            let counts_now = counts(&self.ear.books);
            self.recent.push(took, traffic, counts_now);
        }
        if self.is_silent() && !self.has_hinted && self.screen.is_none() {
            self.has_hinted = true;
            hint(&self.what_to_check());
        }
    }

    fn draw(&self) -> io::Result<()> {
        let Some(screen) = &self.screen else { return Ok(()) };
        let (width, _) = screen::size();
        let mut lines = vec![self.title(), String::new()];
        lines.extend(self.view_lines(width, 5));
        if self.is_silent() {
            lines.extend(self.what_to_check());
        }
        screen.draw(&lines.iter().map(|line| safe(line)).collect::<Vec<_>>())
    }

    fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.title())?;
        for line in self.view_lines(screen::size().0, 10) {
            writeln!(out, "{}", safe(&line))?;
        }
        writeln!(out)?;
        out.flush()
    }

    fn view_lines(&self, width: usize, top: usize) -> Vec<String> {
        let traffic = self.recent.traffic();
        let (books, now, recent) = (&self.ear.books, SystemClock.now(), Some(&self.recent));
        View { books, now, recent, traffic: &traffic, top }.lines(width)
    }

    fn title(&self) -> String {
        let dropped: u64 = self.receivers.iter().map(Receiver::dropped_by_kernel).sum();
        let heard = self.ear.heard;
        let mut title = format!(
            "{}: {} with {} in {}",
            self.addresses(),
            many(heard.datagrams, "packet"),
            many(heard.flows, "flow"),
            span(self.began.elapsed()),
        );
        if dropped > 0 {
            title.push_str(&format!(", {dropped} dropped by the kernel"));
        }
        title
    }

    fn addresses(&self) -> String {
        let all: Vec<_> =
            self.receivers.iter().map(|receiver| receiver.listener().local_addr().to_string()).collect();
        all.join(", ")
    }

    fn is_silent(&self) -> bool {
        self.ear.heard.datagrams == 0 && self.began.elapsed() >= SILENCE
    }

    fn what_to_check(&self) -> Vec<String> {
        let ports: Vec<_> = self
            .receivers
            .iter()
            .map(|receiver| format!("udp port {}", receiver.listener().local_addr().port()))
            .collect();
        vec![
            format!("Nothing has come yet. \"tcpdump -ni any {}\" shows whether packets reach this host:", ports.join(" or ")),
            "  - they do: a firewall of this host drops them (nft list ruleset, iptables -L)".to_owned(),
            "  - they do not: is the exporter told to send to this host and port? Is a firewall or NAT between?".to_owned(),
        ]
    }

    /// The summary.
    fn end(&mut self) -> io::Result<u8> {
        if !self.options.json {
            self.print()?;
        }
        let heard = self.ear.heard;
        if heard.flows > 0 {
            return Ok(WELL);
        }
        if heard.datagrams == 0 && !self.has_hinted {
            hint(&self.what_to_check());
        } else if heard.datagrams > 0 {
            hint(&why_no_flows(&self.ear, heard.datagrams));
        }
        Ok(UNWELL)
    }
}

/// Datagrams came, but no flow was in them.
pub(super) fn why_no_flows(ear: &Ear, datagrams: u64) -> Vec<String> {
    let exporters = ear.books.list();
    let is_waiting = |exporter: &Arc<crate::books::ExporterBooks>| exporter.sets_without_template.get() > 0;
    if exporters.iter().any(is_waiting) {
        return vec![
            "The data came without its templates, which exporters repeat only now and then (every 30 minutes, say): \
             wait for longer, restart the export, or set a shorter template timeout"
                .to_owned(),
        ];
    }
    if exporters.iter().any(|exporter| exporter.versions().next().is_some()) {
        return vec!["The exporter sent packets, but no flows yet: is there traffic, and is it longer than its timeouts?".to_owned()];
    }
    let them = many(datagrams, "packet");
    vec![format!(
        "{them} came, and none of them is NetFlow v5, v7, v9, IPFIX or sFlow v5: what is sent to that port?"
    )]
}
