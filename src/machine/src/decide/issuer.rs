//! The authorities of this region's certificates: one signs, those before are trusted until they
//! are retired (R17). Local rows: every region has its own.

use crate::answer::Outcome;
use crate::command::{PutIssuer, RetireIssuers};
use crate::decide::draft::Draft;
use crate::decide::version;
use crate::limits::{
    AUTHORITIES_MAX, AUTHORITY_BYTES_MAX, ISSUER_SEALED_BYTES_MAX, ISSUERS_RETIRED_MAX,
};
use crate::rejection::Rejection;
use crate::row::{Issuer, Issuers, RowKey};

pub(super) fn put(draft: &mut Draft<'_>, put: &PutIssuer) -> Result<Outcome, Rejection> {
    let (state, fresh) = (draft.state, &put.issuer);
    checked(fresh)?;
    version::wrapped(state, &fresh.wrap)?;
    let key = fresh.certificate.public_key;
    let before = state.issuers();
    let signs = before.map(|issuers| issuers.active.certificate.public_key);
    let is_again = before.is_some_and(|issuers| issuers.active.certificate == fresh.certificate);
    if is_again {
        return Ok(Outcome::None);
    }
    if signs != put.replaces {
        return Err(Rejection::IssuerMoved);
    }
    let (mut former, retired) = match before {
        None => (Vec::new(), Vec::new()),
        Some(before) => {
            let mut former = before.former.clone();
            former.push(before.active.certificate.clone());
            (former, before.retired.clone())
        }
    };
    if retired.contains(&key) {
        return Err(Rejection::IssuerInvalid);
    }
    former.retain(|held| held.der != fresh.certificate.der);
    if former.len() >= AUTHORITIES_MAX {
        return Err(Rejection::IssuerLimit);
    }
    let issuers = Issuers {
        active: fresh.clone(),
        former,
        retired,
    };
    draft.put(RowKey::Issuers, &issuers);
    Ok(Outcome::None)
}

pub(super) fn retire(draft: &mut Draft<'_>, retire: &RetireIssuers) -> Result<Outcome, Rejection> {
    let before = draft.state.issuers().ok_or(Rejection::IssuerMoved)?;
    let active = &before.active.certificate;
    if active.public_key != retire.active {
        return Err(Rejection::IssuerMoved);
    }
    if before.former.is_empty() {
        return Ok(Outcome::None);
    }
    let mut retired = before.retired.clone();
    for former in &before.former {
        // An issuer that was renewed with its key is trusted by it.
        let key = former.public_key;
        if key != active.public_key && !retired.contains(&key) {
            retired.push(key);
        }
    }
    let surplus = retired.len().saturating_sub(ISSUERS_RETIRED_MAX);
    retired.drain(..surplus);
    let issuers = Issuers {
        active: before.active.clone(),
        former: Vec::new(),
        retired,
    };
    draft.put(RowKey::Issuers, &issuers);
    Ok(Outcome::None)
}

fn checked(issuer: &Issuer) -> Result<(), Rejection> {
    let certificate = issuer.certificate.der.len();
    let key = issuer.key.ciphertext.len();
    let is_usable = (1..=AUTHORITY_BYTES_MAX).contains(&certificate)
        && (1..=ISSUER_SEALED_BYTES_MAX).contains(&key);
    match is_usable {
        true => Ok(()),
        false => Err(Rejection::IssuerInvalid),
    }
}
