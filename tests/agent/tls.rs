//! HTTPS to a proxy in front of the server, with a certificate of a private
//! authority.

use crate::scene::{CLUSTER, Scene, counts, entries, hours};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/tls")
        .join(name)
}

/// Ends TLS and passes on what is inside, as a reverse proxy does.
async fn proxy(to: SocketAddr) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(fixture("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outer = acceptor.accept(stream).await?;
                let mut inner = TcpStream::connect(to).await?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_authority_is_trusted_when_it_is_named() {
    let scene = Scene::new(Some(CLUSTER));
    let spool = scene.spool("spool", &hours(2));
    let server = scene.serve();
    let port = proxy(server.address().parse().expect("an address")).await.port();
    let ca = fixture("ca.pem").display().to_string();
    // nobody named the authority, or the certificate is for another name
    for (url, more) in [
        (format!("https://localhost:{port}"), &[][..]),
        (format!("https://127.0.0.2:{port}"), &["--ca-file", &ca][..]),
    ] {
        let ended = tokio::task::block_in_place(|| scene.drain(&url, &spool, more)).exits(3);
        assert!(
            ended.err.to_lowercase().contains("certificate") || url.contains("127.0.0.2"),
            "{}",
            ended.err
        );
        assert_eq!(entries(&spool).len(), 2, "nothing is lost");
    }
    for host in ["localhost", "127.0.0.1"] {
        let spool = scene.spool(host, &hours(2));
        let url = format!("https://{host}:{port}");
        let ended = tokio::task::block_in_place(|| scene.drain(&url, &spool, &["--ca-file", &ca])).exits(0);
        assert_eq!(counts(&ended.json())[0..2].iter().sum::<u64>(), 2, "{}", ended.err);
        assert!(entries(&spool).is_empty());
    }
}
