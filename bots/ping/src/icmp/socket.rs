//! Opening the best kind of ICMP socket that the kernel allows.

use super::packet::{Layout, V4_TYPES, V6_TYPES};
use super::sys::{self, SocketOption};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

/// The kind of an ICMP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketKind {
    /// Unprivileged: the kernel chooses the id and hands over nothing but answers to it. Allowed to the groups in
    /// `net.ipv4.ping_group_range`, for IPv6 too.
    Datagram,
    /// All of the host's ICMP packets of the types asked for. Allowed with `CAP_NET_RAW`.
    Raw,
}

impl fmt::Display for SocketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Datagram => "unprivileged",
            Self::Raw => "raw",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IpFamily {
    V4,
    V6,
}

impl IpFamily {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// An open socket.
#[derive(Debug)]
pub(crate) struct IcmpSocket {
    pub(crate) socket: Socket,
    pub(crate) about: About,
}

/// What a socket is, and what the kernel granted it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) family: IpFamily,
    pub(crate) kind: SocketKind,
    /// What all our requests carry, so that their answers are told from those to other programs.
    pub(crate) id: u16,
    pub(crate) receive_buffer: usize,
    pub(crate) send_buffer: usize,
}

/// Why there is no socket of a family.
#[derive(Debug)]
pub(crate) enum NoSocket {
    /// The host does not have this family at all.
    Family,
    /// Neither kind is allowed.
    Permission,
    Other(io::Error),
}

impl IcmpSocket {
    /// Opens the given kind, or else the unprivileged kind if it is allowed and the raw kind if not.
    pub(crate) fn open(
        family: IpFamily,
        only: Option<SocketKind>,
        buffers: Buffers,
    ) -> Result<Self, NoSocket> {
        match only {
            Some(kind) => Self::open_kind(family, kind, buffers),
            None => Self::open_kind(family, SocketKind::Datagram, buffers).or_else(|error| match error {
                NoSocket::Family => Err(error),
                // Containers' system call filters have several ways to say no, so any refusal is worth a try.
                NoSocket::Permission | NoSocket::Other(_) => {
                    Self::open_kind(family, SocketKind::Raw, buffers)
                }
            }),
        }
    }

    fn open_kind(family: IpFamily, kind: SocketKind, buffers: Buffers) -> Result<Self, NoSocket> {
        let (domain, protocol) = match family {
            IpFamily::V4 => (Domain::IPV4, Protocol::ICMPV4),
            IpFamily::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let r#type = match kind {
            SocketKind::Datagram => Type::DGRAM,
            SocketKind::Raw => Type::RAW,
        };
        let socket =
            Socket::new(domain, r#type, Some(protocol)).map_err(|error| match error.raw_os_error() {
                Some(libc::EAFNOSUPPORT) => NoSocket::Family,
                Some(libc::EACCES | libc::EPERM) => NoSocket::Permission,
                _ => NoSocket::Other(error),
            })?;
        Self::set_up(socket, family, kind, buffers).map_err(NoSocket::Other)
    }

    fn set_up(socket: Socket, family: IpFamily, kind: SocketKind, buffers: Buffers) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        buffers.apply(&socket);
        let fd = socket.as_fd();
        sys::set_option(fd, SocketOption::Timestamps)?;
        sys::set_option(fd, SocketOption::DropCounter)?;
        let id = match kind {
            SocketKind::Datagram => {
                sys::set_option(
                    fd,
                    match family {
                        IpFamily::V4 => SocketOption::ErrorQueueV4,
                        IpFamily::V6 => SocketOption::ErrorQueueV6,
                    },
                )?;
                // Binding makes the kernel choose the id now; it shows as the local port.
                let any: SocketAddr = match family {
                    IpFamily::V4 => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    IpFamily::V6 => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                socket.bind(&SockAddr::from(any))?;
                let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
                local.port()
            }
            SocketKind::Raw => {
                sys::set_option(
                    fd,
                    match family {
                        IpFamily::V4 => SocketOption::FilterV4(all_but(&V4_TYPES)),
                        IpFamily::V6 => SocketOption::FilterV6(all_but(&V6_TYPES)),
                    },
                )?;
                fastrand::u16(..)
            }
        };
        let receive_buffer = socket.recv_buffer_size()?;
        let send_buffer = socket.send_buffer_size()?;
        Ok(Self { socket, about: About { family, kind, id, receive_buffer, send_buffer } })
    }
}

impl About {
    pub(crate) fn layout(&self) -> Layout {
        match (self.family, self.kind) {
            (IpFamily::V4, SocketKind::Raw) => Layout::Ipv4Raw,
            (IpFamily::V4, SocketKind::Datagram) => Layout::Ipv4Datagram,
            (IpFamily::V6, _) => Layout::Ipv6,
        }
    }
}

/// Both filters of the kernel: a bit per type, set for what is kept out.
fn all_but<const WORDS: usize>(types: &[u8]) -> [u32; WORDS] {
    let mut mask = [u32::MAX; WORDS];
    for kind in types {
        if let Some(word) = mask.get_mut(usize::from(kind / 32)) {
            *word &= !(1 << (kind % 32));
        }
    }
    mask
}

/// Bytes to ask for. Less is granted to those who lack `CAP_NET_ADMIN` (up to `net.core.rmem_max` and `wmem_max`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buffers {
    pub(crate) receive: usize,
    pub(crate) send: usize,
}

impl Buffers {
    fn apply(self, socket: &Socket) {
        let fit = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        // A smaller buffer than asked for is no reason not to start: what was granted is in the stats.
        if sys::set_option(socket.as_fd(), SocketOption::ReceiveBuffer(fit(self.receive))).is_err() {
            let _ = socket.set_recv_buffer_size(self.receive);
        }
        if sys::set_option(socket.as_fd(), SocketOption::SendBuffer(fit(self.send))).is_err() {
            let _ = socket.set_send_buffer_size(self.send);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_let_only_the_given_types_through() {
        assert_eq!(all_but::<1>(&[0, 3]), [!0b1001]);
        let v6 = all_but::<8>(&[1, 129]);
        assert_eq!((v6[0], v6[4]), (!0b10, !0b10));
        assert!([1, 2, 3, 5, 6, 7].iter().all(|word| v6[*word] == u32::MAX));
    }
}
