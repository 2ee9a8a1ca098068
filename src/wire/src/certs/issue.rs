//! Makes certificates.

use std::{fs, net::IpAddr, path::Path, time::SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber, string,
};
use rustls::pki_types::ServerName;
use zeroize::Zeroizing;

use super::{
    CertsError, ClientSpec, Existing, Layout, NodeSpec, Pair, Validity,
    status::{Holder, first},
    write,
};
use crate::{
    clock,
    credentials::{CredentialsError, expiry, provider},
    identity::{ClientIdentity, Identity, PeerIdentity, is_client_name, is_cluster, is_region},
};

/// Makes the root of a new cluster and the issuer of its first region. The cluster id is random
/// unless given (32 lower-case hexadecimal digits). Returns the cluster id. Fails if a root is
/// there.
pub fn init(layout: &Layout, cluster: Option<&str>, region: &str) -> Result<String, CertsError> {
    let cluster = match cluster {
        Some(given) => valid(is_cluster(given), "cluster id", given)?.to_owned(),
        None => hex(&random::<16>()?),
    };
    valid(is_region(region), "region name", region)?;
    let (root, issuer) = (layout.root(), layout.issuer(region));
    for path in [&root.cert, &root.key, &issuer.cert, &issuer.key] {
        write::must_be_new(path)?;
    }
    let key = new_key()?;
    let holder = Holder::Root {
        cluster: cluster.clone(),
    };
    let params = authority(&holder, 1, Validity::of_root())?;
    let certificate = params.self_signed(&key)?;
    write::key(
        &root.key,
        &Zeroizing::new(key.serialize_pem()),
        Existing::Refuse,
    )?;
    write::certificate(&root.cert, &certificate.pem(), Existing::Refuse)?;
    add_region(layout, region, Existing::Refuse)?;
    Ok(cluster)
}

/// Makes the issuer of a region, signed by the root, whose key must be there.
pub fn add_region(layout: &Layout, region: &str, existing: Existing) -> Result<Pair, CertsError> {
    valid(is_region(region), "region name", region)?;
    let root = Authority::open(&layout.root())?;
    let Holder::Root { cluster } = &root.holder else {
        return Err(CertsError::NotAnAuthority {
            path: layout.root().cert,
        });
    };
    let holder = Holder::Issuer {
        cluster: cluster.clone(),
        region: region.to_owned(),
    };
    let params = authority(&holder, 0, root.bound(Validity::of_issuer()))?;
    let pair = layout.issuer(region);
    root.sign(&params, &pair, existing, Chain::Alone)?;
    Ok(pair)
}

/// Issues the certificate of a node, for serving and for calling.
pub fn issue_node(
    layout: &Layout,
    spec: &NodeSpec,
    existing: Existing,
) -> Result<Pair, CertsError> {
    valid(spec.node != 0, "node id", "0")?;
    let issuer = region_issuer(layout, &spec.region)?;
    let identity = Identity::Peer(PeerIdentity {
        cluster: issuer.holder.cluster().to_owned(),
        region: spec.region.clone(),
        node: spec.node,
        public_key: [0; 32],
    });
    let mut params = leaf(&identity, issuer.bound(spec.validity))?;
    for name in &spec.names {
        params.subject_alt_names.push(server_name(name)?);
    }
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let pair = layout.node(&spec.region, spec.node);
    issuer.sign(&params, &pair, existing, Chain::WithIssuer)?;
    Ok(pair)
}

/// Issues the certificate of a client, for calling.
pub fn issue_client(
    layout: &Layout,
    spec: &ClientSpec,
    existing: Existing,
) -> Result<Pair, CertsError> {
    valid(is_client_name(&spec.name), "client name", &spec.name)?;
    let issuer = region_issuer(layout, &spec.region)?;
    let cluster = issuer.holder.cluster().to_owned();
    let identity = Identity::Client(ClientIdentity {
        cluster,
        name: spec.name.clone(),
        public_key: [0; 32],
    });
    let mut params = leaf(&identity, issuer.bound(spec.validity))?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let pair = layout.client(&spec.region, &spec.name);
    issuer.sign(&params, &pair, existing, Chain::WithIssuer)?;
    Ok(pair)
}

