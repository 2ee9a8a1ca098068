//! I11: who has no right gets no answer, whatever rpc and whichever port.

use std::net::SocketAddr;

use http::{Request, Response};
use prost_reflect::DescriptorPool;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};
use wire::admin::v1::RegionScope;
use wire::certs::Pair;
use wire::{Channel, CredentialFiles, Credentials, Dialer, Expected};

use super::harness::{Files, OTHER, REGION, Region, assert_refused, two};
use super::requests::{create, get};

const LINK: &str = "/strongroom.admin.v1.AdminService/Link";
const WEB: &str = "/strongroom.access.v1.AccessService/AssumeRoleWithWebIdentity";

/// Whether an rpc is served on the peers' port.
fn is_of_peers(path: &str) -> bool {
    ["RaftService", "ReplicationService", "ForwardService"]
        .iter()
        .any(|service| path.contains(service))
}

fn paths() -> Vec<String> {
    let mut pool = DescriptorPool::new();
    for set in [
        wire::DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    ] {
        pool.decode_file_descriptor_set(set).unwrap();
    }
    let rpcs = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>());
    rpcs.map(|rpc| format!("/{}/{}", rpc.parent_service().full_name(), rpc.name()))
        .collect()
}

/// Sends an empty message and gives the status of the head; none when the stream was opened.
async fn call(channel: &mut Channel, path: &str) -> Result<Option<Code>, Status> {
    call_bearing(channel, path, None).await
}

