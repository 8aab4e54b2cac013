//! Taking datagrams from a socket.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg, recvmsg,
};

use super::Listener;
use crate::Ip;

/// Datagrams taken with one system call.
const BATCH: usize = 64;
/// System calls before the caller gets a turn, although more is waiting: some 1,000 datagrams, a few milliseconds.
const BATCHES: usize = 16;
/// No datagram is longer.
const LONGEST: usize = 65_536;
/// Where one buffer ends the next begins, and a bit further, for otherwise the beginnings of all of them, which is
/// what most datagrams fill, would compete for the same few lines of the processor's cache. Memory that no datagram
/// has ever reached costs nothing.
const STRIDE: usize = LONGEST + 1_536;
/// With less than this in one turn there is no hurry.
const FEW: usize = BATCH;

/// Takes what arrives at a [`Listener`]. It stays on the thread that made it.
///
/// ```
/// use grafolean_netflow_bot::{Ip, receive::{Listener, ListenOptions, Receiver}};
/// use std::{net::UdpSocket, time::Duration};
/// let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
/// let exporter = UdpSocket::bind("127.0.0.1:0").unwrap();
/// exporter.send_to(b"flows", listener.local_addr()).unwrap();
/// let mut receiver = Receiver::new(listener);
/// let count = receiver.receive(Duration::from_secs(5), &mut |source, datagram| {
///     assert_eq!((source, datagram), (Ip::v4(0x7f00_0001), &b"flows"[..]));
/// });
/// assert_eq!(count.unwrap(), 1);
/// ```
pub struct Receiver {
    listener: Listener,
    buffers: Box<[u8]>,
    headers: Headers,
    control: Vec<u8>,
    nap: Duration,
    /// Whether the last turn found so little that the next may wait for company.
    idle: bool,
    /// The kernel's own count, which begins anew after 2^32.
    kernel_count: u32,
    dropped: u64,
}

/// What the system call fills in, by the family of the socket.
enum Headers {
    V4(MultiHeaders<SockaddrIn>),
    V6(MultiHeaders<SockaddrIn6>),
}

/// A source address of a socket's family.
trait Source: SockaddrLike + Copy {
    fn ip(&self) -> Ip;
}

impl Source for SockaddrIn {
    fn ip(&self) -> Ip {
        Ip::v4(self.ip().to_bits())
    }
}

impl Source for SockaddrIn6 {
    fn ip(&self) -> Ip {
        // An IPv4 exporter comes as `::ffff:a.b.c.d`, which is how an Ip has it anyway.
        Ip::v6(self.ip().octets())
    }
}

impl Receiver {
    /// Makes buffers for the listener's datagrams, whatever their size.
    #[must_use]
    pub fn new(listener: Listener) -> Self {
        let headers = match listener.local_addr() {
            SocketAddr::V4(_) => Headers::V4(MultiHeaders::preallocate(BATCH, None)),
            SocketAddr::V6(_) => Headers::V6(MultiHeaders::preallocate(BATCH, None)),
        };
        Self {
            nap: listener.nap(),
            listener,
            buffers: vec![0; BATCH * STRIDE].into_boxed_slice(),
            headers,
            control: nix::cmsg_space!(u32),
            idle: true,
            kernel_count: 0,
            dropped: 0,
        }
    }

    /// Where it listens, and how.
    #[must_use]
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// How many datagrams the kernel has dropped at this socket, mostly because its buffer was full. The kernel tells
    /// of them with the datagram that comes after them.
    #[must_use]
    pub fn dropped_by_kernel(&self) -> u64 {
        self.dropped
    }

