//! Whether a request was made by somebody at this very machine.
//!
//! The peer's address alone does not say so: a proxy on this machine passes on what others ask, and a web page from
//! elsewhere can make a browser on this machine ask (a foreign `Origin`, or a foreign name that was made to lead here).

use std::net::IpAddr;

use axum::http::header::{FORWARDED, HOST, HeaderName, ORIGIN, VIA};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// What proxies add.
const FORWARDED_BY: [HeaderName; 5] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// Whether somebody at this machine asks, and for this machine.
pub(super) fn is_local(headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
    let is_near = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    let is_direct = !FORWARDED_BY.iter().any(|name| headers.contains_key(name));
    is_near && is_direct && all(headers, HOST, names_this_machine) && all(headers, ORIGIN, comes_from_this_machine)
}

fn all(headers: &HeaderMap, name: HeaderName, fits: fn(&str) -> bool) -> bool {
    headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(fits))
}

fn comes_from_this_machine(origin: &str) -> bool {
    origin.parse::<Uri>().is_ok_and(|origin| origin.authority().is_some_and(|at| names_this_machine(at.as_str())))
}

fn names_this_machine(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn local(peer: &str, headers: &[(HeaderName, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        is_local(&headers, Some(peer.parse().unwrap()))
    }

    #[test]
    fn somebody_at_this_machine_is_local() {
        for peer in ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(local(peer, &[]), "{peer}");
        }
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "[::1]"] {
            assert!(local("127.0.0.1", &[(HOST, host)]), "{host}");
        }
        assert!(local("::1", &[(ORIGIN, "http://localhost:3000"), (HOST, "localhost:8080")]));
    }

    #[test]
    fn who_asks_from_elsewhere_or_for_somebody_is_not() {
        for peer in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "0.0.0.0"] {
            assert!(!local(peer, &[]), "{peer}");
        }
        for name in FORWARDED_BY {
            assert!(!local("127.0.0.1", &[(name.clone(), "127.0.0.1")]), "{name}");
            assert!(!local("127.0.0.1", &[(name.clone(), "")]), "{name}");
        }
        assert!(!is_local(&HeaderMap::new(), None));
    }

    #[test]
    fn a_page_from_elsewhere_in_a_browser_here_is_not_local() {
        for origin in
            ["https://evil.example", "null", "http://localhost.evil.example", "", "http://127.0.0.1@evil.example"]
        {
            assert!(!local("127.0.0.1", &[(ORIGIN, origin)]), "{origin}");
        }
        for host in ["evil.example:8080", "127.0.0.1.evil.example", "", "10.0.0.1"] {
            assert!(!local("127.0.0.1", &[(HOST, host)]), "{host}");
        }
    }
}
