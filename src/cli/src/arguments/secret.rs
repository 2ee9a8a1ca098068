//! `strongroom secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Connection;
use super::replica::{NewReplicas, Regions, RemoveRegions, Replicate};
use super::resource_policy::ResourcePolicy;
use crate::value::ValueSource;

/// The options of `secret`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Secret {
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub regions: Regions,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `secret`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a secret, with a first value or without.
    #[command(after_help = "Examples:\n  \
        strongroom secret create orders/db --prompt --description 'orders database'\n  \
        printf %s \"$PASSWORD\" | strongroom secret create orders/db --value-file - --tag a=b\n  \
        strongroom secret create orders/tls-key --value-file key.der --binary\n  \
        strongroom secret create orders/db --prompt --replica-region eu-west-2")]
    Create(Create),
    /// Read a secret: its metadata, and its value only with --show, --raw or --output-file.
    #[command(after_help = "Examples:\n  \
        strongroom secret get orders/db\n  \
        strongroom secret get orders/db --raw | psql-with-password-on-stdin\n  \
        strongroom secret get orders/db --stage AWSPREVIOUS --show\n  \
        strongroom secret get orders/tls-key --output-file key.der")]
    Get(Get),
    /// Give a secret a new version.
    #[command(after_help = "Examples:\n  \
        strongroom secret put orders/db --prompt\n  \
        strongroom secret put orders/db --value-file new.txt --stage AWSPENDING")]
    Put(Put),
    /// Change a secret's description, key or value.
    #[command(after_help = "Example:\n  \
        strongroom secret update orders/db --description 'orders database, read only'")]
    Update(Update),
    /// Show everything about a secret but its value.
    #[command(after_help = "Example:\n  strongroom secret describe orders/db --output json")]
    Describe(Name),
    /// List secrets.
    #[command(after_help = "Examples:\n  \
        strongroom secret list\n  \
        strongroom secret list --filter name=orders/ --filter tag-key=team\n  \
        strongroom secret list --filter 'name=!orders/' --sort-by last-changed-date")]
    List(List),
    /// List a secret's versions and their labels.
    #[command(after_help = "Example:\n  \
        strongroom secret versions orders/db --include-deprecated")]
    Versions(Versions),
    /// Move or remove a label.
    #[command(after_help = "Example, back to the version before:\n  \
        strongroom secret stage orders/db AWSCURRENT --remove-from 7b0c… --move-to 21fa…")]
    Stage(Stage),
    /// Delete a secret: after a recovery window, or at once with --force.
    #[command(after_help = "Examples:\n  \
        strongroom secret delete orders/db --recovery-window-days 7\n  \
        strongroom secret delete orders/db --force --yes")]
    Delete(Delete),
    /// Restore a secret whose recovery window has not passed.
    #[command(after_help = "Example:\n  strongroom secret restore orders/db")]
    Restore(Name),
    /// Add or change tags.
    #[command(after_help = "Example:\n  strongroom secret tag orders/db team=pay stage=live")]
    Tag(Tag),
    /// Remove tags.
    #[command(after_help = "Example:\n  strongroom secret untag orders/db stage")]
    Untag(Untag),
    /// Keep replicas of a secret in other regions.
    ///
    /// Each region gets every version and follows every change; `describe` shows how far each is.
    /// Call it in the secret's primary region.
    #[command(after_help = "Examples:\n  \
        strongroom secret replicate orders/db eu-west-2\n  \
        strongroom secret replicate orders/db eu-west-2:alias/orders eu-west-3")]
    Replicate(Replicate),
    /// Delete replicas of a secret.
    #[command(after_help = "Example:\n  \
        strongroom secret remove-regions orders/db eu-west-3 --yes")]
    RemoveRegions(RemoveRegions),
    /// Make a replica a secret of its own; call it in the replica's region.
    #[command(after_help = "Example:\n  strongroom secret stop-replication orders/db")]
    StopReplication(Name),
    /// Say who may use a secret, beside whoever's own policies allow it: its resource policy.
    #[command(subcommand, arg_required_else_help = true)]
    Policy(ResourcePolicy),
    /// Read many secrets at once, by name or by filter; fails if one cannot be read.
    #[command(after_help = "Examples:\n  \
        strongroom secret batch-get orders/db orders/queue\n  \
        strongroom secret batch-get --filter tag-value=pay --show --output json")]
    BatchGet(BatchGet),
    /// Print changes as they happen, until interrupted; --timeout is for the beginning only.
    #[command(after_help = "Example:\n  strongroom secret watch orders/db --output json")]
    Watch(Watch),
    /// Print a random password; nothing is stored.
    #[command(after_help = "Example:\n  \
        strongroom secret random-password --length 24 --exclude-punctuation")]
    RandomPassword(RandomPassword),
}

