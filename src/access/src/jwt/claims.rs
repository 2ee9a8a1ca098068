//! What a token says, once its signature has been found right.

use serde_json::{Map, Number, Value};

use super::{Provider, Why};
use crate::context::Context;
use crate::limits::{
    JWT_AUDIENCES_MAX, JWT_ISSUER_BYTES_MAX, JWT_LEEWAY_MS, JWT_LIFETIME_MS_MAX, JWT_METHODS_MAX,
    JWT_SUBJECT_BYTES_MAX, SESSION_TAGS_MAX, VALUE_BYTES_MAX,
};
use crate::session::{Tag, TagError, Tags, is_source_identity};

/// Where session tags and the source identity stand, as AWS reads them.
const TAGS: &str = "https://aws.amazon.com/tags";
const FLAT_TAG: &str = "https://aws.amazon.com/tags/principal_tags/";
const FLAT_TRANSITIVE: &str = "https://aws.amazon.com/tags/transitive_tag_keys";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";
const KUBERNETES: &str = "kubernetes.io";

/// What a token says that trust policies ask for, and sessions take. Times are in milliseconds
/// since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: the provider's issuer.
    pub issuer: String,
    /// `sub`: 1 to [`JWT_SUBJECT_BYTES_MAX`] bytes.
    pub subject: String,
    /// The first of `aud` that is one of the provider's.
    pub audience: String,
    /// `azp`: whom the token was issued to, if it says so.
    pub authorized_party: Option<String>,
    /// `amr`: how the subject was authenticated; may be empty.
    pub methods: Vec<String>,
    /// `exp`.
    pub expires_ms: i64,
    /// `iat`.
    pub issued_ms: Option<i64>,
    /// Whom a token of a Kubernetes service account stands for.
    pub kubernetes: Option<Kubernetes>,
    /// The session tags; may be none.
    pub tags: Tags,
    /// The source identity that the session is to have.
    pub source_identity: Option<String>,
}

/// What Kubernetes says in the tokens of its service accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    /// The namespace.
    pub namespace: String,
    /// The name of the service account.
    pub service_account: String,
    /// Its uid, which no other of its name has.
    pub service_account_uid: Option<String>,
    /// The pod that the token is bound to.
    pub pod: Option<String>,
    /// The uid of that pod.
    pub pod_uid: Option<String>,
    /// The node that the pod is on.
    pub node: Option<String>,
}

type Members = Map<String, Value>;

impl Claims {
    pub(super) fn read(claims: &Members, provider: &Provider, now_ms: i64) -> Result<Claims, Why> {
        let issuer = issuer(claims)?;
        if issuer != provider.issuer {
            return Err(Why::Issuer);
        }
        let audience = audience(claims, provider)?.to_owned();
        let (expires_ms, issued_ms) = times(claims, now_ms)?;
        let subject = text(claims, "sub")?.ok_or(Why::Missing("sub"))?;
        if subject.is_empty() || subject.len() > JWT_SUBJECT_BYTES_MAX {
            return Err(Why::Claim("sub"));
        }
        let source_identity = text(claims, SOURCE_IDENTITY)?;
        if source_identity.is_some_and(|identity| !is_source_identity(identity)) {
            return Err(Why::Claim(SOURCE_IDENTITY));
        }
        Ok(Claims {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience,
            authorized_party: text(claims, "azp")?.map(str::to_owned),
            methods: methods(claims)?,
            expires_ms,
            issued_ms,
            kubernetes: kubernetes(claims)?,
            tags: tags(claims)?,
            source_identity: source_identity.map(str::to_owned),
        })
    }

