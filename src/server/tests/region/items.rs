//! I7 and R35: what is about many secrets is decided of each. A batch, a watch and a list give what
//! their caller may have, and tell nothing of the rest.

use std::time::Duration;

use tonic::Streaming;
use wire::secrets::v1 as api;
use wire::secrets::v1::watch_response::Item;
use wire::secrets::v1::{FilterKey, SecretChange, SortBy, WatchResponse};

use super::harness::{Region, SecretsClient, refusal};
use super::principals::{Change, change, inline, known, policy, secrets_like};
use super::requests::{create, put};

const PATIENCE: Duration = Duration::from_secs(20);
const GET: &str = "secretsmanager:GetSecretValue";
const LIST: &str = "secretsmanager:ListSecrets";
const BATCH: &str = "secretsmanager:BatchGetSecretValue";

/// What a batch answers: the names that were read, and what was refused by id and reason.
type Answered = (Vec<String>, Vec<(String, String)>);

fn named(ids: &[&str]) -> api::BatchGetSecretValueRequest {
    api::BatchGetSecretValueRequest {
        secret_id_list: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    }
}

fn by_name(begin: &str) -> api::BatchGetSecretValueRequest {
    let filter = api::Filter {
        key: FilterKey::Name.into(),
        values: vec![begin.to_owned()],
    };
    api::BatchGetSecretValueRequest {
        filters: vec![filter],
        ..Default::default()
    }
}

