//! ListSecrets: filters, order, pages.

use wire::secrets::v1 as api;
use wire::secrets::v1::{FilterKey, SortBy, SortOrder};

use super::harness::{Region, SecretsClient, assert_refused, refusal};
use super::requests::{create, delete, put, tag};

fn filter(key: FilterKey, values: &[&str]) -> api::Filter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    api::Filter {
        key: key.into(),
        values,
    }
}

fn filtered(filters: Vec<api::Filter>) -> api::ListSecretsRequest {
    api::ListSecretsRequest {
        filters,
        ..Default::default()
    }
}

async fn names(client: &mut SecretsClient, request: api::ListSecretsRequest) -> Vec<String> {
    let reply = client.list_secrets(request).await.unwrap().into_inner();
    reply
        .secret_list
        .into_iter()
        .map(|secret| secret.name)
        .collect()
}

async fn three(client: &mut SecretsClient) {
    for (number, name, description) in [
        (1, "prod/db", "The main database"),
        (2, "prod/COMPANYthings", ""),
        (3, "test/db", "an secret"),
    ] {
        let mut request = create(name, number, "x");
        request.description = description.to_owned();
        client.create_secret(request).await.unwrap();
    }
    client
        .tag_resource(tag("prod/db", &[("team", "Red"), ("env", "prod")]))
        .await
        .unwrap();
    client
        .tag_resource(tag("test/db", &[("team", "Blue")]))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_match_as_the_service_matches() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    three(&mut client).await;
    let all = ["prod/db", "prod/COMPANYthings", "test/db"];
    let cases: Vec<(Vec<api::Filter>, &[&str])> = vec![
        (vec![], &all),
        (vec![filter(FilterKey::Name, &["prod"])], &all[..2]),
        (vec![filter(FilterKey::Name, &["Prod"])], &[]),
        (vec![filter(FilterKey::Name, &["!prod"])], &all[2..]),
        (
            vec![filter(FilterKey::Name, &["prod/d", "test"])],
            &["prod/db", "test/db"],
        ),
        (
            vec![
                filter(FilterKey::Name, &["prod"]),
                filter(FilterKey::TagKey, &["team"]),
            ],
            &all[..1],
        ),
        (
            vec![filter(FilterKey::TagKey, &["te"])],
            &["prod/db", "test/db"],
        ),
        (
            vec![filter(FilterKey::TagKey, &["!te"])],
            &["prod/COMPANYthings"],
        ),
        (vec![filter(FilterKey::TagValue, &["Re"])], &all[..1]),
        (vec![filter(FilterKey::TagValue, &["re"])], &[]),
        (
            vec![filter(FilterKey::Description, &["a secret"])],
            &all[2..],
        ),
        (
            vec![filter(FilterKey::Description, &["MAIN data"])],
            &all[..1],
        ),
        (
            vec![filter(FilterKey::All, &["compan"])],
            &["prod/COMPANYthings"],
        ),
        (vec![filter(FilterKey::All, &["blue"])], &all[2..]),
        (vec![filter(FilterKey::All, &["+"])], &[]),
        (vec![filter(FilterKey::PrimaryRegion, &["eu"])], &[]),
        (vec![filter(FilterKey::OwningService, &["!rds"])], &all),
    ];
    for (filters, expected) in cases {
        let shown = format!("{filters:?}");
        assert_eq!(
            names(&mut client, filtered(filters)).await,
            expected,
            "{shown}"
        );
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_is_paged_without_gaps_or_repetitions() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    for number in 1..=7 {
        // Names run against creation.
        client
            .create_secret(create(&format!("s{}", 9 - number), number, "x"))
            .await
            .unwrap();
    }
    client.put_secret_value(put("s6", 20, "y")).await.unwrap();
    let created = ["s8", "s7", "s6", "s5", "s4", "s3", "s2"];
    let named = ["s2", "s3", "s4", "s5", "s6", "s7", "s8"];
    let changed = ["s8", "s7", "s5", "s4", "s3", "s2", "s6"];
    let orders = [
        (SortBy::Unspecified, created),
        (SortBy::CreatedDate, created),
        (SortBy::Name, named),
        (SortBy::LastChangedDate, changed),
        (SortBy::LastAccessedDate, created),
    ];
    for (sort_by, expected) in orders {
        for (order, descending) in [(SortOrder::Asc, false), (SortOrder::Desc, true)] {
            let mut request = api::ListSecretsRequest {
                max_results: Some(3),
                sort_by: sort_by.into(),
                sort_order: order.into(),
                ..Default::default()
            };
            let mut found = Vec::new();
            loop {
                let page = client
                    .list_secrets(request.clone())
                    .await
                    .unwrap()
                    .into_inner();
                found.extend(page.secret_list.into_iter().map(|secret| secret.name));
                if page.next_token.is_empty() {
                    break;
                }
                request.next_token = page.next_token;
            }
            let mut expected = expected.to_vec();
            if descending {
                expected.reverse();
            }
            assert_eq!(found, expected, "{sort_by:?} {order:?}");
        }
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_secrets_are_listed_only_when_asked() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    three(&mut client).await;
    client.delete_secret(delete("prod/db")).await.unwrap();
    let shown = names(&mut client, filtered(vec![])).await;
    assert_eq!(shown, ["prod/COMPANYthings", "test/db"]);
    let request = api::ListSecretsRequest {
        include_planned_deletion: true,
        ..Default::default()
    };
    assert_eq!(names(&mut client, request).await.len(), 3);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_refused_word_for_word() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    three(&mut client).await;
    assert_refused(
        client
            .list_secrets(filtered(vec![filter(FilterKey::Name, &[])]))
            .await,
        "InvalidParameterException",
        "Invalid filter values: must provide at least one.",
    );
    let unknown = api::Filter {
        key: 99,
        values: vec!["x".to_owned()],
    };
    let (reason, _, message) = refusal(client.list_secrets(filtered(vec![unknown])).await);
    assert_eq!(reason, "ValidationException");
    assert!(message.contains("filters.1.member.key"), "{message}");
    let many = vec![filter(FilterKey::Name, &["x"]); 11];
    let (reason, ..) = refusal(client.list_secrets(filtered(many)).await);
    assert_eq!(reason, "ValidationException");
    for value in ["*", "ä", "a#b", &"x".repeat(513)] {
        let request = filtered(vec![filter(FilterKey::Name, &[value])]);
        let (reason, ..) = refusal(client.list_secrets(request).await);
        assert_eq!(reason, "ValidationException", "{value}");
    }
    for items in [0, -1, 101, i32::MIN, i32::MAX] {
        let request = api::ListSecretsRequest {
            max_results: Some(items),
            ..Default::default()
        };
        let (reason, ..) = refusal(client.list_secrets(request).await);
        assert_eq!(reason, "ValidationException", "{items}");
    }
    let mut request = api::ListSecretsRequest {
        max_results: Some(1),
        ..Default::default()
    };
    let page = client
        .list_secrets(request.clone())
        .await
        .unwrap()
        .into_inner();
    for token in [
        "x".to_owned(),
        page.next_token.replace('A', "B"),
        "=".repeat(9000),
    ] {
        let request = api::ListSecretsRequest {
            next_token: token,
            ..request.clone()
        };
        let (reason, ..) = refusal(client.list_secrets(request).await);
        assert_eq!(reason, "InvalidNextTokenException");
    }
    request.next_token = page.next_token;
    request.sort_by = SortBy::Name.into();
    let (reason, ..) = refusal(client.list_secrets(request).await);
    assert_eq!(reason, "InvalidNextTokenException");
    region.stop().await;
}
