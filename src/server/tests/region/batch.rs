//! BatchGetSecretValue.

use wire::secrets::v1 as api;
use wire::secrets::v1::FilterKey;

use super::harness::{Region, assert_refused, refusal};
use super::requests::{create, delete, tag};

fn named(ids: &[&str]) -> api::BatchGetSecretValueRequest {
    let secret_id_list = ids.iter().map(|id| (*id).to_owned()).collect();
    api::BatchGetSecretValueRequest {
        secret_id_list,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_per_secret() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("one", 1, "1")).await.unwrap();
    client.create_secret(create("gone", 2, "2")).await.unwrap();
    client.delete_secret(delete("gone")).await.unwrap();
    let request = named(&["one", "missing", "gone", "b!d"]);
    let reply = client
        .batch_get_secret_value(request)
        .await
        .unwrap()
        .into_inner();
    let read: Vec<&str> = reply
        .secret_values
        .iter()
        .map(|value| value.name.as_str())
        .collect();
    assert_eq!(read, ["one"]);
    let value = api::secret_value_entry::Value::SecretString("1".to_owned());
    assert_eq!(reply.secret_values[0].value, Some(value));
    let errors: Vec<(&str, &str)> = reply
        .errors
        .iter()
        .map(|error| (error.secret_id.as_str(), error.error_code.as_str()))
        .collect();
    assert_eq!(
        errors,
        [
            ("missing", "ResourceNotFoundException"),
            ("gone", "InvalidRequestException"),
            ("b!d", "ValidationException")
        ]
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_found_by_a_filter_come_in_pages() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    for number in 1..=5 {
        let name = format!("s{number}");
        client
            .create_secret(create(&name, number, &name))
            .await
            .unwrap();
        client
            .tag_resource(tag(&name, &[("app", "shop")]))
            .await
            .unwrap();
    }
    client.create_secret(create("other", 9, "x")).await.unwrap();
    let filter = api::Filter {
        key: FilterKey::TagValue.into(),
        values: vec!["shop".to_owned()],
    };
    let mut request = api::BatchGetSecretValueRequest {
        filters: vec![filter],
        max_results: Some(2),
        ..Default::default()
    };
    let mut read = Vec::new();
    loop {
        let reply = client
            .batch_get_secret_value(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(reply.errors.is_empty() && reply.secret_values.len() <= 2);
        read.extend(
            reply
                .secret_values
                .into_iter()
                .map(|value| value.name.clone()),
        );
        if reply.next_token.is_empty() {
            break;
        }
        request.next_token = reply.next_token;
    }
    assert_eq!(read, ["s1", "s2", "s3", "s4", "s5"]);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_refused_word_for_word() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let filter = api::Filter {
        key: FilterKey::Name.into(),
        values: vec!["x".to_owned()],
    };
    let both = api::BatchGetSecretValueRequest {
        filters: vec![filter],
        ..named(&["x"])
    };
    for request in [both, named(&[])] {
        assert_refused(
            client.batch_get_secret_value(request).await,
            "InvalidParameterException",
            "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
        );
    }
    let request = api::BatchGetSecretValueRequest {
        max_results: Some(1),
        ..named(&["x"])
    };
    assert_refused(
        client.batch_get_secret_value(request).await,
        "InvalidParameterException",
        "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.",
    );
    let (reason, ..) = refusal(client.batch_get_secret_value(named(&["x"; 21])).await);
    assert_eq!(reason, "ValidationException");
    region.stop().await;
}
