//! An SNMPv1 and SNMPv2c agent that answers for all of 127.0.0.0/8 on one port, and misbehaves on demand.
//!
//! It is one thread with one socket, fast enough to keep a poller on another core busy, so benches use it too.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt, sockopt,
};
use tokio::time::Instant;

use super::ber::{self, Var, next, number, tlv, wrap};

/// The objects of a device.
pub enum Mib {
    /// In their order, encoded already.
    Rows(Vec<Row>),
    /// The object after this one.
    After(Box<Generator>),
}

pub type Generator = dyn Fn(&[u32]) -> Option<(Vec<u32>, Var)> + Send + Sync;
pub type Change = dyn Fn(&mut Vec<u8>) + Send + Sync;

pub struct Row {
    oid: Vec<u32>,
    var: Var,
    /// The whole binding, unless the value is live.
    encoded: Vec<u8>,
}

impl Mib {
    pub fn new(rows: impl IntoIterator<Item = (Vec<u32>, Var)>) -> Self {
        let encode = |(oid, var): (Vec<u32>, Var)| {
            let mut encoded = Vec::new();
            if !matches!(var, Var::Live(_)) {
                binding(&oid, &var, Ipv4Addr::LOCALHOST, &mut encoded);
            }
            Row { oid, var, encoded }
        };
        let mut rows: Vec<Row> = rows.into_iter().map(encode).collect();
        rows.sort_by(|one, other| one.oid.cmp(&other.oid));
        Self::Rows(rows)
    }

    /// A system group and an ifTable of so many interfaces with all of its 22 columns.
    pub fn switch(interfaces: u32) -> Self {
        let system = [
            (1, Var::text("a simulated switch")),
            (3, Var::TimeTicks(123_456)),
            (5, Var::text("switch")),
            (6, Var::text("nowhere")),
        ];
        let system = system.map(|(arc, var)| (vec![1, 3, 6, 1, 2, 1, 1, arc, 0], var));
        Self::new(system.into_iter().chain(Self::if_table(interfaces)))
    }

    /// All 22 columns of an ifTable.
    pub fn if_table(interfaces: u32) -> impl Iterator<Item = (Vec<u32>, Var)> {
        let cells = (1..=22).flat_map(move |column| (1..=interfaces).map(move |index| (column, index)));
        cells.map(|(column, index)| {
            let var = match column {
                2 => Var::text(&format!("GigabitEthernet0/{index}")),
                5 => Var::Gauge(1_000_000_000),
                6 => Var::Text(vec![0, 0x1b, 0x21, 0, 0, index as u8]),
                1 => Var::Integer(index as i32),
                10 | 16 => Var::Counter32(index.wrapping_mul(123_456_789)),
                22 => Var::Object(vec![0, 0]),
                _ => Var::Integer(1),
            };
            (vec![1, 3, 6, 1, 2, 1, 2, 2, 1, column, index], var)
        })
    }
}

/// How an address behaves. Several can be combined.
#[derive(Clone, Default)]
pub struct Behaviour {
    pub silent: bool,
    /// The part of the requests that is lost.
    pub loss: f64,
    pub delay: Duration,
    /// Objects go round in threes.
    pub looping: bool,
    /// Objects come in a wrong order.
    pub unordered: bool,
    /// GETBULK gives no more bindings than this.
    pub short_bulk: Option<usize>,
    /// GETBULK is never answered.
    pub no_bulk: bool,
    /// More bindings than this do not fit.
    pub too_big_above: Option<usize>,
    /// This object makes a GET or GETNEXT fail.
    pub gen_err: Option<Vec<u32>>,
    pub wrong_id: bool,
    pub wrong_community: bool,
    /// Answers come from here.
    pub from: Option<Ipv4Addr>,
    pub truncated: bool,
    pub noise: bool,
    pub duplicated: bool,
    /// Answers have no bindings.
    pub empty: bool,
    /// The answer is changed at last.
    pub change: Option<Arc<Change>>,
    /// The community that it knows: `public`.
    pub community: Option<Vec<u8>>,
    /// Counts the requests that come to it.
    pub heard: Option<Arc<AtomicU64>>,
}

pub struct Agent {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    mib: Box<dyn Fn(Ipv4Addr) -> Arc<Mib> + Send + Sync>,
    behaviours: Mutex<Behaviours>,
    requests: AtomicU64,
    stop: AtomicBool,
}