fn region_issuer(layout: &Layout, region: &str) -> Result<Authority, CertsError> {
    valid(is_region(region), "region name", region)?;
    let pair = layout.issuer(region);
    let authority = Authority::open(&pair)?;
    match &authority.holder {
        Holder::Issuer { region: own, .. } if own == region => Ok(authority),
        _ => Err(CertsError::NotAnAuthority { path: pair.cert }),
    }
}

/// An authority with its key at hand.
struct Authority {
    holder: Holder,
    until: SystemTime,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate file holds beside the certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    Alone,
    WithIssuer,
}

impl Authority {
    fn open(pair: &Pair) -> Result<Self, CertsError> {
        let certificate = first(&pair.cert)?;
        let not_ours = || CertsError::NotAnAuthority {
            path: pair.cert.clone(),
        };
        let holder = Holder::of(&certificate).ok_or_else(not_ours)?;
        if matches!(holder, Holder::Leaf(_) | Holder::Foreign) {
            return Err(not_ours());
        }
        let until = expiry(&certificate).ok_or_else(not_ours)?;
        if until <= clock::now() {
            let path = pair.cert.clone();
            return Err(CertsError::Expired { path });
        }
        let pem = text(&pair.cert)?.to_string();
        let issuer = Issuer::from_ca_cert_der(&certificate, open_key(&pair.key)?)?;
        Ok(Self {
            holder,
            until,
            pem,
            issuer,
        })
    }

    fn bound(&self, validity: Validity) -> Validity {
        validity.within(self.until)
    }

    fn sign(
        &self,
        params: &CertificateParams,
        pair: &Pair,
        existing: Existing,
        chain: Chain,
    ) -> Result<(), CertsError> {
        let kept = existing == Existing::Renew;
        if existing == Existing::Refuse {
            write::must_be_new(&pair.cert)?;
            write::must_be_new(&pair.key)?;
        }
        let key = if kept {
            open_key(&pair.key)?
        } else {
            new_key()?
        };
        let mut pem = params.signed_by(&key, &self.issuer)?.pem();
        if chain == Chain::WithIssuer {
            pem.push_str(&self.pem);
        }
        if !kept {
            write::key(&pair.key, &Zeroizing::new(key.serialize_pem()), existing)?;
        }
        write::certificate(&pair.cert, &pem, existing)
    }
}

fn authority(
    holder: &Holder,
    authorities_below: u8,
    validity: Validity,
) -> Result<CertificateParams, CertsError> {
    let mut params = named(&holder.to_string(), validity)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(authorities_below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

pub(super) fn leaf(
    identity: &Identity,
    validity: Validity,
) -> Result<CertificateParams, CertsError> {
    let mut params = named(&identity.to_string(), validity)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

fn named(uri: &str, validity: Validity) -> Result<CertificateParams, CertsError> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, uri);
    params.distinguished_name = name;
    params.subject_alt_names = vec![SanType::URI(string::Ia5String::try_from(uri)?)];
    params.not_before = validity.from.into();
    params.not_after = validity.until.into();
    params.use_authority_key_identifier_extension = true;
    // A renewed certificate has the same key, but must not have the same number.
    params.serial_number = Some(SerialNumber::from_slice(&random::<16>()?));
    Ok(params)
}

pub(super) fn server_name(name: &str) -> Result<SanType, CertsError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let dns = matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_)));
    valid(dns, "DNS name or IP address", name)?;
    Ok(SanType::DnsName(string::Ia5String::try_from(name)?))
}

fn new_key() -> Result<KeyPair, CertsError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

fn open_key(path: &Path) -> Result<KeyPair, CertsError> {
    let pem = text(path)?;
    KeyPair::from_pem(&pem).map_err(|source| CertsError::Key {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn text(path: &Path) -> Result<Zeroizing<String>, CertsError> {
    let read = fs::read_to_string(path);
    let read = read.map_err(|source| CredentialsError::Read {
        path: path.to_owned(),
        source,
    });
    Ok(Zeroizing::new(read?))
}

fn random<const N: usize>() -> Result<[u8; N], CertsError> {
    let mut bytes = [0; N];
    let failed = |_| CertsError::Sign(rcgen::Error::RingUnspecified);
    provider().secure_random.fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn valid<'a>(holds: bool, what: &'static str, value: &'a str) -> Result<&'a str, CertsError> {
    match holds {
        true => Ok(value),
        false => Err(CertsError::Invalid {
            what,
            value: value.to_owned(),
        }),
    }
}
