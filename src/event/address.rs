//! Addresses as text.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::abi::Endpoint;

/// The longest: `[xxxx:xxxx:xxxx:xxxx:xxxx:xxxx:255.255.255.255]:65535`.
const LENGTH: usize = 64;

/// An address and a port as text.
pub struct Address {
    text: heapless::String<LENGTH>,
    host_length: usize,
    port: u16,
    version: u8,
}

/// The text of one end of a connection. An IPv4 address that an IPv6 socket uses (`::ffff:a.b.c.d`)
/// is shown as what goes over the wire.
pub fn address(endpoint: &Endpoint) -> Address {
    let [a, b, c, d, ..] = endpoint.address;
    let host = match endpoint.version {
        6 => IpAddr::V6(Ipv6Addr::from(endpoint.address)).to_canonical(),
        _ => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
    };
    let mut text = heapless::String::new();
    // The longest text fits.
    let _ = match host {
        // In every event of the network, where the way of `write!` is half of all that it costs.
        IpAddr::V4(host) => dotted(&mut text, host),
        IpAddr::V6(host) => write!(text, "{host}"),
    };
    Address {
        host_length: text.len(),
        text,
        port: endpoint.port,
        version: if host.is_ipv4() { 4 } else { 6 },
    }
}

fn dotted(text: &mut heapless::String<LENGTH>, host: Ipv4Addr) -> fmt::Result {
    for (index, part) in host.octets().into_iter().enumerate() {
        if index > 0 {
            text.write_char('.')?;
        }
        text.write_str(itoa::Buffer::new().format(part))?;
    }
    Ok(())
}

impl Address {
    /// Without the port.
    pub fn host(&self) -> &[u8] {
        &self.text.as_bytes()[..self.host_length]
    }

    /// In host byte order.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// 4 or 6.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// `ip:port`, or `[ip]:port` for version 6.
    pub fn with_port(&self) -> heapless::String<LENGTH> {
        let mut text = heapless::String::new();
        let host = &self.text;
        // The longest text fits.
        let _ = match self.version {
            4 => write!(text, "{host}:{}", self.port),
            _ => write!(text, "[{host}]:{}", self.port),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ip: IpAddr, port: u16) -> Address {
        let mut endpoint = Endpoint {
            port,
            ..Endpoint::default()
        };
        match ip {
            IpAddr::V4(ip) => {
                endpoint.version = 4;
                endpoint.address[..4].copy_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                endpoint.version = 6;
                endpoint.address = ip.octets();
            }
        }
        address(&endpoint)
    }

    #[test]
    fn both_versions_have_a_text() {
        let v4 = of("192.0.2.7".parse().unwrap(), 22);
        assert_eq!((v4.host(), v4.version()), (b"192.0.2.7".as_slice(), 4));
        assert_eq!(v4.with_port(), "192.0.2.7:22");
        let v6 = of("2001:db8::1".parse().unwrap(), 65535);
        assert_eq!(v6.with_port(), "[2001:db8::1]:65535");
    }

    #[test]
    fn a_mapped_address_is_version_4() {
        let mapped = of("::ffff:10.1.2.3".parse().unwrap(), 80);
        assert_eq!(
            (mapped.host(), mapped.version()),
            (b"10.1.2.3".as_slice(), 4)
        );
    }
}
