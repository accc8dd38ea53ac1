//! Who may ask: the server's own page, and programs that are no web page.
//!
//! A server on loopback is reached by every page that a browser shows. A page of another origin must not use it, so a
//! request whose `Origin` is another one is refused. A page may also have its own name resolve to this machine (DNS
//! rebinding), and then be of one origin with the server; but its requests carry that name in `Host`, and only
//! addresses, `localhost` and the name that the server was started with are answered.

use crate::failure::Failure;
use hyper::{
    Method, StatusCode,
    header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN},
};
use std::net::{IpAddr, Ipv6Addr};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses a request that a page of another site may have sent. `known` is a further name of this server.
pub(crate) fn check(method: &Method, headers: &HeaderMap, known: &str) -> Result<(), Failure> {
    let host = single(headers, &HOST)?.unwrap_or_default();
    if !is_own(host, known) {
        return Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, "the Host of the request is not this server")
            .hint("use the address that the server printed"));
    }
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(());
    }
    let same_origin = match single(headers, &ORIGIN)? {
        Some(origin) => origin.strip_prefix("http://").is_some_and(|from| from.eq_ignore_ascii_case(host)),
        None => true,
    };
    let same_site = single(headers, &FETCH_SITE)?.is_none_or(|site| ["same-origin", "none"].contains(&site));
    match same_origin && same_site {
        true => Ok(()),
        false => Err(Failure::new(StatusCode::FORBIDDEN, "a page of another origin may not use this server")
            .hint("open the server's own page")),
    }
}

/// Returns the value of a header that may be there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Failure> {
    let bad = || Failure::new(StatusCode::BAD_REQUEST, format!("the header {name} is not one line of ASCII, once"));
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(HeaderValue::to_str).transpose().map_err(|_| bad())?;
    if values.next().is_some() { Err(bad()) } else { Ok(value) }
}

/// Returns whether a `Host` is an address, `localhost` or `known`, each with a port or without.
fn is_own(host: &str, known: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_name = [known, "localhost"].iter().any(|own| !own.is_empty() && name.eq_ignore_ascii_case(own));
    port.is_none_or(is_port) && (is_name || name.parse::<IpAddr>().is_ok())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, headers: &[(&'static str, &str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        check(&method, &map, "models.lan").err().map(|failure| failure.status.as_u16())
    }

    #[test]
    fn addresses_and_own_names_are_hosts_and_other_names_are_not() {
        for own in ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "[::1]", "localhost:1", "LOCALHOST", "models.lan:80"] {
            assert_eq!(status(Method::GET, &[("host", own)]), None, "{own}");
        }
        let others = ["", "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"];
        for other in others.iter().chain(&["[::1", "[evil]", "127.0.0.1:x", "127.0.0.1:8000:9", "user@127.0.0.1"]) {
            assert_eq!(status(Method::GET, &[("host", other)]), Some(421), "{other}");
        }
        assert_eq!(status(Method::GET, &[]), Some(421));
        assert_eq!(status(Method::GET, &[("host", "localhost"), ("host", "evil.example")]), Some(400));
    }

    #[test]
    fn pages_of_other_origins_may_not_post() {
        let post =
            |more: &[(&'static str, &str)]| status(Method::POST, &[&[("host", "localhost:8000")], more].concat());
        assert_eq!(post(&[]), None);
        assert_eq!(post(&[("origin", "http://localhost:8000")]), None);
        assert_eq!(post(&[("origin", "http://localhost:8000"), ("sec-fetch-site", "same-origin")]), None);
        for origin in ["http://evil.example", "null", "https://localhost:8000", "http://localhost:9000", ""] {
            assert_eq!(post(&[("origin", origin)]), Some(403), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(post(&[("sec-fetch-site", site)]), Some(403), "{site}");
        }
    }
}
