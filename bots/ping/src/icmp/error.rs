//! What can go wrong with a ping, and with opening its sockets.

use super::packet::Reason;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why a ping got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// Nothing came back in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// Somebody said that the request cannot be delivered: a router or, without `from`, this host itself.
    #[error("{reason}{}", said_by(*.from))]
    Unreachable {
        /// What was said.
        reason: Reason,
        /// Who said it; `None` when this host refused to send.
        from: Option<IpAddr>,
    },
    /// There is no socket for the target's address family.
    #[error("cannot ping {family} addresses: {why}")]
    NoSocket {
        /// "IPv4" or "IPv6".
        family: &'static str,
        /// What stood in the way when the sockets were opened.
        why: String,
    },
    /// The request could not be sent, for a reason that says nothing about the target.
    #[error("cannot send the echo request")]
    Send(#[source] io::Error),
}

fn said_by(from: Option<IpAddr>) -> String {
    from.map(|address| format!(", says {address}")).unwrap_or_default()
}

impl PingError {
    /// The error that a failed `sendto` stands for.
    pub(crate) fn from_send(error: io::Error) -> Self {
        let reason = match error.raw_os_error() {
            Some(libc::ENETUNREACH | libc::EADDRNOTAVAIL) => Reason::Network,
            Some(libc::EHOSTUNREACH) => Reason::Host,
            // EPERM is a firewall's drop rule, EACCES a route of type prohibit or a broadcast address.
            Some(libc::EACCES | libc::EPERM) => Reason::Prohibited,
            Some(libc::EMSGSIZE) => Reason::TooBig,
            _ => return Self::Send(error),
        };
        Self::Unreachable { reason, from: None }
    }
}

/// Why there is no [`Pinger`](super::Pinger).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The kernel allows this process neither kind of ICMP socket.
    #[error("{0}")]
    Permission(MissingPermission),
    /// There is no tokio runtime to receive on.
    #[error("a pinger can only be opened inside a tokio runtime")]
    NoRuntime,
    /// Something other than a permission stands in the way.
    #[error("cannot open an ICMP socket")]
    Socket(#[source] io::Error),
}

/// What to allow, in one line that can be pasted from.
#[derive(Debug)]
pub struct MissingPermission {
    pub(crate) binary: Option<PathBuf>,
}

impl fmt::Display for MissingPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no permission to open an ICMP socket: either allow unprivileged ones, \
             sysctl -w net.ipv4.ping_group_range=\"0 2147483647\", or raw ones for this program, \
             setcap cap_net_raw+ep ",
        )?;
        match &self.binary {
            Some(path) => path.display().fmt(f),
            None => f.write_str("grafolean-ping-bot"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_is_one_line_with_both_remedies() {
        let error =
            OpenError::Permission(MissingPermission { binary: Some("/usr/bin/x".into()) }).to_string();
        assert!(!error.contains('\n'));
        assert!(error.contains("sysctl -w net.ipv4.ping_group_range=\"0 2147483647\""), "{error}");
        assert!(error.ends_with("setcap cap_net_raw+ep /usr/bin/x"), "{error}");
    }

    #[test]
    fn an_unreachable_target_says_who_said_so() {
        let from = Some(IpAddr::from([10, 0, 0, 1]));
        assert_eq!(
            PingError::Unreachable { reason: Reason::Host, from }.to_string(),
            "host unreachable, says 10.0.0.1"
        );
        let refused = PingError::from_send(io::Error::from_raw_os_error(libc::ENETUNREACH));
        assert_eq!(refused.to_string(), "network unreachable");
    }
}
