//! The addresses to listen on, as people write them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Why a list of addresses is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is nothing between two commas, or nothing at all.
    #[error("an address is empty: separate them by one comma each, as in \"[::]:2055, 10.0.0.1:6343\"")]
    Empty,
    /// An address of the wrong form.
    #[error("\"{0}\" is no address: write 10.0.0.1:2055, [2001:db8::1]:2055, :2055 or 2055")]
    Form(String),
    /// Something that only a resolver could make an address of.
    #[error("\"{0}\" is no IP address: names are not looked up")]
    Name(String),
    /// An IPv6 address that runs into its port.
    #[error("\"{0}\" does not say where the address ends: write [::1]:2055")]
    Brackets(String),
    /// An address without a port.
    #[error("\"{0}\" has no port: write {0}:2055")]
    NoPort(String),
    /// A port that does not exist.
    #[error("\"{0}\" is no port: they go from 1 to 65535")]
    Port(String),
    /// The same address twice.
    #[error("{0} is there twice")]
    Twice(SocketAddr),
    /// Of two addresses one is part of the other; the kernel gives only one of them to a program.
    #[error("{all} receives what is sent to {one} already: leave {one} out")]
    Overlap {
        /// The one that is more.
        all: SocketAddr,
        /// The one that is part of it.
        one: SocketAddr,
    },
}

/// Reads a list such as `[::]:2055, 10.0.0.1:6343`. A port alone, with or without a colon, stands for all addresses,
/// IPv4 and IPv6. Port 0 is any that is free.
///
/// ```
/// use grafolean_netflow_bot::receive::addresses;
/// let list = addresses("2055, 10.0.0.1:6343").unwrap();
/// assert_eq!(list, ["[::]:2055".parse().unwrap(), "10.0.0.1:6343".parse().unwrap()]);
/// assert_eq!(addresses("router:2055").unwrap_err().to_string(), "\"router\" is no IP address: names are not looked up");
/// ```
pub fn addresses(text: &str) -> Result<Vec<SocketAddr>, AddressError> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for part in text.split(',') {
        let address = address(part.trim())?;
        for other in all.iter().filter(|other| other.port() == address.port() && address.port() != 0) {
            if *other == address {
                return Err(AddressError::Twice(address));
            } else if includes(*other, address) {
                return Err(AddressError::Overlap { all: *other, one: address });
            } else if includes(address, *other) {
                return Err(AddressError::Overlap { all: address, one: *other });
            }
        }
        all.push(address);
    }
    Ok(all)
}

/// Whether what is sent to `one`, at the same port, arrives at `all`: `[::]` stands for IPv4 too.
fn includes(all: SocketAddr, one: SocketAddr) -> bool {
    let one = one.ip().to_canonical();
    match all.ip().to_canonical() {
        IpAddr::V6(all) if all.is_unspecified() => true,
        IpAddr::V4(all) if all.is_unspecified() => one.is_ipv4(),
        all => all == one,
    }
}

fn address(text: &str) -> Result<SocketAddr, AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let any = |digits| Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port(digits)?)));
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return any(text);
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare.parse() {
        Ok(IpAddr::V6(_)) if bare.len() == text.len() => {
            return Err(AddressError::Brackets(text.to_owned()));
        }
        Ok(_) => return Err(AddressError::NoPort(text.to_owned())),
        Err(_) => {}
    }
    match text.rsplit_once(':') {
        Some(("", digits)) => any(digits),
        Some((host, digits)) => {
            port(digits)?;
            let looks_like_a_name =
                host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            let (host, text) = (host.to_owned(), text.to_owned());
            Err(match looks_like_a_name {
                true => AddressError::Name(host),
                false if host.contains(':') && !host.starts_with('[') => AddressError::Brackets(text),
                false => AddressError::Form(text),
            })
        }
        None => Err(AddressError::Form(text.to_owned())),
    }
}

