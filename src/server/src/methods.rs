//! The method table: every rpc of every service, once, with who may call it and its bounds.
//!
//! What is not in the table is not served, whatever a router would do with it. A test compares the
//! table with the descriptors of the services, both ways.

use std::collections::HashMap;

/// Who may make a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallerClass {
    /// The administrator, by client certificate.
    Administrator,
    /// The administrator, or a node of this region whose key is pinned.
    AdministratorOrMember,
    /// A node of this region; the service behind checks that its key is pinned.
    Peer,
    /// A node certificate of this region and a one-time token, which the handler checks.
    PeerWithToken,
    /// A node of a linked region whose key is pinned in the region directory.
    LinkedRegion,
    /// Anybody who can connect and has a one-time token, which the handler checks.
    StrangerWithToken,
    /// Anybody who can connect.
    Stranger,
}

/// The listener a call is served on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Port {
    /// Callers.
    Api,
    /// Nodes of the region, and of those linked to it.
    Peers,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Span {
    /// Within its deadline, the configured one unless the caller names another.
    Call,
    /// When either side ends the stream; the service behind has its own time-outs.
    Stream,
}

/// One rpc.
#[derive(Debug, Eq, PartialEq)]
pub struct Method {
    /// The path of the request: `/package.Service/Rpc`.
    pub path: &'static str,
    /// Who may call.
    pub caller: CallerClass,
    /// Where it is served.
    pub port: Port,
    /// How it ends.
    pub span: Span,
    /// Whether it may change something.
    pub writes: bool,
}

impl Method {
    /// The name of the rpc without its service.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// Largest request of the secrets service: a value, 50 tags and a description, with room.
pub const SECRETS_REQUEST_BYTES_MAX: usize = 256 * 1024;
/// Largest request of the admin service: a region's certificates, with room.
pub const ADMIN_REQUEST_BYTES_MAX: usize = 32 * 1024;
/// Largest request of the health and reflection services.
pub const SMALL_REQUEST_BYTES_MAX: usize = 16 * 1024;

const fn read(path: &'static str) -> Method {
    Method {
        path,
        caller: CallerClass::Administrator,
        port: Port::Api,
        span: Span::Call,
        writes: false,
    }
}

const fn write(path: &'static str) -> Method {
    Method {
        writes: true,
        ..read(path)
    }
}

const fn open_to_members(path: &'static str) -> Method {
    Method {
        caller: CallerClass::AdministratorOrMember,
        ..read(path)
    }
}

const fn with_token(path: &'static str) -> Method {
    Method {
        caller: CallerClass::PeerWithToken,
        ..write(path)
    }
}

const fn stream(path: &'static str) -> Method {
    Method {
        span: Span::Stream,
        ..read(path)
    }
}

const fn stranger(path: &'static str) -> Method {
    Method {
        caller: CallerClass::Stranger,
        ..read(path)
    }
}

const fn stranger_with_token(path: &'static str) -> Method {
    Method {
        caller: CallerClass::StrangerWithToken,
        ..write(path)
    }
}

const fn write_open_to_members(path: &'static str) -> Method {
    Method {
        writes: true,
        ..open_to_members(path)
    }
}

const fn region(path: &'static str) -> Method {
    Method {
        caller: CallerClass::LinkedRegion,
        ..raft(path)
    }
}

const fn raft(path: &'static str) -> Method {
    Method {
        caller: CallerClass::Peer,
        port: Port::Peers,
        ..stream(path)
    }
}

/// Every rpc this node serves.
pub const METHODS: &[Method] = &[
    write("/strongroom.secrets.v1.SecretsService/CreateSecret"),
    read("/strongroom.secrets.v1.SecretsService/GetSecretValue"),
    write("/strongroom.secrets.v1.SecretsService/PutSecretValue"),
    write("/strongroom.secrets.v1.SecretsService/UpdateSecret"),
    read("/strongroom.secrets.v1.SecretsService/DescribeSecret"),
    read("/strongroom.secrets.v1.SecretsService/ListSecrets"),
    read("/strongroom.secrets.v1.SecretsService/BatchGetSecretValue"),
    read("/strongroom.secrets.v1.SecretsService/ListSecretVersionIds"),
    write("/strongroom.secrets.v1.SecretsService/UpdateSecretVersionStage"),
    write("/strongroom.secrets.v1.SecretsService/DeleteSecret"),
    write("/strongroom.secrets.v1.SecretsService/RestoreSecret"),
    write("/strongroom.secrets.v1.SecretsService/TagResource"),
    write("/strongroom.secrets.v1.SecretsService/UntagResource"),
    read("/strongroom.secrets.v1.SecretsService/GetRandomPassword"),
    write("/strongroom.secrets.v1.SecretsService/RotateSecret"),
    write("/strongroom.secrets.v1.SecretsService/CancelRotateSecret"),
    write("/strongroom.secrets.v1.SecretsService/ReplicateSecretToRegions"),
    write("/strongroom.secrets.v1.SecretsService/RemoveRegionsFromReplication"),
    write("/strongroom.secrets.v1.SecretsService/StopReplicationToReplica"),
    write("/strongroom.secrets.v1.SecretsService/PutResourcePolicy"),
    read("/strongroom.secrets.v1.SecretsService/GetResourcePolicy"),
    write("/strongroom.secrets.v1.SecretsService/DeleteResourcePolicy"),
    read("/strongroom.secrets.v1.SecretsService/ValidateResourcePolicy"),
    stream("/strongroom.secrets.v1.SecretsService/Watch"),
    open_to_members("/strongroom.admin.v1.AdminService/GetStatus"),
    read("/strongroom.admin.v1.AdminService/ListNodes"),
    write("/strongroom.admin.v1.AdminService/CreateJoinToken"),
    with_token("/strongroom.admin.v1.AdminService/Join"),
    write("/strongroom.admin.v1.AdminService/PromoteNode"),
    write("/strongroom.admin.v1.AdminService/RemoveNode"),
    write("/strongroom.admin.v1.AdminService/TransferLeader"),
    write("/strongroom.admin.v1.AdminService/TakeSnapshot"),
    write("/strongroom.admin.v1.AdminService/FinalizeUpgrade"),
    write("/strongroom.admin.v1.AdminService/CreateLinkToken"),
    stranger_with_token("/strongroom.admin.v1.AdminService/Link"),
    open_to_members("/strongroom.admin.v1.AdminService/ListRegions"),
    stream("/strongroom.admin.v1.AdminService/WatchRegions"),
    write_open_to_members("/strongroom.admin.v1.AdminService/PromoteRegion"),
    write("/strongroom.admin.v1.AdminService/UnlinkRegion"),
    write("/strongroom.admin.v1.AdminService/SetRegionScope"),
    raft("/strongroom.raft.v1.RaftService/AppendEntries"),
    raft("/strongroom.raft.v1.RaftService/StreamAppend"),
    raft("/strongroom.raft.v1.RaftService/Vote"),
    raft("/strongroom.raft.v1.RaftService/PreVote"),
    raft("/strongroom.raft.v1.RaftService/TransferLeader"),
    raft("/strongroom.raft.v1.RaftService/InstallSnapshot"),
    raft("/strongroom.raft.v1.RaftService/Forward"),
    raft("/strongroom.raft.v1.RaftService/ReadIndex"),
    raft("/strongroom.raft.v1.RaftService/Confirm"),
    raft("/strongroom.raft.v1.RaftService/Release"),
    raft("/strongroom.raft.v1.RaftService/ChangeMembership"),
    raft("/strongroom.raft.v1.RaftService/FetchRows"),
    raft("/strongroom.raft.v1.RaftService/Freshness"),
    region("/strongroom.replication.v1.ReplicationService/Follow"),
    region("/strongroom.replication.v1.ReplicationService/FetchRows"),
    region("/strongroom.replication.v1.ReplicationService/FetchSnapshot"),
    region("/strongroom.replication.v1.ReplicationService/Compare"),
    region("/strongroom.replication.v1.ReplicationService/Ask"),
    region("/strongroom.replication.v1.ReplicationService/Announce"),
    region("/strongroom.replication.v1.ReplicationService/Report"),
    region("/strongroom.replication.v1.ForwardService/Forward"),
    stranger("/grpc.health.v1.Health/Check"),
    // A stream costs memory for as long as its caller likes: not for strangers.
    stream("/grpc.health.v1.Health/Watch"),
    stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
];

/// The table by path.
#[derive(Clone, Debug)]
pub struct MethodTable {
    by_path: HashMap<&'static str, (usize, &'static Method)>,
}

