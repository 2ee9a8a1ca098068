//! The services and tasks of a node, made of its parts.

use std::sync::Arc;
use std::time::Duration;

use consensus::Clock;
use machine::NodeId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use wire::access::v1::access_service_server::AccessServiceServer;
use wire::admin::v1::admin_service_server::AdminServiceServer;
use wire::replication::v1::forward_service_server::ForwardServiceServer;
use wire::secrets::v1::secrets_service_server::SecretsServiceServer;
use wire::{Credentials, Dialer};

use super::parts::Parts;
use super::serve::Services;
use super::{Identity, StartError};
use crate::accesses::Accesses;
use crate::admin::{Admin, AdminOptions};
use crate::authz::{Authz, Policies};
use crate::config::Config;
use crate::danger::Danger;
use crate::door::{Bounds, Door, Guests};
use crate::fence::Fence;
use crate::forward::{Accepting, AcceptingOptions, Forwarder};
use crate::freshness::Freshness;
use crate::health;
use crate::identities::{Identities, IdentitiesOptions};
use crate::issuers::Issuers;
use crate::limits::{FORWARD_BYTES_MAX, IDENTITY_AGE_INTERVAL};
use crate::methods::{
    ACCESS_REQUEST_BYTES_MAX, ADMIN_REQUEST_BYTES_MAX, Port, SECRETS_REQUEST_BYTES_MAX,
    SMALL_REQUEST_BYTES_MAX,
};
use crate::metrics::Metrics;
use crate::regions::{Directory, TlsRegions, is_linked};
use crate::secrets::{Secrets, SecretsOptions};
use crate::sessions::Sessions;
use crate::status::NodeStatus;
use crate::tasks::Tasks;
use crate::vault::Vault;

/// Everything the services are made of.
pub struct Assembly<'a> {
    pub config: &'a Config,
    pub clock: &'a Arc<dyn Clock>,
    pub identity: &'a Identity,
    pub parts: &'a Parts,
    pub vault: &'a Arc<Vault>,
    pub accesses: &'a Arc<Accesses>,
    pub freshness: &'a Arc<Freshness>,
    pub metrics: &'a Metrics,
    pub status: &'a Arc<NodeStatus>,
    pub credentials: &'a Arc<Credentials>,
    pub dialer: &'a Dialer,
    pub danger: Danger,
    pub callers: Callers,
}

/// What callers are known by.
pub struct Callers {
    authz: Arc<Authz>,
    sessions: Arc<Sessions>,
    issuers: Arc<Issuers>,
}

impl Callers {
    /// Made of these parts.
    pub fn new(config: &Config, vault: &Arc<Vault>, parts: &Parts) -> Self {
        let sessions = Arc::new(Sessions::new(Arc::clone(vault)));
        let authz = Authz::new(
            Arc::clone(&sessions),
            Arc::clone(&parts.staleness),
            config.access.identity_staleness_max,
        );
        Self {
            authz: Arc::new(authz),
            sessions,
            issuers: Arc::default(),
        }
    }
}

