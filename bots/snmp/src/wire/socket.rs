//! The socket of an address family, shared by all devices.
//!
//! One socket for all, because sockets of their own collide: with address reuse, the kernel hands out the same port
//! twice, and one of the two never hears its answers.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::pending::Pending;
use super::stats::Counters;

/// Answers of thousands of devices that all were asked at once wait here; the kernel grants what it is allowed to.
const RECEIVE_BUFFER: usize = 8 << 20;
/// The longest datagram.
const LONGEST: usize = 65_535;
/// Datagrams read before other work gets its turn.
const IN_A_ROW: usize = 64;
/// How often a send is tried again because the error it got may be another request's.
const FOREIGN_SEND_ERRORS: usize = 8;
/// Until the queue of the network interface is worth another look.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(1);
const FULL_QUEUE_PATIENCE: usize = 1000;
/// How often it is looked at most what the kernel dropped.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// A socket, its requests, and the task that reads it, which ends when this is dropped.
///
/// The socket is open from the start, but only the first request makes the runtime watch it: the one in which requests
/// are made. So an answer wakes who waits for it on the spot, not over in another runtime's threads.
#[derive(Debug)]
pub(super) struct Family {
    bound: std::net::UdpSocket,
    shared: OnceCell<Arc<Shared>>,
    receiver: OnceLock<AbortHandle>,
    pending: Arc<Pending>,
    counters: Arc<Counters>,
    local: SocketAddr,
    /// What the kernel dropped, and when it was looked at.
    drops: Arc<AtomicU64>,
    looked: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Shared {
    socket: UdpSocket,
    pending: Arc<Pending>,
    counters: Arc<Counters>,
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(receiver) = self.receiver.get() {
            receiver.abort();
        }
    }
}

impl Family {
    /// None when the host does not have this family.
    pub(super) fn open(v6: bool, counters: Arc<Counters>) -> io::Result<Option<Self>> {
        let bound = match bind(v6) {
            Ok(bound) => bound,
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let local = bound.local_addr()?;
        Ok(Some(Self {
            bound,
            shared: OnceCell::new(),
            receiver: OnceLock::new(),
            pending: Arc::default(),
            counters,
            local,
            drops: Arc::default(),
            looked: Mutex::default(),
        }))
    }

    async fn shared(&self) -> io::Result<&Arc<Shared>> {
        let begin = async || {
            let socket = UdpSocket::from_std(self.bound.try_clone()?)?;
            let (pending, counters) = (Arc::clone(&self.pending), Arc::clone(&self.counters));
            let shared = Arc::new(Shared { socket, pending, counters });
            let receiver = tokio::spawn(keep_receiving(Arc::clone(&shared)));
            self.receiver.get_or_init(|| receiver.abort_handle());
            Ok(shared)
        };
        self.shared.get_or_try_init(begin).await
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.pending
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) async fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        let Shared { socket, .. } = &**self.shared().await?;
        let (mut foreign, mut full) = (0, 0);
        loop {
            let Err(error) = socket.try_send_to(datagram, to) else { return Ok(()) };
            match error.kind() {
                ErrorKind::Interrupted => {}
                // Not by waiting for writability: with an error queue, the first ICMP error makes epoll report the
                // socket as closed for writing, which tokio takes as ready for ever, and the wait would spin.
                ErrorKind::WouldBlock if full < FULL_QUEUE_PATIENCE => {
                    full += 1;
                    sleep(FULL_QUEUE_PAUSE).await;
                }
                // The kernel also fails the next call on the socket with an ICMP error that some earlier request
                // got, and forgets it: only an error that stays is about this request.
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
                    if foreign < FOREIGN_SEND_ERRORS =>
                {
                    foreign += 1;
                }
                _ => return Err(error),
            }
        }
    }

    /// How many bytes of answers the kernel keeps for us; 0 if it does not say.
    pub(super) fn receive_buffer(&self) -> usize {
        SockRef::from(&self.bound).recv_buffer_size().unwrap_or(0)
    }

    /// How many datagrams the kernel had dropped, because we did not read them in time, when somebody asked last: the
    /// table of all sockets is read meanwhile, which takes long where there are thousands.
    pub(super) fn kernel_drops(&self) -> u64 {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if looked.is_none_or(|looked| now.duration_since(looked) >= BETWEEN_LOOKS)
            && let Ok(runtime) = Handle::try_current()
        {
            *looked = Some(now);
            let (drops, local) = (Arc::clone(&self.drops), self.local);
            // It ends by itself, soon.
            drop(runtime.spawn_blocking(move || drops.store(read_drops(local), Relaxed)));
        }
        self.drops.load(Relaxed)
    }
}