impl Default for MethodTable {
    fn default() -> Self {
        let rows = METHODS.iter().enumerate();
        Self {
            by_path: rows
                .map(|(place, method)| (method.path, (place, method)))
                .collect(),
        }
    }
}

impl MethodTable {
    /// The method at this path if it is served on this port, with its place in the table.
    #[must_use]
    pub fn find(&self, port: Port, path: &str) -> Option<(usize, &'static Method)> {
        self.by_path
            .get(path)
            .copied()
            .filter(|(_, method)| method.port == port)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::DescriptorPool;

    use super::{CallerClass, METHODS, MethodTable, Port};

    fn served() -> BTreeSet<String> {
        let encoded = [
            wire::DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        ];
        let mut pool = DescriptorPool::new();
        for set in encoded {
            pool.decode_file_descriptor_set(set).unwrap();
        }
        let rpcs = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        rpcs.map(|rpc| format!("/{}/{}", rpc.parent_service().full_name(), rpc.name()))
            .collect()
    }

    #[test]
    fn every_rpc_of_every_service_has_one_row_and_every_row_an_rpc() {
        let rows: Vec<&str> = METHODS.iter().map(|method| method.path).collect();
        let distinct: BTreeSet<String> = rows.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(rows.len(), distinct.len());
        assert_eq!(distinct, served());
    }

    #[test]
    fn a_method_is_found_on_its_own_port_only() {
        let table = MethodTable::default();
        let get = "/strongroom.secrets.v1.SecretsService/GetSecretValue";
        assert!(table.find(Port::Api, get).is_some());
        assert!(table.find(Port::Peers, get).is_none());
        assert!(
            table
                .find(Port::Api, "/strongroom.raft.v1.RaftService/Vote")
                .is_none()
        );
        assert!(
            table
                .find(Port::Api, &get.replace("GetSecretValue", "Nothing"))
                .is_none()
        );
    }

    #[test]
    fn a_stranger_may_ask_for_health_and_with_a_token_to_be_linked_and_nothing_else() {
        let open = |class| {
            let open = METHODS.iter().filter(move |method| method.caller == class);
            open.map(|method| method.path).collect::<Vec<_>>()
        };
        assert_eq!(
            open(CallerClass::Stranger),
            ["/grpc.health.v1.Health/Check"]
        );
        assert_eq!(
            open(CallerClass::StrangerWithToken),
            ["/strongroom.admin.v1.AdminService/Link"]
        );
    }

    #[test]
    fn other_regions_reach_the_service_between_regions_and_no_other() {
        for method in METHODS {
            let is_theirs = method.path.starts_with("/strongroom.replication.");
            assert_eq!(
                method.caller == CallerClass::LinkedRegion,
                is_theirs,
                "{}",
                method.path
            );
            assert!(!is_theirs || method.port == Port::Peers, "{}", method.path);
        }
    }
}