    /// Waits at most `wait` for a datagram, then hands over those that are there, up to about a thousand, and returns
    /// how many. As long as only few come, it lets some milliseconds pass after the first, so that one waking of the
    /// thread serves them all. An error means that the kernel is short of something: a moment later it may work again.
    pub fn receive(&mut self, wait: Duration, each: &mut impl FnMut(Ip, &[u8])) -> io::Result<usize> {
        if self.idle {
            if !self.wait(wait)? {
                return Ok(0);
            }
            std::thread::sleep(self.nap.min(wait));
        }
        let fd = self.listener.socket.as_fd().as_raw_fd();
        let mut count = match &self.headers {
            Headers::V4(_) => self.one::<SockaddrIn>(fd, each)?,
            Headers::V6(_) => self.one::<SockaddrIn6>(fd, each)?,
        };
        for _ in 0..BATCHES {
            if count == 0 {
                break;
            }
            let taken = match &mut self.headers {
                Headers::V4(headers) => batch(fd, headers, &mut self.buffers, each)?,
                Headers::V6(headers) => batch(fd, headers, &mut self.buffers, each)?,
            };
            count += taken;
            if taken < BATCH {
                break;
            }
        }
        self.idle = count < FEW;
        Ok(count)
    }

    /// Whether there is something to take before `wait` is over.
    fn wait(&self, wait: Duration) -> io::Result<bool> {
        let mut watched = [PollFd::new(self.listener.socket.as_fd(), PollFlags::POLLIN)];
        // Rounded up, so that a wait of less than a millisecond is not one of none.
        let millis = wait.as_nanos().div_ceil(1_000_000);
        match poll(&mut watched, PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes one datagram, and the count of those that were dropped before it.
    fn one<S: Source>(&mut self, fd: RawFd, each: &mut impl FnMut(Ip, &[u8])) -> io::Result<usize> {
        let mut buffer = [IoSliceMut::new(&mut self.buffers[..LONGEST])];
        let (length, source, kernel_count) =
            match recvmsg::<S>(fd, &mut buffer, Some(&mut self.control), MsgFlags::MSG_DONTWAIT) {
                Ok(message) => {
                    let counts = message.cmsgs().ok().and_then(|mut all| {
                        all.find_map(|control| match control {
                            ControlMessageOwned::RxqOvfl(count) => Some(count),
                            _ => None,
                        })
                    });
                    (message.bytes, message.address, counts)
                }
                Err(error) => return nothing(error),
            };
        // The kernel is silent as long as there are none.
        if let Some(now) = kernel_count {
            self.dropped += u64::from(now.wrapping_sub(self.kernel_count));
            self.kernel_count = now;
        }
        if let (Some(source), Some(datagram)) = (source, self.buffers.get(..length)) {
            each(source.ip(), datagram);
        }
        Ok(1)
    }
}

/// Takes up to [`BATCH`] datagrams.
fn batch<S: Source>(
    fd: RawFd,
    headers: &mut MultiHeaders<S>,
    buffers: &mut [u8],
    each: &mut impl FnMut(Ip, &[u8]),
) -> io::Result<usize> {
    let mut rest = buffers.chunks_exact_mut(STRIDE);
    let mut slices: [[IoSliceMut<'_>; 1]; BATCH] = std::array::from_fn(|_| {
        let buffer = rest.next().and_then(|buffer| buffer.get_mut(..LONGEST));
        [IoSliceMut::new(buffer.unwrap_or_default())]
    });
    let received = match recvmmsg(fd, headers, &mut slices, MsgFlags::MSG_DONTWAIT, None) {
        Ok(received) => received,
        Err(error) => return nothing(error),
    };
    let mut count = 0;
    for message in received {
        if let Some(source) = message.address {
            each(source.ip(), message.iovs().next().unwrap_or_default());
        }
        count += 1;
    }
    Ok(count)
}

/// An error that only says that there is nothing to take now. ECONNREFUSED is somebody's answer to a datagram that was
/// sent from here, which we do not do.
fn nothing(error: Errno) -> io::Result<usize> {
    match error {
        Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED => Ok(0),
        error => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::receive::ListenOptions;

    const LONG: Duration = Duration::from_secs(10);

    fn receiver(address: &str) -> Receiver {
        Receiver::new(Listener::bind(address.parse().unwrap(), &ListenOptions::default()).unwrap())
    }

    fn exporter(from: &str, to: &Receiver) -> UdpSocket {
        let socket = UdpSocket::bind(from).unwrap();
        socket.connect(to.listener().local_addr()).unwrap();
        socket
    }

    /// Receives until so many are there.
    fn take(receiver: &mut Receiver, many: usize) -> Vec<(Ip, Vec<u8>)> {
        let mut all = Vec::new();
        while all.len() < many {
            let count =
                receiver.receive(LONG, &mut |source, bytes| all.push((source, bytes.to_vec()))).unwrap();
            assert!(count > 0 || receiver.idle, "{all:?}");
        }
        all
    }

    #[test]
    fn datagrams_of_any_size_arrive_whole_and_in_order() {
        let mut receiver = receiver("127.0.0.1:0");
        let exporter = exporter("127.0.0.7:0", &receiver);
        let sizes = [0_u32, 1, 1_428, 9_000, 65_507, 0, 65_507, 4_096, 24];
        let sent: Vec<Vec<u8>> = sizes
            .iter()
            .zip(0_u8..)
            .map(|(size, n)| (0..*size).map(|at| n ^ (at % 251) as u8).collect())
            .collect();
        for datagram in &sent {
            exporter.send(datagram).unwrap();
        }
        let taken = take(&mut receiver, sizes.len());
        assert!(taken.iter().all(|(source, _)| *source == Ip::v4(0x7f00_0007)));
        let taken: Vec<Vec<u8>> = taken.into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(taken, sent);
    }

    #[test]
    fn more_than_a_turn_takes_arrives_in_several() {
        let mut receiver = receiver("127.0.0.1:0");
        let exporter = exporter("127.0.0.1:0", &receiver);
        let many = u32::try_from(BATCH * BATCHES + 500).unwrap();
        for n in 0..many {
            exporter.send(&n.to_be_bytes()).unwrap();
        }
        let taken = take(&mut receiver, many as usize);
        assert!(taken.iter().zip(0..many).all(|((_, bytes), n)| bytes[..] == n.to_be_bytes()));
        assert_eq!(receiver.dropped_by_kernel(), 0);
    }

    #[test]
    fn one_socket_serves_both_families() {
        let listener = Listener::bind("[::]:0".parse().unwrap(), &ListenOptions::default()).unwrap();
        if listener.is_without_ipv6() {
            return;
        }
        let port = listener.local_addr().port();
        let mut receiver = Receiver::new(listener);
        let four = UdpSocket::bind("127.0.0.9:0").unwrap();
        four.send_to(b"four", ("127.0.0.1", port)).unwrap();
        assert_eq!(take(&mut receiver, 1), [(Ip::v4(0x7f00_0009), b"four".to_vec())]);
        let six = UdpSocket::bind("[::1]:0").unwrap();
        six.send_to(b"six", ("::1", port)).unwrap();
        assert_eq!(take(&mut receiver, 1), [(Ip { high: 0, low: 1 }, b"six".to_vec())]);
    }

    #[test]
    fn nothing_within_the_wait_is_no_error() {
        let mut receiver = receiver("127.0.0.1:0");
        for wait in [Duration::ZERO, Duration::from_micros(1), Duration::from_millis(20)] {
            assert_eq!(receiver.receive(wait, &mut |_, _| panic!("nobody sends")).unwrap(), 0);
        }
    }

    #[test]
    fn what_the_kernel_drops_is_counted() {
        let options = ListenOptions::default().with_receive_buffer(10_000);
        let mut receiver = Receiver::new(Listener::bind("127.0.0.1:0".parse().unwrap(), &options).unwrap());
        let exporter = exporter("127.0.0.1:0", &receiver);
        let mut sent = 0;
        let mut taken = 0;
        for _ in 0..3 {
            for _ in 0..500 {
                exporter.send(&[7; 1_000]).unwrap();
                sent += 1;
            }
            // What is there is taken, and one more tells what was dropped before it.
            while receiver.receive(Duration::ZERO, &mut |_, _| taken += 1).unwrap() > 0 {}
            exporter.send(&[7]).unwrap();
            sent += 1;
            while receiver.receive(LONG, &mut |_, _| taken += 1).unwrap() == 0 {}
        }
        assert!(receiver.dropped_by_kernel() > 1_000, "{}", receiver.dropped_by_kernel());
        assert_eq!(taken + receiver.dropped_by_kernel(), sent);
    }
}
