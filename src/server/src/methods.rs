//! The method table: every rpc of every service, once, with who may call it and its bounds.
//!
//! What is not in the table is not served, whatever a router would do with it. A test compares the
//! table with the descriptors of the services, both ways.

use std::collections::HashMap;

/// Who may make a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallerClass {
    /// A client of the cluster; what it may do, its policies say.
    Client,
    /// Such a client, or a node of this region whose key is pinned.
    ClientOrMember,
    /// A node of this region; the service behind checks that its key is pinned.
    Peer,
    /// A node of this region whose key is pinned.
    Member,
    /// A node certificate of this region and a one-time token, which the handler checks.
    PeerWithToken,
    /// A node of a linked region whose key is pinned in the region directory.
    LinkedRegion,
    /// Anybody who can connect and has a one-time token, which the handler checks.
    StrangerWithToken,
    /// Anybody who can connect and has a token of an issuer, which the handler checks.
    StrangerWithIdentity,
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

/// Where it is decided by policies whether a client may make a call. Other callers are told apart
/// by their class alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judged {
    /// In its handler: by this action, for each secret it is about, from the view it answers from.
    InHandler(&'static str),
    /// At the door: by this action on `*`, after a barrier.
    AtDoor(&'static str),
    /// At the door: by this action on `*` and what this node knows. The call has to work without a
    /// quorum.
    AtDoorByLocalState(&'static str),
    /// At the door: whoever is known to this node may.
    ByName,
}

/// Whether calls are recorded. Refusals of what is not are recorded all the same, but for those
/// that everybody may make.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audited {
    /// Every one.
    Always,
    /// Not those of nodes, which ask this all the time.
    OfClients,
    /// None: it tells nothing that is not told to everybody; or it is what the nodes of a region,
    /// or of two, say to each other all the time, and what comes of it is an entry in the log,
    /// which has audit fields of its own.
    Never,
}

/// One rpc.
#[derive(Debug, Eq, PartialEq)]
pub struct Method {
    /// The path of the request: `/package.Service/Rpc`.
    pub path: &'static str,
    /// Who may call.
    pub caller: CallerClass,
    /// Where the policies of a client count.
    pub judged: Judged,
    /// Where it is served.
    pub port: Port,
    /// How it ends.
    pub span: Span,
    /// Whether it may change something.
    pub writes: bool,
    /// Whether it is recorded.
    pub audited: Audited,
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
/// Largest request of the access service: documents and the keys of an issuer, with room.
pub const ACCESS_REQUEST_BYTES_MAX: usize = 256 * 1024;
/// Largest request of the admin service: a region's certificates, with room.
pub const ADMIN_REQUEST_BYTES_MAX: usize = 32 * 1024;
/// Largest request of the health and reflection services.
pub const SMALL_REQUEST_BYTES_MAX: usize = 16 * 1024;

const fn secrets(path: &'static str, action: &'static str) -> Method {
    Method {
        path,
        caller: CallerClass::Client,
        judged: Judged::InHandler(action),
        port: Port::Api,
        span: Span::Call,
        writes: false,
        audited: Audited::Always,
    }
}

const fn admin(path: &'static str, action: &'static str) -> Method {
    Method {
        judged: Judged::AtDoor(action),
        ..secrets(path, action)
    }
}

const fn local(path: &'static str, action: &'static str) -> Method {
    Method {
        judged: Judged::AtDoorByLocalState(action),
        ..secrets(path, action)
    }
}

const fn known(path: &'static str) -> Method {
    Method {
        judged: Judged::ByName,
        ..secrets(path, "")
    }
}

const fn access(path: &'static str) -> Method {
    secrets(path, "")
}

const fn writes(method: Method) -> Method {
    Method {
        writes: true,
        ..method
    }
}

const fn stream(method: Method) -> Method {
    Method {
        span: Span::Stream,
        ..method
    }
}

const fn or_member(method: Method) -> Method {
    Method {
        caller: CallerClass::ClientOrMember,
        audited: match method.writes {
            true => Audited::Always,
            false => Audited::OfClients,
        },
        ..method
    }
}

const fn of(caller: CallerClass, path: &'static str) -> Method {
    Method {
        caller,
        ..known(path)
    }
}

const fn unrecorded(method: Method) -> Method {
    Method {
        audited: Audited::Never,
        ..method
    }
}

const fn raft(path: &'static str) -> Method {
    Method {
        port: Port::Peers,
        ..stream(of(CallerClass::Peer, path))
    }
}

const fn region(path: &'static str) -> Method {
    Method {
        caller: CallerClass::LinkedRegion,
        ..raft(path)
    }
}

/// The stream of audit records, whose caller is judged again and again.
pub const TAIL_AUDIT: Method = stream(local(
    "/strongroom.admin.v1.AdminService/TailAudit",
    "strongroom:TailAudit",
));

/// Every rpc this node serves.
pub const METHODS: &[Method] = &[
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/CreateSecret",
        "secretsmanager:CreateSecret",
    )),
    secrets(
        "/strongroom.secrets.v1.SecretsService/GetSecretValue",
        "secretsmanager:GetSecretValue",
    ),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/PutSecretValue",
        "secretsmanager:PutSecretValue",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/UpdateSecret",
        "secretsmanager:UpdateSecret",
    )),
    secrets(
        "/strongroom.secrets.v1.SecretsService/DescribeSecret",
        "secretsmanager:DescribeSecret",
    ),
    secrets(
        "/strongroom.secrets.v1.SecretsService/ListSecrets",
        "secretsmanager:ListSecrets",
    ),
    secrets(
        "/strongroom.secrets.v1.SecretsService/BatchGetSecretValue",
        "secretsmanager:BatchGetSecretValue",
    ),
    secrets(
        "/strongroom.secrets.v1.SecretsService/ListSecretVersionIds",
        "secretsmanager:ListSecretVersionIds",
    ),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/UpdateSecretVersionStage",
        "secretsmanager:UpdateSecretVersionStage",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/DeleteSecret",
        "secretsmanager:DeleteSecret",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/RestoreSecret",
        "secretsmanager:RestoreSecret",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/TagResource",
        "secretsmanager:TagResource",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/UntagResource",
        "secretsmanager:UntagResource",
    )),
    local(
        "/strongroom.secrets.v1.SecretsService/GetRandomPassword",
        "secretsmanager:GetRandomPassword",
    ),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/RotateSecret",
        "secretsmanager:RotateSecret",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/CancelRotateSecret",
        "secretsmanager:CancelRotateSecret",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/ReplicateSecretToRegions",
        "secretsmanager:ReplicateSecretToRegions",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/RemoveRegionsFromReplication",
        "secretsmanager:RemoveRegionsFromReplication",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/StopReplicationToReplica",
        "secretsmanager:StopReplicationToReplica",
    )),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/PutResourcePolicy",
        "secretsmanager:PutResourcePolicy",
    )),
    secrets(
        "/strongroom.secrets.v1.SecretsService/GetResourcePolicy",
        "secretsmanager:GetResourcePolicy",
    ),
    writes(secrets(
        "/strongroom.secrets.v1.SecretsService/DeleteResourcePolicy",
        "secretsmanager:DeleteResourcePolicy",
    )),
    secrets(
        "/strongroom.secrets.v1.SecretsService/ValidateResourcePolicy",
        "secretsmanager:ValidateResourcePolicy",
    ),
    stream(secrets(
        "/strongroom.secrets.v1.SecretsService/Watch",
        "secretsmanager:GetSecretValue",
    )),
    access("/strongroom.access.v1.AccessService/GetCallerIdentity"),
    writes(of(
        CallerClass::StrangerWithIdentity,
        "/strongroom.access.v1.AccessService/AssumeRoleWithWebIdentity",
    )),
    writes(access("/strongroom.access.v1.AccessService/AssumeRole")),
    writes(access(
        "/strongroom.access.v1.AccessService/GetSessionToken",
    )),
    writes(access("/strongroom.access.v1.AccessService/CreateAccount")),
    access("/strongroom.access.v1.AccessService/ListAccounts"),
    writes(access(
        "/strongroom.access.v1.AccessService/CreatePrincipal",
    )),
    access("/strongroom.access.v1.AccessService/GetPrincipal"),
    access("/strongroom.access.v1.AccessService/ListPrincipals"),
    writes(access(
        "/strongroom.access.v1.AccessService/UpdatePrincipal",
    )),
    writes(access(
        "/strongroom.access.v1.AccessService/DeletePrincipal",
    )),
    writes(access("/strongroom.access.v1.AccessService/CreatePolicy")),
    access("/strongroom.access.v1.AccessService/GetPolicy"),
    access("/strongroom.access.v1.AccessService/ListPolicies"),
    writes(access("/strongroom.access.v1.AccessService/UpdatePolicy")),
    writes(access("/strongroom.access.v1.AccessService/DeletePolicy")),
    writes(access(
        "/strongroom.access.v1.AccessService/CreateCredential",
    )),
    access("/strongroom.access.v1.AccessService/ListCredentials"),
    writes(access(
        "/strongroom.access.v1.AccessService/UpdateCredential",
    )),
    writes(access(
        "/strongroom.access.v1.AccessService/DeleteCredential",
    )),
    writes(access("/strongroom.access.v1.AccessService/CreateProvider")),
    access("/strongroom.access.v1.AccessService/GetProvider"),
    access("/strongroom.access.v1.AccessService/ListProviders"),
    writes(access("/strongroom.access.v1.AccessService/UpdateProvider")),
    writes(access("/strongroom.access.v1.AccessService/DeleteProvider")),
    writes(access("/strongroom.access.v1.AccessService/Revoke")),
    access("/strongroom.access.v1.AccessService/ListRevocations"),
    access("/strongroom.access.v1.AccessService/SimulatePolicy"),
    access("/strongroom.access.v1.AccessService/WhoCan"),
    or_member(local(
        "/strongroom.admin.v1.AdminService/GetStatus",
        "strongroom:GetStatus",
    )),
    admin(
        "/strongroom.admin.v1.AdminService/ListNodes",
        "strongroom:ListNodes",
    ),
    writes(admin(
        "/strongroom.admin.v1.AdminService/CreateJoinToken",
        "strongroom:CreateJoinToken",
    )),
    writes(of(
        CallerClass::PeerWithToken,
        "/strongroom.admin.v1.AdminService/Join",
    )),
    writes(admin(
        "/strongroom.admin.v1.AdminService/PromoteNode",
        "strongroom:PromoteNode",
    )),
    writes(admin(
        "/strongroom.admin.v1.AdminService/RemoveNode",
        "strongroom:RemoveNode",
    )),
    writes(admin(
        "/strongroom.admin.v1.AdminService/TransferLeader",
        "strongroom:TransferLeader",
    )),
    writes(admin(
        "/strongroom.admin.v1.AdminService/TakeSnapshot",
        "strongroom:TakeSnapshot",
    )),
    writes(admin(
        "/strongroom.admin.v1.AdminService/FinalizeUpgrade",
        "strongroom:FinalizeUpgrade",
    )),
    writes(admin(
        "/strongroom.admin.v1.AdminService/CreateLinkToken",
        "strongroom:CreateLinkToken",
    )),
    writes(of(
        CallerClass::StrangerWithToken,
        "/strongroom.admin.v1.AdminService/Link",
    )),
    or_member(local(
        "/strongroom.admin.v1.AdminService/ListRegions",
        "strongroom:ListRegions",
    )),
    stream(local(
        "/strongroom.admin.v1.AdminService/WatchRegions",
        "strongroom:WatchRegions",
    )),
    writes(or_member(admin(
        "/strongroom.admin.v1.AdminService/PromoteRegion",
        "strongroom:PromoteRegion",
    ))),
    writes(admin(
        "/strongroom.admin.v1.AdminService/UnlinkRegion",
        "strongroom:UnlinkRegion",
    )),
    writes(admin(
        "/strongroom.admin.v1.AdminService/SetRegionScope",
        "strongroom:SetRegionScope",
    )),
    writes(admin(
        "/strongroom.admin.v1.AdminService/InstallIssuer",
        "strongroom:InstallIssuer",
    )),
    writes(admin(
        "/strongroom.admin.v1.AdminService/RetireIssuers",
        "strongroom:RetireIssuers",
    )),
    admin(
        "/strongroom.admin.v1.AdminService/GetCertificates",
        "strongroom:GetCertificates",
    ),
    of(
        CallerClass::Member,
        "/strongroom.admin.v1.AdminService/RenewCertificate",
    ),
    local(
        "/strongroom.admin.v1.AdminService/SearchAudit",
        "strongroom:SearchAudit",
    ),
    TAIL_AUDIT,
    unrecorded(raft("/strongroom.raft.v1.RaftService/AppendEntries")),
    unrecorded(raft("/strongroom.raft.v1.RaftService/StreamAppend")),
    unrecorded(raft("/strongroom.raft.v1.RaftService/Vote")),
    unrecorded(raft("/strongroom.raft.v1.RaftService/PreVote")),
    raft("/strongroom.raft.v1.RaftService/TransferLeader"),
    raft("/strongroom.raft.v1.RaftService/InstallSnapshot"),
    unrecorded(raft("/strongroom.raft.v1.RaftService/Forward")),
    unrecorded(raft("/strongroom.raft.v1.RaftService/ReadIndex")),
    unrecorded(raft("/strongroom.raft.v1.RaftService/Confirm")),
    unrecorded(raft("/strongroom.raft.v1.RaftService/Release")),
    raft("/strongroom.raft.v1.RaftService/ChangeMembership"),
    raft("/strongroom.raft.v1.RaftService/FetchRows"),
    unrecorded(raft("/strongroom.raft.v1.RaftService/Freshness")),
    region("/strongroom.replication.v1.ReplicationService/Follow"),
    region("/strongroom.replication.v1.ReplicationService/FetchRows"),
    region("/strongroom.replication.v1.ReplicationService/FetchSnapshot"),
    region("/strongroom.replication.v1.ReplicationService/Compare"),
    unrecorded(region("/strongroom.replication.v1.ReplicationService/Ask")),
    unrecorded(region(
        "/strongroom.replication.v1.ReplicationService/Announce",
    )),
    unrecorded(region(
        "/strongroom.replication.v1.ReplicationService/Report",
    )),
    region("/strongroom.replication.v1.ForwardService/Forward"),
    unrecorded(of(CallerClass::Stranger, "/grpc.health.v1.Health/Check")),
    // A stream costs memory for as long as its caller likes: not for strangers.
    stream(known("/grpc.health.v1.Health/Watch")),
    stream(known(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    )),
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
    fn a_stranger_may_ask_for_health_and_show_a_token_and_nothing_else() {
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
        assert_eq!(
            open(CallerClass::StrangerWithIdentity),
            ["/strongroom.access.v1.AccessService/AssumeRoleWithWebIdentity"]
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
