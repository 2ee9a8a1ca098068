//! What a caller learns from a failure.

use std::error::Error as _;

use client::{
    Client, Error, Options, Retry,
    secrets::v1::{DescribeSecretRequest, RotateSecretRequest},
};
use tonic::{Code, Status};

use crate::region::{Region, Reply, refusal};

fn describe() -> DescribeSecretRequest {
    DescribeSecretRequest {
        secret_id: "app/db".to_owned(),
    }
}

#[tokio::test]
async fn a_refusal_is_told_by_its_reason_and_not_repeated() {
    let refused = refusal(Code::NotFound, "ResourceNotFoundException", "no");
    let region = Region::start(1, [Reply::Refuse(refused)]).await;
    let error = region
        .client()
        .describe_secret(describe())
        .await
        .expect_err("a refusal");
    assert_eq!(error.reason(), "ResourceNotFoundException");
    assert_eq!((error.code(), error.retry()), (Code::NotFound, Retry::No));
    let text = "because of ResourceNotFoundException (ResourceNotFoundException)";
    assert_eq!(error.to_string(), text);
    assert_eq!(region.asked().len(), 1);
}

#[tokio::test]
async fn what_is_not_built_yet_says_so() {
    let refused = refusal(Code::Unimplemented, "NotYetSupported", "no");
    let region = Region::start(1, [Reply::Refuse(refused)]).await;
    let request = RotateSecretRequest::default();
    let error = region
        .client()
        .rotate_secret(request)
        .await
        .expect_err("a refusal");
    assert_eq!(
        (error.code(), error.reason()),
        (Code::Unimplemented, "NotYetSupported")
    );
}

#[tokio::test]
async fn a_status_without_details_is_not_repeated_unless_the_transport_made_it() {
    let region = Region::start(1, [Reply::Refuse(Status::failed_precondition("no"))]).await;
    let error = region
        .client()
        .describe_secret(describe())
        .await
        .expect_err("a refusal");
    assert_eq!(
        (error.reason(), error.retry()),
        ("FailedPrecondition", Retry::No)
    );
    assert_eq!(region.asked().len(), 1);
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_node_says_why() {
    let (region, other) = (Region::start(1, []).await, Region::start(1, []).await);
    let options = Options {
        ca: other.options().ca,
        ..region.options()
    };
    let client = Client::connect(options).expect("a client");
    let error = client
        .describe_secret(describe())
        .await
        .expect_err("no trust");
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    assert_eq!(error.reason(), "CertificateUntrusted");
    let causes = causes(&error);
    assert!(
        causes.contains("cannot trust") && causes.contains("UnknownIssuer"),
        "{causes}"
    );
    assert!(region.asked().is_empty());
}

#[tokio::test]
async fn a_client_that_the_node_does_not_trust_is_told_by_its_alert() {
    let (region, other) = (Region::start(1, []).await, Region::start(1, []).await);
    let Options { cert, key, .. } = other.options();
    let options = Options {
        cert,
        key,
        ..region.options()
    };
    let client = Client::connect(options).expect("a client");
    let error = client
        .describe_secret(describe())
        .await
        .expect_err("no trust");
    assert!(
        matches!(error, Error::CertificateRefused { .. }),
        "{error:?}"
    );
    assert_eq!(error.reason(), "CertificateRefused");
    // As it is at a node's peers port, whatever the certificate.
    assert!(error.to_string().contains("API port"), "{error}");
    let causes = causes(&error);
    assert!(causes.contains("alert"), "{causes}");
    assert!(region.asked().is_empty());
}

#[tokio::test]
async fn what_cannot_be_connected_with_is_told_at_once() {
    let region = Region::start(1, []).await;
    let connect = |options| Client::connect(options).map(|_| ());
    let options = Options {
        endpoints: vec![" ".to_owned()],
        ..region.options()
    };
    assert!(matches!(connect(options), Err(Error::NoEndpoint)));
    for endpoint in [
        "http://localhost:1",
        "localhost:x",
        "a b:1",
        "localhost:1/path",
    ] {
        let options = Options {
            endpoints: vec![endpoint.to_owned()],
            ..region.options()
        };
        assert!(
            matches!(connect(options), Err(Error::Endpoint { .. })),
            "{endpoint}"
        );
    }
    let options = Options {
        key: "no-such-file".into(),
        ..region.options()
    };
    assert!(matches!(connect(options), Err(Error::Credentials(_))));
}

fn causes(error: &Error) -> String {
    let mut causes = String::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes = format!("{causes}{cause}; ");
        source = cause.source();
    }
    causes
}
