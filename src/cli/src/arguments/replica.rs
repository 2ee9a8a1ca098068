//! The options of `strongroom secret` that are about other regions.

use clap::Args;

use super::secret::Yes;

/// Which region a call is for, and how old its state may be.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Regions")]
pub struct Regions {
    /// The region that the call belongs to, if not the one of the node.
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// In a replica region, read nothing that is older than this, in milliseconds: wait for it
    /// within --timeout, then fail.
    #[arg(long, global = true, value_name = "MS")]
    pub max_staleness_ms: Option<u64>,
    /// Read nothing that is older than this position, which --verbose says, of this region or of
    /// another one: wait for it within --timeout, then fail.
    #[arg(long, global = true, value_name = "POSITION")]
    pub at_least: Option<String>,
    /// Read what the node has that answers, without asking its leader: it may be a moment old. In a
    /// region that another one has taken over from, it shows what that one does not have.
    #[arg(long, global = true)]
    pub eventual: bool,
    /// Say on standard error which state the answer shows, and how old it may be.
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// Regions that shall hold a replica of a new secret.
#[derive(Args, Debug)]
pub struct NewReplicas {
    /// A region that shall hold a replica, and its key that wraps the value there if that is not
    /// its default key; may be repeated.
    #[arg(long, value_name = "REGION[:KEY]", value_parser = replica)]
    pub replica_region: Vec<Replica>,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// What becomes of a secret in the way.
#[derive(Args, Debug)]
pub struct Overwrite {
    /// Replace a secret that has the same name in such a region; it is deleted there at once.
    #[arg(long)]
    pub force_overwrite: bool,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `secret replicate`.
#[derive(Args, Debug)]
pub struct Replicate {
    /// The secret's name or ARN.
    pub name: String,
    /// The regions that shall hold a replica, and their keys that wrap the value there if those are
    /// not their default keys; naming one again changes its key.
    #[arg(required = true, value_name = "REGION[:KEY]", value_parser = replica)]
    pub regions: Vec<Replica>,
    #[command(flatten)]
    pub overwrite: Overwrite,
}

/// The options of `secret remove-regions`.
#[derive(Args, Debug)]
pub struct RemoveRegions {
    /// The secret's name or ARN.
    pub name: String,
    /// The regions whose replicas are deleted.
    #[arg(required = true, value_name = "REGION")]
    pub regions: Vec<String>,
    #[command(flatten)]
    pub yes: Yes,
}

/// A region that shall hold a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its name.
    pub region: String,
    /// Its key; none for its default key.
    pub key: Option<String>,
}

/// Parses `REGION[:KEY]`; a key may have colons of its own, as an ARN has.
fn replica(text: &str) -> Result<Replica, String> {
    let (region, key) = match text.split_once(':') {
        Some((region, key)) => (region, Some(key)),
        None => (text, None),
    };
    if region.is_empty() || key.is_some_and(str::is_empty) {
        return Err("expected REGION or REGION:KEY".into());
    }
    Ok(Replica {
        region: region.to_owned(),
        key: key.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_a_region_and_perhaps_a_key_that_may_have_colons() {
        let parsed = |region: &str, key: Option<&str>| Replica {
            region: region.to_owned(),
            key: key.map(str::to_owned),
        };
        assert_eq!(replica("eu-west-2"), Ok(parsed("eu-west-2", None)));
        let arn = "arn:aws:kms:eu-west-2:000000000000:key/1";
        let text = format!("eu-west-2:{arn}");
        assert_eq!(replica(&text), Ok(parsed("eu-west-2", Some(arn))));
        assert!(replica("eu-west-2:").is_err() && replica(":k").is_err() && replica("").is_err());
    }
}
