//! Copies of secrets, and what is said of them.

use std::sync::Arc;

use machine::{
    Command, DeleteSecret, DetachSecret, FeedId, NewVersion, ReplicaState, Scope, Seen,
    ShareSecret, Uid,
};

use crate::linked::{caught_up, has, is_said, north_home, pair, said};
use crate::support::region::{BROKEN_KEY, Served, value};
use crate::support::{WEST, eventually, home, name};

async fn share(north: &Served, uid: Uid, kms_key: Option<&str>) {
    let replica = machine::Replica {
        region: name(WEST),
        kms_key: kms_key.map(str::to_owned),
        force: false,
    };
    let share = ShareSecret {
        uid,
        replicas: vec![replica],
        seen: Seen::default(),
    };
    north.done(Command::ShareSecret(share)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_secret_that_is_shared_later_comes_with_all_its_values_and_is_in_sync_then() {
    let (north, west) = pair(Scope::Selected).await;
    let uid = north.create(100, &[]).await;
    for number in 2..=9 {
        north.put(uid, value(number, 100)).await;
    }
    caught_up(&west, &north, &north_home()).await;
    assert!(west.state().secret(&uid).is_none());
    share(&north, uid, None).await;
    is_said(&north, &uid, ReplicaState::InSync).await;
    for number in 1..=9 {
        assert!(has(&west, &uid, number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_does_not_wrap_is_reported_and_another_one_is_tried_at_once() {
    let (north, west) = pair(Scope::Selected).await;
    let uid = north.create(100, &[]).await;
    share(&north, uid, Some(BROKEN_KEY)).await;
    is_said(&north, &uid, ReplicaState::Failed).await;
    let (_, message) = said(&north, &uid, WEST).unwrap();
    assert_eq!(message, "The key can't be used.");
    share(&north, uid, None).await;
    is_said(&north, &uid, ReplicaState::InSync).await;
    assert!(has(&west, &uid, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_name_that_is_taken_is_reported_and_tried_again_when_it_is_free() {
    let (north, west) = pair(Scope::Selected).await;
    caught_up(&west, &north, &FeedId::Root).await;
    let uid = north.create(100, &[]).await;
    let secret_name = north.state().secret(&uid).unwrap().name.clone();
    let (local, command) = crate::support::region::create(WEST, 100, &[]);
    let Command::CreateSecret(create) = command else {
        panic!("another command");
    };
    west.done(Command::CreateSecret(machine::CreateSecret {
        name: secret_name,
        ..create
    }))
    .await;
    share(&north, uid, None).await;
    is_said(&north, &uid, ReplicaState::Failed).await;
    let delete = DeleteSecret {
        uid: local,
        window_days: None,
        seen: Seen::default(),
    };
    west.done(Command::DeleteSecret(delete)).await;
    is_said(&north, &uid, ReplicaState::InSync).await;
    assert!(has(&west, &uid, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_that_is_detached_is_unshared_at_the_primary() {
    let (north, west) = pair(Scope::Selected).await;
    let uid = north.create(100, &[WEST]).await;
    is_said(&north, &uid, ReplicaState::InSync).await;
    let new_uid = home(WEST).uid_of([77; 16]);
    let sealed: Vec<NewVersion> = vec![value(1, 100)];
    let detach = DetachSecret {
        uid,
        new_uid,
        versions: sealed,
        kms_key: None,
        seen: Seen::default(),
    };
    west.done(Command::DetachSecret(detach)).await;
    // Whoever detaches a copy does it on any node: the walk over all copies finds it.
    north.put(uid, value(2, 100)).await;
    eventually("the copy is unshared", || {
        let view = north.state();
        let secret = Arc::clone(view.secret(&uid).unwrap());
        secret.replica(&name(WEST)).is_none()
    })
    .await;
    caught_up(&west, &north, &north_home()).await;
    assert!(west.state().secret(&new_uid).is_some());
    assert!(
        west.state().detached(&uid).is_none(),
        "it is no copy any more"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_region_that_is_to_receive_everything_from_now_on_asks_for_all_of_it() {
    let (north, west) = pair(Scope::Selected).await;
    let uid = north.create(100, &[]).await;
    caught_up(&west, &north, &north_home()).await;
    assert!(west.state().secret(&uid).is_none());
    let region = crate::support::region::entry(WEST, Scope::All);
    let update = machine::UpdateRegion { region };
    north.done(Command::UpdateRegion(update)).await;
    eventually("the secret is here", || has(&west, &uid, 1)).await;
}
