//! What would grow for ever does not.

mod support;

use strongroom_machine::{
    ArnSuffix, Command, CreateSecret, FeedId, LogIndex, RegionName, Revision, SecretName, Seen,
    State, UpdateSecret, apply, limits,
};

use support::{Failure, account, entry, found, reload, uid};

#[test]
fn a_journal_keeps_below_its_cap() -> Result<(), Failure> {
    let mut state = State::new();
    apply(&mut state, LogIndex(1), &entry(1, Command::Found(found()?)));
    let create = Command::CreateSecret(CreateSecret {
        uid: uid(1),
        account: account()?,
        name: SecretName::new("s")?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: None,
        region: None,
        replicas: Vec::new(),
        seen: Seen::default(),
    });
    apply(&mut state, LogIndex(2), &entry(2, create));
    // Characters of four bytes: a row of 8 KiB with each entry.
    let description = "🔑".repeat(limits::DESCRIPTION_CHARS_MAX);
    let bytes = description.len() as u64;
    let update = Command::UpdateSecret(UpdateSecret {
        uid: uid(1),
        description: Some(description),
        kms_key: None,
        rewrapped: Vec::new(),
        new: None,
        young_protection_ms: 0,
        seen: Seen::default(),
    });
    for index in 3..limits::JOURNAL_BYTES_MAX / bytes + 100 {
        let applied = apply(&mut state, LogIndex(index), &entry(index, update.clone()));
        assert!(applied.answer.is_ok());
        assert!(state.counts().journal_bytes <= limits::JOURNAL_BYTES_MAX);
    }
    let home = FeedId::Home(RegionName::new(support::REGION)?);
    assert!(
        state.journal(&home, Revision(0)).is_none(),
        "nothing was trimmed"
    );
    let feed = state.feed(&home).ok_or("no home feed")?;
    let first = feed.state().ok_or("no feed state")?.journal_first;
    let rows = state
        .journal(&home, Revision(first.0 - 1))
        .ok_or("trimmed too far")?;
    assert_eq!(rows.count() as u64, feed.revision().0 - first.0 + 1);
    assert_eq!(reload(&state)?.node_hash(), state.node_hash());
    Ok(())
}
