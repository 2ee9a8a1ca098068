//! A certificate, its key and the authorities it trusts, from PEM files that may change while
//! the process runs.
//!
//! Invariant: what is in force was complete and consistent when it was loaded. A reload that
//! fails changes nothing. A reload never changes who this process is, nor, for a node, its
//! public key, because the members have pinned it.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::{
    authorities::Authorities,
    certs::{self, Holder},
    identity::{Identity, IdentityError, PeerIdentity, PublicKeyHash},
    issuer::{check_issuer, key_of},
    limits::PEM_BYTES_MAX,
};

/// Where the PEM files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFiles {
    /// The certificate of this process, then those between it and the authority.
    pub cert: PathBuf,
    /// Its private key, PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
    /// The authorities whose certificates are accepted; one file may hold several.
    pub ca: Vec<PathBuf>,
}

/// The certificate, key and authorities in force.
pub struct Credentials {
    files: CredentialFiles,
    current: ArcSwap<Material>,
    authorities: Authorities,
    /// Held while what is in force is replaced.
    loaded: Mutex<Loaded>,
}

/// What the credentials in force were made of, beside the files' content.
struct Loaded {
    seen: Vec<Option<Seen>>,
    own: OwnIssuers,
}

/// What the own region says of its issuers, beside the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnIssuers {
    /// Certificates of those it trusts, the one that signs first.
    pub trusted: Vec<CertificateDer<'static>>,
    /// The public keys of those it trusts no more: not even if a file has them, or if an authority
    /// that is trusted has signed them.
    pub retired: Vec<PublicKeyHash>,
}

/// Why credentials were not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A renewed certificate cannot be written.
    #[error("cannot write {path}; give this process the right to write there, or renew by hand")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is larger than any of its kind: half of it must not be taken for the whole.
    #[error("{path} is larger than {PEM_BYTES_MAX} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file is not the PEM it should be.
    #[error("{path} has no {wanted} in PEM form")]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// A certificate in a file is broken, or the key cannot be used.
    #[error("{path} cannot be used")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What TLS said.
        source: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error("the key in {key} does not belong to the certificate in {cert}")]
    Mismatch {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The certificate says nothing about who this process is.
    #[error("{path} does not say whose it is")]
    Identity {
        /// The certificate file.
        path: PathBuf,
        /// Why.
        source: IdentityError,
    },
    /// A reload found somebody else's certificate.
    #[error("{path} is now the certificate of {found}, not of {wanted}; restart to change that")]
    OtherIdentity {
        /// The certificate file.
        path: PathBuf,
        /// Whose it is now.
        found: String,
        /// Whose it was.
        wanted: String,
    },
    /// A reload found a node certificate with another key.
    #[error("{path} has another key than the members have pinned; renew it with the same key")]
    OtherKey {
        /// The certificate file.
        path: PathBuf,
    },
}

impl Credentials {
    /// Loads the files, at most 1 MiB each.
    pub fn load(files: CredentialFiles) -> Result<Arc<Self>, CredentialsError> {
        let loaded = Loaded {
            seen: look(&files),
            own: OwnIssuers::default(),
        };
        let current = ArcSwap::from_pointee(Material::load(&files, &loaded.own)?);
        Ok(Arc::new(Self {
            files,
            current,
            authorities: Authorities::default(),
            loaded: Mutex::new(loaded),
        }))
    }

    /// Loads the files again. Connections that are open stay as they are; new ones use what was
    /// loaded. On an error the old credentials stay in force.
    pub fn reload(&self) -> Result<(), CredentialsError> {
        self.reload_into(&mut self.loaded())
    }

    fn reload_into(&self, loaded: &mut Loaded) -> Result<(), CredentialsError> {
        let seen = look(&self.files);
        let fresh = Material::load(&self.files, &loaded.own)?;
        self.material().may_become(&fresh, &self.files.cert)?;
        self.current.store(Arc::new(fresh));
        loaded.seen = seen;
        Ok(())
    }

    /// Believes what the own region says of its issuers, from new connections on.
    pub fn believe(&self, own: OwnIssuers) {
        let mut loaded = self.loaded();
        if loaded.own != own {
            let fresh = self.material().believing(&own);
            self.current.store(Arc::new(fresh));
            loaded.own = own;
        }
    }

    /// Puts a renewed certificate, with its issuer's behind it in PEM form, in the place of the one
    /// in force, and uses it. The file is whole at every moment, and on the disk on return. False,
    /// and nothing written, if somebody has put another one there: that is used from now on.
    pub fn renew(&self, pem: &str) -> Result<bool, CredentialsError> {
        let mut loaded = self.loaded();
        let held = self.material();
        if certificates(&self.files.cert)? != held.certified.cert {
            self.reload_into(&mut loaded)?;
            return Ok(false);
        }
        let fresh: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let fresh = fresh.map_err(|_| self.not_pem())?;
        let fresh = Material::of(&self.files, fresh, &loaded.own)?;
        held.may_become(&fresh, &self.files.cert)?;
        certs::replace(&self.files.cert, pem).map_err(|source| CredentialsError::Write {
            path: self.files.cert.clone(),
            source,
        })?;
        loaded.seen = look(&self.files);
        self.current.store(Arc::new(fresh));
        Ok(true)
    }

