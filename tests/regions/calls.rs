//! The replication of single secrets as AWS has it (AWS.md §3.8): every call, status and error, by
//! the client, against both regions.

use client::secrets::v1::{
    CreateSecretRequest, DeleteSecretRequest, DescribeSecretResponse, ListSecretsRequest,
    RemoveRegionsFromReplicationRequest, ReplicaRegion, ReplicateSecretToRegionsRequest,
    ReplicationState, ReplicationStatus, RestoreSecretRequest, StopReplicationToReplicaRequest,
    Tag, TagResourceRequest, UntagResourceRequest, UpdateSecretRequest,
    UpdateSecretVersionStageRequest,
};
use client::{Client, Error};
use strongroom_tests::shell::until_within;

use crate::callers::{create, creation, describe, get, put, read, version};
use crate::cluster::{A, B, Cluster, NAMES, PATIENCE, SELECTED, Settings};

/// What AWS says of a change that is asked of a replica.
const NOT_HERE: &str =
    "Operation not permitted on a replica secret. Call must be made in primary secret's region.";

/// Both regions, and a client of each.
struct Stage {
    cluster: Cluster,
    primary: Client,
    replica: Client,
}

#[test]
#[ignore = "founds two regions"]
fn every_replication_call_answers_and_refuses_as_in_aws_in_both_regions() {
    let settings = Settings::default();
    let cluster = Cluster::proxied(&[SELECTED, SELECTED], &settings);
    let stage = Stage {
        primary: cluster.client(A),
        replica: cluster.client(B),
        cluster,
    };
    stage.creates_with_replicas();
    stage.refuses_regions();
    stage.refuses_changes_at_a_replica();
    stage.follows_changes();
    stage.says_that_a_name_is_taken_and_overwrites_when_forced();
    stage.does_not_overwrite_a_primary_with_replicas();
    stage.fails_where_a_key_is_unknown();
    stage.is_not_deleted_while_it_has_replicas();
    stage.notes_access_per_region();
    stage.removes_regions();
    stage.stops_replication();
    stage.cluster.wait_until_equal();
}

impl Stage {
    fn run<T>(&self, call: impl Future<Output = T>) -> T {
        self.cluster.runtime.block_on(call)
    }

    /// Waits until a replica is what it shall be, and gives its status.
    fn status(&self, name: &str, wanted: ReplicationState) -> ReplicationStatus {
        until_within(PATIENCE, &format!("{name} is {wanted:?}"), || {
            let described = self.run(describe(&self.primary, name)).ok()?;
            let mut replicas = described.replication_status.into_iter();
            let status = replicas.find(|status| status.region == NAMES[B])?;
            (status.status() == wanted).then_some(status)
        })
    }

    fn share(&self, name: &str, forced: bool) -> Result<Vec<ReplicationStatus>, Error> {
        let request = replicate(name, &[NAMES[B]], forced);
        let answer = self.run(self.primary.replicate_secret_to_regions(request))?;
        Ok(answer.replication_status)
    }

    fn creates_with_replicas(&self) {
        let request = CreateSecretRequest {
            description: "a description".into(),
            tags: vec![tag("team", "blue")],
            add_replica_regions: vec![to(NAMES[B])],
            ..creation("calls/made")
        };
        let answer = self.run(self.primary.create_secret(request)).unwrap();
        let [status] = &answer.replication_status[..] else {
            panic!("{answer:?}");
        };
        assert_eq!(status.region, NAMES[B]);
        assert_eq!(
            status.status(),
            ReplicationState::InProgress,
            "as it was asked for"
        );
        self.status("calls/made", ReplicationState::InSync);
        let at_primary = self.run(describe(&self.primary, "calls/made")).unwrap();
        let at_replica = self.run(describe(&self.replica, "calls/made")).unwrap();
        assert_eq!(at_primary.primary_region.as_deref(), Some(NAMES[A]));
        assert_eq!(at_replica.primary_region.as_deref(), Some(NAMES[A]));
        assert!(at_replica.replication_status.is_empty(), "{at_replica:?}");
        assert_eq!(shown(&at_replica), shown(&at_primary));
        let arn = at_primary.arn.replace(NAMES[A], NAMES[B]);
        assert_eq!(
            at_replica.arn, arn,
            "an ARN shows the region of the request"
        );
        for id in ["calls/made", &arn] {
            assert_eq!(self.run(read(&self.replica, id)).unwrap(), Some(1), "{id}");
        }
        let listed = self
            .run(self.replica.list_secrets(ListSecretsRequest::default()))
            .unwrap();
        let names: Vec<_> = listed
            .secret_list
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        assert_eq!(names, ["calls/made"]);
        assert_eq!(
            listed.secret_list[0].primary_region.as_deref(),
            Some(NAMES[A])
        );
    }