/// One secret.
#[derive(Args, Debug)]
pub struct Name {
    /// The secret's name or ARN.
    pub name: String,
}

/// The options of `secret create`.
#[derive(Args, Debug)]
pub struct Create {
    /// The new secret's name.
    pub name: String,
    #[command(flatten)]
    pub source: ValueSource,
    /// Store the value as bytes rather than as text.
    #[arg(long, requires = "value")]
    pub binary: bool,
    /// What the secret is for.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// A tag; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub tag: Vec<(String, String)>,
    /// The KMS key that wraps the value, if not the region's default key.
    #[arg(long, value_name = "KEY")]
    pub kms_key_id: Option<String>,
    #[command(flatten)]
    pub replicas: NewReplicas,
    #[command(flatten)]
    pub token: RequestToken,
}

/// The options of `secret get`.
#[derive(Args, Debug)]
pub struct Get {
    /// The secret's name or ARN.
    pub name: String,
    /// The version to read, rather than the current one.
    #[arg(long, value_name = "ID")]
    pub version_id: Option<String>,
    /// The version with this label.
    #[arg(long, value_name = "LABEL")]
    pub stage: Option<String>,
    #[command(flatten)]
    pub destination: Destination,
}

/// Where a value goes. Without one of these it goes nowhere.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub struct Destination {
    /// Print the value with the metadata; bytes as base64.
    #[arg(long)]
    pub show: bool,
    /// Print the value alone, byte for byte.
    #[arg(long)]
    pub raw: bool,
    /// Write the value to a new FILE that only you can read.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
}

/// The options of `secret put`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("needed").required(true).args(["value_file", "prompt"]))]
pub struct Put {
    /// The secret's name or ARN.
    pub name: String,
    #[command(flatten)]
    pub source: ValueSource,
    /// Store the value as bytes rather than as text.
    #[arg(long)]
    pub binary: bool,
    /// A label for the new version instead of AWSCURRENT; may be repeated.
    #[arg(long, value_name = "LABEL")]
    pub stage: Vec<String>,
    #[command(flatten)]
    pub token: RequestToken,
}

/// The options of `secret update`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true)
    .args(["value_file", "prompt", "description", "kms_key_id"]))]
pub struct Update {
    /// The secret's name or ARN.
    pub name: String,
    #[command(flatten)]
    pub source: ValueSource,
    /// Store the value as bytes rather than as text.
    #[arg(long, requires = "value")]
    pub binary: bool,
    /// The new description; an empty one clears it.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// The new KMS key; an empty one is the region's default key.
    #[arg(long, value_name = "KEY")]
    pub kms_key_id: Option<String>,
    #[command(flatten)]
    pub token: RequestToken,
}

/// What makes a write the same write when it is sent again.
#[derive(Args, Debug)]
pub struct RequestToken {
    /// The id of the new version, 32 to 64 characters; the same one again changes nothing.
    #[arg(long, value_name = "TOKEN")]
    pub client_request_token: Option<String>,
}

/// The options of `secret list`.
#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    pub filters: Filters,
    /// Also list secrets that wait for their deletion.
    #[arg(long)]
    pub include_planned_deletion: bool,
    /// What to sort by.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub sort_by: SortBy,
    /// Which end comes first.
    #[arg(long, value_enum, default_value_t, value_name = "ORDER")]
    pub sort_order: SortOrder,
    /// The most secrets to list; all of them without it.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Which secrets.
#[derive(Args, Clone, Debug)]
pub struct Filters {
    /// Only secrets that match: KEY is name, description, tag-key, tag-value, primary-region,
    /// owning-service or all; any of the values, a leading `!` says not; repeated, all must match.
    #[arg(long, value_name = "KEY=VALUE[,VALUE]", value_parser = filter)]
    pub filter: Vec<Filter>,
}

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What is compared.
    pub key: String,
    /// What it may begin with.
    pub values: Vec<String>,
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// When the secret was created.
    #[default]
    CreatedDate,
    /// When it was last read.
    LastAccessedDate,
    /// When it was last changed.
    LastChangedDate,
    /// Its name.
    Name,
}