fn port(digits: &str) -> Result<u16, AddressError> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).ok_or_else(|| AddressError::Port(digits.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::{ListenOptions, Listener};

    fn read(text: &str) -> Vec<String> {
        addresses(text).unwrap().iter().map(ToString::to_string).collect()
    }

    fn refused(text: &str) -> String {
        addresses(text).unwrap_err().to_string()
    }

    #[test]
    fn all_forms_are_understood() {
        assert_eq!(read("10.0.0.1:2055"), ["10.0.0.1:2055"]);
        assert_eq!(read("[2001:db8::1]:2055"), ["[2001:db8::1]:2055"]);
        assert_eq!(read(":9995"), ["[::]:9995"]);
        assert_eq!(read("9995"), ["[::]:9995"]);
        assert_eq!(read(" 2055 ,0.0.0.0:6343, [::1]:0"), ["[::]:2055", "0.0.0.0:6343", "[::1]:0"]);
        assert_eq!(read("0,0"), ["[::]:0", "[::]:0"]);
    }

    /// `check` said that the bot can work, and the bot ended: "taken by another program", which was itself.
    #[test]
    fn addresses_of_which_the_kernel_gives_only_one_are_refused() {
        for (text, all, one) in [
            ("0.0.0.0:2055,[::]:2055", "[::]:2055", "0.0.0.0:2055"),
            ("2055,10.0.0.1:2055", "[::]:2055", "10.0.0.1:2055"),
            ("[::1]:2055,:2055", "[::]:2055", "[::1]:2055"),
            ("10.0.0.1:6343,0.0.0.0:2055,10.0.0.1:2055", "0.0.0.0:2055", "10.0.0.1:2055"),
            ("0.0.0.0:2055,[::ffff:10.0.0.1]:2055", "0.0.0.0:2055", "[::ffff:10.0.0.1]:2055"),
        ] {
            let words = format!("{all} receives what is sent to {one} already: leave {one} out");
            assert_eq!(refused(text), words);
        }
        for fine in [
            "0.0.0.0:2055,[::1]:2055",
            "10.0.0.1:2055,10.0.0.2:2055",
            "[::]:2055,0.0.0.0:6343",
            "0,0.0.0.0:0",
        ] {
            assert_eq!(read(fine).len(), fine.split(',').count());
        }
    }

    /// What is refused here is what the kernel refuses, so that nobody is kept from what would work.
    #[test]
    fn the_kernel_agrees() {
        let hosts = ["0.0.0.0", "[::]", "127.0.0.1", "127.0.0.2", "[::1]"];
        if std::net::UdpSocket::bind("[::1]:0").is_err() {
            // Nothing to compare with: this kernel has no IPv6.
            return;
        }
        let agrees = |one, other| {
            let options = ListenOptions::default();
            let first = Listener::bind(format!("{one}:0").parse().unwrap(), &options).unwrap();
            let other = format!("{other}:{}", first.local_addr().port());
            let both = Listener::bind(other.parse().unwrap(), &options).is_ok();
            addresses(&format!("{}, {other}", first.local_addr())).is_ok() == both
        };
        for (one, other) in hosts.iter().flat_map(|one| hosts.map(|other| (one, other))) {
            // Another test may have the port at the other address.
            assert!((0..5).any(|_| agrees(one, other)), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        assert_eq!(refused("10.0.0.1"), "\"10.0.0.1\" has no port: write 10.0.0.1:2055");
        assert_eq!(refused("[::1]"), "\"[::1]\" has no port: write [::1]:2055");
        for unclear in ["::1", "2001:db8::1:2055", "::ffffff:2055"] {
            let words = format!("\"{unclear}\" does not say where the address ends: write [::1]:2055");
            assert_eq!(refused(unclear), words);
        }
        assert_eq!(
            refused("netflow.example.org:2055"),
            "\"netflow.example.org\" is no IP address: names are not looked up"
        );
        for port in ["65536", "-1", "http", "+80"] {
            let words = format!("\"{port}\" is no port: they go from 1 to 65535");
            assert_eq!(refused(&format!("10.0.0.1:{port}")), words);
        }
        assert_eq!(refused("99999"), "\"99999\" is no port: they go from 1 to 65535");
        assert!(refused("*:2055").contains("\"*:2055\" is no address"));
        assert!(refused("nonsense").contains("\"nonsense\" is no address"));
        for empty in ["", " ", "2055,", ",2055", "2055,,6343"] {
            assert!(refused(empty).contains("an address is empty"), "{empty}");
        }
        assert_eq!(refused("2055, [::]:2055"), "[::]:2055 is there twice");
    }
}
