//! What the decisions outside the machine used that a command stands on.

use super::{Command, Seen};

impl Command {
    /// Says what the decision used that allows this. Nothing is said of commands that nobody asks
    /// for: nodes make them by themselves.
    pub fn set_seen(&mut self, seen: Seen) {
        if let Some(place) = self.seen_mut() {
            *place = seen;
        }
    }

    fn seen_mut(&mut self) -> Option<&mut Seen> {
        Some(match self {
            Command::CreateSecret(of) => &mut of.seen,
            Command::PutSecretValue(of) => &mut of.seen,
            Command::UpdateSecret(of) => &mut of.seen,
            Command::UpdateSecretVersionStage(of) => &mut of.seen,
            Command::DeleteSecret(of) => &mut of.seen,
            Command::RestoreSecret(of) => &mut of.seen,
            Command::TagResource(of) => &mut of.seen,
            Command::UntagResource(of) => &mut of.seen,
            Command::ShareSecret(of) => &mut of.seen,
            Command::UnshareSecret(of) => &mut of.seen,
            Command::DetachSecret(of) => &mut of.seen,
            Command::PutResourcePolicy(of) => &mut of.seen,
            Command::DeleteResourcePolicy(of) => &mut of.seen,
            Command::CreateAccount(of) => &mut of.seen,
            Command::CreateIdentity(of) => &mut of.seen,
            Command::UpdateIdentity(of) => &mut of.seen,
            Command::DeleteIdentity(of) => &mut of.seen,
            Command::CreatePolicy(of) => &mut of.seen,
            Command::UpdatePolicy(of) => &mut of.seen,
            Command::DeletePolicy(of) => &mut of.seen,
            Command::CreateCredential(of) => &mut of.seen,
            Command::UpdateCredential(of) => &mut of.seen,
            Command::DeleteCredential(of) => &mut of.seen,
            Command::CreateProvider(of) => &mut of.seen,
            Command::UpdateProvider(of) => &mut of.seen,
            Command::DeleteProvider(of) => &mut of.seen,
            Command::Revoke(of) => &mut of.seen,
            _ => return None,
        })
    }
}
