//! A bound socket.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use grafoleancollector::Finding;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

/// Room for what arrives while the bot does something else: at a million flows per second, in full datagrams, this
/// lasts some 90 ms.
pub const DEFAULT_RECEIVE_BUFFER: usize = 4 << 20;

/// Nobody minds that a flow is counted so much later.
const LONGEST_NAP: Duration = Duration::from_millis(10);

/// How a socket is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ListenOptions {
    /// Bytes that the kernel is asked to keep for us. [`DEFAULT_RECEIVE_BUFFER`].
    pub receive_buffer: usize,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { receive_buffer: DEFAULT_RECEIVE_BUFFER }
    }
}

impl ListenOptions {
    /// Another size of the receive buffer.
    #[must_use]
    pub fn with_receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes;
        self
    }
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody else has the port.
    #[error("{0} is taken by another program: \"ss -ulpn 'sport = :{port}'\" says by which", port = .0.port())]
    Taken(SocketAddr),
    /// The port is one of those that not everybody may have.
    #[error(
        "{0} is not allowed: ports below 1024 need CAP_NET_BIND_SERVICE \
         (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)"
    )]
    NotAllowed(SocketAddr),
    /// The address belongs to another machine.
    #[error("{0} is not an address of this machine: \"ip address\" lists them")]
    NotOurs(SocketAddr),
    /// The kernel does not know this kind of address.
    #[error("{0} cannot be had: this kernel has no IPv6")]
    NoIpv6(SocketAddr),
    /// Anything else.
    #[error("listening on {address} failed")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A bound socket, to be handed to the thread that [receives](crate::receive::Receiver) from it.
///
/// ```
/// use grafolean_netflow_bot::receive::{Listener, ListenOptions};
/// let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
/// assert_ne!(listener.local_addr().port(), 0);
/// ```
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: Socket,
    address: SocketAddr,
    asked: usize,
    granted: usize,
    without_ipv6: bool,
}

impl Listener {
    /// Opens a socket there. `[::]` also receives what is sent to IPv4 addresses, and becomes `0.0.0.0` on a kernel
    /// without IPv6.
    pub fn bind(address: SocketAddr, options: &ListenOptions) -> Result<Self, ListenError> {
        let wants_all = address.is_ipv6() && address.ip().is_unspecified();
        match Self::open(address, options, false) {
            Err(ListenError::NoIpv6(_)) if wants_all => {
                let all = (Ipv4Addr::UNSPECIFIED, address.port()).into();
                Self::open(all, options, false).map(|listener| Self { without_ipv6: true, ..listener })
            }
            other => other,
        }
    }

    /// Opens so many sockets there, at least one. The kernel gives each of them some of the exporters, and always the
    /// same ones.
    ///
    /// ```
    /// use grafolean_netflow_bot::receive::{Listener, ListenOptions};
    /// let options = ListenOptions::default();
    /// let all = Listener::bind_several("127.0.0.1:0".parse().unwrap(), 3, &options).unwrap();
    /// assert_eq!(all.len(), 3);
    /// assert!(Listener::bind_several(all[0].local_addr(), 3, &options).is_err(), "they are taken");
    /// ```
    pub fn bind_several(
        address: SocketAddr,
        sockets: usize,
        options: &ListenOptions,
    ) -> Result<Vec<Self>, ListenError> {
        // The first one finds out whether somebody else has the port: to sockets that share it the kernel would add
        // those of another process, which would then get some of the exporters. Only then it is shared.
        let first = Self::bind(address, options)?;
        let address = first.address;
        let mut all = vec![first];
        if sockets > 1 {
            let shared = all[0].socket.set_reuse_port(true);
            shared.map_err(|source| ListenError::Other { address, source })?;
        }
        for _ in 1..sockets {
            all.push(Self::open(address, options, true)?);
        }
        Ok(all)
    }