async fn batch(client: &mut SecretsClient, ask: api::BatchGetSecretValueRequest) -> Answered {
    let reply = client.batch_get_secret_value(ask).await.unwrap();
    let reply = reply.into_inner();
    let values = reply.secret_values.iter();
    let values = values.map(|value| value.name.clone()).collect();
    let errors = reply.errors.iter();
    let errors = errors.map(|error| (error.secret_id.clone(), error.error_code.clone()));
    (values, errors.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_gives_what_its_caller_may_read_and_a_refusal_for_each_other_secret() {
    let region = Region::start(1).await;
    let mut access = region.access();
    let alice = known(&mut access, "alice").await;
    let mut root = region.secrets(0);
    let mut arns = Vec::new();
    for (number, name) in (1..).zip(["item/one", "item/two", "item/three"]) {
        let made = root.create_secret(create(name, number, name)).await;
        arns.push(made.unwrap().into_inner().arn.clone());
    }
    let mut client = region.secrets_as("alice");
    let ids = ["item/one", "item/two", "missing", "item/three"];
    let (reason, ..) = refusal(client.batch_get_secret_value(named(&ids)).await);
    assert_eq!(reason, "AccessDeniedException");
    for (name, document) in [
        ("batch", policy("Allow", BATCH, "*")),
        ("list", policy("Allow", LIST, "*")),
        ("one", policy("Allow", GET, &arns[0])),
        ("three", policy("Allow", GET, &arns[2])),
    ] {
        let granted = change(&mut access, &alice, inline(name, &document)).await;
        granted.unwrap();
    }
    let denied = |id: &str| (id.to_owned(), "AccessDeniedException".to_owned());
    let (values, errors) = batch(&mut client, named(&ids)).await;
    assert_eq!(values, ["item/one", "item/three"]);
    // What is there and what is not look the same to who may read neither.
    assert_eq!(errors, [denied("item/two"), denied("missing")]);
    let reply = client.batch_get_secret_value(named(&ids)).await.unwrap();
    let errors = &reply.get_ref().errors;
    assert_eq!(errors[0].message, errors[1].message);
    let (values, errors) = batch(&mut client, by_name("item/")).await;
    assert_eq!(values, ["item/one", "item/three"]);
    assert_eq!(errors, [denied(&arns[1])]);
    // A filter finds nothing that a list would not show.
    let narrow = inline("list", &policy("Allow", LIST, &arns[0]));
    change(&mut access, &alice, narrow).await.unwrap();
    let (values, errors) = batch(&mut client, by_name("item/")).await;
    assert_eq!(values, ["item/one"]);
    assert!(errors.is_empty(), "{errors:?}");
    region.stop().await;
}

async fn told(stream: &mut Streaming<WatchResponse>) -> SecretChange {
    loop {
        let message = tokio::time::timeout(PATIENCE, stream.message());
        let message = message.await.unwrap().unwrap().unwrap();
        if let Some(Item::Change(change)) = message.item {
            return change;
        }
    }
}

/// Waits for the end of a watch, before which it tells of no change any more.
async fn ended(stream: &mut Streaming<WatchResponse>) {
    loop {
        let message = tokio::time::timeout(PATIENCE, stream.message());
        match message.await.unwrap() {
            Ok(Some(message)) => assert!(!matches!(message.item, Some(Item::Change(_)))),
            Ok(None) | Err(_) => return,
        }
    }
}

async fn watched(client: &mut SecretsClient, ids: &[&str]) -> Streaming<WatchResponse> {
    let request = api::WatchRequest {
        secret_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    };
    client.watch(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_of_no_secret_that_its_reader_may_not_read_at_that_moment() {
    let region = Region::start(1).await;
    let mut access = region.access();
    let alice = known(&mut access, "alice").await;
    let mut root = region.secrets(0);
    for (number, name) in [(1, "mine"), (2, "other")] {
        let made = root.create_secret(create(name, number, "x")).await;
        made.unwrap();
    }
    let mine = inline("mine", &policy("Allow", GET, &secrets_like("mine")));
    change(&mut access, &alice, mine).await.unwrap();
    let mut client = region.secrets_as("alice");
    let mut all = watched(&mut client, &[]).await;
    let mut some = watched(&mut client, &["other", "mine"]).await;
    for (number, name) in [(3, "other"), (4, "mine")] {
        root.put_secret_value(put(name, number, "y")).await.unwrap();
    }
    assert_eq!(told(&mut all).await.name, "mine");
    assert_eq!(told(&mut some).await.name, "mine");
    // Taken away, it is silent from the next change on.
    let without = Change::DeleteInlinePolicy("mine".to_owned());
    change(&mut access, &alice, without).await.unwrap();
    root.put_secret_value(put("mine", 5, "z")).await.unwrap();
    let other = inline("other", &policy("Allow", GET, &secrets_like("other")));
    change(&mut access, &alice, other).await.unwrap();
    root.put_secret_value(put("other", 6, "z")).await.unwrap();
    assert_eq!(told(&mut all).await.name, "other");
    assert_eq!(told(&mut some).await.name, "other");
    let disabled = change(&mut access, &alice, Change::Enabled(false)).await;
    disabled.unwrap();
    root.put_secret_value(put("other", 7, "w")).await.unwrap();
    ended(&mut all).await;
    ended(&mut some).await;
    region.stop().await;
}

fn pages_of_two(sort_by: SortBy) -> api::ListSecretsRequest {
    api::ListSecretsRequest {
        max_results: Some(2),
        sort_by: sort_by.into(),
        ..Default::default()
    }
}

/// The names of all pages of a list.
async fn pages(client: &mut SecretsClient, mut ask: api::ListSecretsRequest) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let page = client.list_secrets(ask.clone()).await.unwrap().into_inner();
        let secrets = page.secret_list.iter();
        pages.push(secrets.map(|secret| secret.name.clone()).collect());
        ask.next_token = page.next_token.clone();
        if ask.next_token.is_empty() {
            return pages;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_all_to_who_may_list_all_and_to_others_full_pages_of_what_they_may() {
    let region = Region::start(1).await;
    let mut access = region.access();
    let alice = known(&mut access, "alice").await;
    let mut root = region.secrets(0);
    // The first and the last are another's, in either order.
    let names = [
        "a/1", "mine/1", "a/2", "mine/2", "mine/3", "other/1", "mine/4", "other/2",
    ];
    for (number, name) in (1..).zip(names) {
        let made = root.create_secret(create(name, number, "x")).await;
        made.unwrap();
    }
    let mut client = region.secrets_as("alice");
    let asked = client.list_secrets(api::ListSecretsRequest::default());
    let (reason, ..) = refusal(asked.await);
    assert_eq!(reason, "AccessDeniedException");
    let narrow = inline("list", &policy("Allow", LIST, &secrets_like("mine/*")));
    change(&mut access, &alice, narrow).await.unwrap();
    for sort_by in [SortBy::CreatedDate, SortBy::Name] {
        // Full pages, and no token behind the last that says that there is more.
        assert_eq!(
            pages(&mut client, pages_of_two(sort_by)).await,
            [["mine/1", "mine/2"], ["mine/3", "mine/4"]],
            "{sort_by:?}"
        );
    }
    let first = client.list_secrets(pages_of_two(SortBy::CreatedDate)).await;
    let next_token = first.unwrap().into_inner().next_token.clone();
    let of_another_list = api::ListSecretsRequest {
        next_token: next_token.clone(),
        include_planned_deletion: true,
        ..pages_of_two(SortBy::CreatedDate)
    };
    let (reason, ..) = refusal(client.list_secrets(of_another_list).await);
    assert_eq!(reason, "InvalidNextTokenException");
    // Each page is decided anew, whoever was given its token.
    let nothing = Change::DeleteInlinePolicy("list".to_owned());
    change(&mut access, &alice, nothing).await.unwrap();
    let second = api::ListSecretsRequest {
        next_token,
        ..pages_of_two(SortBy::CreatedDate)
    };
    let shown = match client.list_secrets(second).await {
        Ok(page) => page.into_inner().secret_list.len(),
        Err(_) => 0,
    };
    assert_eq!(shown, 0);
    let all = inline("list", &policy("Allow", LIST, "*"));
    change(&mut access, &alice, all).await.unwrap();
    let shown = pages(&mut client, pages_of_two(SortBy::CreatedDate)).await;
    assert_eq!(shown.concat(), names);
    region.stop().await;
}
