//! The shortest way through the machine.

use std::sync::Arc;

use bytes::Bytes;
use strongroom_machine::{
    AccountId, ArnSuffix, Audit, ClusterId, Command, CreateSecret, Entry, Found, Hash, KeyId,
    KeyState, KeyVersion, KmsKey, Label, LogIndex, MACHINE_VERSION, NewVersion, Node, NodeId,
    Outcome, PutSecretValue, RegionName, RequestId, RowRef, SealedValue, SecretName, Seen, Stamp,
    State, Uid, ValueKind, VersionId, Wrap, apply,
};

type Failure = Box<dyn std::error::Error>;

fn found() -> Result<Command, Failure> {
    let version = KeyVersion {
        version: 1,
        wrapped: Bytes::from_static(b"kek"),
        created: Stamp(1),
    };
    Ok(Command::Found(Found {
        cluster: ClusterId([1; 16]),
        region: RegionName::new("eu-north-1")?,
        account: AccountId::new("000000000001")?,
        administrator: "admin".to_owned(),
        default_key: KmsKey {
            id: KeyId([2; 16]),
            alias: "alias/aws/secretsmanager".to_owned(),
            state: KeyState::Enabled,
            versions: vec![version],
        },
        node: Node {
            id: NodeId(1),
            peer_address: "127.0.0.1:7421".to_owned(),
            api_address: "127.0.0.1:7420".to_owned(),
            public_key: Hash([3; 32]),
        },
        machine_version: MACHINE_VERSION,
    }))
}

fn new(n: u8) -> Result<NewVersion, Failure> {
    let ciphertext = Bytes::from(vec![n; 1024]);
    Ok(NewVersion {
        id: VersionId::new(&format!("{n:032}"))?,
        kind: ValueKind::String,
        sealed: Arc::new(SealedValue {
            nonce: [n; 12],
            ciphertext,
        }),
        wrap: Wrap {
            key_id: KeyId([2; 16]),
            key_version: 1,
            wrapped_dek: Bytes::from(vec![n; 48]),
        },
    })
}

fn entry(n: u64, command: Command) -> Entry {
    let audit = Audit {
        caller: "admin".to_owned(),
        request_id: RequestId([0; 16]),
    };
    Entry {
        stamp: Stamp(1000 + n),
        audit,
        seed: [n.to_le_bytes()[0]; 32],
        command,
    }
}

#[test]
fn a_secret_is_created_put_and_survives_a_reload() -> Result<(), Failure> {
    let mut state = State::new();
    let create = Command::CreateSecret(CreateSecret {
        uid: Uid([9; 16]),
        account: AccountId::new("000000000001")?,
        name: SecretName::new("db/password")?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: Some(new(1)?),
        seen: Seen::default(),
    });
    let put = Command::PutSecretValue(PutSecretValue {
        uid: Uid([9; 16]),
        new: new(2)?,
        labels: Vec::new(),
        young_protection_ms: 0,
        seen: Seen::default(),
    });
    for (n, command) in [found()?, create, put].into_iter().enumerate() {
        let entry = entry(n as u64, command);
        assert_eq!(Entry::decode(&entry.encode())?, entry);
        let applied = apply(&mut state, LogIndex(n as u64 + 1), &entry);
        assert!(applied.answer.is_ok(), "{:?}", applied.answer);
        if let Ok(Outcome::Secret { secret, .. }) = applied.answer {
            assert!(secret.current().is_some());
        }
    }
    let secret = state.secret(&Uid([9; 16])).ok_or("no secret")?;
    assert_eq!(secret.versions[0].labels, [Label::previous()]);
    assert_eq!(secret.versions[1].labels, [Label::current()]);

    let rows = state.rows().map(|(key, row)| match row {
        RowRef::Here(row) => (key.encode(), row.encode()),
        RowRef::Evicted => unreachable!("nothing was evicted"),
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
    let again = State::load(rows.into_iter())?;
    assert_eq!(again.node_hash(), state.node_hash());
    assert_eq!(again.positions(), state.positions());
    Ok(())
}