    fn open(address: SocketAddr, options: &ListenOptions, shared: bool) -> Result<Self, ListenError> {
        let asked = options.receive_buffer;
        let open = || {
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
            if address.is_ipv6() {
                socket.set_only_v6(!address.ip().is_unspecified())?;
            }
            if shared {
                socket.set_reuse_port(true)?;
            }
            // Before it is bound, so that nothing is lost from the first datagram on. A smaller buffer than asked for
            // is no reason not to start: `finding` tells of it.
            if setsockopt(&socket, sockopt::RcvBufForce, &asked).is_err() {
                socket.set_recv_buffer_size(asked)?;
            }
            setsockopt(&socket, sockopt::RxqOvfl, &1)?;
            socket.bind(&address.into())?;
            let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
            // The kernel doubles the figure, as half of it goes into its own books, and shows the double.
            let granted = socket.recv_buffer_size()? / 2;
            io::Result::Ok(Self { socket, address: bound, asked, granted, without_ipv6: false })
        };
        open().map_err(|error| refused(address, error))
    }

    /// Where it listens: the port is known even where any was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What the kernel keeps for us at most, in bytes.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.granted
    }

    /// Whether IPv6 was wanted and is not there.
    #[must_use]
    pub fn is_without_ipv6(&self) -> bool {
        self.without_ipv6
    }

    /// What `check` and the log say of it.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let mut text = format!("listens on udp {}", self.address);
        if self.without_ipv6 {
            text.push_str(", IPv4 only: this kernel has no IPv6");
        }
        let about = format!("port {}", self.address.port());
        match shortfall(self.asked, self.granted) {
            Some(words) => {
                // Writing to a String cannot fail.
                let _ = write!(text, "; {words}");
                Finding::doubtful(about, text)
            }
            None => Finding::good(about, format!("{text}, with a buffer of {}", bytes(self.granted))),
        }
    }

    /// How long the kernel may be left to fill the buffer, if 3 Gbit/s came out of the blue.
    pub(super) fn nap(&self) -> Duration {
        const BYTES_PER_MICROSECOND: u64 = 400;
        let granted = u64::try_from(self.granted).unwrap_or(u64::MAX);
        Duration::from_micros(granted / BYTES_PER_MICROSECOND).min(LONGEST_NAP)
    }
}

fn refused(address: SocketAddr, error: io::Error) -> ListenError {
    use nix::errno::Errno;
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRINUSE) => ListenError::Taken(address),
        Some(Errno::EACCES | Errno::EPERM) if address.port() < 1_024 => ListenError::NotAllowed(address),
        Some(Errno::EAFNOSUPPORT) if address.is_ipv6() => ListenError::NoIpv6(address),
        // What a kernel says that has IPv6 but was told to leave it off.
        Some(Errno::EADDRNOTAVAIL) if address.is_ipv6() && address.ip().is_unspecified() => {
            ListenError::NoIpv6(address)
        }
        Some(Errno::EADDRNOTAVAIL) => ListenError::NotOurs(address),
        _ => ListenError::Other { address, source: error },
    }
}

/// What to do where the kernel gave less than it was asked for.
fn shortfall(asked: usize, granted: usize) -> Option<String> {
    (granted < asked).then(|| {
        format!(
            "the kernel grants a buffer of {} where {} were asked for, so that bursts may be lost: \
             \"sysctl -w net.core.rmem_max={asked}\" allows it",
            bytes(granted),
            bytes(asked),
        )
    })
}

