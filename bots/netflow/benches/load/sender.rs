//! Exporters that send as many flows a second as they are told to.

use std::io::IoSlice;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

use grafoleancollector::{Clock, SystemClock};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use tokio::time::Instant;

use crate::datagrams::{self, Datagram, Form};
use crate::traffic::Traffic;
use crate::{OTHER_CORE, machine};

const EXPORTERS: u8 = 8;
/// Different datagrams of each exporter: 4,096 in all.
const DATAGRAMS: usize = 512;
/// Datagrams sent with one system call.
const TOGETHER: usize = 16;

pub(crate) struct Sender {
    form: Form,
    exporters: Vec<Exporter>,
    flows: u64,
    bytes: u64,
}

struct Exporter {
    socket: UdpSocket,
    domain: u32,
    datagrams: Vec<Datagram>,
    next: usize,
    sequence: u32,
}

impl Sender {
    /// To a port of 127.0.0.1.
    pub(crate) fn new(form: Form, port: u16) -> Self {
        machine::stay_on(OTHER_CORE);
        let mut traffic = Traffic::new(7, SystemClock.now().as_millis());
        let exporters = (0..EXPORTERS).map(|n| {
            let socket =
                UdpSocket::bind(("127.0.0.".to_owned() + &(11 + n).to_string(), 0)).expect("a socket");
            socket.connect(("127.0.0.1", port)).expect("an address");
            let domain = u32::from(n) + 1;
            let datagrams = (0..DATAGRAMS).map(|_| {
                let flows: Vec<_> = (0..form.flows()).map(|_| traffic.flow()).collect();
                match form {
                    Form::V5 => datagrams::v5(&mut traffic, n + 1, &flows),
                    Form::V9 => datagrams::v9(&mut traffic, domain, datagrams::TEMPLATE, &flows),
                }
            });
            let datagrams = datagrams.collect();
            Exporter { socket, domain, datagrams, next: 0, sequence: 0 }
        });
        Self { form, exporters: exporters.collect(), flows: 0, bytes: 0 }
    }

    pub(crate) fn flows(&self) -> u64 {
        self.flows
    }

    /// The sum of all byte counters that were sent.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn send_templates(&mut self) {
        if self.form == Form::V5 {
            return;
        }
        let now = (SystemClock.now().as_millis() / 1_000) as u32;
        for exporter in &mut self.exporters {
            let mut datagram = datagrams::templates(now, exporter.domain, 1);
            datagram.number(Form::V9, exporter.sequence);
            exporter.sequence += 1;
            exporter.socket.send(&datagram.bytes).expect("the receiver listens");
        }
    }

    /// Sends so many flows a second for so long.
    pub(crate) fn run(&mut self, rate: u64, duration: Duration) {
        let datagrams_per_second = rate as f64 / self.form.flows() as f64;
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(TOGETHER, None);
        let began = Instant::now();
        let mut sent = 0_u64;
        'all: loop {
            for exporter in &mut self.exporters {
                loop {
                    let elapsed = began.elapsed();
                    if elapsed >= duration {
                        break 'all;
                    }
                    let ahead = sent as f64 / datagrams_per_second - elapsed.as_secs_f64();
                    match ahead {
                        ..=0.0 => break,
                        0.001.. => std::thread::sleep(Duration::from_secs_f64(ahead.min(0.01))),
                        _ => std::hint::spin_loop(),
                    }
                }
                let (flows, bytes) = exporter.send(self.form, &mut headers);
                self.flows += flows;
                self.bytes += bytes;
                sent += TOGETHER as u64;
            }
        }
    }
}

impl Exporter {
    /// Sends some datagrams: how many flows, and their bytes.
    fn send(&mut self, form: Form, headers: &mut MultiHeaders<SockaddrIn>) -> (u64, u64) {
        let together = &mut self.datagrams[self.next..self.next + TOGETHER];
        for datagram in together.iter_mut() {
            datagram.number(form, self.sequence);
            self.sequence = self.sequence.wrapping_add(match form {
                Form::V5 => form.flows() as u32,
                Form::V9 => 1,
            });
        }
        let slices: [[IoSlice<'_>; 1]; TOGETHER] =
            std::array::from_fn(|n| [IoSlice::new(&together[n].bytes)]);
        let mut done = 0;
        while done < TOGETHER {
            let rest = &slices[done..];
            let connected = [None; TOGETHER];
            match sendmmsg(self.socket.as_raw_fd(), headers, rest, connected, [], MsgFlags::empty()) {
                Ok(sent) => done += sent.count(),
                Err(Errno::EINTR | Errno::ENOBUFS | Errno::EAGAIN) => {}
                Err(error) => unreachable!("sending: {error}"),
            }
        }
        let octets = together.iter().map(|datagram| datagram.octets).sum();
        self.next = (self.next + TOGETHER) % DATAGRAMS;
        ((TOGETHER * form.flows()) as u64, octets)
    }
}
