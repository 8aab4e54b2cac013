//! The system calls that std, socket2 and tokio lack: receiving many packets with their timestamps in one call, and
//! a handful of socket options. All unsafe code of the crate is here.
#![allow(unsafe_code, reason = "recvmmsg, control messages and socket options have no safe interface")]

use socket2::Socket;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Packets taken from the kernel in one call.
pub(crate) const BATCH: usize = 64;

// Room for SO_TIMESTAMPNS (32 bytes), SO_RXQ_OVFL (24) and IP_RECVERR with the offender's address (64), in words so
// that it is aligned as `cmsghdr` must be.
const CONTROL_WORDS: usize = 24;

/// Buffers for [`BATCH`] packets, reused for every call.
pub(crate) struct Batch {
    packet_len: usize,
    packets: Vec<u8>,
    names: Vec<libc::sockaddr_in6>,
    controls: Vec<[u64; CONTROL_WORDS]>,
    infos: Vec<Info>,
}

/// What came along with a packet.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Info {
    len: usize,
    /// The sender; on the error queue the destination of the request that failed.
    pub(crate) address: Option<SocketAddr>,
    /// The packet was longer than the buffer.
    pub(crate) truncated: bool,
    /// When it arrived, on the wall clock.
    pub(crate) arrived: Option<Duration>,
    /// How many packets this socket has dropped so far, modulo 2^32. Absent as long as there are none.
    pub(crate) drops: Option<u32>,
    /// On the error queue: the ICMP error.
    pub(crate) error: Option<IcmpError>,
}

/// An ICMP error that the kernel has matched to our socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IcmpError {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) from: IpAddr,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    Packets,
    Errors,
}

impl Batch {
    pub(crate) fn new(packet_len: usize) -> Self {
        // SAFETY: sockaddr_in6 is plain integers, for which all zeros is a value.
        let name: libc::sockaddr_in6 = unsafe { mem::zeroed() };
        Self {
            packet_len,
            packets: vec![0; BATCH * packet_len],
            names: vec![name; BATCH],
            controls: vec![[0; CONTROL_WORDS]; BATCH],
            infos: Vec::with_capacity(BATCH),
        }
    }

    /// Takes what is there, up to [`BATCH`] packets, and says how many; never waits.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, queue: Queue) -> io::Result<usize> {
        self.infos.clear();
        // SAFETY: iovec and mmsghdr are plain integers and pointers, for which all zeros is a value.
        let (mut vectors, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { mem::zeroed() };
        let packets = self.packets.chunks_exact_mut(self.packet_len);
        let buffers = packets.zip(&mut self.names).zip(&mut self.controls);
        for ((((packet, name), control), vector), header) in buffers.zip(&mut vectors).zip(&mut headers) {
            vector.iov_base = packet.as_mut_ptr().cast();
            vector.iov_len = packet.len();
            let header = &mut header.msg_hdr;
            header.msg_name = ptr::from_mut(name).cast();
            header.msg_namelen = socklen::<libc::sockaddr_in6>();
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = mem::size_of_val(control) as _;
        }
        let flags = match queue {
            Queue::Packets => libc::MSG_DONTWAIT,
            Queue::Errors => libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE,
        };
        #[allow(clippy::cast_possible_truncation, reason = "64")]
        let count = BATCH as u32;
        // SAFETY: `headers` has BATCH elements, whose pointers lead to buffers that self and this frame own and that
        // nothing else touches during the call; every length is that of its buffer. A null timeout is allowed.
        let received = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, flags as _, ptr::null_mut())
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (header, name) in headers.iter().zip(&self.names).take(received) {
            // SAFETY: the kernel filled this header; its control buffer is in `self.controls`, which is alive and
            // not touched until the call returns.
            let mut info = unsafe { read_control(&header.msg_hdr) };
            info.len = (header.msg_len as usize).min(self.packet_len);
            info.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            info.address = (header.msg_hdr.msg_namelen > 0).then(|| address(name)).flatten();
            self.infos.push(info);
        }
        Ok(received)
    }

    /// The packets of the last [`receive`](Self::receive).
    pub(crate) fn packets(&self) -> impl Iterator<Item = (&Info, &[u8])> {
        self.infos
            .iter()
            .zip(self.packets.chunks_exact(self.packet_len))
            .map(|(info, bytes)| (info, &bytes[..info.len]))
    }
}

/// # Safety
/// `header`'s control pointer and length must describe initialised memory that is aligned for `cmsghdr`, with the
/// control messages that the kernel wrote there.
unsafe fn read_control(header: &libc::msghdr) -> Info {
    let mut info = Info::default();
    // SAFETY: as the caller promises.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a whole header inside the control buffer.
    while let Some(message) = unsafe { next.as_ref() } {
        // SAFETY: the macros only compute addresses.
        let (data, overhead) = unsafe { (libc::CMSG_DATA(message), libc::CMSG_LEN(0) as usize) };
        #[allow(clippy::unnecessary_cast, reason = "with musl it is a u32")]
        let len = (message.cmsg_len as usize).saturating_sub(overhead);
        match (message.cmsg_level, message.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                // SAFETY: `data` points to the `len` bytes of this control message.
                info.arrived = unsafe { read::<libc::timespec>(data, len) }.and_then(|time| {
                    let seconds = u64::try_from(time.tv_sec).ok()?;
                    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
                });
            }
            // SAFETY: as above.
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => info.drops = unsafe { read(data, len) },
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                // SAFETY: as above.
                info.error = unsafe { read_error(data, len) };
            }
            _ => {}
        }
        // SAFETY: `message` is the current header of this buffer.
        next = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    info
}

