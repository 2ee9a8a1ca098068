//! Revocations: of a session, or of the key of certificates.

use machine::limits::{REASON_CHARS_MAX, SESSION_ID_CHARS_MAX, STAMP_MS_MAX};
use machine::{Command, Hash, Revocation, Revoke, Revoked, Seen, Stamp, Uid};
use wire::access::v1 as api;
use wire::access::v1::revoked::What;

use super::basis::On;
use super::{Identities, new_uid, pages, shown};
use crate::authz::Asked;
use crate::clock;
use crate::errors::Refusal;
use crate::limits::{CERTIFICATE_REVOKED, SESSION_LONGEST};
use crate::secrets::ask::{Answer, Ask};
use crate::secrets::parse::at_most;

impl Identities {
    pub(super) async fn revoke(
        &self,
        ask: Ask<api::RevokeRequest>,
    ) -> Result<Answer<api::RevokeResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let what = what(message.revoked)?;
        at_most("reason", &message.reason, REASON_CHARS_MAX)?;
        let until = match message.until {
            Some(until) => stamp(&until)?,
            None => {
                let lasts = match what {
                    Revoked::Session(_) => SESSION_LONGEST,
                    Revoked::PublicKey(_) => CERTIFICATE_REVOKED,
                };
                let lasts = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
                clock::now().plus_ms(lasts)
            }
        };
        let view = self.view_to_change(&call, &reading).await?;
        let command = Command::Revoke(Revoke {
            uid: new_uid()?,
            what,
            reason: message.reason,
            until,
            seen: Seen::default(),
        });
        let write = view.grant(Asked::of("strongroom:Revoke"), On::Cluster, command)?;
        let done = self.change(&call, &reading, write).await?;
        Ok(done.answer(api::RevokeResponse {}))
    }

    pub(super) async fn list_revocations(
        &self,
        ask: Ask<api::ListRevocationsRequest>,
    ) -> Result<Answer<api::ListRevocationsResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let items = pages::items(message.max_results)?;
        let view = self.view(&call, &reading).await?;
        view.permit(&Asked::of("strongroom:ListRevocations"), &On::Cluster)?;
        let query = pages::query(&view, "ListRevocations", &[]);
        let after = pages::after(&query, &message.next_token, Place::read)?;
        let list = move || {
            let is_behind = |revocation: &&std::sync::Arc<Revocation>| {
                after
                    .as_ref()
                    .is_none_or(|after| Place::of(revocation) > *after)
            };
            // There are at most so many that the state holds, and they are in this order.
            let mut found = view.revocations().filter(is_behind);
            let page: Vec<_> = found.by_ref().take(items).collect();
            let last = page.last().filter(|_| found.next().is_some());
            let next_token = last.map(|last| query.token(&Place::of(last).written()));
            let revocations = page.iter().map(|revocation| shown::revocation(revocation));
            view.answer(api::ListRevocationsResponse {
                revocations: revocations.collect(),
                next_token: next_token.unwrap_or_default(),
            })
        };
        let listed = tokio::task::spawn_blocking(list).await;
        listed.map_err(|_| Refusal::internal())?
    }
}

/// Where a revocation stands in the list.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    until: Stamp,
    uid: Uid,
}

impl Place {
    fn of(revocation: &Revocation) -> Self {
        Self {
            until: revocation.until,
            uid: revocation.uid,
        }
    }

    fn written(self) -> Vec<u8> {
        [self.until.0.to_be_bytes().as_slice(), &self.uid.0].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (until, uid) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            until: Stamp(u64::from_be_bytes(*until)),
            uid: Uid(uid.try_into().ok()?),
        })
    }
}

fn what(asked: Option<api::Revoked>) -> Result<Revoked, Refusal> {
    let what = asked.and_then(|asked| asked.what);
    match what.ok_or_else(|| Refusal::parameter("You must provide what to revoke."))? {
        What::Session(id) => {
            let is_plain = id.bytes().all(|byte| byte.is_ascii_graphic());
            if id.is_empty() || id.len() > SESSION_ID_CHARS_MAX || !is_plain {
                let constraint = format!(
                    "be the id of a session: 1 to {SESSION_ID_CHARS_MAX} \
                                          printable characters"
                );
                return Err(Refusal::constraint("revoked.session", &constraint));
            }
            Ok(Revoked::Session(id))
        }
        What::Certificate(text) => {
            let key = digest(&text).ok_or_else(|| {
                Refusal::constraint("revoked.certificate", "be SHA-256 in hexadecimal")
            })?;
            Ok(Revoked::PublicKey(Hash(key)))
        }
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        let [high, low] = *pair;
        *byte = u8::try_from(value(high)? * 16 + value(low)?).ok()?;
    }
    Some(digest)
}

fn stamp(at: &prost_types::Timestamp) -> Result<Stamp, Refusal> {
    let ms = at.seconds.checked_mul(1000);
    let ms = ms.and_then(|ms| ms.checked_add(i64::from(at.nanos) / 1_000_000));
    let stamp = ms
        .and_then(|ms| u64::try_from(ms).ok())
        .filter(|ms| *ms <= STAMP_MS_MAX);
    let stamp = stamp.ok_or_else(|| Refusal::constraint("until", "be a time after 1970"))?;
    Ok(Stamp(stamp))
}
