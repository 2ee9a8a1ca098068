//! Generated messages, TLS identities, listeners and channels.
//!
//! The only crate that knows rustls and tonic's transport.

mod authorities;
mod chain;
mod clock;
mod connection;
mod connections;
mod distrust;
mod issuer;
mod redact;
mod stranger;
mod verify;

pub mod certs;
pub mod credentials;
pub mod dial;
pub mod https;
pub mod identity;
pub mod limits;
pub mod listen;

pub use authorities::{Authorities, AuthoritiesError};
pub use connections::Connections;
pub use credentials::{CredentialFiles, Credentials, CredentialsError, OwnIssuers};
pub use dial::{DialError, DialOptions, Dialer, Expected};
pub use distrust::Distrust;
pub use https::{FetchBounds, FetchError, Fetcher};
pub use identity::{Caller, ClientIdentity, Identity, IdentityError, PeerIdentity, PublicKeyHash};
pub use issuer::{Issuer, IssuerError, NodeError, check_issuer, verify_node};
pub use listen::{Admission, ListenError, ListenOptions, Listener, Places, Presented};
pub use rustls::pki_types::CertificateDer;
pub use stranger::StrangerDialer;
pub use tonic::transport::{Channel, server::TcpConnectInfo};

/// The API of Strongroom: the operations of AWS Secrets Manager.
pub mod secrets {
    /// Version 1.
    #[allow(missing_docs, clippy::all)]
    pub mod v1 {
        tonic::include_proto!("strongroom.secrets.v1");
    }
}

/// Identities, policies and what proves who somebody is.
pub mod access {
    /// Version 1.
    #[allow(missing_docs, clippy::all)]
    pub mod v1 {
        tonic::include_proto!("strongroom.access.v1");
    }
}

/// The running of a region.
pub mod admin {
    /// Version 1.
    #[allow(missing_docs, clippy::all)]
    pub mod v1 {
        tonic::include_proto!("strongroom.admin.v1");
    }
}

/// Raft between the nodes of one region; internal.
pub mod raft {
    /// Version 1.
    #[allow(missing_docs, clippy::all)]
    pub mod v1 {
        tonic::include_proto!("strongroom.raft.v1");
    }
}

/// Between linked regions; internal.
pub mod replication {
    /// Version 1.
    #[allow(missing_docs, clippy::all)]
    pub mod v1 {
        tonic::include_proto!("strongroom.replication.v1");
    }
}

/// The encoded `FileDescriptorSet` of every proto above and its imports, with comments, for the
/// reflection service and for the generated reference.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));
