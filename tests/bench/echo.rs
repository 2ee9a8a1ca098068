//! The limit to measure against: a bare tonic service that sends back what it got.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

const PATH: &str = "/strongroom.bench.v1.Echo/Echo";

/// Some bytes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Bytes {
    /// As they came.
    #[prost(bytes = "vec", tag = "1")]
    pub bytes: Vec<u8>,
}

/// The service, as tonic would generate it.
#[derive(Clone)]
pub struct Echo;

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Bytes, Bytes>::default());
            Ok(grpc.unary(Echo, request).await)
        })
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "strongroom.bench.v1.Echo";
}

/// Its client.
pub struct EchoClient {
    grpc: Client<Channel>,
}

impl EchoClient {
    /// A client over a channel.
    pub fn new(channel: Channel) -> Self {
        Self {
            grpc: Client::new(channel),
        }
    }

    /// Sends bytes there and back.
    pub async fn echo(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Status> {
        let ready = self.grpc.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = http::uri::PathAndQuery::from_static(PATH);
        let codec = ProstCodec::<Bytes, Bytes>::default();
        let answer = self
            .grpc
            .unary(Request::new(Bytes { bytes }), path, codec)
            .await?;
        Ok(answer.into_inner().bytes)
    }
}