#[derive(Default)]
struct Behaviours {
    of: HashMap<Ipv4Addr, Arc<Behaviour>>,
    elsewhere: Arc<Behaviour>,
}

impl Agent {
    /// An agent on a free port whose devices all have the same objects.
    pub fn start(mib: Mib) -> Self {
        let mib = Arc::new(mib);
        Self::start_with(move |_| Arc::clone(&mib))
    }

    /// An agent on a free port, with the objects of each address.
    pub fn start_with(mib: impl Fn(Ipv4Addr) -> Arc<Mib> + Send + Sync + 'static) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true).unwrap();
        if setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20)).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &(1 << 20)).unwrap();
        }
        let shared = Arc::new(Shared {
            mib: Box::new(mib),
            behaviours: Mutex::default(),
            requests: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let server = Server {
            socket,
            shared: Arc::clone(&shared),
            delayed: BinaryHeap::new(),
            random: 0x9e37_79b9_7f4a_7c15,
        };
        let thread = Some(std::thread::spawn(move || server.run()));
        Self { port, shared, thread }
    }

    /// One of its addresses.
    pub fn device(&self, address: Ipv4Addr) -> SocketAddr {
        assert!(address.is_loopback());
        (address, self.port).into()
    }

    pub fn behave(&self, address: Ipv4Addr, behaviour: Behaviour) {
        let mut behaviours = self.shared.behaviours.lock().unwrap();
        behaviours.of.insert(address, Arc::new(behaviour));
    }

    /// How all addresses behave that nothing was said of.
    pub fn behave_elsewhere(&self, behaviour: Behaviour) {
        self.shared.behaviours.lock().unwrap().elsewhere = Arc::new(behaviour);
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Relaxed)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

struct Server {
    socket: UdpSocket,
    shared: Arc<Shared>,
    delayed: BinaryHeap<Reverse<(Instant, u64, Parcel)>>,
    random: u64,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Parcel {
    from: Ipv4Addr,
    to: SocketAddrV4,
    datagram: Vec<u8>,
}

impl Server {
    fn run(mut self) {
        let mut buffer = vec![0; 65_536];
        let mut control = nix::cmsg_space!(libc::in_pktinfo);
        let mut parcel = Parcel {
            from: Ipv4Addr::LOCALHOST,
            to: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
            datagram: vec![],
        };
        while !self.shared.stop.load(Relaxed) {
            let Some((size, asked, from)) = receive(&self.socket, &mut buffer, &mut control) else {
                self.rest();
                continue;
            };
            self.shared.requests.fetch_add(1, Relaxed);
            parcel.datagram.clear();
            (parcel.from, parcel.to) = (asked, from);
            let behaviour = self.behaviour(asked);
            if let Some(heard) = &behaviour.heard {
                heard.fetch_add(1, Relaxed);
            }
            if self.answer(&buffer[..size], asked, &behaviour, &mut parcel).is_some() {
                self.send(&behaviour, &parcel);
            }
            if !self.delayed.is_empty() {
                self.send_delayed();
            }
        }
    }

    fn behaviour(&self, asked: Ipv4Addr) -> Arc<Behaviour> {
        let behaviours = self.shared.behaviours.lock().unwrap();
        Arc::clone(behaviours.of.get(&asked).unwrap_or(&behaviours.elsewhere))
    }

    /// Waits for a request, or until a delayed answer is due.
    fn rest(&mut self) {
        self.send_delayed();
        let due = self.delayed.peek().map(|Reverse((due, ..))| due.saturating_duration_since(Instant::now()));
        let wait = due.unwrap_or(Duration::MAX).min(Duration::from_millis(50));
        let wait = PollTimeout::try_from(wait.as_micros().div_ceil(1000) as i32).unwrap();
        let _ = poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], wait);
    }

    fn send_delayed(&mut self) {
        let now = Instant::now();
        while self.delayed.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            if let Some(Reverse((.., parcel))) = self.delayed.pop() {
                transmit(&self.socket, &parcel);
            }
        }
    }

    fn send(&mut self, behaviour: &Behaviour, parcel: &Parcel) {
        for _ in 0..1 + usize::from(behaviour.duplicated) {
            if behaviour.delay.is_zero() {
                transmit(&self.socket, parcel);
            } else {
                let (due, n) = (Instant::now() + behaviour.delay, self.random());
                self.delayed.push(Reverse((due, n, parcel.clone())));
            }
        }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// None when there is no answer.
    fn answer(
        &mut self,
        mut request: &[u8],
        asked: Ipv4Addr,
        behaviour: &Behaviour,
        parcel: &mut Parcel,
    ) -> Option<()> {
        if behaviour.silent
            || (behaviour.loss > 0.0 && (self.random() as f64 / u64::MAX as f64) < behaviour.loss)
        {
            return None;
        }
        parcel.from = behaviour.from.unwrap_or(asked);
        let out = &mut parcel.datagram;
        if behaviour.noise {
            let noise = (self.random(), self.random());
            out.extend([noise.0.to_be_bytes(), noise.1.to_be_bytes()].concat());
            return Some(());
        }
        let (_, mut message) = next(&mut request)?;
        let (version, community) = (next(&mut message)?.1, next(&mut message)?.1);
        let (operation, mut pdu) = next(&mut message)?;
        let (id, first, second) = (next(&mut pdu)?.1, next(&mut pdu)?.1, next(&mut pdu)?.1);
        let known = behaviour.community.as_deref().unwrap_or(b"public");
        if community != known || version > &[1][..] || (operation == ber::GET_BULK && behaviour.no_bulk) {
            return None;
        }
        let (_, wanted) = next(&mut pdu)?;
        let mut wrong = number(id).wrapping_add(1).to_be_bytes();
        wrong[4] &= 0x7f;
        let id = if behaviour.wrong_id { &wrong[4..] } else { id };
        let community = if behaviour.wrong_community { b"private" } else { community };
        let mib = (self.shared.mib)(asked);
        let query = Query { asked, behaviour, mib: &mib, v1: version == [0] };
        wrap(ber::SEQUENCE, out, |out| {
            tlv(ber::INTEGER, version, out);
            tlv(ber::OCTETS, community, out);
            wrap(ber::RESPONSE, out, |out| {
                tlv(ber::INTEGER, id, out);
                let start = out.len();
                out.extend([ber::INTEGER, 1, 0, ber::INTEGER, 1, 0]);
                wrap(ber::SEQUENCE, out, |out| {
                    let list = out.len();
                    let (status, index) = match operation {
                        _ if behaviour.empty => (0, 0),
                        ber::GET_BULK => query.bulk(wanted, number(first), number(second), out),
                        _ => query.each(wanted, operation == ber::GET_NEXT, out),
                    };
                    if status != 0 {
                        out.truncate(list);
                        if query.v1 || status != 1 {
                            out.extend_from_slice(wanted);
                        }
                        (out[start + 2], out[start + 5]) = (status, index);
                    }
                });
            });
        });
        if behaviour.truncated {
            out.truncate(out.len() / 2);
        }
        if let Some(change) = &behaviour.change {
            change(out);
        }
        Some(())
    }
}

