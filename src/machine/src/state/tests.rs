//! What a script would take too long to reach.

use crate::command::{Command, CreateSecret, Found, KeyState, KeyVersion, KmsKey, Node, Seen};
use crate::decide::MACHINE_VERSION;
use crate::entry::{Audit, Entry};
use crate::ids::{ClusterId, Hash, KeyId, LogIndex, NodeId, RequestId, Stamp, Uid};
use crate::limits::SECRETS_MAX;
use crate::names::{AccountId, ArnSuffix, NameError, RegionName, SecretName};
use crate::rejection::Rejection;
use crate::state::State;

#[test]
fn an_account_owns_no_more_secrets_than_it_may() -> Result<(), NameError> {
    let mut state = State::new();
    let account = AccountId::new("000000000001")?;
    let version = KeyVersion {
        version: 1,
        wrapped: Default::default(),
        created: Stamp(0),
    };
    let found = Command::Found(Found {
        cluster: ClusterId([0; 16]),
        region: RegionName::new("eu-north-1")?,
        account: account.clone(),
        administrator: String::new(),
        default_key: KmsKey {
            id: KeyId([0; 16]),
            alias: String::new(),
            state: KeyState::Enabled,
            versions: vec![version],
        },
        node: Node {
            id: NodeId(1),
            peer_address: String::new(),
            api_address: String::new(),
            public_key: Hash::ZERO,
        },
        machine_version: MACHINE_VERSION,
    });
    assert!(
        crate::apply(&mut state, LogIndex(1), &entry(found))
            .answer
            .is_ok()
    );
    let create = |n: u8| -> Result<Entry, NameError> {
        Ok(entry(Command::CreateSecret(CreateSecret {
            uid: Uid([n; 16]),
            account: account.clone(),
            name: SecretName::new(&n.to_string())?,
            arn_suffix: ArnSuffix::new("AbC123")?,
            description: String::new(),
            kms_key: None,
            tags: Vec::new(),
            new: None,
            seen: Seen::default(),
        })))
    };
    state.derived.owned.insert(account.clone(), SECRETS_MAX - 1);
    assert!(
        crate::apply(&mut state, LogIndex(2), &create(1)?)
            .answer
            .is_ok()
    );
    assert_eq!(state.secrets_owned(&account), SECRETS_MAX);
    let answer = crate::apply(&mut state, LogIndex(3), &create(2)?).answer;
    assert_eq!(answer, Err(Rejection::SecretLimit));
    Ok(())
}

fn entry(command: Command) -> Entry {
    let audit = Audit {
        caller: String::new(),
        request_id: RequestId([0; 16]),
    };
    Entry {
        stamp: Stamp(1),
        audit,
        seed: [0; 32],
        command,
    }
}