/// The same with a token.
async fn call_bearing(
    channel: &mut Channel,
    path: &str,
    token: Option<&str>,
) -> Result<Option<Code>, Status> {
    let frame = axum::body::Body::from(vec![0_u8; 5]);
    let mut request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::new(frame)).unwrap();
    let ready = channel
        .ready()
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let response: Response<Body> = ready
        .call(request)
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let code = response.headers().get("grpc-status");
    Ok(code.map(|value| Code::from_bytes(value.as_bytes())))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_and_a_node_are_refused_every_rpc_but_theirs() {
    let region = Region::start(1).await;
    let address = region.nodes[0].addresses().api;
    let other = region.files.client("somebody");
    let node = region.files.node(9);
    let join = "/strongroom.admin.v1.AdminService/Join";
    for (pair, is_node) in [(other, false), (node, true)] {
        let mut channel = region.files.channel(address, &pair);
        for path in paths() {
            let code = call(&mut channel, &path).await.unwrap();
            if path == "/grpc.health.v1.Health/Check" {
                assert!(code.is_none_or(|code| code == Code::Ok), "{path} {code:?}");
            } else if is_of_peers(&path) {
                assert_eq!(code, Some(Code::Unimplemented), "{path}");
            } else if path == LINK {
                // Anybody may try who has a token; an empty message is none.
                assert_eq!(code, Some(Code::InvalidArgument), "{path}");
            } else if path == WEB {
                // So may a token of an issuer be; every refusal of it is the same.
                assert_eq!(code, Some(Code::PermissionDenied), "{path}");
            } else if is_node && path == join {
                assert_ne!(code, Some(Code::Unimplemented), "{path}");
            } else {
                // Of some an empty message is none, which anybody is told.
                let refused = match code {
                    Some(Code::PermissionDenied | Code::InvalidArgument) => true,
                    // No client is served these yet.
                    Some(Code::Unimplemented) => path.contains("RotateSecret"),
                    _ => false,
                };
                assert!(refused, "{path} {code:?}");
            }
        }
        for path in [
            "/",
            "/x",
            "/strongroom.secrets.v1.SecretsService/Nothing",
            "//",
        ] {
            let code = call(&mut channel, path).await.unwrap();
            assert_eq!(code, Some(Code::Unimplemented), "{path}");
        }
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_and_with_a_token_that_is_none_there_is_nothing_to_get() {
    let region = Region::start(1).await;
    let forged = format!("srs1.{}", "A".repeat(400));
    for token in [None, Some("x"), Some(forged.as_str())] {
        let mut channel = region.bare();
        for path in paths() {
            let code = call_bearing(&mut channel, &path, token).await.unwrap();
            if path == "/grpc.health.v1.Health/Check" {
                assert!(code.is_none_or(|code| code == Code::Ok), "{path} {code:?}");
                continue;
            }
            let expected = match path.as_str() {
                LINK => Code::InvalidArgument,
                WEB => Code::PermissionDenied,
                path if is_of_peers(path) => Code::Unimplemented,
                _ => Code::Unauthenticated,
            };
            assert_eq!(code, Some(expected), "{path} {token:?}");
        }
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_nothing_of_what_was_asked_for() {
    let region = Region::start(1).await;
    region
        .secrets(0)
        .create_secret(create("there", 1, "x"))
        .await
        .unwrap();
    let other = region.files.client("somebody");
    let channel = region
        .files
        .channel(region.nodes[0].addresses().api, &other);
    let mut client = super::harness::SecretsClient::new(channel);
    for id in ["there", "missing"] {
        assert_refused(
            client.get_secret_value(get(id)).await,
            "AccessDeniedException",
            "You are not authorized to perform this operation.",
        );
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_certificate_does_not_get_through_the_handshake() {
    let region = Region::start(1).await;
    let foreign = Files::new();
    let admin = foreign.layout.client(REGION, super::harness::ADMIN);
    let addresses = region.nodes[0].addresses();
    for (address, pair) in [(addresses.api, &admin), (addresses.peers, &foreign.node(1))] {
        let mut channel = presenting(&region, address, pair);
        for path in paths() {
            assert!(call(&mut channel, &path).await.is_err(), "{path}");
        }
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peer_port_lets_no_client_in() {
    let region = Region::start(1).await;
    let admin = region.files.layout.client(REGION, super::harness::ADMIN);
    let mut channel = presenting(&region, region.nodes[0].addresses().peers, &admin);
    for path in paths() {
        assert!(call(&mut channel, &path).await.is_err(), "{path}");
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_region_reaches_what_is_between_regions_and_only_while_linked() {
    let (first, second) = two(RegionScope::All).await;
    let address = first.nodes[0].addresses().peers;
    // Its certificate is good, and no directory pins its key.
    let unknown = second.files.node(9);
    let known = second.files.layout.node(OTHER, 1);
    let stranger = first.files.beside("eu-west-3").node(1);
    let mut channel = presenting(&first, address, &stranger);
    assert!(call(&mut channel, &paths()[0]).await.is_err());
    for (pair, is_known) in [(unknown, false), (known, true)] {
        let mut channel = presenting(&first, address, &pair);
        for path in paths() {
            let code = call(&mut channel, &path).await.unwrap();
            match (is_of_peers(&path), path.contains("ReplicationService")) {
                (false, _) => assert_eq!(code, Some(Code::Unimplemented), "{path}"),
                (true, true) if is_known => {
                    assert_ne!(code, Some(Code::PermissionDenied), "{path}");
                    assert_ne!(code, Some(Code::Unimplemented), "{path}");
                }
                // Calls are handed on only where the operator has said so.
                (true, _) => assert_eq!(code, Some(Code::PermissionDenied), "{path}"),
            }
        }
    }
    second.stop().await;
    first.stop().await;
}

/// Calls each path on a connection of its own, without a certificate, and prints the status in the
/// head of the answer: `-` when it stands behind the body, `cut` when there is no answer.
const ANONYMOUS: &str = r#"
import re, socket, ssl, sys
host, port, root = sys.argv[1:4]
context = ssl.create_default_context(cafile=root)
for path in sys.argv[4:]:
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/grpc\r\n"
    head += "te: trailers\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"
    answer = b""
    try:
        with socket.create_connection((host, int(port)), 10) as tcp:
            with context.wrap_socket(tcp, server_hostname=host) as tls:
                tls.sendall(head.encode() + bytes(5))
                while part := tls.recv(65536):
                    answer += part
    except OSError:
        pass
    status = re.search(rb"^grpc-status: (\d+)", answer.split(b"\r\n\r\n")[0], re.M | re.I)
    print(path, status[1].decode() if status else "-" if answer else "cut")
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3"]
async fn a_caller_without_a_certificate_gets_health_and_nothing_else() {
    let region = Region::start(1).await;
    let addresses = region.nodes[0].addresses();
    let mut asked = paths();
    asked.extend(["/", "/live", "/ready", "/metrics"].map(str::to_owned));
    let told = anonymous(&region, addresses.api, &asked).await;
    for (path, status) in asked.iter().zip(told) {
        let expected = match path.as_str() {
            "/grpc.health.v1.Health/Check" => "-",
            LINK => "3",
            WEB => "7",
            path if is_of_peers(path) || !path.contains('.') => "12",
            _ => "16",
        };
        assert_eq!(status, format!("{path} {expected}"));
    }
    for status in anonymous(&region, addresses.peers, &asked).await {
        assert!(status.ends_with(" cut"), "{status}");
    }
    region.stop().await;
}

async fn anonymous(region: &Region, address: SocketAddr, paths: &[String]) -> Vec<String> {
    let mut python = tokio::process::Command::new("python3");
    python.args(["-c", ANONYMOUS, &address.ip().to_string()]);
    python
        .arg(address.port().to_string())
        .arg(region.files.layout.root().cert)
        .args(paths);
    let output = python.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let told: Vec<String> = told.lines().map(str::to_owned).collect();
    assert_eq!(told.len(), paths.len());
    told
}

/// A channel that trusts the region but presents any certificate.
fn presenting(region: &Region, address: std::net::SocketAddr, pair: &Pair) -> Channel {
    let credentials = Credentials::load(CredentialFiles {
        cert: pair.cert.clone(),
        key: pair.key.clone(),
        ca: vec![region.files.layout.root().cert],
    });
    let dialer = Dialer::for_callers(credentials.unwrap());
    let expected = Expected::Server {
        name: "127.0.0.1".to_owned(),
    };
    dialer.channel(&address.to_string(), expected).unwrap()
}
