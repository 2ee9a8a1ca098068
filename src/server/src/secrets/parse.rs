//! Requests parsed into the machine's types, once; refusals in the words of the service.

use machine::{Label, Rejection, SecretId, SecretName, Tag, ValueKind, VersionId};
use zeroize::Zeroizing;

use crate::errors::{Reason, Refusal};
use crate::limits::{
    TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX, TOKEN_CHARS, VALUE_BYTES_MAX,
};

/// A value on its way to be sealed.
pub struct Plain {
    /// Text or bytes.
    pub kind: ValueKind,
    /// The value; wiped when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "Plain({:?}, {} bytes, redacted)",
            self.kind,
            self.bytes.len()
        )
    }
}

/// A name or an ARN.
pub fn secret_id(text: &str) -> Result<SecretId, Refusal> {
    if text.is_empty() {
        return Err(Refusal::parameter("You must provide a SecretId value."));
    }
    text.parse().map_err(|error| named(&error))
}

/// The name of a new secret.
pub fn secret_name(text: &str) -> Result<SecretName, Refusal> {
    if text.is_empty() {
        return Err(Refusal::parameter("You must provide a Name value."));
    }
    SecretName::new(text).map_err(|error| named(&error))
}

/// The idempotency token that becomes the version id.
pub fn client_request_token(text: &str) -> Result<VersionId, Refusal> {
    if text.is_empty() {
        return Err(Refusal::bad_request(
            "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
        ));
    }
    version_id("clientRequestToken", text)
}

/// A version id at this place of a request.
pub fn version_id(place: &str, text: &str) -> Result<VersionId, Refusal> {
    VersionId::new(text).map_err(|_| {
        let (shortest, longest) = (TOKEN_CHARS.start(), TOKEN_CHARS.end());
        Refusal::constraint(
            place,
            &format!("have length between {shortest} and {longest}"),
        )
    })
}

/// A staging label.
pub fn label(text: &str) -> Result<Label, Refusal> {
    Label::new(text).map_err(|error| named(&error))
}

/// Tags, each within its bounds: what `decide` would refuse must not travel through the log first.
pub fn tags(asked: Vec<wire::secrets::v1::Tag>) -> Result<Vec<Tag>, Refusal> {
    if asked.len() > TAGS_MAX {
        return Err(Rejection::TagLimit.into());
    }
    let is_long = |text: &str, max: usize| text.chars().take(max + 1).count() > max;
    let has_long = asked.iter().any(|tag| {
        is_long(&tag.key, TAG_KEY_CHARS_MAX) || is_long(&tag.value, TAG_VALUE_CHARS_MAX)
    });
    if has_long {
        return Err(Rejection::TagInvalid.into());
    }
    let tags = asked.into_iter();
    Ok(tags
        .map(|tag| Tag {
            key: tag.key,
            value: tag.value,
        })
        .collect())
}

/// A value as text or bytes: not empty, not too large.
pub fn plain(kind: ValueKind, bytes: Vec<u8>) -> Result<Plain, Refusal> {
    let plain = Plain {
        kind,
        bytes: Zeroizing::new(bytes),
    };
    let place = match kind {
        ValueKind::String => "secretString",
        ValueKind::Binary => "secretBinary",
    };
    if plain.bytes.is_empty() {
        return Err(Refusal::constraint(
            place,
            "have length greater than or equal to 1",
        ));
    }
    if plain.bytes.len() > VALUE_BYTES_MAX {
        let constraint = format!("have length less than or equal to {VALUE_BYTES_MAX}");
        return Err(Refusal::constraint(place, &constraint));
    }
    Ok(plain)
}

/// How many items a page may hold.
pub fn page_items(asked: Option<i32>, items_max: usize) -> Result<usize, Refusal> {
    let Some(asked) = asked else {
        return Ok(items_max);
    };
    match usize::try_from(asked) {
        Ok(0) | Err(_) => Err(Refusal::constraint(
            "maxResults",
            "have value greater than or equal to 1",
        )),
        Ok(items) if items > items_max => {
            let constraint = format!("have value less than or equal to {items_max}");
            Err(Refusal::constraint("maxResults", &constraint))
        }
        Ok(items) => Ok(items),
    }
}

/// A text of at most this many characters.
pub fn at_most(place: &str, text: &str, chars_max: usize) -> Result<(), Refusal> {
    // A character has at most four bytes: most texts are decided without counting.
    if text.len() <= chars_max || text.chars().take(chars_max + 1).count() <= chars_max {
        return Ok(());
    }
    let constraint = format!("have length less than or equal to {chars_max}");
    Err(Refusal::constraint(place, &constraint))
}

fn named(error: &machine::NameError) -> Refusal {
    Refusal::new(Reason::Validation, error.to_string())
}
