//! InstallIssuer, RetireIssuers, GetCertificates, RenewCertificate.

use futures::future::join_all;
use machine::{Command, Hash, Issuer, IssuerCertificate, Node, PutIssuer, RetireIssuers};
use tokio::time::Instant;
use wire::admin::v1 as api;
use wire::certs::{Holder, Signer};
use wire::{CertificateDer, Presented, check_issuer};
use zeroize::Zeroizing;

use super::Admin;
use super::member::until;
use crate::clock;
use crate::door::Call;
use crate::errors::Refusal;
use crate::limits::NODE_STATUS_TIMEOUT;
use crate::times::timestamp;

impl Admin {
    pub(super) async fn install_issuer(
        &self,
        call: &Call,
        mut message: api::InstallIssuerRequest,
    ) -> Result<api::InstallIssuerResponse, Refusal> {
        let private_key = Zeroizing::new(std::mem::take(&mut message.private_key));
        let view = self.view(call).await?;
        let public_key = self.checked(&message.certificate, &private_key)?;
        let replaces = message.replaces.as_deref().map(key_hash).transpose()?;
        let (key, wrap) =
            self.signing
                .vault
                .seal_issuer(&view, &public_key, private_key.as_bytes())?;
        drop(view);
        let certificate = IssuerCertificate {
            der: message.certificate.into(),
            public_key,
        };
        let issuer = Issuer {
            certificate,
            key,
            wrap,
        };
        self.propose(call, Command::PutIssuer(PutIssuer { issuer, replaces }))
            .await?;
        Ok(api::InstallIssuerResponse {
            issuer: public_key.0.to_vec(),
        })
    }

    /// Checks that an issuer is one of ours for this region, with its key.
    fn checked(&self, certificate: &[u8], private_key: &str) -> Result<Hash, Refusal> {
        let refused = |error: &dyn std::error::Error| {
            Refusal::parameter(format!("The issuer can't be used: {error}."))
        };
        let signer = Signer::new(certificate, private_key).map_err(|error| refused(&error))?;
        let own = self.credentials.identity();
        let own = own.peer().ok_or_else(Refusal::internal)?;
        let is_ours = matches!(signer.holder(), Holder::Issuer { cluster, region }
            if *cluster == own.cluster && *region == own.region);
        if !is_ours {
            return Err(Refusal::parameter(
                "The issuer is of another region: give the one of this region.",
            ));
        }
        let known = check_issuer(&CertificateDer::from(certificate.to_vec()));
        let known = known.map_err(|error| refused(&error))?;
        match known.valid_until <= clock::system(clock::now()) {
            true => Err(Refusal::parameter("The issuer has expired: make another.")),
            false => Ok(Hash(known.public_key.0)),
        }
    }

    pub(super) async fn retire_issuers(
        &self,
        call: &Call,
        message: api::RetireIssuersRequest,
    ) -> Result<api::RetireIssuersResponse, Refusal> {
        let active = key_hash(&message.active)?;
        let view = self.view(call).await?;
        let nodes = self.node_certificates(call, &view).await;
        drop(view);
        let is_behind = |node: &&api::NodeCertificate| node.issuer != active.0;
        if let Some(behind) = nodes.iter().find(is_behind) {
            let node = behind.node;
            return Err(Refusal::request(match behind.expires {
                None => format!("Node {node} does not answer: start it, or remove it."),
                Some(_) => format!(
                    "Node {node} has no certificate of the issuer that signs yet: wait, or issue \
                     it one by hand."
                ),
            }));
        }
        let command = Command::RetireIssuers(RetireIssuers { active });
        self.propose(call, command).await?;
        Ok(api::RetireIssuersResponse {})
    }

    pub(super) async fn certificates(
        &self,
        call: &Call,
    ) -> Result<api::GetCertificatesResponse, Refusal> {
        let view = self.view(call).await?;
        let nodes = self.node_certificates(call, &view).await;
        let issuers = view.issuers();
        let shown = issuers.into_iter().flat_map(|issuers| issuers.trusted());
        let shown = shown.enumerate().map(|(place, one)| {
            let known = check_issuer(&CertificateDer::from(one.der.to_vec()));
            api::CertificateIssuer {
                public_key_sha256: one.public_key.0.to_vec(),
                active: place == 0,
                expires: known.ok().map(|known| known.valid_until.into()),
            }
        });
        let retired = issuers.into_iter().flat_map(|issuers| &issuers.retired);
        Ok(api::GetCertificatesResponse {
            issuers: shown.collect(),
            nodes,
            retired: retired.map(|key| key.0.to_vec()).collect(),
        })
    }

    /// Signs for a node, whose pinned key the door has checked, what it has connected with.
    pub(super) fn renew_certificate(
        &self,
        presented: Option<&Presented>,
        message: &api::RenewCertificateRequest,
    ) -> Result<api::RenewCertificateResponse, Refusal> {
        let Presented(held) = presented.ok_or_else(Refusal::denied)?;
        let status = self.consensus.status();
        if status.leader != Some(status.node) {
            let leader = status.leader;
            return Err(consensus::Unavailable::NoLeader { leader }.into());
        }
        let issuer = key_hash(&message.issuer)?;
        Ok(api::RenewCertificateResponse {
            certificate: self.signing.renew(held, &issuer)?,
        })
    }

    /// The certificates of all nodes, each by its own word.
    async fn node_certificates(
        &self,
        call: &Call,
        view: &consensus::View,
    ) -> Vec<api::NodeCertificate> {
        let deadline = call.deadline.min(Instant::now() + NODE_STATUS_TIMEOUT);
        let asked = view
            .nodes()
            .map(|node| self.node_certificate(node, deadline));
        join_all(asked).await
    }

    async fn node_certificate(&self, node: &Node, deadline: Instant) -> api::NodeCertificate {
        let silent = api::NodeCertificate {
            node: node.id.0,
            ..Default::default()
        };
        if node.id == self.consensus.status().node {
            return api::NodeCertificate {
                expires: Some(timestamp(self.status.certificate_expires())),
                issuer: self.status.certificate_issuer(),
                ..silent
            };
        }
        let Ok(mut member) = self.member(node) else {
            return silent;
        };
        let request = until(deadline, api::GetStatusRequest {});
        match member.get_status(request).await {
            Ok(status) => match status.into_inner().node {
                Some(status) => api::NodeCertificate {
                    expires: status.certificate_expires,
                    issuer: status.certificate_issuer,
                    ..silent
                },
                None => silent,
            },
            Err(status) => {
                tracing::warn!(%status, node = node.id.0, "a node does not tell its certificate");
                silent
            }
        }
    }
}

fn key_hash(bytes: &[u8]) -> Result<Hash, Refusal> {
    let hash = <[u8; 32]>::try_from(bytes);
    let wrong = |_| Refusal::parameter("The hash of a public key is 32 bytes.");
    hash.map(Hash).map_err(wrong)
}
