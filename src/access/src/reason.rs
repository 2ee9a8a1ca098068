//! Why a request was decided as it was.

use std::fmt;
use std::sync::Arc;

/// The kind of policy that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The policies of the user with its groups, or of the role.
    Identity,
    /// The boundary of the user or role.
    Boundary,
    /// The policies the session was issued with.
    Session,
    /// The policy of the resource; of a role that is its trust policy.
    Resource,
    /// The policy of the private listener.
    Endpoint,
    /// No policy: the caller is the root of the account that owns the resource.
    Root,
}

/// Where a statement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementName {
    /// What the policy is called, as [`Attached`](crate::Attached) says.
    pub policy: String,
    /// Which statement of it, from 0.
    pub index: usize,
    /// Its Sid, if it has one.
    pub sid: Option<Arc<str>>,
}

/// The deciding statement, or the layer that allowed nothing. Displays one sentence for an
/// administrator; a caller that was denied is not to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    layer: Layer,
    /// None where a layer allowed nothing, and for root.
    statement: Option<StatementName>,
    denies: bool,
}

impl Reason {
    pub(crate) fn allowed(layer: Layer, statement: StatementName) -> Reason {
        Reason {
            layer,
            statement: Some(statement),
            denies: false,
        }
    }

    pub(crate) fn denied(layer: Layer, statement: StatementName) -> Reason {
        Reason {
            layer,
            statement: Some(statement),
            denies: true,
        }
    }

    pub(crate) fn nothing_allows(layer: Layer) -> Reason {
        Reason {
            layer,
            statement: None,
            denies: true,
        }
    }

    pub(crate) fn root() -> Reason {
        Reason {
            layer: Layer::Root,
            statement: None,
            denies: false,
        }
    }

    /// Which layer decided. Where the policies of a caller and of a resource both had to allow, it
    /// is the caller's that is named.
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The deciding statement; none if a layer allowed nothing, or root was allowed.
    pub fn statement(&self) -> Option<&StatementName> {
        self.statement.as_ref()
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Identity => "identity",
            Layer::Boundary => "boundary",
            Layer::Session => "session",
            Layer::Resource => "resource",
            Layer::Endpoint => "endpoint",
            Layer::Root => "root",
        })
    }
}

impl fmt::Display for StatementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {}", self.index)?;
        if let Some(sid) = &self.sid {
            write!(f, " ({sid})")?;
        }
        write!(f, " of {}", self.policy)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.statement, self.denies) {
            (Some(statement), false) => write!(f, "{statement} allows it"),
            (Some(statement), true) => write!(f, "{statement} denies it"),
            (None, false) => f.write_str("the root of the account may do everything in it"),
            (None, true) => match self.layer {
                Layer::Identity => f.write_str("no identity policy of the caller allows it"),
                Layer::Boundary => f.write_str("the boundary of the caller does not allow it"),
                Layer::Session => f.write_str("no session policy of the caller allows it"),
                Layer::Resource => f.write_str("the policy of the resource does not allow it"),
                Layer::Endpoint => f.write_str("the policy of the listener does not allow it"),
                Layer::Root => f.write_str("nothing allows it"),
            },
        }
    }
}
