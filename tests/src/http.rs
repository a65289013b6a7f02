//! Where HTTP clients come from.

use reqwest::{Client, ClientBuilder};

/// A client that asks no proxy. Where the product is built along, its HTTP library knows TLS and
/// wants to be told by whom, even if nothing is encrypted.
pub(crate) fn client() -> ClientBuilder {
    use_ring();
    Client::builder().no_proxy()
}

/// Whoever was first has said the same.
pub(crate) fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