    /// Sets the keys that trust policies ask for, named as AWS does by the issuer without its
    /// scheme: `oidc.example.com/path:sub`, `:aud`, `:azp` and `:amr`; of Kubernetes
    /// `:kubernetes.io/namespace`, `/serviceaccount/name`, `/serviceaccount/uid`, `/pod/name`,
    /// `/pod/uid` and `/node/name`. Sets also what the session is asked to be:
    /// `aws:RequestTag/…`, `aws:TagKeys`, `sts:TransitiveTagKeys` and `sts:SourceIdentity`.
    ///
    /// `:aud` is always an audience of the token, also where AWS would put `azp` there.
    pub fn describe(&self, context: &mut Context) {
        let (_, name) = self.issuer.split_once("://").unwrap_or(("", &self.issuer));
        let mut set = |claim: &str, value: &str| context.set(&format!("{name}:{claim}"), value);
        set("sub", &self.subject);
        set("aud", &self.audience);
        if let Some(party) = &self.authorized_party {
            set("azp", party);
        }
        if let Some(kubernetes) = &self.kubernetes {
            set("kubernetes.io/namespace", &kubernetes.namespace);
            set(
                "kubernetes.io/serviceaccount/name",
                &kubernetes.service_account,
            );
            for (claim, value) in [
                (
                    "kubernetes.io/serviceaccount/uid",
                    &kubernetes.service_account_uid,
                ),
                ("kubernetes.io/pod/name", &kubernetes.pod),
                ("kubernetes.io/pod/uid", &kubernetes.pod_uid),
                ("kubernetes.io/node/name", &kubernetes.node),
            ] {
                if let Some(value) = value {
                    set(claim, value);
                }
            }
        }
        if !self.methods.is_empty() {
            context.set_many(
                &format!("{name}:amr"),
                self.methods.iter().map(String::as_str),
            );
        }
        self.tags.describe_request(context);
        if let Some(identity) = &self.source_identity {
            context.set("sts:SourceIdentity", identity.as_str());
        }
    }
}

/// The issuer, which says nothing yet of whether it is the right one.
pub(super) fn issuer(claims: &Members) -> Result<&str, Why> {
    let issuer = text(claims, "iss")?.ok_or(Why::Missing("iss"))?;
    match issuer.len() > JWT_ISSUER_BYTES_MAX {
        true => Err(Why::Claim("iss")),
        false => Ok(issuer),
    }
}

fn audience<'a>(claims: &'a Members, provider: &Provider) -> Result<&'a str, Why> {
    let audiences = texts(claims, "aud", JWT_AUDIENCES_MAX)?;
    if audiences.is_empty() {
        return Err(Why::Missing("aud"));
    }
    let is_ours = |audience: &&str| provider.audiences.iter().any(|ours| ours == audience);
    audiences.into_iter().find(is_ours).ok_or(Why::Audience)
}

/// The expiry and the time of issue, after they have been held against the time. Clocks may differ
/// by [`JWT_LEEWAY_MS`], which does not lengthen a token's life.
fn times(claims: &Members, now_ms: i64) -> Result<(i64, Option<i64>), Why> {
    let expires_ms = time(claims, "exp")?.ok_or(Why::Missing("exp"))?;
    let issued_ms = time(claims, "iat")?;
    let latest_start = now_ms.saturating_add(JWT_LEEWAY_MS);
    if expires_ms <= now_ms {
        return Err(Why::Expired);
    }
    let is_ahead = |start: Option<i64>| start.is_some_and(|start| start > latest_start);
    if is_ahead(time(claims, "nbf")?) || is_ahead(issued_ms) {
        return Err(Why::NotYet);
    }
    let lifetime_ms = expires_ms.saturating_sub(issued_ms.unwrap_or(now_ms));
    if lifetime_ms > JWT_LIFETIME_MS_MAX + JWT_LEEWAY_MS {
        return Err(Why::Lifetime);
    }
    Ok((expires_ms, issued_ms))
}

/// A time in milliseconds. It stands there in seconds; a fraction of one is cut off.
fn time(claims: &Members, name: &'static str) -> Result<Option<i64>, Why> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            let ms = seconds(number).and_then(|seconds| seconds.checked_mul(1000));
            ms.map(Some).ok_or(Why::Claim(name))
        }
        Some(_) => Err(Why::Claim(name)),
    }
}

fn seconds(number: &Number) -> Option<i64> {
    /// Up to 2^53 a double holds every whole number, and the cast is exact.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match number.as_i64() {
        Some(seconds) => Some(seconds),
        None => {
            let seconds = number.as_f64()?.floor();
            (seconds.abs() <= EXACT_MAX).then_some(seconds as i64)
        }
    }
}