/// A request on its way to an answer.
struct Query<'a> {
    asked: Ipv4Addr,
    behaviour: &'a Behaviour,
    mib: &'a Mib,
    v1: bool,
}

/// An object, from which to go on.
struct At<'a> {
    oid: Cow<'a, [u32]>,
    /// Its row, once that is known.
    row: Option<usize>,
}

impl At<'_> {
    /// The object of the next binding.
    fn read(bindings: &mut &[u8]) -> Option<Self> {
        let oid = next(bindings).and_then(|(_, mut binding)| next(&mut binding))?;
        Some(Self { oid: ber::arcs(oid.1).into(), row: None })
    }
}

impl<'a> Query<'a> {
    /// Writes a binding for each object; error status and index.
    fn each(&self, mut wanted: &[u8], after: bool, out: &mut Vec<u8>) -> (u8, u8) {
        let mut index = 0;
        while !wanted.is_empty() {
            index += 1;
            if self.behaviour.too_big_above.is_some_and(|most| usize::from(index) > most) {
                return (1, 0);
            }
            let Some(mut at) = At::read(&mut wanted) else { return (5, index) };
            if self.behaviour.gen_err.as_deref() == Some(&*at.oid) {
                return (5, index);
            }
            let there = if after { self.next(&mut at, out) } else { self.get(&at.oid, out) };
            if !there {
                if self.v1 {
                    return (2, index);
                }
                missing(&at.oid, if after { ber::END_OF_MIB } else { ber::NO_SUCH_OBJECT }, out);
            }
        }
        (0, 0)
    }