    fn not_pem(&self) -> CredentialsError {
        CredentialsError::NotPem {
            path: self.files.cert.clone(),
            wanted: "certificate",
        }
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the files once a period, and loads them again when one changed, for as long as the
    /// returned future is polled. A change that cannot be loaded is logged and tried again.
    pub async fn follow_files_every(self: Arc<Self>, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            let credentials = Arc::clone(&self);
            let reloaded = tokio::task::spawn_blocking(move || credentials.reload_if_changed());
            match reloaded.await {
                Ok(Ok(true)) => tracing::info!(expires = ?self.expires(), "certificate reloaded"),
                Ok(Err(error)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "certificate kept");
                }
                Ok(Ok(false)) | Err(_) => {}
            }
        }
    }

    /// Who this process is.
    pub fn identity(&self) -> Identity {
        self.material().identity.clone()
    }

    /// From when the certificate in force is valid.
    pub fn begins(&self) -> SystemTime {
        self.material().begins
    }

    /// When the certificate in force ends.
    pub fn expires(&self) -> SystemTime {
        self.material().expires
    }

    /// The certificate of this process, then those between it and the authority, as in its file.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.material().certified.cert.clone()
    }

    /// The issuers of the own region, each once: those among the authorities it trusts, then those
    /// among the certificates that it presents. This is what other regions are told of it; where
    /// more than 4 are trusted, they do not take them over. Empty for a client.
    pub fn issuers(&self) -> Vec<CertificateDer<'static>> {
        self.material().issuers.clone()
    }

    /// The issuers of linked regions, whose nodes are accepted beside those of the own region.
    pub fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// Where the files are.
    pub fn files(&self) -> &CredentialFiles {
        &self.files
    }

    pub(crate) fn material(&self) -> Arc<Material> {
        self.current.load_full()
    }

    /// What a new connection is made with. Of a client, whose process nobody may tell of a change,
    /// the files are looked at first: it lives longer than its certificate.
    pub(crate) fn for_connection(&self) -> Arc<Material> {
        let material = self.material();
        if material.identity.peer().is_some() {
            return material;
        }
        if let Err(error) = self.reload_if_changed() {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "certificate kept");
        }
        self.material()
    }

    fn reload_if_changed(&self) -> Result<bool, CredentialsError> {
        let mut loaded = self.loaded();
        if loaded.seen == look(&self.files) {
            return Ok(false);
        }
        self.reload_into(&mut loaded).map(|()| true)
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// One loaded state of the files.
pub(crate) struct Material {
    pub(crate) certified: Arc<CertifiedKey>,
    /// Who vouches for callers and servers.
    pub(crate) roots: Arc<RootCertStore>,
    /// Who of them vouches for the nodes of the own region: nobody if this is a client's.
    pub(crate) peer_roots: Arc<RootCertStore>,
    issuers: Vec<CertificateDer<'static>>,
    /// The issuers of the own region that are trusted no more.
    pub(crate) retired: Arc<[PublicKeyHash]>,
    /// The authorities that the files name.
    authorities: Vec<CertificateDer<'static>>,
    pub(crate) identity: Identity,
    pub(crate) begins: SystemTime,
    pub(crate) expires: SystemTime,
}

impl Material {
    fn load(files: &CredentialFiles, own: &OwnIssuers) -> Result<Self, CredentialsError> {
        Self::of(files, certificates(&files.cert)?, own)
    }

    /// What it is with another certificate than the file's.
    fn of(
        files: &CredentialFiles,
        chain: Vec<CertificateDer<'static>>,
        own: &OwnIssuers,
    ) -> Result<Self, CredentialsError> {
        let not_pem = || CredentialsError::NotPem {
            path: files.cert.clone(),
            wanted: "certificate",
        };
        let leaf = chain.first().ok_or_else(not_pem)?;
        let identity = Identity::of(leaf).map_err(|source| CredentialsError::Identity {
            path: files.cert.clone(),
            source,
        })?;
        let (begins, expires) = life(leaf).ok_or_else(not_pem)?;
        let key = private_key(&files.key)?;
        let unusable = |source| CredentialsError::Unusable {
            path: files.key.clone(),
            source,
        };
        let key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(unusable)?;
        let certified = CertifiedKey::new(chain, key);
        certified
            .keys_match()
            .map_err(|_| CredentialsError::Mismatch {
                cert: files.cert.clone(),
                key: files.key.clone(),
            })?;
        let unbelieving = Self {
            certified: Arc::new(certified),
            roots: Arc::new(RootCertStore::empty()),
            peer_roots: Arc::new(RootCertStore::empty()),
            issuers: Vec::new(),
            retired: Arc::default(),
            authorities: roots(&files.ca)?.0,
            identity,
            begins,
            expires,
        };
        Ok(unbelieving.believing(own))
    }

    /// The same with what the own region says of its issuers.
    fn believing(&self, own: &OwnIssuers) -> Self {
        let is_retired =
            |one: &CertificateDer<'_>| key_of(one).is_some_and(|key| own.retired.contains(&key));
        let mut authorities = self.authorities.clone();
        let is_new = |one: &&CertificateDer<'static>| !self.authorities.contains(one);
        authorities.extend(own.trusted.iter().filter(is_new).cloned());
        authorities.retain(|one| !is_retired(one));
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        let (peer_roots, mut issuers) = match &self.identity {
            Identity::Peer(peer) => of_region(peer, authorities, &self.certified.cert),
            Identity::Client(_) => (RootCertStore::empty(), Vec::new()),
        };
        issuers.retain(|one| !is_retired(one));
        Self {
            certified: Arc::clone(&self.certified),
            roots: Arc::new(roots),
            peer_roots: Arc::new(peer_roots),
            issuers,
            retired: own.retired.as_slice().into(),
            authorities: self.authorities.clone(),
            identity: self.identity.clone(),
            begins: self.begins,
            expires: self.expires,
        }
    }

    fn may_become(&self, fresh: &Self, path: &Path) -> Result<(), CredentialsError> {
        let (old, new) = (&self.identity, &fresh.identity);
        if old.to_string() != new.to_string() {
            return Err(CredentialsError::OtherIdentity {
                path: path.to_owned(),
                found: new.to_string(),
                wanted: old.to_string(),
            });
        }
        match old.peer().map(|p| p.public_key) == new.peer().map(|p| p.public_key) {
            true => Ok(()),
            false => Err(CredentialsError::OtherKey {
                path: path.to_owned(),
            }),
        }
    }
}

/// The only provider of cryptography: no process-wide default is installed or used.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Reads when a certificate ends; `None` if it is no certificate.
pub(crate) fn expiry(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    life(certificate).map(|(_, expires)| expires)
}

/// Reads when a certificate begins and ends; `None` if it is no certificate.
fn life(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let at = |seconds: i64| {
        let seconds = u64::try_from(seconds).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    };
    let validity = parsed.validity();
    Some((
        at(validity.not_before.timestamp())?,
        at(validity.not_after.timestamp())?,
    ))
}

/// Reads the certificates of a PEM file, in their order. There is at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(CredentialsError::NotPem {
            path: path.to_owned(),
            wanted: "certificate",
        }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, CredentialsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| CredentialsError::NotPem {
        path: path.to_owned(),
        wanted: "private key",
    })
}

