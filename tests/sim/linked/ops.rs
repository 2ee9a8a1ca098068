//! The commands that clients propose, made as the server's handlers make them: of what the node
//! that is called has applied.

use consensus::View;
use machine::{
    ArnSuffix, Command, CreateSecret, DeleteSecret, DetachSecret, FeedId, Label, NewVersion,
    PutSecretValue, Replica, RestoreSecret, Secret, Seen, ShareSecret, Tag, TagResource, Uid,
    UnshareSecret, UpdateSecretVersionStage, VersionId,
};

use crate::region;
use crate::service::Node;
use crate::vault;

/// What is done to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Create,
    Put,
    Stage,
    Tag,
    Share,
    Unshare,
    Delete,
    Purge,
    Restore,
    Detach,
}

/// One write, as it was drawn.
#[derive(Debug, Clone)]
pub struct Order {
    pub what: What,
    /// The number in the secret's name.
    pub secret: u64,
    pub uid: Uid,
    /// The feed of the secret, or the one it is to be created in.
    pub feed: FeedId,
    /// The number of the write.
    pub number: u64,
    /// The region that it is about, if it is about another one.
    pub other: u64,
    /// Whether a secret of the name gives way in that region.
    pub force: bool,
    /// Chooses among what there is.
    pub draw: usize,
}

impl Order {
    /// Makes the command on a node; none where the secret is not such that it could be done.
    pub fn command(&self, node: &Node) -> Option<Command> {
        let view = node.consensus.local_view();
        let uid = self.uid;
        let seen = Seen::default();
        Some(match self.what {
            What::Create => self.create(node),
            What::Put => Command::PutSecretValue(PutSecretValue {
                uid,
                new: self.new_version(node),
                labels: Vec::new(),
                young_protection_ms: u64::MAX,
                seen,
            }),
            What::Stage => self.stage(view.secret(&uid)?)?,
            What::Tag => Command::TagResource(TagResource {
                uid,
                tags: vec![Tag {
                    key: "write".to_owned(),
                    value: self.number.to_string(),
                }],
                seen,
            }),
            What::Share => Command::ShareSecret(ShareSecret {
                uid,
                replicas: vec![self.replica()],
                seen,
            }),
            What::Unshare => Command::UnshareSecret(UnshareSecret {
                uid,
                regions: vec![region::name(self.other)],
                seen,
            }),
            What::Delete | What::Purge => Command::DeleteSecret(DeleteSecret {
                uid,
                window_days: (self.what == What::Delete).then_some(7),
                seen,
            }),
            What::Restore => Command::RestoreSecret(RestoreSecret { uid, seen }),
            What::Detach => self.detach(node, &view)?,
        })
    }

    fn create(&self, node: &Node) -> Command {
        let FeedId::Home(home) = &self.feed else {
            unreachable!("secrets are of home feeds");
        };
        let replicas = (self.other > 0).then(|| self.replica());
        Command::CreateSecret(CreateSecret {
            uid: self.uid,
            account: region::account(),
            name: vault::secret_name(self.secret),
            arn_suffix: ArnSuffix::new("AbC123").expect("a suffix"),
            description: String::new(),
            kms_key: None,
            tags: Vec::new(),
            new: Some(self.new_version(node)),
            region: Some(home.clone()),
            replicas: replicas.into_iter().collect(),
            seen: Seen::default(),
        })
    }

    fn new_version(&self, node: &Node) -> NewVersion {
        let id = vault::version_id(self.secret, self.number);
        node.vault.seal(node.region, self.uid, id)
    }

    fn replica(&self) -> Replica {
        Replica {
            region: region::name(self.other),
            kms_key: None,
            force: self.force,
        }
    }

    /// Makes another version the current one.
    fn stage(&self, secret: &Secret) -> Option<Command> {
        let current = secret.current()?.id.clone();
        let others = secret.versions.iter().map(|version| &version.id);
        let others: Vec<&VersionId> = others.filter(|id| **id != current).collect();
        let to = *others.get(self.draw % others.len().max(1))?;
        Some(Command::UpdateSecretVersionStage(
            UpdateSecretVersionStage {
                uid: self.uid,
                label: Label::new(Label::CURRENT).expect("a label"),
                remove_from: Some(current),
                move_to: Some(to.clone()),
                seen: Seen::default(),
            },
        ))
    }

    /// Makes a secret of its own of a copy: every version is opened and sealed anew.
    fn detach(&self, node: &Node, view: &View) -> Option<Command> {
        let copy = view.secret(&self.uid)?;
        let new_uid = self.detached(node.region);
        let mut versions = Vec::new();
        for version in &copy.versions {
            let opened = node.vault.open(node.region, view, self.uid, &version.id);
            if opened != Ok(true) {
                return None;
            }
            versions.push(node.vault.seal(node.region, new_uid, version.id.clone()));
        }
        Some(Command::DetachSecret(DetachSecret {
            uid: self.uid,
            new_uid,
            versions,
            kms_key: None,
            seen: Seen::default(),
        }))
    }

    /// The uid of what a copy becomes in a region.
    pub fn detached(&self, region: u64) -> Uid {
        new_uid(&region::home(region), self.number)
    }
}

/// A uid that nobody else has: that of what write `number` creates in a feed.
pub fn new_uid(feed: &FeedId, number: u64) -> Uid {
    feed.uid_of(u128::from(number).to_be_bytes())
}
