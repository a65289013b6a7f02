//! The places from which a node may be asked: the hosts it is called by, and the origins of the web
//! pages that may call it.

use std::collections::BTreeSet;

use super::value::Refusal;

/// The names of hosts under which a node answers, besides IP addresses and names without a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Those of `localhost` where the node listens on this machine alone, all otherwise.
    Auto,
    /// Any name.
    All,
    /// These names, in lower case.
    These(BTreeSet<String>),
}

/// Reads `auto`, `*`, or a list of names.
pub fn hosts(text: &str) -> Result<Hosts, Refusal> {
    match text {
        "auto" => return Ok(Hosts::Auto),
        "*" => return Ok(Hosts::All),
        _ => {}
    }

    let names = text.split(',').map(|name| {
        let name = name.trim().to_ascii_lowercase();
        if is_name(&name) {
            Ok(name)
        } else {
            Err(Refusal::NotAllowed)
        }
    });
    Ok(Hosts::These(names.collect::<Result<_, _>>()?))
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.len() <= 253 && name.bytes().all(plain)
}

/// Reads a list of origins, as browsers send them: `https://shop.example`.
pub fn origins(text: &str) -> Result<BTreeSet<String>, Refusal> {
    let named = text
        .split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty());

    named
        .map(|origin| {
            let (scheme, rest) = origin.split_once("://").ok_or(Refusal::NotAllowed)?;
            let host = match rest.rsplit_once(':') {
                Some((host, port)) if port.parse::<u16>().is_ok() => host,
                _ => rest,
            };
            let is_host = is_name(host) || is_ipv6(host);
            let is_scheme =
                is_name(scheme) && scheme.starts_with(|c: char| c.is_ascii_alphabetic());

            if is_host && is_scheme {
                Ok(origin.to_ascii_lowercase())
            } else {
                Err(Refusal::NotAllowed)
            }
        })
        .collect()
}

fn is_ipv6(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_without_scheme_port_or_path() {
        let named = hosts("Shop.example, counterfoil.internal").unwrap();
        let names = ["shop.example", "counterfoil.internal"].map(str::to_owned);
        assert_eq!(named, Hosts::These(BTreeSet::from(names)));
        assert_eq!(
            (hosts("auto"), hosts("*")),
            (Ok(Hosts::Auto), Ok(Hosts::All))
        );

        for text in [
            "",
            "shop.example:8080",
            "http://shop.example",
            "a,,b",
            "a b",
            "*.example",
        ] {
            assert_eq!(hosts(text), Err(Refusal::NotAllowed), "{text:?}");
        }
    }

    #[test]
    fn origins_have_a_scheme_and_a_host_and_nothing_behind() {
        assert_eq!(origins(""), Ok(BTreeSet::new()));
        let read = origins("https://Shop.example, http://[::1]:3000,app://one").unwrap();
        assert!(read.contains("https://shop.example") && read.contains("http://[::1]:3000"));

        for text in [
            "*",
            "null",
            "shop.example",
            "https://shop.example/",
            "https://",
            "://x",
        ] {
            assert_eq!(origins(text), Err(Refusal::NotAllowed), "{text:?}");
        }
    }
}