impl Assembly<'_> {
    /// The services of both ports behind their doors.
    pub fn services(
        &self,
        sealed_keyring: &[u8],
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<Services, StartError> {
        let secrets = self.secrets(stop);
        let admin = self.admin(sealed_keyring, stop);
        let accepting = self.accepting(secrets.clone(), stop);
        let (reporter, health) = tonic_health::server::health_reporter();
        tasks.spawn(Arc::clone(&self.status.space).follow());
        let status = Arc::clone(self.status);
        tasks.spawn(health::follow(reporter, status, stop.clone()));
        let secrets =
            SecretsServiceServer::new(secrets).max_decoding_message_size(SECRETS_REQUEST_BYTES_MAX);
        let admin =
            AdminServiceServer::new(admin).max_decoding_message_size(ADMIN_REQUEST_BYTES_MAX);
        let access = AccessServiceServer::new(self.identities())
            .max_decoding_message_size(ACCESS_REQUEST_BYTES_MAX);
        let api = Routes::new(secrets)
            .add_service(admin)
            .add_service(access)
            .add_service(health.max_decoding_message_size(SMALL_REQUEST_BYTES_MAX))
            .add_service(health::reflection()?);
        let peers = Routes::new(self.parts.consensus.raft_service())
            .add_service(self.parts.replication.service())
            .add_service(accepting);
        let guests = Arc::new(self.guests());
        let bounds = |requests_max| Bounds {
            deadline_default: self.config.limits.deadline_default,
            deadline_max: self.config.limits.deadline_max,
            requests_max,
        };
        let calls = &self.metrics.calls;
        let api = Door::before(
            Port::Api,
            api,
            Arc::clone(&guests),
            bounds(self.config.api.requests_max),
            calls.clone(),
        );
        let peers = Door::before(
            Port::Peers,
            peers,
            guests,
            bounds(usize::MAX >> 4),
            calls.clone(),
        );
        let (status, metrics) = (Arc::clone(self.status), self.metrics.clone());
        Ok(Services {
            api,
            peers,
            status,
            metrics,
        })
    }

    /// The background tasks, started.
    pub fn tasks(&self, tasks: &mut JoinSet<()>) {
        let secrets = &self.config.secrets;
        Tasks {
            consensus: self.parts.consensus.clone(),
            clock: Arc::clone(self.clock),
            accesses: Arc::clone(self.accesses),
            freshness: Arc::clone(self.freshness),
            vault: Arc::clone(self.vault),
            metrics: self.metrics.clone(),
            purge_interval: secrets.purge_interval,
            access_record_interval: secrets.access_record_interval,
            issuers: Arc::clone(&self.callers.issuers),
            issuer_keys_interval: self.config.access.issuer_keys_interval,
            plain_issuers: self.config.access.plain_issuers,
        }
        .spawn(tasks);
        let directory = Directory {
            consensus: self.parts.consensus.clone(),
            credentials: Arc::clone(self.credentials),
        };
        tasks.spawn(directory.follow());
        tasks.spawn(Arc::clone(&self.parts.staleness).follow(self.age_interval()));
        self.parts.replication.start();
        let interval = self.config.tls.reload_interval;
        tasks.spawn(Arc::clone(self.credentials).follow_files_every(interval));
    }

    /// How often it is asked how old the root feed is: often enough that it is known when a session
    /// of another region comes.
    fn age_interval(&self) -> Duration {
        let (shortest, longest) = IDENTITY_AGE_INTERVAL.into_inner();
        let max = self.config.access.identity_staleness_max;
        (max / 10).clamp(shortest, longest)
    }

    fn secrets(&self, stop: &CancellationToken) -> Secrets {
        Secrets::new(SecretsOptions {
            consensus: self.parts.consensus.clone(),
            staleness: Arc::clone(&self.parts.staleness),
            fence: self.fence(),
            authz: Arc::clone(&self.callers.authz),
            danger: self.danger,
            forwarder: self.forwarder(),
            vault: Arc::clone(self.vault),
            accesses: Arc::clone(self.accesses),
            freshness: Arc::clone(self.freshness),
            metrics: self.metrics.clone(),
            watches_max: self.config.limits.watches_max,
            young_version_protection: self.config.secrets.young_version_protection,
            stop: stop.clone(),
        })
    }

    fn identities(&self) -> Identities {
        Identities::new(IdentitiesOptions {
            consensus: self.parts.consensus.clone(),
            vault: Arc::clone(self.vault),
            fence: self.fence(),
            authz: Arc::clone(&self.callers.authz),
            sessions: Arc::clone(&self.callers.sessions),
            issuers: Arc::clone(&self.callers.issuers),
        })
    }

    fn admin(&self, sealed_keyring: &[u8], stop: &CancellationToken) -> Admin {
        Admin::new(AdminOptions {
            consensus: self.parts.consensus.clone(),
            replication: self.parts.replication.clone(),
            epochs: Arc::clone(&self.parts.epochs),
            fence: self.fence(),
            credentials: Arc::clone(self.credentials),
            dialer: self.dialer.clone(),
            metrics: self.metrics.clone(),
            status: Arc::clone(self.status),
            snapshots: self.parts.snapshots.clone(),
            sealed_keyring: sealed_keyring.into(),
            stop: stop.clone(),
        })
    }

    fn fence(&self) -> Fence {
        let epochs = Arc::clone(&self.parts.epochs);
        Fence::new(self.parts.consensus.clone(), epochs, self.danger)
    }

    /// What hands writes on, if the operator wants that.
    fn forwarder(&self) -> Option<Arc<Forwarder>> {
        let regions = TlsRegions {
            cluster: self.identity.peer.cluster.clone(),
            dialer: self.dialer.clone(),
        };
        let forwards = self.config.regions.forward_writes;
        forwards.then(|| {
            Arc::new(Forwarder::new(
                self.parts.consensus.clone(),
                self.parts.replication.clone(),
                Arc::new(regions),
            ))
        })
    }

    fn accepting(
        &self,
        secrets: Secrets,
        stop: &CancellationToken,
    ) -> ForwardServiceServer<Accepting> {
        let accepting = Accepting::new(AcceptingOptions {
            secrets,
            consensus: self.parts.consensus.clone(),
            authz: Arc::clone(&self.callers.authz),
            replication: self.parts.replication.clone(),
            accepts: self.config.regions.accept_forwarded,
            deadline_max: self.config.limits.deadline_max,
            metrics: self.metrics.clone(),
            stop: stop.clone(),
        });
        ForwardServiceServer::new(accepting)
            .max_decoding_message_size(FORWARD_BYTES_MAX)
            .max_encoding_message_size(FORWARD_BYTES_MAX)
    }

    fn guests(&self) -> Guests {
        let consensus = self.parts.consensus.clone();
        let (members, linked) = (consensus.clone(), consensus.clone());
        let (known, authz) = (consensus.clone(), Arc::clone(&self.callers.authz));
        let gate = Policies {
            consensus,
            authz: Arc::clone(&self.callers.authz),
        };
        Guests {
            cluster: self.identity.peer.cluster.clone(),
            region: self.identity.peer.region.clone(),
            gate: Box::new(gate),
            open: Box::new(move |token| authz.open(&known.local_view(), token)),
            is_member: Box::new(move |peer| {
                let view = members.local_view();
                let known = view.node(NodeId(peer.node));
                known.is_some_and(|node| node.public_key.0 == peer.public_key)
            }),
            is_linked: Box::new(move |peer| is_linked(&linked.local_view(), peer)),
        }
    }
}
