//! Makes the keys of sessions (R20): those of the cluster where the root feed is led, and the one
//! by which this region signs. What other regions are told of that goes with the directory.

use machine::{ACCESS, Command, FeedId, Rejection, Stamp, State};

use super::{TaskError, Tasks, may_write};
use crate::errors::Refusal;
use crate::limits::{SESSION_KEY_INTERVAL, SESSION_KEY_PERIOD};

/// What is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// A session key, if the newest one is so old, in milliseconds.
    Session { age_min_ms: u64 },
    /// The key by which this region signs.
    Signing,
}

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Sealed(#[from] Refusal),
    #[error(transparent)]
    Proposed(#[from] TaskError),
}

impl Tasks {
    /// Looks while this node leads.
    pub(super) async fn make_session_keys(self) {
        loop {
            tokio::time::sleep(SESSION_KEY_INTERVAL).await;
            if !self.leads() {
                continue;
            }
            let due = due(&self.consensus.local_view(), self.clock.now());
            for due in due.into_iter().flatten() {
                match self.make_key(due).await {
                    Ok(()) => {}
                    // Another leader has made one meanwhile.
                    Err(Failed::Proposed(TaskError::Rejected(Rejection::SessionKeyYoung(_)))) => {}
                    Err(error) => self.failed("session_keys", &error),
                }
            }
        }
    }

    async fn make_key(&self, due: Due) -> Result<(), Failed> {
        let view = self.consensus.local_view();
        let (method, command) = match due {
            Due::Session { age_min_ms } => {
                let rotate = self.vault.make_session_key(&view, age_min_ms)?;
                ("RotateSessionKey", Command::RotateSessionKey(rotate))
            }
            Due::Signing => {
                let keep = self.vault.make_signing_key(&view)?;
                ("KeepSigningKey", Command::KeepSigningKey(keep))
            }
        };
        drop(view);
        self.act("session_keys", command, method, "").await?;
        tracing::info!(?due, "a key for sessions was made");
        Ok(())
    }
}

/// What a region has to make now.
fn due(state: &State, now: Stamp) -> [Option<Due>; 2] {
    let knows_keys = state.machine_version() >= Some(ACCESS);
    if !knows_keys {
        return [None; 2];
    }
    let newest = state.newest_session_key();
    let age_min_ms = u64::try_from(SESSION_KEY_PERIOD.as_millis()).unwrap_or(u64::MAX);
    let is_old = newest.is_none_or(|newest| now.since_ms(newest.created) >= age_min_ms);
    let session = is_old && may_write(state, &FeedId::Root);
    // The rules where the root feed is led know such a key once there is a session key.
    let signing = newest.is_some() && state.signing_key().is_none();
    [
        session.then_some(Due::Session { age_min_ms }),
        signing.then_some(Due::Signing),
    ]
}

#[cfg(test)]
mod tests {
    use machine::{
        AccountId, Audit, ClusterId, Command, Entry, Found, Hash, LogIndex, MachineVersion, Node,
        NodeId, RegionName, RequestId, SetMachineVersion, Stamp, State,
    };

    use super::{ACCESS, Due, due};
    use crate::limits::SESSION_KEY_PERIOD;
    use crate::vault::Vault;

    struct Rig {
        vault: Vault,
        state: State,
        index: u64,
    }

    impl Rig {
        /// A lone region of some rules.
        fn of(version: MachineVersion) -> Self {
            let root = envelope::RootKey::generate().unwrap();
            let vault = Vault::new(root, [1; 16], "eu-west-1".to_owned());
            let found = Found {
                cluster: ClusterId([1; 16]),
                region: RegionName::new("eu-west-1").unwrap(),
                account: AccountId::new("000000000000").unwrap(),
                administrator: "admin".to_owned(),
                default_key: vault.make_default_key(Stamp(1)).unwrap(),
                node: Node {
                    id: NodeId(1),
                    peer_address: "a:1".to_owned(),
                    api_address: "a:2".to_owned(),
                    public_key: Hash([1; 32]),
                },
                machine_version: version,
                introduction: None,
            };
            let mut rig = Self {
                vault,
                state: State::new(),
                index: 0,
            };
            rig.apply(Stamp(1000), Command::Found(found));
            rig
        }

        fn apply(&mut self, stamp: Stamp, command: Command) {
            self.index += 1;
            let entry = Entry {
                stamp,
                audit: Audit {
                    caller: "test".to_owned(),
                    request_id: RequestId([0; 16]),
                },
                seed: [0; 32],
                command,
            };
            let applied = machine::apply(&mut self.state, LogIndex(self.index), &entry);
            applied.answer.unwrap();
        }
    }

    #[test]
    fn keys_are_made_as_soon_as_the_rules_know_them_and_the_next_one_a_period_later() {
        let age_min_ms = u64::try_from(SESSION_KEY_PERIOD.as_millis()).unwrap();
        let session = Some(Due::Session { age_min_ms });
        let mut rig = Rig::of(MachineVersion(3));
        assert_eq!(due(&rig.state, Stamp(2000)), [None, None]);
        let rules = SetMachineVersion { version: ACCESS };
        rig.apply(Stamp(2000), Command::SetMachineVersion(rules));
        assert_eq!(due(&rig.state, Stamp(2000)), [session, None]);
        let made = rig.vault.make_session_key(&rig.state, age_min_ms).unwrap();
        rig.apply(Stamp(3000), Command::RotateSessionKey(made));
        assert_eq!(due(&rig.state, Stamp(3000)), [None, Some(Due::Signing)]);
        let made = rig.vault.make_signing_key(&rig.state).unwrap();
        rig.apply(Stamp(4000), Command::KeepSigningKey(made));
        assert_eq!(due(&rig.state, Stamp(2999 + age_min_ms)), [None, None]);
        assert_eq!(due(&rig.state, Stamp(3000 + age_min_ms)), [session, None]);
    }
}