fn bytes(n: usize) -> String {
    match n {
        n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(text: &str) -> Result<Listener, ListenError> {
        Listener::bind(text.parse().unwrap(), &ListenOptions::default())
    }

    #[test]
    fn a_port_that_is_taken_is_said_with_how_to_find_the_one_who_has_it() {
        let first = bind("127.0.0.1:0").unwrap();
        let address = first.local_addr();
        let error = Listener::bind(address, &ListenOptions::default()).unwrap_err();
        let expected = format!(
            "{address} is taken by another program: \"ss -ulpn 'sport = :{}'\" says by which",
            address.port()
        );
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn sockets_that_share_an_address_each_get_some_of_the_exporters() {
        let options = ListenOptions::default();
        let all = Listener::bind_several("127.0.0.1:0".parse().unwrap(), 2, &options).unwrap();
        let [one, other] = &all[..] else { panic!("{all:?}") };
        assert_eq!(one.local_addr(), other.local_addr());
        for listener in &all {
            listener.socket.set_nonblocking(true).unwrap();
        }
        let mut received = [0; 2];
        // As many ports as it takes.
        for _ in 0..64 {
            let exporter = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            exporter.send_to(b"flows", one.local_addr()).unwrap();
        }
        for (listener, count) in all.iter().zip(&mut received) {
            while listener.socket.recv(&mut [std::mem::MaybeUninit::uninit(); 8]).is_ok() {
                *count += 1;
            }
        }
        assert!(received[0] + received[1] == 64 && !received.contains(&0), "{received:?}");
    }

    /// The kernel lets the sockets of two processes share a port, if both want to, and gives each half of the exporters.
    #[test]
    fn a_port_that_sockets_share_is_taken_for_everybody_else() {
        let options = ListenOptions::default();
        let first = Listener::bind_several("127.0.0.1:0".parse().unwrap(), 2, &options).unwrap();
        for sockets in [1, 2] {
            let second = Listener::bind_several(first[0].local_addr(), sockets, &options);
            assert!(matches!(second, Err(ListenError::Taken(_))), "{second:?}");
        }
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let error = bind("192.0.2.1:0").unwrap_err();
        assert!(matches!(error, ListenError::NotOurs(_)), "{error}");
    }

    #[test]
    fn what_the_kernel_says_becomes_what_to_do() {
        let of = |address: &str, errno: nix::errno::Errno| refused(address.parse().unwrap(), errno.into());
        use nix::errno::Errno as E;
        assert!(matches!(of("0.0.0.0:514", E::EACCES), ListenError::NotAllowed(_)));
        assert!(matches!(of("0.0.0.0:2055", E::EACCES), ListenError::Other { .. }));
        assert!(matches!(of("[::]:2055", E::EAFNOSUPPORT), ListenError::NoIpv6(_)));
        assert!(matches!(of("[::]:2055", E::EADDRNOTAVAIL), ListenError::NoIpv6(_)));
        assert!(matches!(of("[2001:db8::1]:2055", E::EADDRNOTAVAIL), ListenError::NotOurs(_)));
        assert!(matches!(of("0.0.0.0:2055", E::EAFNOSUPPORT), ListenError::Other { .. }));
    }

    #[test]
    fn a_kernel_that_gives_less_is_told_of() {
        assert_eq!(shortfall(4 << 20, 4 << 20), None);
        assert_eq!(
            shortfall(4 << 20, 212_992).unwrap(),
            "the kernel grants a buffer of 208 KiB where 4 MiB were asked for, so that bursts may be lost: \
             \"sysctl -w net.core.rmem_max=4194304\" allows it"
        );
        let short = Listener { asked: usize::MAX, ..bind("127.0.0.1:0").unwrap() };
        assert_eq!(short.finding().verdict, grafoleancollector::Verdict::Doubtful);
        let alone = Listener { without_ipv6: true, ..bind("127.0.0.1:0").unwrap() };
        assert!(alone.finding().text.contains("IPv4 only: this kernel has no IPv6"));
    }

    #[test]
    fn a_small_buffer_allows_no_long_nap() {
        let nap = |granted| Listener { granted, ..bind("127.0.0.1:0").unwrap() }.nap();
        assert_eq!([nap(4 << 20), nap(1 << 30)], [LONGEST_NAP; 2]);
        assert!(nap(212_992) < Duration::from_millis(1));
    }
}
