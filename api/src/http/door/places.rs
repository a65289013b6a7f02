//! Where a request may come from.
//!
//! A browser lets any web page send requests to any address that its user reaches, a node on the
//! user's own machine included. It tells by `Origin` (or `Sec-Fetch-Site`) which page sends one,
//! and keeps the page from reading the answer. A page that has its own name lead to the node's
//! address (DNS rebinding) is for the browser one with the node, and reads everything; but then
//! `Host` is that name. Clients that are no browsers send neither.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::config::{Config, Hosts};
use crate::http::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The places from which requests may come.
pub struct Places {
    /// `None` when every name is allowed.
    hosts: Option<BTreeSet<String>>,
    origins: BTreeSet<String>,
}

impl Places {
    pub fn new(config: &Config) -> Self {
        let hosts = match &config.allowed_hosts {
            Hosts::Auto if config.listen.ip().is_loopback() => Some(BTreeSet::new()),
            Hosts::Auto | Hosts::All => None,
            Hosts::These(names) => Some(names.clone()),
        };
        Places {
            hosts,
            origins: config.allowed_origins.clone(),
        }
    }

    /// Checks where a request comes from.
    ///
    /// # Errors
    /// A host by which the node must not be called; a page that must not change anything here.
    pub fn check(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let headers = request.headers();
        let named = headers.get_all(header::HOST).map(HeaderValue::as_bytes);
        let target = request
            .uri()
            .authority()
            .map(|host| host.as_str().as_bytes());
        if !named.chain(target).all(|host| self.allows_host(host)) {
            return Err(Problem::host_not_allowed());
        }

        let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        if safe || self.allows_sender(headers) {
            Ok(())
        } else {
            Err(Problem::origin_not_allowed())
        }
    }

    /// Rebinding takes a name that an attacker owns: no address is one, and no name without a dot.
    fn allows_host(&self, host: &[u8]) -> bool {
        let Some(names) = &self.hosts else {
            return true;
        };
        let Ok(host) = str::from_utf8(host) else {
            return false;
        };

        let is_address = host.parse::<SocketAddr>().is_ok()
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => name,
            _ => host,
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();

        is_address || !name.contains('.') || name.ends_with(".localhost") || names.contains(&name)
    }

    /// Whether who sends the request may change something.
    fn allows_sender(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).peekable();
        if origins.peek().is_some() {
            return origins.all(|origin| self.allows_origin(origin) || is_own(origin, headers));
        }

        headers
            .get_all(SEC_FETCH_SITE)
            .all(|site| site == "same-origin" || site == "none")
    }

    /// Whether a page from elsewhere may ask, and read what it is answered.
    pub fn allows_origin(&self, origin: &HeaderValue) -> bool {
        origin
            .to_str()
            .is_ok_and(|origin| self.origins.contains(&origin.to_ascii_lowercase()))
    }

    /// Whether pages from elsewhere may ask at all.
    pub fn knows_origins(&self) -> bool {
        !self.origins.is_empty()
    }
}

/// Whether the page came from this very host, as the browser sees it. A proxy may have taken
/// `https` off on the way.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let (Ok(origin), Some(Ok(host))) = (
        origin.to_str(),
        headers.get(header::HOST).map(HeaderValue::to_str),
    ) else {
        return false;
    };

    let ports = [("http://", ":80"), ("https://", ":443")];
    ports.iter().any(|(scheme, port)| {
        let authority = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
        origin
            .strip_prefix(scheme)
            .is_some_and(|own| authority(own) == authority(host))
    })
}
