//! Documents over HTTPS from servers that are no nodes: what issuers of tokens tell of themselves.
//!
//! Bounded in size and time. No redirect is followed, and nothing is sent that is not in the URL.

use std::{io, sync::Arc, time::Duration};

use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::credentials::provider;

/// Fetches documents from servers that certain authorities vouch for.
#[derive(Clone, Debug)]
pub struct Fetcher {
    config: Arc<ClientConfig>,
}

/// What one document may be and take.
#[derive(Clone, Copy, Debug)]
pub struct FetchBounds {
    /// Bytes of its body.
    pub bytes_max: usize,
    /// Time for all of it.
    pub timeout: Duration,
    /// Whether it may come without TLS from this very machine.
    pub plain_loopback: bool,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There is no authority to trust.
    #[error("no authority to trust; is there a certificate in PEM, or one of the system's?")]
    NoAuthority,
    /// TLS cannot be configured.
    #[error("TLS cannot be configured")]
    Tls(#[from] rustls::Error),
    /// The URL is none that is fetched.
    #[error("only https URLs of a host are fetched")]
    Url,
    /// The server cannot be reached, or is not trusted.
    #[error("the server cannot be reached, or its certificate is not trusted")]
    Reach(#[source] io::Error),
    /// What came is no answer.
    #[error("the server did not answer as HTTP does")]
    Http(#[from] hyper::Error),
    /// The answer is another than the document.
    #[error("the server answered {0}; redirects are not followed")]
    Status(StatusCode),
    /// The document is larger than it may be, or broke off.
    #[error("the document is larger than {bytes_max} bytes, or broke off")]
    Body {
        /// How large it may be.
        bytes_max: usize,
    },
    /// It took too long.
    #[error("the document did not come within {0:?}")]
    Timeout(Duration),
}

impl Fetcher {
    /// Trusts the authorities that the system knows.
    pub fn of_system() -> Result<Self, FetchError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::trusting(roots)
    }

    /// Trusts the authorities in a PEM text, and no others.
    pub fn of_pem(pem: &str) -> Result<Self, FetchError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| FetchError::NoAuthority)?;
            roots.add(certificate)?;
        }
        Self::trusting(roots)
    }

    fn trusting(roots: RootCertStore) -> Result<Self, FetchError> {
        if roots.is_empty() {
            return Err(FetchError::NoAuthority);
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// Fetches the document at a URL.
    pub async fn get(&self, url: &str, bounds: FetchBounds) -> Result<Vec<u8>, FetchError> {
        let fetched = timeout(bounds.timeout, self.fetch(url, bounds)).await;
        fetched.map_err(|_| FetchError::Timeout(bounds.timeout))?
    }

    async fn fetch(&self, url: &str, bounds: FetchBounds) -> Result<Vec<u8>, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
        let authority = uri.authority().ok_or(FetchError::Url)?;
        if authority.as_str().contains('@') {
            return Err(FetchError::Url);
        }
        let is_secured = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if bounds.plain_loopback => false,
            _ => return Err(FetchError::Url),
        };
        let host = authority.host().trim_matches(['[', ']']);
        let port = authority
            .port_u16()
            .unwrap_or(if is_secured { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await;
        let stream = stream.map_err(FetchError::Reach)?;
        if !is_secured {
            let there = stream.peer_addr().map_err(FetchError::Reach)?;
            return match there.ip().is_loopback() {
                true => exchange(stream, &uri, bounds.bytes_max).await,
                false => Err(FetchError::Url),
            };
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchError::Url)?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(name, stream).await;
        exchange(stream.map_err(FetchError::Reach)?, &uri, bounds.bytes_max).await
    }
}

/// Asks for what is at a URL, over a connection of its own.
async fn exchange<S>(stream: S, uri: &Uri, bytes_max: usize) -> Result<Vec<u8>, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().ok_or(FetchError::Url)?;
    let request = Request::get(path)
        .header(header::HOST, host.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Url)?;
    let answer = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), bytes_max)
            .collect()
            .await;
        let body = body.map_err(|_| FetchError::Body { bytes_max })?;
        Ok(body.to_bytes().to_vec())
    };
    // The connection is worked on for as long as somebody waits for the answer, and ends with it.
    tokio::pin!(connection);
    tokio::pin!(answer);
    tokio::select! {
        answered = &mut answer => answered,
        ended = &mut connection => {
            ended?;
            answer.await
        }
    }
}