    fn refuses_regions(&self) {
        self.run(create(&self.primary, "calls/home")).unwrap();
        for regions in [&[NAMES[A]][..], &["eu-nowhere-9"], &[NAMES[B], NAMES[A]]] {
            let request = replicate("calls/home", regions, false);
            let refused = self.run(self.primary.replicate_secret_to_regions(request));
            let refused = refused.expect_err("a region that can have no replica");
            assert_eq!(
                refused.reason(),
                "InvalidParameterException",
                "{regions:?}: {refused}"
            );
            let request = CreateSecretRequest {
                add_replica_regions: regions.iter().map(|region| to(region)).collect(),
                ..creation("calls/not-made")
            };
            let refused = self.run(self.primary.create_secret(request)).unwrap_err();
            assert_eq!(refused.reason(), "InvalidParameterException", "{refused}");
        }
        let none = replicate("calls/home", &[], false);
        let none = self
            .run(self.primary.replicate_secret_to_regions(none))
            .unwrap_err();
        assert_eq!(
            none.reason(),
            "ValidationException",
            "AWS wants one at least"
        );
        let described = self.run(describe(&self.primary, "calls/home")).unwrap();
        assert!(described.replication_status.is_empty(), "{described:?}");
        let missing = replicate("calls/missing", &[NAMES[B]], false);
        let missing = self
            .run(self.primary.replicate_secret_to_regions(missing))
            .unwrap_err();
        assert_eq!(missing.reason(), "ResourceNotFoundException");
        let not_made = self
            .run(describe(&self.primary, "calls/not-made"))
            .unwrap_err();
        assert_eq!(not_made.reason(), "ResourceNotFoundException");
        // Naming a region again is no error.
        self.share("calls/made", false).unwrap();
        self.status("calls/made", ReplicationState::InSync);
    }