/// # Safety
/// `data` must be valid for reading `len` bytes.
unsafe fn read_error(data: *const u8, len: usize) -> Option<IcmpError> {
    // SAFETY: as the caller promises.
    let error = unsafe { read::<libc::sock_extended_err>(data, len) }?;
    if error.ee_origin != libc::SO_EE_ORIGIN_ICMP && error.ee_origin != libc::SO_EE_ORIGIN_ICMP6 {
        return None;
    }
    let skip = mem::size_of::<libc::sock_extended_err>();
    let rest = len.saturating_sub(skip);
    // SAFETY: sockaddr_in6 is plain integers, for which all zeros is a value.
    let mut offender: libc::sockaddr_in6 = unsafe { mem::zeroed() };
    // An IPv4 offender is a shorter address: take what is there.
    let take = rest.min(mem::size_of_val(&offender));
    // SAFETY: `take` bytes are there behind `skip` (both within `len`), and fit into `offender`.
    unsafe { ptr::copy_nonoverlapping(data.add(skip.min(len)), ptr::from_mut(&mut offender).cast(), take) };
    Some(IcmpError { kind: error.ee_type, code: error.ee_code, from: address(&offender)?.ip() })
}

/// # Safety
/// `data` must be valid for reading `len` bytes, and every pattern of bits must be a value of `T`.
unsafe fn read<T: Copy>(data: *const u8, len: usize) -> Option<T> {
    // SAFETY: the length is checked first; control data need not be aligned for `T`.
    (len >= mem::size_of::<T>()).then(|| unsafe { ptr::read_unaligned(data.cast()) })
}

fn address(name: &libc::sockaddr_in6) -> Option<SocketAddr> {
    match c_int::from(name.sin6_family) {
        libc::AF_INET => {
            // SAFETY: both are plain integers, sockaddr_in is the smaller one and no more strictly aligned.
            let name = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            Some((Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr)), 0).into())
        }
        libc::AF_INET6 => {
            Some(SocketAddrV6::new(name.sin6_addr.s6_addr.into(), 0, 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// The socket options that socket2 lacks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SocketOption {
    /// Wall-clock nanoseconds with every packet.
    Timestamps,
    /// The number of dropped packets with every packet that follows.
    DropCounter,
    /// An error queue, IPv4.
    ErrorQueueV4,
    /// An error queue, IPv6.
    ErrorQueueV6,
    /// Which ICMPv4 types a raw socket gets: a bit set keeps a type out.
    FilterV4([u32; 1]),
    /// Which ICMPv6 types a raw socket gets: a bit set keeps a type out.
    FilterV6([u32; 8]),
    /// The receive buffer, whatever the limit for ordinary processes.
    ReceiveBuffer(c_int),
    /// The send buffer, whatever the limit for ordinary processes.
    SendBuffer(c_int),
}

// Not in the libc crate: linux/icmp.h and linux/icmpv6.h.
const ICMP_FILTER: c_int = 1;
const ICMPV6_FILTER: c_int = 1;

/// Watches a socket for readiness.
pub(crate) fn watch(socket: Socket, interest: Interest) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor and keeps it until it is dropped; nobody can replace it, as AsyncFd
    // gives out shared references only and none of Socket's methods changes its descriptor.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(Into::into)
}

pub(crate) fn set_option(socket: BorrowedFd<'_>, option: SocketOption) -> io::Result<()> {
    use SocketOption as O;
    const ON: &c_int = &1;
    match &option {
        O::Timestamps => set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, ON),
        O::DropCounter => set(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, ON),
        O::ErrorQueueV4 => set(socket, libc::IPPROTO_IP, libc::IP_RECVERR, ON),
        O::ErrorQueueV6 => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, ON),
        O::FilterV4(mask) => set(socket, libc::SOL_RAW, ICMP_FILTER, mask),
        O::FilterV6(mask) => set(socket, libc::SOL_ICMPV6, ICMPV6_FILTER, mask),
        O::ReceiveBuffer(bytes) => set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes),
        O::SendBuffer(bytes) => set(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes),
    }
}

fn set<T: Copy>(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let value: *const c_void = ptr::from_ref(value).cast();
    // SAFETY: `value` points to a whole `T`, whose size is given along.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, socklen::<T>()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the sizes of some small structs")]
const fn socklen<T>() -> libc::socklen_t {
    mem::size_of::<T>() as libc::socklen_t
}

const _: () = {
    assert!(mem::align_of::<[u64; CONTROL_WORDS]>() >= mem::align_of::<libc::cmsghdr>());
    assert!(mem::size_of::<libc::sockaddr_in>() <= mem::size_of::<libc::sockaddr_in6>());
};
