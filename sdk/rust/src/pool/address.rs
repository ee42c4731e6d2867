//! The address of a server: `host:port` as it is, `grpcs://host:port` over TLS.

use crate::error::Error;

/// How the address of a server begins that speaks TLS, and of one that does not.
const OVER_TLS: &str = "grpcs://";
const IN_CLEAR: &str = "grpc://";

/// The address of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    pub host: String,
    pub port: u16,
    pub is_tls: bool,
}

impl Address {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Endpoint { endpoint: text.to_owned() };
        let (authority, is_tls) = match text.strip_prefix(OVER_TLS) {
            Some(rest) => (rest, true),
            None => (text.strip_prefix(IN_CLEAR).unwrap_or(text), false),
        };
        let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
        // An address of IPv6 stands in brackets.
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name = |host: &str| !host.is_empty() && !host.contains([':', '/', '@', ' ', '[', ']']);
        if bare.is_none() && !is_name(host) {
            return Err(wrong());
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port, is_tls })
    }

    /// As it stands in a request.
    pub fn authority(&self) -> String {
        let Address { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port_and_says_whether_it_speaks_tls() {
        let parsed = |text| Address::parse(text).map(|address| (address.authority(), address.is_tls));
        assert_eq!(parsed("localhost:1").unwrap(), ("localhost:1".to_owned(), false));
        assert_eq!(parsed("grpc://10.0.0.1:6566").unwrap(), ("10.0.0.1:6566".to_owned(), false));
        assert_eq!(
            parsed("grpcs://features.example:443").unwrap(),
            ("features.example:443".to_owned(), true)
        );
        assert_eq!(parsed("[::1]:6566").unwrap(), ("[::1]:6566".to_owned(), false));
        for wrong in
            ["", "host", "host:", ":1", "host:0", "host:65536", "http://host:1", "a:b:1", "host:1/path"]
        {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