    fn refuses_changes_at_a_replica(&self) {
        let (client, id) = (&self.replica, || "calls/made".to_owned());
        let update = UpdateSecretRequest {
            secret_id: id(),
            description: Some("another".into()),
            ..UpdateSecretRequest::default()
        };
        let stage = UpdateSecretVersionStageRequest {
            secret_id: id(),
            version_stage: "MINE".into(),
            remove_from_version_id: None,
            move_to_version_id: Some(version(1)),
        };
        let tags = TagResourceRequest {
            secret_id: id(),
            tags: vec![tag("team", "red")],
        };
        let untag = UntagResourceRequest {
            secret_id: id(),
            tag_keys: vec!["team".into()],
        };
        let restore = RestoreSecretRequest { secret_id: id() };
        let share = replicate("calls/made", &["eu-nowhere-9"], false);
        let remove = remove("calls/made", &[NAMES[B]]);
        let refusals = self.run(async {
            [
                ("put", put(client, "calls/made", 2).await.err()),
                ("update", client.update_secret(update).await.err()),
                (
                    "stage",
                    client.update_secret_version_stage(stage).await.err(),
                ),
                ("tag", client.tag_resource(tags).await.err()),
                ("untag", client.untag_resource(untag).await.err()),
                (
                    "delete",
                    client.delete_secret(delete("calls/made")).await.err(),
                ),
                ("restore", client.restore_secret(restore).await.err()),
                (
                    "replicate",
                    client.replicate_secret_to_regions(share).await.err(),
                ),
                (
                    "remove",
                    client.remove_regions_from_replication(remove).await.err(),
                ),
            ]
        });
        let addresses = self.cluster.regions[A].endpoints();
        for (call, refused) in refusals {
            let refused = refused.unwrap_or_else(|| panic!("{call} is done at a replica"));
            assert_eq!(
                refused.reason(),
                "InvalidParameterException",
                "{call}: {refused}"
            );
            assert!(refused.to_string().contains(NOT_HERE), "{call}: {refused}");
            assert_eq!(refused.primary_region(), Some(NAMES[A]), "{call}");
            let mut told: Vec<_> = refused.primary_addresses();
            told.sort_unstable();
            assert_eq!(told.len(), addresses.len(), "{call}: {told:?}");
            let mut wanted = addresses.iter();
            assert!(wanted.all(|one| told.contains(&one.as_str())), "{call}");
        }
        assert_eq!(self.run(read(client, "calls/made")).unwrap(), Some(1));
    }

    fn follows_changes(&self) {
        let tags = TagResourceRequest {
            secret_id: "calls/made".into(),
            tags: vec![tag("team", "green")],
        };
        self.run(async {
            put(&self.primary, "calls/made", 2).await.unwrap();
            self.primary.tag_resource(tags).await.unwrap();
        });
        until_within(PATIENCE, "the replica has the change", || {
            let found = self.run(read(&self.replica, "calls/made")).ok()??;
            let described = self.run(describe(&self.replica, "calls/made")).ok()?;
            (found == 2 && described.tags == [tag("team", "green")]).then_some(())
        });
        let [at_primary, at_replica] = [&self.primary, &self.replica]
            .map(|client| shown(&self.run(describe(client, "calls/made")).unwrap()));
        assert_eq!(at_replica, at_primary);
    }

    fn says_that_a_name_is_taken_and_overwrites_when_forced(&self) {
        self.run(async {
            create(&self.replica, "calls/taken").await.unwrap();
            put(&self.replica, "calls/taken", 7).await.unwrap();
            create(&self.primary, "calls/taken").await.unwrap();
        });
        self.share("calls/taken", false).unwrap();
        let failed = self.status("calls/taken", ReplicationState::Failed);
        let message = failed.status_message.unwrap_or_default();
        assert!(message.contains("name"), "{message}");
        assert_eq!(
            self.run(read(&self.replica, "calls/taken")).unwrap(),
            Some(7)
        );
        self.share("calls/taken", true).unwrap();
        self.status("calls/taken", ReplicationState::InSync);
        assert_eq!(
            self.run(read(&self.replica, "calls/taken")).unwrap(),
            Some(1)
        );
        let described = self.run(describe(&self.replica, "calls/taken")).unwrap();
        assert_eq!(described.primary_region.as_deref(), Some(NAMES[A]));
    }

