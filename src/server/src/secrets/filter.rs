//! The filters of ListSecrets and BatchGetSecretValue: joined by and, their values by or.

use machine::{RegionName, Secret};
use wire::secrets::v1::{Filter, FilterKey};

use super::words::{matches_words, words};
use crate::errors::{Reason, Refusal};
use crate::limits::{FILTER_VALUE_CHARS_MAX, FILTER_VALUES_MAX, FILTERS_MAX};

/// The filters of one call.
#[derive(Debug)]
pub struct Filters(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    key: FilterKey,
    values: Vec<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    negated: bool,
    text: String,
    words: Vec<String>,
}

impl Filters {
    /// Reads the filters of a request.
    ///
    /// # Errors
    /// In the words of the service, by place.
    pub fn parse(filters: &[Filter]) -> Result<Self, Refusal> {
        if filters.len() > FILTERS_MAX {
            let constraint = format!("have length less than or equal to {FILTERS_MAX}");
            return Err(Refusal::constraint("filters", &constraint));
        }
        let conditions = filters
            .iter()
            .zip(1..)
            .map(|(filter, at)| condition(filter, at));
        Ok(Self(conditions.collect::<Result<_, _>>()?))
    }

    /// Whether there are any filters.
    #[must_use]
    pub fn are_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether a secret passes every filter; `primary` gives the region that leads it, if that is
    /// shown of it.
    #[must_use]
    pub fn pass<'a>(&self, secret: &Secret, primary: impl Fn() -> Option<&'a RegionName>) -> bool {
        let mut conditions = self.0.iter();
        conditions.all(|condition| condition.passes(secret, &primary))
    }
}

impl Condition {
    fn passes<'a>(&self, secret: &Secret, primary: &impl Fn() -> Option<&'a RegionName>) -> bool {
        self.values
            .iter()
            .any(|wanted| wanted.negated != self.holds(wanted, secret, primary))
    }

    fn holds<'a>(
        &self,
        wanted: &Wanted,
        secret: &Secret,
        primary: &impl Fn() -> Option<&'a RegionName>,
    ) -> bool {
        let begins = |text: &str| text.starts_with(&wanted.text);
        match self.key {
            FilterKey::Name => begins(secret.name.as_str()),
            FilterKey::TagKey => secret.tags.iter().any(|tag| begins(&tag.key)),
            FilterKey::TagValue => secret.tags.iter().any(|tag| begins(&tag.value)),
            FilterKey::Description => {
                matches_words(&wanted.words, [secret.description.as_str()].into_iter())
            }
            FilterKey::All => {
                let tags = secret.tags.iter().flat_map(|tag| [&*tag.key, &*tag.value]);
                let texts = [secret.name.as_str(), secret.description.as_str()].into_iter();
                matches_words(&wanted.words, texts.chain(tags))
            }
            FilterKey::PrimaryRegion => primary().is_some_and(|region| begins(region.as_str())),
            // Only managed secrets have one, and this release has none.
            FilterKey::OwningService | FilterKey::Unspecified => false,
        }
    }
}

fn condition(filter: &Filter, at: usize) -> Result<Condition, Refusal> {
    let key = FilterKey::try_from(filter.key).unwrap_or(FilterKey::Unspecified);
    if key == FilterKey::Unspecified {
        return Err(Refusal::new(
            Reason::Validation,
            format!(
                "1 validation error detected: Value at 'filters.{at}.member.key' failed to \
                 satisfy constraint: Member must satisfy enum value set: [description, name, \
                 tag-key, tag-value, primary-region, owning-service, all]"
            ),
        ));
    }
    if filter.values.is_empty() {
        return Err(Refusal::parameter(
            "Invalid filter values: must provide at least one.",
        ));
    }
    let place = format!("filters.{at}.member.values");
    if filter.values.len() > FILTER_VALUES_MAX {
        let constraint = format!("have length less than or equal to {FILTER_VALUES_MAX}");
        return Err(Refusal::constraint(&place, &constraint));
    }
    let values = filter.values.iter().map(|value| wanted(&place, value));
    Ok(Condition {
        key,
        values: values.collect::<Result<_, _>>()?,
    })
}

fn wanted(place: &str, value: &str) -> Result<Wanted, Refusal> {
    if value.len() > FILTER_VALUE_CHARS_MAX {
        let constraint = format!("have length less than or equal to {FILTER_VALUE_CHARS_MAX}");
        return Err(Refusal::constraint(place, &constraint));
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" :_@/+=.-!".contains(&byte);
    if !value.bytes().all(is_allowed) {
        let constraint = r"satisfy regular expression pattern: ^\!?[a-zA-Z0-9 :_@\/\+\=\.\-\!]*$";
        return Err(Refusal::constraint(place, constraint));
    }
    let (negated, text) = match value.strip_prefix('!') {
        Some(text) => (true, text),
        None => (false, value),
    };
    Ok(Wanted {
        negated,
        text: text.to_owned(),
        words: words(text),
    })
}
