//! Versions and staging labels.

use wire::secrets::v1 as api;

use super::harness::{Region, assert_refused, refusal};
use super::requests::{create, get, labels, put, read, stage, token, update, versions};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_with_versions_has_one_current_and_labels_move_together() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    assert_eq!(labels(&mut client, "s").await, "1:AWSCURRENT");
    let stored = client
        .put_secret_value(put("s", 2, "two"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(stored.version_stages, ["AWSCURRENT"]);
    assert_eq!(labels(&mut client, "s").await, "1:AWSPREVIOUS 2:AWSCURRENT");
    let mut pending = put("s", 3, "three");
    pending.version_stages = vec!["AWSPENDING".to_owned()];
    client.put_secret_value(pending).await.unwrap();
    assert_eq!(
        labels(&mut client, "s").await,
        "1:AWSPREVIOUS 2:AWSCURRENT 3:AWSPENDING"
    );
    assert_eq!(read(&mut client, "s").await.unwrap(), "two");
    client
        .update_secret_version_stage(stage("s", "AWSCURRENT", Some(2), Some(3)))
        .await
        .unwrap();
    assert_eq!(
        labels(&mut client, "s").await,
        "2:AWSPREVIOUS 3:AWSCURRENT+AWSPENDING"
    );
    assert_eq!(read(&mut client, "s").await.unwrap(), "three");
    client
        .update_secret_version_stage(stage("s", "AWSPENDING", Some(3), None))
        .await
        .unwrap();
    assert_eq!(labels(&mut client, "s").await, "2:AWSPREVIOUS 3:AWSCURRENT");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_a_label_is_refused_word_for_word() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    client.put_secret_value(put("s", 2, "two")).await.unwrap();
    let request = stage("s", "AWSCURRENT", None, Some(1));
    assert_refused(
        client.update_secret_version_stage(request).await,
        "InvalidParameterException",
        &format!(
            "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is \
             currently attached to version {}, so you must explicitly reference that version in \
             RemoveFromVersionId.",
            token(2)
        ),
    );
    let request = stage("s", "AWSCURRENT", Some(2), None);
    assert_refused(
        client.update_secret_version_stage(request).await,
        "InvalidParameterException",
        "You can only move staging label AWSCURRENT to a different secret version. It can’t be \
         completely removed.",
    );
    let request = stage("s", "X", None, Some(9));
    let (reason, ..) = refusal(client.update_secret_version_stage(request).await);
    assert_eq!(reason, "ResourceNotFoundException");
    let request = stage("s", "", None, Some(1));
    let (reason, ..) = refusal(client.update_secret_version_stage(request).await);
    assert_eq!(reason, "ValidationException");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_read_by_id_by_label_or_by_both() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let created = client
        .create_secret(create("s", 1, "one"))
        .await
        .unwrap()
        .into_inner();
    client.put_secret_value(put("s", 2, "two")).await.unwrap();
    let chosen = |version: Option<u32>, label: Option<&str>| api::GetSecretValueRequest {
        version_id: version.map(token),
        version_stage: label.map(str::to_owned),
        ..get(&created.arn)
    };
    for (version, label, expected) in [
        (None, None, 2),
        (Some(1), None, 1),
        (None, Some("AWSPREVIOUS"), 1),
        (Some(2), Some("AWSCURRENT"), 2),
    ] {
        let read = client
            .get_secret_value(chosen(version, label))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(read.version_id, token(expected));
    }
    assert_refused(
        client
            .get_secret_value(chosen(Some(1), Some("AWSCURRENT")))
            .await,
        "InvalidRequestException",
        "You provided a VersionStage that is not associated to the provided VersionId.",
    );
    assert_refused(
        client.get_secret_value(chosen(Some(9), None)).await,
        "ResourceNotFoundException",
        &format!(
            "Secrets Manager can't find the specified secret value for VersionId: {}",
            token(9)
        ),
    );
    assert_refused(
        client.get_secret_value(chosen(None, Some("NONE"))).await,
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret value for staging label: NONE",
    );
    let partial = created.arn.rsplit_once('-').unwrap().0;
    assert_eq!(read(&mut client, partial).await.unwrap(), "two");
    let missing = "ResourceNotFoundException";
    // What another account has, nobody is told who may not read it.
    let denied = "AccessDeniedException";
    for (other, expected) in [
        (created.arn.replace("eu-west-1", "us-east-1"), missing),
        (created.arn.replace("000000000000", "000000000001"), denied),
        (format!("{partial}-AAAAAA"), missing),
    ] {
        let (reason, ..) = refusal(client.get_secret_value(get(&other)).await);
        assert_eq!(reason, expected, "{other}");
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_put_answers_the_same_and_stores_nothing() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let arn = client
        .create_secret(create("s", 1, "one"))
        .await
        .unwrap()
        .into_inner()
        .arn;
    let first = client
        .put_secret_value(put("s", 2, "two"))
        .await
        .unwrap()
        .into_inner();
    let again = client
        .put_secret_value(put("s", 2, "two"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    assert_refused(
        client.put_secret_value(put("s", 2, "three")).await,
        "ResourceExistsException",
        &format!(
            "You can't use ClientRequestToken {} because that value is already in use for a \
             version of secret {arn}.",
            token(2)
        ),
    );
    let valueless = api::PutSecretValueRequest {
        value: None,
        ..put("s", 3, "")
    };
    assert_refused(
        client.put_secret_value(valueless).await,
        "InvalidRequestException",
        "You must provide either SecretString or SecretBinary.",
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_used_again_with_anything_else_to_store_is_refused() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let described = |text: &str| api::CreateSecretRequest {
        description: text.to_owned(),
        ..create("s", 1, "one")
    };
    let created = client.create_secret(described("a")).await.unwrap();
    let again = client.create_secret(described("a")).await.unwrap();
    assert_eq!(created.into_inner(), again.into_inner());
    let used = |outcome| {
        let (reason, _, message) = refusal(outcome);
        assert_eq!(reason, "ResourceExistsException", "{message}");
        assert!(
            message.contains(&token(1)) || message.contains(&token(2)),
            "{message}"
        );
    };
    used(client.create_secret(described("b")).await.map(drop));
    let update = |text: &str| api::UpdateSecretRequest {
        client_request_token: token(2),
        value: Some(api::update_secret_request::Value::SecretString(
            "two".to_owned(),
        )),
        description: Some(text.to_owned()),
        ..update("s")
    };
    for _ in 0..2 {
        client.update_secret(update("c")).await.unwrap();
    }
    // Answered as done, this would be lost without a word.
    used(client.update_secret(update("d")).await.map(drop));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_come_back_as_bytes() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let bytes: Vec<u8> = (0..=255).cycle().take(65_536).collect();
    let mut request = create("s", 1, "");
    request.value = Some(api::create_secret_request::Value::SecretBinary(
        bytes.clone(),
    ));
    client.create_secret(request).await.unwrap();
    let read = client
        .get_secret_value(get("s"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        read.value,
        Some(api::get_secret_value_response::Value::SecretBinary(bytes))
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_in_pages_with_the_deprecated_when_asked() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "v1")).await.unwrap();
    for number in 2..=5 {
        client
            .put_secret_value(put("s", number, &format!("v{number}")))
            .await
            .unwrap();
    }
    let listed = client
        .list_secret_version_ids(versions("s"))
        .await
        .unwrap()
        .into_inner();
    let ids = |reply: &api::ListSecretVersionIdsResponse| {
        reply
            .versions
            .iter()
            .map(|version| version.version_id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&listed), [token(4), token(5)]);
    assert_eq!(listed.next_token, "");
    assert_eq!(listed.versions[0].kms_key_ids, ["DefaultEncryptionKey"]);
    let mut request = api::ListSecretVersionIdsRequest {
        include_deprecated: true,
        max_results: Some(2),
        ..versions("s")
    };
    let mut all = Vec::new();
    loop {
        let page = client
            .list_secret_version_ids(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(page.versions.len() <= 2);
        all.extend(ids(&page));
        if page.next_token.is_empty() {
            break;
        }
        request.next_token = page.next_token;
    }
    assert_eq!(all, (1..=5).map(token).collect::<Vec<_>>());
    request.include_deprecated = false;
    let (reason, ..) = refusal(client.list_secret_version_ids(request).await);
    assert_eq!(reason, "InvalidNextTokenException");
    region.stop().await;
}