    fn does_not_overwrite_a_primary_with_replicas(&self) {
        let local = CreateSecretRequest {
            add_replica_regions: vec![to(NAMES[A])],
            ..creation("calls/primary")
        };
        self.run(self.replica.create_secret(local)).unwrap();
        until_within(PATIENCE, "it is in sync the other way", || {
            let described = self.run(describe(&self.replica, "calls/primary")).ok()?;
            let status = described.replication_status.first()?.status();
            (status == ReplicationState::InSync).then_some(())
        });
        // Its name is taken at home too, by the replica.
        let another = CreateSecretRequest {
            client_request_token: version(9),
            ..creation("calls/primary")
        };
        let refused = self.run(self.primary.create_secret(another)).unwrap_err();
        assert_eq!(refused.reason(), "ResourceExistsException", "{refused}");
        let other = CreateSecretRequest {
            add_replica_regions: vec![to(NAMES[A])],
            force_overwrite_replica_secret: true,
            ..creation("calls/made-over")
        };
        let local = CreateSecretRequest {
            add_replica_regions: vec![to(NAMES[B])],
            ..creation("calls/made-over")
        };
        self.cluster.cut(A, B, true);
        self.run(self.primary.create_secret(local)).unwrap();
        self.run(self.replica.create_secret(other)).unwrap();
        self.cluster.cut(A, B, false);
        until_within(PATIENCE, "neither is overwritten", || {
            let [ours, theirs] = [&self.primary, &self.replica].map(|client| {
                let described = self.run(describe(client, "calls/made-over")).ok()?;
                Some(described.replication_status.first()?.status())
            });
            let failed = Some(ReplicationState::Failed);
            (ours == failed && theirs == failed).then_some(())
        });
        for client in [&self.primary, &self.replica] {
            assert_eq!(self.run(read(client, "calls/made-over")).unwrap(), Some(1));
        }
    }

    fn fails_where_a_key_is_unknown(&self) {
        self.run(create(&self.primary, "calls/keyed")).unwrap();
        let request = ReplicateSecretToRegionsRequest {
            add_replica_regions: vec![ReplicaRegion {
                region: NAMES[B].into(),
                kms_key_id: Some("alias/unknown".into()),
            }],
            ..replicate("calls/keyed", &[], false)
        };
        self.run(self.primary.replicate_secret_to_regions(request))
            .unwrap();
        let failed = self.status("calls/keyed", ReplicationState::Failed);
        assert_eq!(failed.kms_key_id.as_deref(), Some("alias/unknown"));
        let message = failed.status_message.unwrap_or_default();
        assert!(message.to_lowercase().contains("key"), "{message}");
        // With a key that is there it is taken in.
        self.share("calls/keyed", false).unwrap();
        self.status("calls/keyed", ReplicationState::InSync);
        assert_eq!(
            self.run(read(&self.replica, "calls/keyed")).unwrap(),
            Some(1)
        );
    }

    fn is_not_deleted_while_it_has_replicas(&self) {
        let refused = self
            .run(self.primary.delete_secret(delete("calls/keyed")))
            .unwrap_err();
        assert_eq!(refused.reason(), "InvalidParameterException");
        let text = refused.to_string();
        assert!(
            text.contains("You can't delete secret") && text.contains(NAMES[B]),
            "{text}"
        );
        self.run(async {
            create(&self.primary, "calls/marked").await.unwrap();
            self.primary
                .delete_secret(delete("calls/marked"))
                .await
                .unwrap();
        });
        let calls = self.run(async {
            let share = replicate("calls/marked", &[NAMES[B]], false);
            let stop = StopReplicationToReplicaRequest {
                secret_id: "calls/marked".into(),
            };
            [
                self.primary.replicate_secret_to_regions(share).await.err(),
                self.primary
                    .remove_regions_from_replication(remove("calls/marked", &[NAMES[B]]))
                    .await
                    .err(),
                self.primary.stop_replication_to_replica(stop).await.err(),
            ]
        });
        for refused in calls.map(|refused| refused.expect("it was marked for deletion")) {
            assert_eq!(refused.reason(), "InvalidRequestException", "{refused}");
        }
    }

    fn notes_access_per_region(&self) {
        self.run(get(&self.replica, "calls/keyed")).unwrap();
        until_within(PATIENCE, "the access is noted where it was", || {
            let described = self.run(describe(&self.replica, "calls/keyed")).ok()?;
            described.last_accessed_date
        });
        let described = self.run(describe(&self.primary, "calls/keyed")).unwrap();
        assert_eq!(described.last_accessed_date, None, "nobody read it here");
    }

