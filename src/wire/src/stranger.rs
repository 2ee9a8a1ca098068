//! Channels to nodes for callers without a certificate: a token says who they are, call by call.

use std::{
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore, client::Resumption, pki_types::ServerName, version::TLS13,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::Channel;
use tower::Service;

use crate::{
    credentials::{CredentialsError, provider, roots},
    dial::{ConnectError, DialError, DialOptions, endpoint, target},
};

/// Opens channels without a certificate, to servers that certain authorities vouch for.
#[derive(Clone, Debug)]
pub struct StrangerDialer {
    roots: Arc<RootCertStore>,
}

impl StrangerDialer {
    /// Trusts the authorities in PEM files, at most 1 MiB each.
    pub fn load(authorities: &[PathBuf]) -> Result<Self, CredentialsError> {
        let (_, roots) = roots(authorities)?;
        Ok(Self {
            roots: Arc::new(roots),
        })
    }

    /// Makes a channel to `host:port`, whose certificate has to be of this name. Nothing is sent
    /// before the first call.
    pub fn channel(&self, address: &str, name: &str) -> Result<Channel, DialError> {
        let uri = target(address)?;
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let server = ServerName::try_from(bare.to_owned());
        let connector = Connector {
            roots: Arc::clone(&self.roots),
            address: address.to_owned(),
            name: server.map_err(|_| DialError::Name {
                name: name.to_owned(),
            })?,
        };
        let endpoint = endpoint(uri, DialOptions::of_callers());
        Ok(endpoint.connect_with_connector_lazy(connector))
    }
}

/// Connects one channel, as often as it has to.
#[derive(Clone)]
struct Connector {
    roots: Arc<RootCertStore>,
    address: String,
    name: ServerName<'static>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect().await })
    }
}

impl Connector {
    async fn connect(self) -> Result<TokioIo<TlsStream<TcpStream>>, ConnectError> {
        let Self {
            roots,
            address,
            name,
        } = self;
        let failed = |action| {
            let address = address.clone();
            move |source| ConnectError::new(action, address, source)
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(|source| ConnectError::new("configure", address.clone(), source))?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(&address).await;
        let stream = stream.map_err(failed("reach"))?;
        stream.set_nodelay(true).map_err(failed("reach"))?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = connected.await.map_err(failed("trust"))?;
        Ok(TokioIo::new(stream))
    }
}
