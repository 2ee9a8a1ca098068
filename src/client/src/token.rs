//! Tokens of sessions, and callers that have no certificate but one of those.

use std::{fmt, path::PathBuf, time::Duration};

use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
};
use zeroize::Zeroizing;

use crate::error::Error;

const AUTHORIZATION: &str = "authorization";

/// The token of a session. It is wiped when it is dropped, and not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

/// Whom to call for who has no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOptions {
    /// The nodes, each `host:port` or `https://host:port`; any of them takes any call.
    pub endpoints: Vec<String>,
    /// The authority that the nodes' certificates chain to, PEM.
    pub ca: PathBuf,
    /// The token of the session; none for the calls that anybody may make.
    pub token: Option<Token>,
    /// The name in the nodes' certificates, if it is not the host of the endpoint.
    pub server_name: Option<String>,
    /// What a call gets, all its attempts together.
    pub timeout: Duration,
}

/// What goes with each call of a session.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Token {
    /// A token as a node gave it.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    pub(crate) fn bearer(&self) -> Result<Bearer, Error> {
        let text = Zeroizing::new(format!("Bearer {}", *self.0));
        let mut value: MetadataValue<Ascii> = text.parse().map_err(|_| Error::Token)?;
        value.set_sensitive(true);
        Ok(Bearer(value))
    }
}

impl Bearer {
    pub(crate) fn goes_with<Q>(&self, request: &mut Request<Q>) {
        request.metadata_mut().insert(AUTHORIZATION, self.0.clone());
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}