fn read_drops(local: SocketAddr) -> u64 {
    let table = if local.is_ipv6() { "/proc/self/net/udp6" } else { "/proc/self/net/udp" };
    // Where there is no such table, nothing is known to be dropped.
    std::fs::read_to_string(table).map_or(0, |text| drops_of(&text, local.port()))
}

/// The last column of the line of a port.
fn drops_of(table: &str, port: u16) -> u64 {
    let port = format!(":{port:04X}");
    let line = table
        .lines()
        .skip(1)
        .find(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port)));
    line.and_then(|line| line.split_whitespace().last()).and_then(|drops| drops.parse().ok()).unwrap_or(0)
}

fn bind(v6: bool) -> io::Result<std::net::UdpSocket> {
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // More than the limit that is for everybody needs a privilege.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    let any: SocketAddr = if v6 {
        socket.set_only_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
        (Ipv6Addr::UNSPECIFIED, 0).into()
    } else {
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        (Ipv4Addr::UNSPECIFIED, 0).into()
    };
    socket.bind(&any.into())?;
    Ok(socket.into())
}

async fn keep_receiving(shared: Arc<Shared>) {
    let mut buffer = vec![0; LONGEST];
    // An error here means that the runtime is shutting down.
    while shared.socket.ready(Interest::READABLE | Interest::ERROR).await.is_ok() {
        if !shared.receive(&mut buffer) {
            tokio::task::yield_now().await;
        }
    }
}

impl Shared {
    /// Receives what is there; false when there may be more.
    fn receive(&self, buffer: &mut [u8]) -> bool {
        let mut empty = false;
        for _ in 0..IN_A_ROW {
            match self.socket.try_recv_from(buffer) {
                Ok((length, source)) => self.pending.deliver(&buffer[..length], source, &self.counters),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    empty = true;
                    break;
                }
                // An ICMP error, which is in the error queue too.
                Err(_) => {}
            }
        }
        self.receive_errors(buffer) && empty
    }

    fn receive_errors(&self, buffer: &mut [u8]) -> bool {
        for _ in 0..IN_A_ROW {
            let error = self.socket.try_io(Interest::ERROR, || Ok(receive_error(&self.socket, buffer)?));
            match error {
                Ok(Some((target, errno, says))) => self.note_error(target, errno, says),
                Ok(None) => {}
                Err(_) => return true,
            }
        }
        false
    }

    fn note_error(&self, target: SocketAddr, errno: i32, says: Option<SocketAddr>) {
        let error = io::Error::from_raw_os_error(errno);
        if error.kind() == ErrorKind::ConnectionRefused {
            self.pending.refuse(target);
        } else {
            let who = says.map(|says| format!(", says {}", says.ip())).unwrap_or_default();
            self.pending.note_unreachable(target, &format!("{error}{who}"));
        }
    }
}

/// The next of the error queue: who was asked, what became of it, and who says so.
fn receive_error(
    socket: &UdpSocket,
    buffer: &mut [u8],
) -> nix::Result<Option<(SocketAddr, i32, Option<SocketAddr>)>> {
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, [u8; 64]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT,
    )?;
    let Some(target) = message.address.as_ref().and_then(to_std) else { return Ok(None) };
    let found = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, says) => {
            let says = says.map(|says| (Ipv4Addr::from(u32::from_be(says.sin_addr.s_addr)), 0).into());
            Some((target, error.ee_errno, says))
        }
        ControlMessageOwned::Ipv6RecvErr(error, says) => {
            let says = says.map(|says| (Ipv6Addr::from(says.sin6_addr.s6_addr), 0).into());
            Some((target, error.ee_errno, says))
        }
        _ => None,
    });
    Ok(found.and_then(|(target, errno, says)| Some((target, i32::try_from(errno).ok()?, says))))
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), v4.port())));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_found_by_the_port() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  217: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   104        0 18462 2 0000000000000000 3
  301: 0100007F:00A1 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 22122 2 0000000000000000 17\n";
        assert_eq!((drops_of(table, 161), drops_of(table, 5353), drops_of(table, 9)), (17, 3, 0));
    }

    #[tokio::test]
    async fn what_the_kernel_drops_is_known_without_waiting_for_it() {
        let family = Family::open(false, Arc::default()).unwrap().unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // Nobody reads: nothing was asked yet.
        let to = (Ipv4Addr::LOCALHOST, family.local().port());
        for _ in 0..=2 * family.receive_buffer() / 60_000 {
            sender.send_to(&[0; 60_000], to).unwrap();
        }
        let end = Instant::now() + Duration::from_secs(60);
        while family.kernel_drops() == 0 {
            assert!(Instant::now() < end, "nothing was dropped");
            sleep(Duration::from_millis(10)).await;
        }
    }
}
