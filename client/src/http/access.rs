//! How a node is reached: over TLS when its address says so, and with the credentials that a proxy
//! in front of it asks for.
//!
//! Credentials leave the address before anything can show it. They are for the one server that it
//! names: no redirect is followed with them.

use std::error::Error;
use std::io;
use std::iter;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use reqwest::{Client, ClientBuilder, Url};
use rustls::CertificateError;

use crate::args::{NodeArgs, TOKEN_VARIABLE};
use crate::error::ClientError;

/// What makes a client for calls to a server and to no other.
///
/// Certificates are those that the system trusts, or `SSL_CERT_FILE` in their place. Where nothing
/// is encrypted, none are needed, and none are read.
pub fn builder(url: &Url) -> ClientBuilder {
    // Whoever was here before has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A server is addressed directly: a proxy set for the way to the internet knows nothing of
        // 127.0.0.1.
        .no_proxy();
    match url.scheme() {
        "https" => builder,
        _ => builder.tls_certs_only(iter::empty()),
    }
}

/// A token, and where it comes from.
pub(super) struct Token {
    text: String,
    from: String,
}

impl Token {
    /// The token that the arguments or the environment name, if any.
    pub(super) fn of(args: &NodeArgs) -> Result<Option<Self>, ClientError> {
        if let Some(path) = &args.token_file {
            return Self::read(path).map(Some);
        }
        let text = std::env::var(TOKEN_VARIABLE).unwrap_or_default();
        let from = TOKEN_VARIABLE.to_owned();
        Ok((!text.is_empty()).then_some(Token { text, from }))
    }

    fn read(path: &Path) -> Result<Self, ClientError> {
        let from = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Token { text, from }),
            Err(error) => Err(ClientError::Token {
                from,
                reason: error.to_string(),
            }),
        }
    }

    fn header(&self) -> Result<HeaderValue, ClientError> {
        let text = self.text.trim();
        let header = HeaderValue::try_from(format!("Bearer {text}")).ok();
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        header
            .filter(|_| plain)
            .map(secret)
            .ok_or_else(|| ClientError::Token {
                from: self.from.clone(),
                reason: "it must be one word of ASCII".to_owned(),
            })
    }
}

/// Takes the credentials out of an address, or from the token: what is sent as `Authorization`.
pub(super) fn authorization(
    url: &mut Url,
    token: Option<&Token>,
) -> Result<Option<HeaderValue>, ClientError> {
    let in_address = !url.username().is_empty() || url.password().is_some();
    match (in_address, token) {
        (false, None) => Ok(None),
        (false, Some(token)) => token.header().map(Some),
        (true, Some(token)) => Err(ClientError::Token {
            from: token.from.clone(),
            reason: "the url names a user as well, and only one of both can be sent".to_owned(),
        }),
        (true, None) => Ok(basic(url)),
    }
}

fn basic(url: &mut Url) -> Option<HeaderValue> {
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let user = decoded(url.username());
    let password = decoded(url.password().unwrap_or_default());
    // They fail only for an address without a host, which has no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);

    let pair = BASE64_STANDARD.encode([&user[..], b":", &password].concat());
    HeaderValue::try_from(format!("Basic {pair}"))
        .ok()
        .map(secret)
}

fn secret(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// An address that is none, as it may be printed: nobody knows which part of it is secret.
pub(super) fn masked(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    let scheme = before
        .split_once("://")
        .map_or(String::new(), |(scheme, _)| format!("{scheme}://"));
    format!("{scheme}***@{host}")
}

/// Why no encrypted connection came about, when that is what has failed: it would fail again.
pub(super) fn unsafe_because(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref() {
            return Some(told(error));
        }
        next = below(error);
    }
    None
}

/// The source of an error. An error of the system has another one inside, and gives the source of
/// that as its own.
fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inside) => Some(inside),
        None => error.source(),
    }
}

fn told(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "nobody whom this machine trusts has signed its certificate; SSL_CERT_FILE may name \
             the certificates to trust instead"
                .to_owned()
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token {
            text: text.to_owned(),
            from: TOKEN_VARIABLE.to_owned(),
        }
    }

    #[test]
    fn credentials_leave_the_address_and_are_sent_as_they_were_meant() {
        let mut url: Url = "https://ada:p%40s%3As@node.example/x".parse().unwrap();
        let header = authorization(&mut url, None).unwrap().unwrap();
        assert_eq!(header, "Basic YWRhOnBAczpz");
        assert_eq!(url.as_str(), "https://node.example/x");
        assert_eq!(format!("{header:?}"), "Sensitive");

        let header = authorization(&mut url, Some(&token("abc.def\n"))).unwrap();
        assert_eq!(header.unwrap(), "Bearer abc.def");
        assert!(authorization(&mut url, None).unwrap().is_none());
    }

    #[test]
    fn a_token_that_cannot_be_sent_is_refused_and_not_printed() {
        let mut plain: Url = "https://node.example".parse().unwrap();
        for text in ["hush hush", "hüsh", " \n", "hu\nsh"] {
            let refused = authorization(&mut plain, Some(&token(text))).unwrap_err();
            let line = refused.to_string();
            assert!(
                line.contains(TOKEN_VARIABLE) && !line.contains("sh "),
                "{line}"
            );
        }

        let mut url: Url = "https://ada:secret@node.example".parse().unwrap();
        let line = authorization(&mut url, Some(&token("hush")))
            .unwrap_err()
            .to_string();
        assert!(!line.contains("hush") && !line.contains("secret"), "{line}");
    }

    #[test]
    fn an_address_that_is_none_keeps_its_secrets() {
        for (text, shown) in [
            ("https://ada:hu@sh@host:port", "https://***@host:port"),
            ("ada:hush@host", "***@host"),
            ("host:8080", "host:8080"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
