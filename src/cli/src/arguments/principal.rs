//! What the commands about users, groups and roles have in common.

use clap::Args;

use super::secret::{Yes, pair};
use crate::document::PolicyFile;

/// Which account is meant.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Account")]
pub struct Account {
    /// The account's 12 digits, if it is not the caller's own.
    #[arg(long, global = true, value_name = "DIGITS")]
    pub account: Option<String>,
}

impl Account {
    /// The account's digits; empty for the caller's own.
    pub fn digits(&self) -> String {
        self.account.clone().unwrap_or_default()
    }
}

/// One user, group or role.
#[derive(Args, Debug)]
pub struct Named {
    /// Its name; case does not count.
    pub name: String,
}

/// The options of `delete` and `revoke-sessions`.
#[derive(Args, Debug)]
pub struct NamedYes {
    #[command(flatten)]
    pub named: Named,
    #[command(flatten)]
    pub yes: Yes,
}

/// What a new user or role may begin with.
#[derive(Args, Debug)]
pub struct Beginnings {
    /// Its path: names with a `/` around each, as /team/pay/.
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// A tag; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub tag: Vec<(String, String)>,
    /// The managed policy that bounds what it may ever do.
    #[arg(long, value_name = "ARN")]
    pub boundary: Option<String>,
    /// A region it counts in; may be repeated. All without it.
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
}

/// The options of `list`.
#[derive(Args, Debug)]
pub struct ListNamed {
    /// Only those whose path begins so.
    #[arg(long, value_name = "PATH")]
    pub path_prefix: Option<String>,
    #[command(flatten)]
    pub limit: Limit,
}

/// How long a list may be.
#[derive(Args, Debug)]
pub struct Limit {
    /// Print at most this many.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// The options of `attach` and `detach`.
#[derive(Args, Debug)]
pub struct ManagedPolicy {
    #[command(flatten)]
    pub named: Named,
    /// The ARN of the managed policy.
    #[arg(value_name = "POLICY")]
    pub policy: String,
}

/// The options of `put-policy`.
#[derive(Args, Debug)]
pub struct PutPolicy {
    #[command(flatten)]
    pub named: Named,
    /// The name of the policy among its own; one of that name is replaced.
    #[arg(value_name = "POLICY")]
    pub policy: String,
    #[command(flatten)]
    pub document: PolicyFile,
}

/// The options of `delete-policy`.
#[derive(Args, Debug)]
pub struct DeletePolicy {
    #[command(flatten)]
    pub named: Named,
    /// The name of the policy among its own.
    #[arg(value_name = "POLICY")]
    pub policy: String,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `boundary`.
#[derive(Args, Debug)]
pub struct Boundary {
    #[command(flatten)]
    pub named: Named,
    /// The ARN of the managed policy that bounds it from now on.
    #[arg(value_name = "POLICY", required_unless_present = "none")]
    pub policy: Option<String>,
    /// Take its boundary away.
    #[arg(long, conflicts_with = "policy")]
    pub none: bool,
}

/// The options of `join` and `leave`.
#[derive(Args, Debug)]
pub struct Membership {
    #[command(flatten)]
    pub named: Named,
    /// The name of the group.
    pub group: String,
}

/// The options of `tag`.
#[derive(Args, Debug)]
pub struct TagNamed {
    #[command(flatten)]
    pub named: Named,
    /// The tags.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub tags: Vec<(String, String)>,
}

/// The options of `untag`.
#[derive(Args, Debug)]
pub struct UntagNamed {
    #[command(flatten)]
    pub named: Named,
    /// The keys of the tags to remove.
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<String>,
}

/// The options of `regions`.
#[derive(Args, Debug)]
pub struct RegionsNamed {
    #[command(flatten)]
    pub named: Named,
    #[command(flatten)]
    pub choice: RegionChoice,
}

/// Where something counts.
#[derive(Args, Debug)]
pub struct RegionChoice {
    /// The regions it counts in, and in no other.
    #[arg(value_name = "REGION", required_unless_present = "all")]
    pub regions: Vec<String>,
    /// Let it count in every region.
    #[arg(long, conflicts_with = "regions")]
    pub all: bool,
}

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
}

/// A principal where any kind may stand: `user/alice`, or an ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// What it is.
    pub kind: Kind,
    /// Its account; none if that is not said.
    pub account: Option<String>,
    /// Its name, without its path.
    pub name: String,
}

/// Parses `KIND/NAME`, or the ARN of a user, a group or a role.
pub fn principal(text: &str) -> Result<Principal, String> {
    let refused = || format!("{text} is not user/NAME, group/NAME, role/NAME or the ARN of one");
    let (account, named) = match text.strip_prefix("arn:") {
        None => (None, text),
        Some(rest) => match rest.split(':').collect::<Vec<_>>().as_slice() {
            [_, "iam", "", account, named] => (Some((*account).to_owned()), *named),
            _ => return Err(refused()),
        },
    };
    let (kind, path) = named.split_once('/').ok_or_else(refused)?;
    // Only an ARN has a path before the name.
    let name = match account {
        Some(_) => path.rsplit('/').next().unwrap_or_default(),
        None => path,
    };
    let kind = match kind {
        "user" => Kind::User,
        "group" => Kind::Group,
        "role" => Kind::Role,
        _ => return Err(refused()),
    };
    if name.is_empty() || name.contains('/') {
        return Err(refused());
    }
    let name = name.to_owned();
    Ok(Principal {
        kind,
        account,
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_a_kind_and_a_name_or_an_arn_whose_path_is_left_out() {
        let alice = |account: Option<&str>| Principal {
            kind: Kind::User,
            account: account.map(str::to_owned),
            name: "alice".to_owned(),
        };
        assert_eq!(principal("user/alice"), Ok(alice(None)));
        let arn = "arn:aws:iam::000000000000:user/team/pay/alice";
        assert_eq!(principal(arn), Ok(alice(Some("000000000000"))));
        assert!(principal("role/deploy").is_ok_and(|role| role.kind == Kind::Role));
        let wrong = [
            "",
            "alice",
            "user/",
            "user/team/alice",
            "users/alice",
            "arn:aws:iam::000000000000:policy/alice",
            "arn:aws:sts::000000000000:user/alice",
            "arn:aws:iam::000000000000:user/",
            "arn:aws:iam::0:user/a:b",
        ];
        for text in wrong {
            assert!(principal(text).is_err(), "{text}");
        }
    }
}
