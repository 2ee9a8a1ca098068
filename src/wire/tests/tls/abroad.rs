//! Nodes of other regions, and certificates that no honest issuer makes.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use wire::{
    CertificateDer, CredentialFiles, Credentials, Distrust, PeerIdentity,
    certs::{self, Existing, NodeSpec, Validity, add_region},
};

use crate::harbour::{Harbour, REGION};

pub const ABROAD: &str = "us-east-1";
pub const FARTHER: &str = "ap-south-2";

/// A node of a region. It trusts the issuer of its region and nobody else.
pub fn node_of(harbour: &Harbour, region: &str, node: u64) -> Arc<Credentials> {
    let ca = issuer_file(harbour, region);
    let spec = NodeSpec {
        region: region.to_owned(),
        node,
        names: vec!["localhost".to_owned()],
        validity: Validity::of_leaf(),
    };
    let pair = certs::issue_node(&harbour.layout, &spec, Existing::Replace).expect("a node");
    let (cert, key, ca) = (pair.cert, pair.key, vec![ca]);
    Credentials::load(CredentialFiles { cert, key, ca }).expect("credentials")
}

/// The certificate of a region's issuer.
pub fn issuer_of(harbour: &Harbour, region: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(issuer_file(harbour, region)).expect("an issuer")
}

/// Who a node is.
pub fn pin(credentials: &Credentials) -> PeerIdentity {
    credentials.identity().peer().expect("a node").clone()
}

/// The name of a node.
pub fn name(harbour: &Harbour, region: &str, node: u64) -> String {
    format!("strongroom://{}/{region}/node/{node}", harbour.cluster)
}

/// Lets a node know the issuers of these regions and of no others.
pub fn link(credentials: &Credentials, harbour: &Harbour, regions: &[&str]) {
    let linked: BTreeMap<_, _> = regions
        .iter()
        .map(|region| ((*region).to_owned(), vec![issuer_of(harbour, region)]))
        .collect();
    assert_eq!(credentials.authorities().set(linked), []);
}

/// Calls, and requires that the server refuses the caller's certificate.
pub async fn turned_away(channel: &Channel, why: &str) {
    let mut client = HealthClient::new(channel.clone());
    let call = client.check(HealthCheckRequest::default());
    let answered = tokio::time::timeout(Duration::from_secs(20), call).await;
    let status = answered.expect("an answer in time").expect_err("a status");
    let distrust = Distrust::in_chain(&status);
    assert_eq!(distrust, Some(Distrust::OfCaller), "{why}: {status:?}");
}

/// An authority that signs whatever it is asked to.
pub struct Forger {
    pub certificate: CertificateDer<'static>,
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Forger {
    /// The issuer of a region.
    pub fn issuer_of(harbour: &Harbour, region: &str) -> Self {
        let pem = fs::read_to_string(issuer_file(harbour, region)).expect("an issuer");
        let key = fs::read_to_string(harbour.layout.issuer(region).key).expect("a key");
        let key = KeyPair::from_pem(&key).expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&pem, key).expect("an issuer");
        let certificate = issuer_of(harbour, region);
        Self {
            certificate,
            pem,
            issuer,
        }
    }

    /// One that nobody signed, with a name or none.
    pub fn named(name: Option<&str>, validity: Validity) -> Self {
        Self::with_key(name, validity, KeyPair::generate().expect("a key"))
    }

    pub fn with_key(name: Option<&str>, validity: Validity, key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, name.unwrap_or("an authority"));
        params.subject_alt_names = name.map(uri).into_iter().collect();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        valid(&mut params, validity);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate with a name, which trusts the issuer of the harbour's region.
    pub fn node(&self, harbour: &Harbour, name: &str) -> Arc<Credentials> {
        self.node_presenting(harbour, name, &self.pem)
    }

    /// The same, with other certificates behind it than its issuer's.
    pub fn node_presenting(
        &self,
        harbour: &Harbour,
        name: &str,
        presented: &str,
    ) -> Arc<Credentials> {
        let usages = [
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign(harbour, name, presented, &usages)
    }

    /// The same as a node's, but for serving or for calling only.
    pub fn node_for(
        &self,
        harbour: &Harbour,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> Arc<Credentials> {
        self.sign(harbour, name, &self.pem, &[usage])
    }

    fn sign(
        &self,
        harbour: &Harbour,
        name: &str,
        presented: &str,
        usages: &[ExtendedKeyUsagePurpose],
    ) -> Arc<Credentials> {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("names");
        params.subject_alt_names.push(uri(name));
        params.extended_key_usages = usages.to_vec();
        valid(&mut params, Validity::of_leaf());
        let leaf_key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&leaf_key, &self.issuer);
        let leaf = leaf.expect("a certificate").pem();
        let directory = TempDir::new().expect("a directory");
        let [cert, key] = ["node.pem", "node-key.pem"].map(|name| directory.path().join(name));
        fs::write(&cert, leaf + presented).expect("a write");
        fs::write(&key, leaf_key.serialize_pem()).expect("a write");
        let ca = vec![issuer_file(harbour, REGION)];
        Credentials::load(CredentialFiles { cert, key, ca }).expect("credentials")
    }
}

/// The certificate file of a region's issuer, made if it is not there.
fn issuer_file(harbour: &Harbour, region: &str) -> PathBuf {
    let issuer = harbour.layout.issuer(region).cert;
    if !issuer.exists() {
        add_region(&harbour.layout, region, Existing::Refuse).expect("a region");
    }
    issuer
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().expect("ASCII"))
}

fn valid(params: &mut CertificateParams, validity: Validity) {
    params.not_before = validity.from.into();
    params.not_after = validity.until.into();
}
