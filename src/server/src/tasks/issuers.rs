//! Fetches the keys of issuers whose providers have none of their own, for all regions: only the
//! one that is primary of the root feed needs a way out.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use futures::StreamExt;
use machine::{Command, Document, FeedId, Provider, RowKey, Seen, Uid, UpdateProvider};
use tokio::time::Instant;

use super::{Tasks, may_write};
use crate::authz::Authz;
use crate::issuers::fetch;
use crate::limits::{ISSUER_PAUSE, ISSUERS_AT_ONCE, ISSUERS_INTERVAL};

/// When the keys of each issuer were last asked for by this node, and whether they came.
type Asked = BTreeMap<Uid, (Instant, bool)>;

impl Tasks {
    /// The leader fetches keys now and then; any node of the region does when a token names a key
    /// that is not known, so that a burst of such tokens is one fetch a minute and node.
    pub(super) async fn fetch_issuers(self) {
        let mut asked = Asked::new();
        loop {
            tokio::time::sleep(ISSUERS_INTERVAL).await;
            let wanted = self.issuers.take_wanted();
            let due = self.stale(&mut asked, &wanted);
            let plain = self.plain_issuers;
            let fetches = due.into_iter().map(async |provider| {
                let keys = fetch::keys(&provider, plain).await;
                (provider, keys)
            });
            let mut fetched = futures::stream::iter(fetches).buffer_unordered(ISSUERS_AT_ONCE);
            while let Some((provider, keys)) = fetched.next().await {
                asked.insert(provider.uid, (Instant::now(), keys.is_ok()));
                match keys {
                    Ok(keys) => self.keep(&provider, &keys).await,
                    Err(error) => tracing::warn!(
                        issuer = %provider.issuer,
                        error = &error as &dyn Error,
                        "the keys of an issuer were not fetched, which is tried again"
                    ),
                }
            }
        }
    }

    /// The providers whose keys are to be fetched now.
    fn stale(&self, asked: &mut Asked, wanted: &BTreeSet<Uid>) -> Vec<Arc<Provider>> {
        let view = self.consensus.local_view();
        let leads = self.leads();
        if !may_write(&view, &FeedId::Root) || (!leads && wanted.is_empty()) {
            return Vec::new();
        }
        let accounts = view.accounts();
        let all = accounts.flat_map(|(_, account)| view.providers(&account.id));
        let fetched: Vec<&Arc<Provider>> = all.filter(|one| !one.is_pinned()).collect();
        let there: BTreeSet<Uid> = fetched.iter().map(|provider| provider.uid).collect();
        asked.retain(|uid, _| there.contains(uid));
        let is_due = |provider: &Provider| match asked.get(&provider.uid) {
            None => leads || wanted.contains(&provider.uid),
            Some((at, came)) => {
                let is_stale = leads && (!came || at.elapsed() >= self.issuer_keys_interval);
                let is_asked_for = is_stale || wanted.contains(&provider.uid);
                let pause = ISSUER_PAUSE.min(self.issuer_keys_interval);
                is_asked_for && at.elapsed() >= pause
            }
        };
        let due = fetched.into_iter().filter(|provider| is_due(provider));
        due.cloned().collect()
    }

    async fn keep(&self, provider: &Provider, keys: &str) {
        if provider.fetched.as_str() == keys {
            return;
        }
        // What it was asked for may have changed meanwhile: the authority too by which it was known
        // that the keys are the issuer's.
        let view = self.consensus.local_view();
        let is_as_asked = view.provider(&provider.uid).map(|is| **is == *provider);
        if is_as_asked != Some(true) {
            return;
        }
        let seen = Authz::row(&view, RowKey::Provider(provider.uid));
        drop(view);
        let command = Command::UpdateProvider(UpdateProvider {
            uid: provider.uid,
            audiences: Vec::new(),
            keys: None,
            fetched: Some(Document::new(keys)),
            authority: None,
            seen: Seen(seen.into_iter().collect()),
        });
        if let Err(error) = self
            .act(
                "issuers",
                command,
                "UpdateProvider",
                provider.issuer.as_str(),
            )
            .await
        {
            self.failed("issuers", &error);
        }
    }
}