/// Reads the authorities of files, each of which TLS can use. There is at least one.
pub(crate) fn roots(
    paths: &[PathBuf],
) -> Result<(Vec<CertificateDer<'static>>, RootCertStore), CredentialsError> {
    let (mut authorities, mut roots) = (Vec::new(), RootCertStore::empty());
    for path in paths {
        for certificate in certificates(path)? {
            authorities.push(certificate.clone());
            roots
                .add(certificate)
                .map_err(|source| CredentialsError::Unusable {
                    path: path.clone(),
                    source,
                })?;
        }
    }
    if roots.is_empty() {
        let path = paths.first().cloned().unwrap_or_default();
        return Err(CredentialsError::NotPem {
            path,
            wanted: "authority's certificate",
        });
    }
    Ok((authorities, roots))
}

/// What of the authorities vouches for the nodes of the own region, and the issuers of it.
fn of_region(
    own: &PeerIdentity,
    authorities: Vec<CertificateDer<'static>>,
    chain: &[CertificateDer<'static>],
) -> (RootCertStore, Vec<CertificateDer<'static>>) {
    let of_own =
        |one: &CertificateDer<'_>| Holder::of(one).is_some_and(|holder| holder.may_vouch_for(own));
    let mut authorities = authorities;
    authorities.retain(of_own);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().cloned());
    let presented = chain.iter().filter(|one| of_own(one)).cloned();
    let mut issuers: Vec<CertificateDer<'static>> = Vec::new();
    for candidate in authorities.into_iter().chain(presented) {
        if check_issuer(&candidate).is_ok() && !issuers.contains(&candidate) {
            issuers.push(candidate);
        }
    }
    (roots, issuers)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CredentialsError> {
    let failed = |source| CredentialsError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(failed)?;
    let read = file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes);
    if read.map_err(failed)? as u64 > PEM_BYTES_MAX {
        let path = path.to_owned();
        return Err(CredentialsError::TooLarge { path });
    }
    Ok(bytes)
}

/// What tells one state of a file from another. A mounted directory that is swapped by a link
/// gives files with other times.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    modified: SystemTime,
    length_bytes: u64,
}

fn look(files: &CredentialFiles) -> Vec<Option<Seen>> {
    [&files.cert, &files.key]
        .into_iter()
        .chain(&files.ca)
        .map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some(Seen {
                modified: metadata.modified().ok()?,
                length_bytes: metadata.len(),
            })
        })
        .collect()
}
