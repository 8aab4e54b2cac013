//! Whether this host's gateway hides the exporters: Docker's bridge puts its own address on packets to published ports.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use crate::flow::Ip;

/// What containers have in their root.
const SIGNS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// The gateway that stands between the exporters and this container, if this is one with a network of its own.
pub(crate) fn of_container() -> Option<Ip> {
    let is_container = SIGNS.iter().any(|sign| Path::new(sign).exists());
    if !is_container {
        return None;
    }
    let routes = fs::read_to_string("/proc/net/route").ok()?;
    let (interface, gateway) = default_route(&routes)?;
    let number = |file| fs::read_to_string(format!("/sys/class/net/{interface}/{file}")).ok();
    // One end of a pair has the number of the other end. On the host's own network it is a card.
    (number("ifindex")? != number("iflink")?).then_some(gateway)
}

/// The interface and the gateway of the default route, in the kernel's list of them.
fn default_route(routes: &str) -> Option<(&str, Ip)> {
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let (interface, destination, gateway) = (fields.next()?, fields.next()?, fields.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        // The number has the bytes of the address in the order of memory.
        let address = Ipv4Addr::from(gateway.to_ne_bytes());
        let is_default = destination == "00000000" && !address.is_unspecified();
        is_default.then(|| (interface, Ip::from(IpAddr::V4(address))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_that_of_the_default_route() {
        let routes = "Iface\tDestination\tGateway \tFlags\n\
            eth0\t000011AC\t00000000\t0001\n\
            eth0\t00000000\t010011AC\t0003\n";
        assert_eq!(
            default_route(routes).map(|(name, ip)| format!("{name} {ip}")),
            Some("eth0 172.17.0.1".to_owned())
        );
        assert_eq!(default_route("Iface\tDestination\nlo\t00000000\n"), None);
        assert_eq!(default_route(""), None);
    }
}