fn methods(claims: &Members) -> Result<Vec<String>, Why> {
    let methods = texts(claims, "amr", JWT_METHODS_MAX)?;
    Ok(methods.into_iter().map(str::to_owned).collect())
}

fn kubernetes(claims: &Members) -> Result<Option<Kubernetes>, Why> {
    let Some(members) = object(claims, KUBERNETES)? else {
        return Ok(None);
    };
    let named = |kind, name| -> Result<Option<String>, Why> {
        let members = object(members, kind)?;
        let value = members.map(|members| text(members, name)).transpose()?;
        Ok(value.flatten().map(str::to_owned))
    };
    let namespace = text(members, "namespace")?.ok_or(Why::Claim(KUBERNETES))?;
    Ok(Some(Kubernetes {
        namespace: namespace.to_owned(),
        service_account: named("serviceaccount", "name")?.ok_or(Why::Claim(KUBERNETES))?,
        service_account_uid: named("serviceaccount", "uid")?,
        pod: named("pod", "name")?,
        pod_uid: named("pod", "uid")?,
        node: named("node", "name")?,
    }))
}

/// The session tags, nested or flat. One that stands in both is there twice, and refused.
fn tags(claims: &Members) -> Result<Tags, Why> {
    let mut found: Vec<(&str, &Value)> = Vec::new();
    let mut transitive: Vec<&str> = texts(claims, FLAT_TRANSITIVE, SESSION_TAGS_MAX)?;
    for (name, value) in claims {
        if let Some(key) = name.strip_prefix(FLAT_TAG) {
            found.push((key, value));
        }
    }
    if let Some(nested) = object(claims, TAGS)? {
        if let Some(tags) = object(nested, "principal_tags")? {
            found.extend(tags.iter().map(|(key, value)| (key.as_str(), value)));
        }
        transitive.extend(texts(nested, "transitive_tag_keys", SESSION_TAGS_MAX)?);
    }
    if found.len() > SESSION_TAGS_MAX {
        return Err(Why::Tags(TagError::TooMany { found: found.len() }));
    }
    let mut tags = Vec::with_capacity(found.len());
    for (key, value) in found {
        let value = match value {
            Value::String(value) => value,
            Value::Array(values) => match values.as_slice() {
                [Value::String(value)] => value,
                _ => return Err(Why::Claim(TAGS)),
            },
            _ => return Err(Why::Claim(TAGS)),
        };
        tags.push(Tag {
            key: key.to_owned(),
            value: value.to_owned(),
            transitive: transitive.contains(&key),
        });
    }
    let is_tag = |key: &&str| tags.iter().any(|tag| tag.key == **key);
    if !transitive.iter().all(is_tag) {
        return Err(Why::Tags(TagError::Transitive));
    }
    Ok(Tags::new(tags)?)
}

fn object<'a>(members: &'a Members, name: &'static str) -> Result<Option<&'a Members>, Why> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(_) => Err(Why::Claim(name)),
    }
}

/// A text of at most [`VALUE_BYTES_MAX`] bytes, which is what a condition compares.
fn text<'a>(members: &'a Members, name: &'static str) -> Result<Option<&'a str>, Why> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= VALUE_BYTES_MAX => Ok(Some(text)),
        Some(_) => Err(Why::Claim(name)),
    }
}

/// A text, or a list of at most so many.
fn texts<'a>(members: &'a Members, name: &'static str, max: usize) -> Result<Vec<&'a str>, Why> {
    let wrong = Why::Claim(name);
    let items = match members.get(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= max => items.as_slice(),
        Some(Value::Array(_)) => return Err(wrong),
        Some(one) => std::slice::from_ref(one),
    };
    let text = |item: &'a Value| match item {
        Value::String(text) if text.len() <= VALUE_BYTES_MAX => Ok(text.as_str()),
        _ => Err(wrong),
    };
    items.iter().map(text).collect()
}