    fn removes_regions(&self) {
        // A region that has no replica may be named.
        let request = remove("calls/home", &[NAMES[B]]);
        self.run(self.primary.remove_regions_from_replication(request))
            .unwrap();
        let request = remove("calls/keyed", &[NAMES[B]]);
        let answer = self
            .run(self.primary.remove_regions_from_replication(request))
            .unwrap();
        assert!(answer.replication_status.is_empty(), "{answer:?}");
        until_within(PATIENCE, "the replica is gone", || {
            let found = self.run(read(&self.replica, "calls/keyed"));
            found.ok()?.is_none().then_some(())
        });
        self.run(create(&self.replica, "calls/keyed"))
            .expect("its name is free");
        self.run(self.primary.delete_secret(delete("calls/keyed")))
            .expect("it has no replica");
    }

    fn stops_replication(&self) {
        let stop = |client: &Client, name: &str| {
            let request = StopReplicationToReplicaRequest {
                secret_id: name.into(),
            };
            self.run(client.stop_replication_to_replica(request))
        };
        for (client, name) in [
            (&self.replica, "calls/keyed"),
            (&self.primary, "calls/made"),
        ] {
            let refused = stop(client, name).expect_err("it is no replica");
            assert_eq!(
                refused.reason(),
                "InvalidParameterException",
                "{name}: {refused}"
            );
        }
        let before = self.run(describe(&self.replica, "calls/made")).unwrap();
        // It works while the primary region is away.
        self.cluster.cut(A, B, true);
        let answer = stop(&self.replica, "calls/made").unwrap();
        assert_eq!(answer.arn, before.arn, "the same ARN");
        assert_eq!(
            self.run(read(&self.replica, "calls/made")).unwrap(),
            Some(2)
        );
        self.run(put(&self.replica, "calls/made", 3))
            .expect("a write of its own");
        let after = self.run(describe(&self.replica, "calls/made")).unwrap();
        assert_eq!(after.primary_region, None, "{after:?}");
        self.cluster.cut(A, B, false);
        until_within(PATIENCE, "the primary drops it", || {
            let described = self.run(describe(&self.primary, "calls/made")).ok()?;
            described.replication_status.is_empty().then_some(())
        });
        self.run(put(&self.primary, "calls/made", 4)).unwrap();
        self.cluster.wait_until_equal();
        assert_eq!(
            self.run(read(&self.replica, "calls/made")).unwrap(),
            Some(3)
        );
    }
}

/// What a replica shows as its primary does.
fn shown(described: &DescribeSecretResponse) -> (String, Option<String>, Vec<Tag>, Vec<String>) {
    let mut versions: Vec<String> = described
        .version_ids_to_stages
        .iter()
        .map(|(version, stages)| format!("{version} {:?}", stages.stages))
        .collect();
    versions.sort_unstable();
    let name = described.name.clone();
    (
        name,
        described.description.clone(),
        described.tags.clone(),
        versions,
    )
}

fn to(region: &str) -> ReplicaRegion {
    ReplicaRegion {
        region: region.into(),
        kms_key_id: None,
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.into(),
        value: value.into(),
    }
}

fn replicate(name: &str, regions: &[&str], forced: bool) -> ReplicateSecretToRegionsRequest {
    ReplicateSecretToRegionsRequest {
        secret_id: name.into(),
        add_replica_regions: regions.iter().map(|region| to(region)).collect(),
        force_overwrite_replica_secret: forced,
    }
}

fn remove(name: &str, regions: &[&str]) -> RemoveRegionsFromReplicationRequest {
    RemoveRegionsFromReplicationRequest {
        secret_id: name.into(),
        remove_replica_regions: regions.iter().map(|region| (*region).into()).collect(),
    }
}

fn delete(name: &str) -> DeleteSecretRequest {
    DeleteSecretRequest {
        secret_id: name.into(),
        recovery_window_in_days: Some(7),
        force_delete_without_recovery: false,
    }
}
