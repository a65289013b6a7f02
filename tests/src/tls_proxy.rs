//! A proxy in front of a node, as many have one: it speaks TLS with a certificate of its own
//! authority, and asks for credentials.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::http;

const REFUSAL: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"shop\"\r\n\
    content-type: text/html\r\ncontent-length: 14\r\nconnection: close\r\n\r\n<h1>Who?</h1>\n";

/// Listens at `localhost` as long as the value lives.
pub struct TlsProxy {
    port: u16,
    folder: TempDir,
    listening: AbortHandle,
}

impl TlsProxy {
    /// A proxy for the server at `url` that lets in whoever sends this `Authorization`.
    pub async fn start(url: &str, authorization: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (authority, config) = certified();
        std::fs::write(folder.path().join("ca.pem"), authority).expect("a file is written");

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = url.trim_start_matches("http://").to_owned();
        let wanted = format!("authorization: {authorization}\r\n");

        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, server, wanted) = (acceptor.clone(), server.clone(), wanted.clone());
                // A client that does not trust it goes away.
                tokio::spawn(async move { pass(acceptor, stream, &server, &wanted).await });
            }
        });
        Self {
            port,
            folder,
            listening: listening.abort_handle(),
        }
    }

    /// Its address, with these credentials (`USER:PASSWORD@`, or none).
    pub fn url(&self, credentials: &str) -> String {
        format!("https://{credentials}localhost:{}", self.port)
    }

    /// The certificate of its authority.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A new authority, and a server that it vouches for.
fn certified() -> (String, ServerConfig) {
    http::use_ring();
    let key = || KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([]).expect("an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority");

    let server_key = key();
    let names = ["localhost".to_owned()];
    let certificate: Certificate = CertificateParams::new(names)
        .and_then(|params| params.signed_by(&server_key, &authority))
        .expect("a certificate");
    let server_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], server_key)
        .expect("a server");
    (authority.pem(), config)
}

/// Looks at the first request of a connection, then hands everything on.
async fn pass(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    server: &str,
    wanted: &str,
) -> std::io::Result<()> {
    let mut client = BufReader::new(acceptor.accept(stream).await?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }

    if !head.contains(wanted) {
        client.write_all(REFUSAL).await?;
        return client.shutdown().await;
    }
    let mut server = TcpStream::connect(server).await?;
    server.write_all(head.as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server)
        .await
        .map(drop)
}
