//! Which feed a command writes to: its primary alone may (R28).

use crate::command::Command;
use crate::ids::Uid;
use crate::position::FeedId;
use crate::state::State;

impl Command {
    /// Finds the feed whose primary alone may be asked for this command. None for what writes local
    /// rows only, for what takes in or takes over what another region leads, and for what names a
    /// secret that is not here.
    pub fn feed(&self, state: &State) -> Option<FeedId> {
        let of = |uid: &Uid| state.feed_of_secret(uid).cloned();
        match self {
            Command::CreateSecret(create) => match &create.region {
                Some(region) => Some(FeedId::Home(region.clone())),
                None => state.home(),
            },
            Command::DetachSecret(_) => state.home(),
            Command::PutSecretValue(put) => of(&put.uid),
            Command::UpdateSecret(update) => of(&update.uid),
            Command::UpdateSecretVersionStage(update) => of(&update.uid),
            Command::DeleteSecret(delete) => of(&delete.uid),
            Command::RestoreSecret(restore) => of(&restore.uid),
            Command::PurgeSecret(purge) => of(&purge.uid),
            Command::TagResource(tag) => of(&tag.uid),
            Command::UntagResource(untag) => of(&untag.uid),
            Command::ShareSecret(share) => of(&share.uid),
            Command::UnshareSecret(unshare) => of(&unshare.uid),
            Command::PutResourcePolicy(put) => of(&put.uid),
            Command::DeleteResourcePolicy(delete) => of(&delete.uid),
            Command::Checkpoint(checkpoint) => Some(checkpoint.feed.clone()),
            Command::IssueLinkToken(_)
            | Command::LinkRegion(_)
            | Command::UpdateRegion(_)
            | Command::UnlinkRegion(_)
            | Command::CreateAccount(_)
            | Command::CreateIdentity(_)
            | Command::UpdateIdentity(_)
            | Command::DeleteIdentity(_)
            | Command::CreatePolicy(_)
            | Command::UpdatePolicy(_)
            | Command::DeletePolicy(_)
            | Command::CreateCredential(_)
            | Command::UpdateCredential(_)
            | Command::DeleteCredential(_)
            | Command::CreateProvider(_)
            | Command::UpdateProvider(_)
            | Command::DeleteProvider(_)
            | Command::Revoke(_)
            | Command::ForgetRevocations(_)
            | Command::RotateSessionKey(_) => Some(FeedId::Root),
            Command::Found(_)
            | Command::RecordAccess(_)
            | Command::IssueJoinToken(_)
            | Command::AdmitNode(_)
            | Command::RemoveNode(_)
            | Command::SetMachineVersion(_)
            | Command::TrimFeed(_)
            | Command::ReportReplicas(_)
            | Command::ImportChanges(_)
            | Command::FillRows(_)
            | Command::StageRows(_)
            | Command::ActivateSnapshot(_)
            | Command::MendBucket(_)
            | Command::TakeOver(_)
            | Command::FenceFeed(_)
            | Command::ForgetStaged(_)
            | Command::RewrapSecret(_)
            | Command::StageDetach(_)
            | Command::RewrapRoot(_)
            | Command::KeepSigningKey(_)
            | Command::PutIssuer(_)
            | Command::RetireIssuers(_) => None,
        }
    }
}
