//! Who may do what: policies in the policy language of AWS, and the decision over all of them.
//!
//! Pure: no I/O, no clock, no randomness. What a request says of itself, the time included, is in
//! its [`Context`]; who calls is a [`Principal`] that somebody else has authenticated.
//!
//! A document is parsed once ([`Policy::parse`]) and decided over often ([`decide`]). Nothing is
//! allowed that no statement allows; an explicit deny of any layer wins over every allow (I7).
//! [`validate`] names what is questionable about a policy, [`is_public`] whether strangers are let
//! in.
//!
//! Who calls is read from a token of an issuer ([`jwt`]), from a token of our own ([`session`]) or
//! from a signature ([`sigv4`]).

mod actions;
mod arn;
mod condition;
mod context;
mod document;
mod evaluate;
pub mod jwt;
mod keys;
pub mod limits;
mod pattern;
mod principal;
mod reason;
pub mod session;
pub mod sigv4;
mod validate;
mod variable;

pub use actions::{ACTIONS, AccessLevel, Action};
pub use context::{Context, Value};
pub use document::{Policy, PolicyError, PolicyKind};
pub use evaluate::{Attached, Decision, Effect, Policies, Request, decide};
pub use keys::{KEYS, Key, KeyKind};
pub use principal::Principal;
pub use reason::{Layer, Reason, StatementName};
pub use validate::{Check, Finding, is_public, validate};
