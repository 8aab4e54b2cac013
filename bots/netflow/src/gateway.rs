//! Whether this host's gateway hides the exporters: Docker's bridge puts its own address on packets to published ports.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::flow::Ip;

/// What containers have in their root.
const SIGNS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// The gateway of the container in which this runs, if that is one.
pub(crate) fn of_container() -> Option<Ip> {
    let is_container = SIGNS.iter().any(|sign| Path::new(sign).exists());
    if !is_container {
        return None;
    }
    default_gateway(&fs::read_to_string("/proc/net/route").ok()?)
}

/// The gateway of the default route, in the kernel's list of them.
fn default_gateway(routes: &str) -> Option<Ip> {
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let (destination, gateway) = (fields.nth(1)?, fields.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        // The number has the bytes of the address in the order of memory.
        let address = Ipv4Addr::from(gateway.to_ne_bytes());
        (destination == "00000000" && !address.is_unspecified())
            .then(|| Ip::from(std::net::IpAddr::V4(address)))
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
        assert_eq!(default_gateway(routes).map(|ip| ip.to_string()), Some("172.17.0.1".to_owned()));
        assert_eq!(default_gateway("Iface\tDestination\nlo\t00000000\n"), None);
        assert_eq!(default_gateway(""), None);
    }
}
