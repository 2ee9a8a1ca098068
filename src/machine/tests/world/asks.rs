//! What callers ask of the regions that lead.

use proptest::prelude::{BoxedStrategy, Strategy, any};
use proptest::prop_oneof;
use strongroom_machine::{
    ArnSuffix, Command, CreateSecret, DeleteSecret, FeedId, Label, NewVersion, PurgeSecret,
    PutSecretValue, RegionName, Replica, RestoreSecret, SecretName, Seen, ShareSecret, Stamp, Tag,
    TagResource, Uid, UnshareSecret, UpdateSecret, UpdateSecretVersionStage,
};

use crate::support::{Failure, account, default_key, new, version, wrap};
use crate::world::World;

/// What a caller asks of one secret.
#[derive(Debug, Clone)]
pub enum Ask {
    Create {
        name: u8,
        value: bool,
        shared: u8,
        force: bool,
    },
    Put {
        version: u8,
        label: u8,
    },
    Update {
        new: bool,
    },
    Stage {
        label: u8,
        from: u8,
        to: u8,
    },
    Tag,
    Share {
        with: u8,
        force: bool,
        key: bool,
    },
    Unshare {
        with: u8,
    },
    Delete {
        scheduled: bool,
    },
    Restore,
    Purge,
}

pub fn ask() -> BoxedStrategy<Ask> {
    let with = || 0..3u8;
    prop_oneof![
        6 => (0..3u8, any::<bool>(), 0..8u8, any::<bool>()).prop_map(
            |(name, value, shared, force)| Ask::Create { name, value, shared, force }
        ),
        6 => (0..6u8, 0..4u8).prop_map(|(version, label)| Ask::Put { version, label }),
        1 => any::<bool>().prop_map(|new| Ask::Update { new }),
        2 => (0..4u8, 0..6u8, 0..6u8)
            .prop_map(|(label, from, to)| Ask::Stage { label, from, to }),
        1 => proptest::strategy::Just(Ask::Tag),
        4 => (with(), any::<bool>(), any::<bool>())
            .prop_map(|(with, force, key)| Ask::Share { with, force, key }),
        3 => with().prop_map(|with| Ask::Unshare { with }),
        2 => any::<bool>().prop_map(|scheduled| Ask::Delete { scheduled }),
        1 => proptest::strategy::Just(Ask::Restore),
        1 => proptest::strategy::Just(Ask::Purge),
    ]
    .boxed()
}

impl World {
    pub fn ask(&mut self, home: u8, number: u8, ask: &Ask) -> Result<(), Failure> {
        let feed = FeedId::Home(self.name(home));
        let leads = self.net.sites.values();
        let leads = leads.filter(|site| site.state.is_primary(&feed));
        let leads: Vec<RegionName> = leads.map(|site| site.name.clone()).collect();
        let uid = self.uid(home, number);
        // After a promotion nobody knew of there are two.
        for at in leads {
            let command = self.command(&at, home, uid, ask)?;
            self.apply(&at, command)?;
        }
        Ok(())
    }

    fn command(&self, at: &RegionName, home: u8, uid: Uid, ask: &Ask) -> Result<Command, Failure> {
        let seen = Seen::default();
        Ok(match *ask {
            Ask::Create { .. } => self.creation(at, home, uid, ask)?,
            Ask::Put { version, label: n } => Command::PutSecretValue(PutSecretValue {
                uid,
                new: value(at, version)?,
                labels: vec![label(n)?],
                young_protection_ms: 0,
                seen,
            }),
            Ask::Update { new } => Command::UpdateSecret(UpdateSecret {
                uid,
                description: Some("d".to_owned()),
                kms_key: None,
                rewrapped: Vec::new(),
                new: new.then(|| value(at, 7)).transpose()?,
                young_protection_ms: 0,
                seen,
            }),
            Ask::Stage { label: n, from, to } => {
                Command::UpdateSecretVersionStage(UpdateSecretVersionStage {
                    uid,
                    label: label(n)?,
                    remove_from: Some(version(&from.to_string())?).filter(|_| from < 5),
                    move_to: Some(version(&to.to_string())?).filter(|_| to < 5),
                    seen,
                })
            }
            Ask::Tag => Command::TagResource(TagResource {
                uid,
                tags: vec![Tag {
                    key: "k".to_owned(),
                    value: self.net.now_ms.to_string(),
                }],
                seen,
            }),
            Ask::Share { with, force, key } => Command::ShareSecret(ShareSecret {
                uid,
                replicas: vec![self.replica(with, force, key)],
                seen,
            }),
            Ask::Unshare { with } => Command::UnshareSecret(UnshareSecret {
                uid,
                regions: vec![self.name(with)],
                seen,
            }),
            Ask::Delete { scheduled } => Command::DeleteSecret(DeleteSecret {
                uid,
                window_days: scheduled.then_some(7),
                seen,
            }),
            Ask::Restore => Command::RestoreSecret(RestoreSecret { uid, seen }),
            Ask::Purge => {
                let secret = self.net.site(at)?.state.secret(&uid);
                let deletion = secret.and_then(|secret| secret.deletion);
                Command::PurgeSecret(PurgeSecret {
                    uid,
                    deletion_date: deletion.map_or(Stamp(0), |deletion| deletion.due),
                })
            }
        })
    }

    fn creation(&self, at: &RegionName, home: u8, uid: Uid, ask: &Ask) -> Result<Command, Failure> {
        let Ask::Create {
            name,
            value: with_value,
            shared,
            force,
        } = *ask
        else {
            return Err("no creation".into());
        };
        let with = (0..3u8).filter(|with| shared & (1 << with) != 0 && *with != home);
        Ok(Command::CreateSecret(CreateSecret {
            uid,
            account: account()?,
            name: SecretName::new(&format!("n{name}"))?,
            arn_suffix: ArnSuffix::new("AbC123")?,
            description: String::new(),
            kms_key: None,
            tags: Vec::new(),
            new: with_value.then(|| value(at, 0)).transpose()?,
            region: Some(self.name(home)),
            replicas: with.map(|with| self.replica(with, force, false)).collect(),
            seen: Seen::default(),
        }))
    }

    fn replica(&self, with: u8, force: bool, key: bool) -> Replica {
        Replica {
            region: self.name(with),
            kms_key: key.then(|| "there".to_owned()),
            force,
        }
    }
}

fn value(at: &RegionName, n: u8) -> Result<NewVersion, Failure> {
    let mut new = new(&n.to_string(), 24)?;
    new.wrap = wrap(default_key(at), 1);
    Ok(new)
}

fn label(n: u8) -> Result<Label, Failure> {
    let labels = ["AWSCURRENT", "AWSPENDING", "X", "AWSPREVIOUS"];
    Ok(Label::new(labels[usize::from(n) % labels.len()])?)
}