    fn bulk(&self, mut wanted: &[u8], single: i64, rows: i64, out: &mut Vec<u8>) -> (u8, u8) {
        let mut single_ones = Vec::new();
        while !wanted.is_empty() {
            let Some(at) = At::read(&mut wanted) else { return (5, 1) };
            single_ones.push(at);
        }
        let single = usize::try_from(single).unwrap_or(0).min(single_ones.len());
        let mut repeated = single_ones.split_off(single);
        let most = self.behaviour.short_bulk.unwrap_or(usize::MAX);
        let mut count = 0;
        for at in &mut single_ones {
            count += 1;
            self.next_or_end(at, out);
        }
        'rows: for _ in 0..rows {
            let mut ended = true;
            for at in &mut repeated {
                if count >= most || out.len() > 60_000 {
                    break 'rows;
                }
                count += 1;
                ended &= !self.next_or_end(at, out);
            }
            if ended {
                break;
            }
        }
        if self.behaviour.too_big_above.is_some_and(|most| count > most) { (1, 0) } else { (0, 0) }
    }

    fn get(&self, oid: &[u32], out: &mut Vec<u8>) -> bool {
        match self.mib {
            Mib::Rows(rows) => match rows.binary_search_by(|row| (*row.oid).cmp(oid)) {
                Ok(n) => self.write(&rows[n], out),
                Err(_) => return false,
            },
            Mib::After(after) => {
                // The object after the last one below it.
                let mut before = oid.to_vec();
                match before.last_mut() {
                    Some(last) if *last > 0 => *last -= 1,
                    _ => drop(before.pop()),
                }
                match after(&before) {
                    Some((found, var)) if found == oid => binding(oid, &var, self.asked, out),
                    _ => return false,
                }
            }
        }
        true
    }

    /// Goes on to the object after this one, and writes it; false when there is none.
    fn next(&self, at: &mut At<'a>, out: &mut Vec<u8>) -> bool {
        match self.mib {
            Mib::Rows(rows) => {
                let search = || rows.binary_search_by(|row| (*row.oid).cmp(&at.oid));
                let n = match at.row.map_or_else(search, Ok) {
                    Ok(n) if self.behaviour.looping && n % 3 == 2 => n - 2,
                    Ok(n) if self.behaviour.unordered => ((n ^ 1) + 1) ^ 1,
                    Ok(n) => n + 1,
                    Err(n) if self.behaviour.unordered => n ^ 1,
                    Err(n) => n,
                };
                let Some(row) = rows.get(n) else { return false };
                self.write(row, out);
                *at = At { oid: Cow::Borrowed(&row.oid), row: Some(n) };
            }
            Mib::After(after) => {
                let Some((oid, var)) = after(&at.oid) else { return false };
                binding(&oid, &var, self.asked, out);
                *at = At { oid: oid.into(), row: None };
            }
        }
        true
    }

    fn next_or_end(&self, at: &mut At<'a>, out: &mut Vec<u8>) -> bool {
        let there = self.next(at, out);
        if !there {
            missing(&at.oid, ber::END_OF_MIB, out);
        }
        there
    }

    fn write(&self, row: &Row, out: &mut Vec<u8>) {
        if row.encoded.is_empty() {
            binding(&row.oid, &row.var, self.asked, out);
        } else {
            out.extend_from_slice(&row.encoded);
        }
    }
}

fn missing(oid: &[u32], why: u8, out: &mut Vec<u8>) {
    wrap(ber::SEQUENCE, out, |out| {
        ber::oid(oid, out);
        out.extend([why, 0]);
    });
}

fn binding(oid: &[u32], var: &Var, asked: Ipv4Addr, out: &mut Vec<u8>) {
    wrap(ber::SEQUENCE, out, |out| {
        ber::oid(oid, out);
        var.encode(asked, out);
    });
}

/// A datagram: its size, the address that it was sent to, and where it came from.
fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    control: &mut [u8],
) -> Option<(usize, Ipv4Addr, SocketAddrV4)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(control), flags).ok()?;
    let asked = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))),
        _ => None,
    });
    let from = message.address?;
    Some((message.bytes, asked?, SocketAddrV4::new(from.ip(), from.port())))
}

fn transmit(socket: &UdpSocket, parcel: &Parcel) {
    let info = libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from(parcel.from).to_be() },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let (parts, control) = ([IoSlice::new(&parcel.datagram)], [ControlMessage::Ipv4PacketInfo(&info)]);
    let to = SockaddrIn::from(parcel.to);
    // Who asked may be gone.
    let _ = sendmsg(socket.as_raw_fd(), &parts, &control, MsgFlags::empty(), Some(&to));
}
