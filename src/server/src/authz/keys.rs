//! Condition keys: what a request says of itself, in AWS's names.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use access::Context;
use machine::{RegionName, Secret, Stamp, State, Tag};

use crate::clock;
use crate::door::Call;
use crate::times::iso8601;
use crate::trail::Notes;

/// What a call asks for: the action, and what only this call says of itself.
#[derive(Clone, Debug)]
pub struct Asked {
    action: Cow<'static, str>,
    context: Vec<(String, Words)>,
}

#[derive(Clone, Debug)]
enum Words {
    One(String),
    Many(Vec<String>),
}

/// What every call says of itself.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The address it comes from, if there is a connection.
    pub source: Option<IpAddr>,
    /// The region it belongs to.
    pub region: RegionName,
    /// When it is decided.
    pub now: Stamp,
    /// What is noted of it.
    pub notes: Arc<Notes>,
}

impl Asked {
    /// An action, as `secretsmanager:GetSecretValue`.
    #[must_use]
    pub fn of(action: impl Into<Cow<'static, str>>) -> Self {
        Self {
            action: action.into(),
            context: Vec::new(),
        }
    }

    /// Says something more of it.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.context
            .push((key.to_owned(), Words::One(value.into())));
        self
    }

    /// Says something of it that has several values.
    #[must_use]
    pub fn with_all(mut self, key: &str, values: impl IntoIterator<Item = String>) -> Self {
        let values = values.into_iter().collect();
        self.context.push((key.to_owned(), Words::Many(values)));
        self
    }

    /// Says which tags it sends.
    #[must_use]
    pub fn with_tags(mut self, tags: &[Tag]) -> Self {
        for tag in tags {
            self = self.with(&format!("aws:RequestTag/{}", tag.key), tag.value.as_str());
        }
        self.with_tag_keys(tags.iter().map(|tag| tag.key.clone()))
    }

    /// Says which keys of tags it names.
    #[must_use]
    pub fn with_tag_keys(self, keys: impl IntoIterator<Item = String>) -> Self {
        self.with_all("aws:TagKeys", keys)
    }

    /// The action.
    pub(super) fn action(&self) -> &str {
        &self.action
    }

    pub(super) fn describe(&self, context: &mut Context) {
        for (key, words) in &self.context {
            match words {
                Words::One(value) => context.set(key, value.as_str()),
                Words::Many(values) => context.set_many(key, values.iter().cloned()),
            }
        }
    }
}

impl Surroundings {
    /// What is around a call that belongs to a region, which decides now.
    #[must_use]
    pub fn of(call: &Call, region: &RegionName) -> Self {
        Self {
            source: call.source,
            region: region.clone(),
            now: clock::now(),
            notes: Arc::clone(&call.notes),
        }
    }

    pub(super) fn describe(&self, context: &mut Context) {
        if let Some(source) = self.source {
            context.set("aws:SourceIp", source.to_canonical().to_string());
        }
        context.set("aws:SecureTransport", "true");
        context.set("aws:CurrentTime", iso8601(self.now));
        context.set("aws:EpochTime", (self.now.0 / 1000).to_string());
        context.set("aws:RequestedRegion", self.region.as_str());
    }
}

/// Says what a secret is that is asked for.
pub(super) fn describe_secret(state: &State, secret: &Secret, context: &mut Context) {
    context.set("secretsmanager:SecretId", secret.arn().to_string());
    for tag in &secret.tags {
        context.set(&format!("aws:ResourceTag/{}", tag.key), tag.value.as_str());
        let key = format!("secretsmanager:ResourceTag/{}", tag.key);
        context.set(&key, tag.value.as_str());
    }
    let feed = state.feed_of_secret(&secret.uid);
    if let Some(primary) = feed.and_then(|feed| state.primary_of(feed)) {
        context.set("secretsmanager:SecretPrimaryRegion", primary.as_str());
    }
}