/// The direction of a sorted list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SortOrder {
    /// Smallest, or oldest, first.
    #[default]
    Asc,
    /// Largest, or newest, first.
    Desc,
}

/// The options of `secret versions`.
#[derive(Args, Debug)]
pub struct Versions {
    /// The secret's name or ARN.
    pub name: String,
    /// Also list versions without a label.
    #[arg(long)]
    pub include_deprecated: bool,
}

/// The options of `secret stage`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("move").required(true).multiple(true)
    .args(["move_to", "remove_from"]))]
pub struct Stage {
    /// The secret's name or ARN.
    pub name: String,
    /// The label.
    pub label: String,
    /// The version that gets the label.
    #[arg(long, value_name = "ID")]
    pub move_to: Option<String>,
    /// The version that has it now.
    #[arg(long, value_name = "ID")]
    pub remove_from: Option<String>,
}

/// The options of `secret delete`.
#[derive(Args, Debug)]
pub struct Delete {
    /// The secret's name or ARN.
    pub name: String,
    /// How long it can be restored, 7 to 30 days; 30 without it.
    #[arg(long, value_name = "DAYS", conflicts_with = "force")]
    pub recovery_window_days: Option<u32>,
    /// Delete at once; it cannot be restored.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub yes: Yes,
}

/// Consent given beforehand.
#[derive(Args, Debug)]
pub struct Yes {
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

/// The options of `secret tag`.
#[derive(Args, Debug)]
pub struct Tag {
    /// The secret's name or ARN.
    pub name: String,
    /// The tags.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub tags: Vec<(String, String)>,
}

/// The options of `secret untag`.
#[derive(Args, Debug)]
pub struct Untag {
    /// The secret's name or ARN.
    pub name: String,
    /// The keys of the tags to remove.
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<String>,
}

/// The options of `secret batch-get`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["names", "filter"]))]
pub struct BatchGet {
    /// Names or ARNs, up to 20.
    #[arg(value_name = "NAME", num_args = 1..=20)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub filters: Filters,
    /// Print the values too; bytes as base64.
    #[arg(long)]
    pub show: bool,
}

/// The options of `secret watch`.
#[derive(Args, Debug)]
pub struct Watch {
    /// Names or ARNs to watch, up to 20; every secret without them.
    #[arg(value_name = "NAME", num_args = 0..=20)]
    pub names: Vec<String>,
    /// Go on after this position, the `ResumeToken` of an earlier watch with --output json.
    #[arg(long, value_name = "TOKEN")]
    pub after: Option<String>,
    /// End after this many changes.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// The options of `secret random-password`.
#[derive(Args, Debug)]
pub struct RandomPassword {
    /// How many characters, 1 to 4096.
    #[arg(long, default_value_t = 32, value_name = "COUNT")]
    pub length: u32,
    /// Characters to leave out.
    #[arg(
        long,
        default_value = "",
        value_name = "CHARACTERS",
        hide_default_value = true
    )]
    pub exclude_characters: String,
    /// Leave out 0 to 9.
    #[arg(long)]
    pub exclude_numbers: bool,
    /// Leave out punctuation.
    #[arg(long)]
    pub exclude_punctuation: bool,
    /// Leave out A to Z.
    #[arg(long)]
    pub exclude_uppercase: bool,
    /// Leave out a to z.
    #[arg(long)]
    pub exclude_lowercase: bool,
    /// Allow the space.
    #[arg(long)]
    pub include_space: bool,
    /// Do not insist on one character of every kind.
    #[arg(long)]
    pub any_types: bool,
}

/// Parses `KEY=VALUE`; the value may be empty and may contain `=`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

/// Parses `KEY=VALUE,VALUE`.
fn filter(text: &str) -> Result<Filter, String> {
    let (key, values) = pair(text).map_err(|_| "expected KEY=VALUE[,VALUE]".to_owned())?;
    let values: Vec<String> = values.split(',').map(str::to_owned).collect();
    if values.iter().any(String::is_empty) {
        return Err("a filter's value is empty".into());
    }
    Ok(Filter { key, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_splits_at_the_first_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        assert!(pair("=b").is_err());
        assert!(pair("a").is_err());
    }

    #[test]
    fn a_filter_has_one_key_and_values_that_are_not_empty() {
        let expected = Filter {
            key: "name".into(),
            values: vec!["a".into(), "!b".into()],
        };
        assert_eq!(filter("name=a,!b"), Ok(expected));
        assert!(filter("name=").is_err());
        assert!(filter("name=a,,b").is_err());
    }
}
