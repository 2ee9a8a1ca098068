//! Issuers, and the commands about them.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::codec::secret::wrap;
use crate::codec::{Body, DecodeError, copied, hash, required};
use crate::command::{Command, PutIssuer, RetireIssuers};
use crate::row::{Issuer, IssuerCertificate, Issuers, Kept, Row, RowKey};
use crate::storage;
use crate::storage::entry::Command as Wire;

impl Body for Issuers {
    type Message = storage::IssuersRow;

    fn message(&self) -> storage::IssuersRow {
        storage::IssuersRow {
            active: Some((&self.active).into()),
            former: self.former.iter().map(Into::into).collect(),
            retired: self.retired.iter().map(|key| copied(&key.0)).collect(),
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Issuers, DecodeError> {
        let row = storage::IssuersRow::decode(bytes.clone())?;
        let former = row.former.into_iter().map(TryInto::try_into);
        let retired = row.retired.iter().map(|key| hash("retired issuer", key));
        Ok(Issuers {
            active: required("active issuer", row.active)?.try_into()?,
            former: former.collect::<Result<_, _>>()?,
            retired: retired.collect::<Result<_, _>>()?,
        })
    }

    fn into_row(kept: Arc<Kept<Issuers>>) -> Row {
        Row::Issuers(kept)
    }
}

impl From<&IssuerCertificate> for storage::IssuerCertificate {
    fn from(certificate: &IssuerCertificate) -> storage::IssuerCertificate {
        storage::IssuerCertificate {
            der: certificate.der.clone(),
            public_key: copied(&certificate.public_key.0),
        }
    }
}

impl TryFrom<storage::IssuerCertificate> for IssuerCertificate {
    type Error = DecodeError;

    fn try_from(row: storage::IssuerCertificate) -> Result<IssuerCertificate, DecodeError> {
        Ok(IssuerCertificate {
            public_key: hash("issuer key", &row.public_key)?,
            der: copied(&row.der),
        })
    }
}

impl From<&Issuer> for storage::Issuer {
    fn from(issuer: &Issuer) -> storage::Issuer {
        storage::Issuer {
            certificate: Some((&issuer.certificate).into()),
            key: Some(issuer.key.as_ref().into()),
            wrap: Some((&issuer.wrap).into()),
        }
    }
}

impl TryFrom<storage::Issuer> for Issuer {
    type Error = DecodeError;

    fn try_from(row: storage::Issuer) -> Result<Issuer, DecodeError> {
        Ok(Issuer {
            certificate: required("issuer certificate", row.certificate)?.try_into()?,
            key: Arc::new(required("issuer key", row.key)?.try_into()?),
            wrap: wrap(row.wrap)?,
        })
    }
}

impl From<&PutIssuer> for storage::PutIssuer {
    fn from(put: &PutIssuer) -> storage::PutIssuer {
        storage::PutIssuer {
            issuer: Some((&put.issuer).into()),
            replaces: put.replaces.map(|key| copied(&key.0)),
        }
    }
}

impl From<&RetireIssuers> for storage::RetireIssuers {
    fn from(retire: &RetireIssuers) -> storage::RetireIssuers {
        storage::RetireIssuers {
            active: copied(&retire.active.0),
        }
    }
}

/// Decodes a command about issuers: the last there are.
pub(super) fn command(command: Wire) -> Result<Command, DecodeError> {
    Ok(match command {
        Wire::PutIssuer(put) => Command::PutIssuer(PutIssuer {
            issuer: required("issuer", put.issuer)?.try_into()?,
            replaces: put
                .replaces
                .map(|key| hash("issuer key", &key))
                .transpose()?,
        }),
        Wire::RetireIssuers(retire) => Command::RetireIssuers(RetireIssuers {
            active: hash("issuer key", &retire.active)?,
        }),
        _ => return Err(DecodeError::UnknownCommand),
    })
}
