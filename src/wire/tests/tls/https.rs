//! Documents over HTTPS.

use std::{sync::Arc, time::Duration};

use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use wire::{FetchBounds, FetchError, Fetcher};

const BOUNDS: FetchBounds = FetchBounds {
    bytes_max: 100,
    timeout: Duration::from_secs(5),
    plain_loopback: false,
};

/// A server on loopback: its URL, and the certificate that it has of itself.
async fn server() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever does not trust it is gone.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let asked = String::from_utf8_lossy(&head[..read]).into_owned();
            let (status, body) = match asked.split(' ').nth(1) {
                Some("/document") => ("200 OK", "{}".to_owned()),
                Some("/large") => ("200 OK", "x".repeat(101)),
                Some("/moved") => ("302 Found\r\nlocation: /document", String::new()),
                Some("/silent") => std::future::pending().await,
                _ => ("404 Not Found", String::new()),
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (url, made.cert.pem())
}

#[tokio::test]
async fn a_document_comes_from_who_is_trusted_within_its_bounds_and_by_no_detour() {
    let (url, pem) = server().await;
    let fetcher = Fetcher::of_pem(&pem).expect("an authority");
    let get = async |path: &str| fetcher.get(&format!("{url}{path}"), BOUNDS).await;
    assert_eq!(get("/document").await.expect("it"), b"{}");
    assert!(matches!(
        get("/large").await,
        Err(FetchError::Body { bytes_max: 100 })
    ));
    for (path, code) in [("/moved", 302), ("/missing", 404)] {
        let refused = get(path).await;
        assert!(matches!(refused, Err(FetchError::Status(status)) if status.as_u16() == code));
    }
    let (_, other) = server().await;
    let distrusting = Fetcher::of_pem(&other).expect("an authority");
    let refused = distrusting.get(&format!("{url}/document"), BOUNDS).await;
    assert!(matches!(refused, Err(FetchError::Reach(_))), "{refused:?}");
    let plain = url.replace("https", "http");
    for url in [
        &plain,
        "ftp://127.0.0.1/",
        "https://",
        "https://a@127.0.0.1/",
    ] {
        let refused = fetcher.get(url, BOUNDS).await;
        assert!(matches!(refused, Err(FetchError::Url)), "{url} {refused:?}");
    }
    let hasty = FetchBounds {
        timeout: Duration::from_millis(200),
        ..BOUNDS
    };
    let refused = fetcher.get(&format!("{url}/silent"), hasty).await;
    assert!(matches!(refused, Err(FetchError::Timeout(_))));
    assert!(matches!(Fetcher::of_pem(""), Err(FetchError::NoAuthority)));
}
