//! When a call is sent again.

use std::time::Duration;

use client::{
    Error, Retry,
    secrets::v1::{
        CreateSecretRequest, DeleteSecretRequest, DescribeSecretRequest, DescribeSecretResponse,
        GetRandomPasswordRequest, PutSecretValueRequest, PutSecretValueResponse,
        TagResourceRequest, UpdateSecretRequest, create_secret_request, put_secret_value_request,
        update_secret_request,
    },
};
use tonic::Code;

use crate::region::{Region, Reply, refusal, stopping};

fn put() -> PutSecretValueRequest {
    let value = put_secret_value_request::Value::SecretString("s".to_owned());
    let secret_id = "app/db".to_owned();
    PutSecretValueRequest {
        secret_id,
        value: Some(value),
        ..Default::default()
    }
}

fn unknown() -> Reply {
    Reply::Refuse(refusal(Code::Unavailable, "OutcomeUnknown", "unknown"))
}

#[tokio::test]
async fn all_attempts_of_a_write_carry_the_same_token() {
    let answer = PutSecretValueResponse {
        name: "app/db".to_owned(),
        ..Default::default()
    };
    let replies = [stopping(), unknown(), Reply::answer(&answer)];
    let region = Region::start(1, replies).await;
    let answered = region
        .client()
        .put_secret_value(put())
        .await
        .expect("an answer");
    assert_eq!(answered, answer);
    let tokens: Vec<String> = region
        .asked()
        .iter()
        .map(|asked| {
            asked
                .message::<PutSecretValueRequest>()
                .client_request_token
        })
        .collect();
    assert_eq!(tokens.len(), 3);
    assert_eq!(tokens[0].len(), 36, "a UUID");
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");

    region.add(Reply::answer(&answer));
    region
        .client()
        .put_secret_value(put())
        .await
        .expect("an answer");
    let next = region.asked()[3].message::<PutSecretValueRequest>();
    assert_ne!(
        next.client_request_token, tokens[0],
        "another write, another token"
    );
}

#[tokio::test]
async fn a_token_of_the_caller_is_kept() {
    let region = Region::start(1, [Reply::answer(&PutSecretValueResponse::default())]).await;
    let token = "00000000-0000-0000-0000-000000000001".to_owned();
    let request = PutSecretValueRequest {
        client_request_token: token.clone(),
        ..put()
    };
    region
        .client()
        .put_secret_value(request)
        .await
        .expect("an answer");
    let sent = region.asked()[0].message::<PutSecretValueRequest>();
    assert_eq!(sent.client_request_token, token);
}

#[tokio::test]
async fn a_call_is_sent_four_times_at_most() {
    let region = Region::start(2, (0..10).map(|_| stopping())).await;
    let request = DescribeSecretRequest {
        secret_id: "app/db".to_owned(),
    };
    let error = region
        .client()
        .describe_secret(request)
        .await
        .expect_err("nobody serves");
    assert_eq!(
        (error.reason(), error.retry()),
        ("ServiceUnavailable", Retry::Safe)
    );
    let nodes: Vec<u64> = region.asked().iter().map(|asked| asked.node).collect();
    assert_eq!(nodes.len(), 4);
    assert!(
        nodes.windows(2).all(|pair| pair[0] != pair[1]),
        "each time another: {nodes:?}"
    );
}

#[tokio::test]
async fn a_write_without_a_token_is_sent_again_only_if_nothing_was_done() {
    let region = Region::start(1, []).await;
    let client = region.client();
    let secret_id = || "app/db".to_owned();

    region.add(unknown());
    let request = DeleteSecretRequest {
        secret_id: secret_id(),
        ..Default::default()
    };
    let error = client
        .delete_secret(request)
        .await
        .expect_err("the outcome is unknown");
    assert_eq!(
        (error.reason(), error.retry()),
        ("OutcomeUnknown", Retry::Unknown)
    );

    region.add(unknown());
    let request = TagResourceRequest {
        secret_id: secret_id(),
        tags: Vec::new(),
    };
    client
        .tag_resource(request)
        .await
        .expect_err("the outcome is unknown");

    // Without a value the token becomes no version, and holds nothing back.
    region.add(unknown());
    let request = UpdateSecretRequest {
        secret_id: secret_id(),
        ..Default::default()
    };
    client
        .update_secret(request)
        .await
        .expect_err("the outcome is unknown");
    region.add(unknown());
    let request = CreateSecretRequest {
        name: secret_id(),
        ..Default::default()
    };
    client
        .create_secret(request)
        .await
        .expect_err("the outcome is unknown");
    assert_eq!(region.asked().len(), 4);

    region.add(unknown());
    let value = update_secret_request::Value::SecretBinary(vec![1]);
    let request = UpdateSecretRequest {
        secret_id: secret_id(),
        value: Some(value),
        ..Default::default()
    };
    client
        .update_secret(request)
        .await
        .expect_err("the script is over");
    assert_eq!(region.asked().len(), 6);
}

#[tokio::test]
async fn a_write_that_an_attempt_may_have_done_stays_unknown() {
    let replies = [unknown(), stopping(), stopping(), stopping()];
    let region = Region::start(1, replies).await;
    let error = region.client().put_secret_value(put()).await;
    let error = error.expect_err("nobody answers");
    assert_eq!(error.retry(), Retry::Unknown, "{error:?}");
    assert_eq!(region.asked().len(), 4);
}

#[tokio::test]
async fn a_write_that_one_attempt_may_have_done_is_not_refused_by_the_next() {
    let refused = || {
        let why = refusal(Code::FailedPrecondition, "InvalidRequestException", "no");
        Reply::Refuse(why)
    };
    let first = [unknown(), Reply::Hang];
    for replies in first.map(|first| [first, refused()]) {
        let region = Region::start(2, replies).await;
        let client = region.client().with_timeout(Duration::from_millis(1_900));
        let error = client.put_secret_value(put()).await;
        let error = error.expect_err("nobody says that it was done");
        assert_eq!(error.retry(), Retry::Unknown, "{error:?}");
        assert_eq!(region.asked().len(), 2, "a refusal is not asked for again");
    }
    let region = Region::start(1, [stopping(), refused()]).await;
    let error = region.client().put_secret_value(put()).await;
    let error = error.expect_err("surely nothing was done");
    assert_eq!(error.reason(), "InvalidRequestException");
}

#[tokio::test]
async fn a_node_that_hangs_leaves_time_for_another() {
    let answer = DescribeSecretResponse {
        name: "app/db".to_owned(),
        ..Default::default()
    };
    let region = Region::start(2, [Reply::Hang, Reply::answer(&answer)]).await;
    let client = region.client().with_timeout(Duration::from_millis(2_400));
    let request = DescribeSecretRequest {
        secret_id: "app/db".to_owned(),
    };
    assert_eq!(
        client.describe_secret(request).await.expect("an answer"),
        answer
    );
    let asked = region.asked();
    assert_ne!(asked[0].node, asked[1].node);
    assert!(
        asked[0].metadata("grpc-timeout").is_some(),
        "the node knows the time"
    );
}

#[tokio::test]
async fn a_node_that_hangs_is_given_up_in_time_when_too_many_calls_were_doubled() {
    let region = Region::start(2, []).await;
    let client = region.client();
    let request = || DescribeSecretRequest {
        secret_id: "app/db".to_owned(),
    };
    // A hundred are doubled at once; then nothing is answered that would allow more.
    while client.call_counts().doubled < 100 {
        let missing = 100 - client.call_counts().doubled;
        let calls = (0..missing).map(|_| {
            region.add(Reply::Hang);
            region.add(Reply::Hang);
            let client = client.clone().with_timeout(Duration::from_millis(900));
            async move { client.describe_secret(request()).await }
        });
        let failed = futures::future::join_all(calls).await;
        assert!(failed.iter().all(Result::is_err), "nobody answers");
    }
    let before = client.call_counts();
    region.forget();
    let answer = DescribeSecretResponse {
        name: "app/db".to_owned(),
        ..Default::default()
    };
    region.add(Reply::Hang);
    region.add(Reply::answer(&answer));
    let client = client.with_timeout(Duration::from_millis(2_400));
    let answered = client.describe_secret(request()).await;
    assert_eq!(answered.expect("an answer"), answer);
    let after = client.call_counts();
    assert_eq!(after.doubled, before.doubled);
    assert_eq!(after.repeated, before.repeated + 1);
}

#[tokio::test]
async fn a_node_that_failed_is_asked_again_only_after_the_others() {
    let answer = PutSecretValueResponse::default();
    for silent in [Reply::Hang, stopping()] {
        let replies = [silent, stopping(), Reply::answer(&answer)];
        let region = Region::start(3, replies).await;
        let answered = region.client().put_secret_value(put()).await;
        answered.expect("the third node answers");
        let mut nodes: Vec<u64> = region.asked().iter().map(|asked| asked.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        assert_eq!(nodes.len(), 3, "each once");
    }
}

#[tokio::test]
async fn a_silent_node_is_not_waited_for_where_another_may_be_asked_as_well() {
    let answer = PutSecretValueResponse {
        name: "app/db".to_owned(),
        ..Default::default()
    };
    let replies = [Reply::Hang, Reply::answer(&answer), Reply::answer(&answer)];
    let region = Region::start(2, replies).await;
    // Half of its time is as long as a call waits for one node.
    let client = region.client().with_timeout(Duration::from_secs(120));
    let both = tokio::time::timeout(Duration::from_secs(30), async {
        for _ in 0..2 {
            let answered = client.put_secret_value(put()).await;
            assert_eq!(answered.expect("an answer"), answer);
        }
    });
    both.await.expect("well within the time of the calls");
    let asked = region.asked();
    let nodes: Vec<u64> = asked.iter().map(|asked| asked.node).collect();
    assert_ne!(nodes[0], nodes[1]);
    assert_eq!(
        nodes[1], nodes[2],
        "the next call begins where one was answered"
    );
    let token = |at: usize| {
        asked[at]
            .message::<PutSecretValueRequest>()
            .client_request_token
    };
    assert_eq!(token(0), token(1), "one write");
    let counts = client.call_counts();
    assert_eq!((counts.calls, counts.repeated, counts.doubled), (2, 0, 1));
}

#[tokio::test]
async fn what_another_node_refuses_for_good_ends_a_call_to_a_silent_one() {
    let refused = Reply::Refuse(refusal(Code::NotFound, "ResourceNotFoundException", "no"));
    let region = Region::start(2, [Reply::Hang, refused]).await;
    let client = region.client().with_timeout(Duration::from_secs(120));
    let request = DescribeSecretRequest::default();
    let call = tokio::time::timeout(Duration::from_secs(30), client.describe_secret(request));
    let error = call
        .await
        .expect("well within its time")
        .expect_err("refused");
    assert_eq!(error.reason(), "ResourceNotFoundException");
    assert_eq!(region.asked().len(), 2);
}

#[tokio::test]
async fn a_write_that_would_be_done_twice_waits_for_a_silent_node() {
    let region = Region::start(2, [Reply::Hang]).await;
    let client = region.client().with_timeout(Duration::from_millis(1_500));
    let request = DeleteSecretRequest::default();
    let error = client.delete_secret(request).await.expect_err("silence");
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert_eq!(region.asked().len(), 1);
    assert_eq!(client.call_counts().doubled, 0);
}

#[tokio::test]
async fn a_secret_is_not_created_by_two_nodes_at_a_time() {
    let region = Region::start(2, [Reply::Hang]).await;
    let client = region.client().with_timeout(Duration::from_millis(1_500));
    let request = CreateSecretRequest {
        name: "app/db".to_owned(),
        value: Some(create_secret_request::Value::SecretString("1".into())),
        ..Default::default()
    };
    let error = client.create_secret(request).await.expect_err("silence");
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert_eq!(client.call_counts().doubled, 0);
}

#[tokio::test]
async fn what_changes_nothing_is_refused_by_the_node_that_says_so() {
    let refused = Reply::Refuse(refusal(
        Code::PermissionDenied,
        "AccessDeniedException",
        "no",
    ));
    let region = Region::start(1, [unknown(), refused]).await;
    let request = GetRandomPasswordRequest::default();
    let error = region.client().get_random_password(request).await;
    assert_eq!(
        error.expect_err("refused").reason(),
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn the_deadline_ends_a_call_whatever_the_nodes_do() {
    let region = Region::start(1, [Reply::Hang, Reply::Hang]).await;
    let client = region.client().with_timeout(Duration::from_millis(200));
    let request = DeleteSecretRequest {
        secret_id: "x".to_owned(),
        ..Default::default()
    };
    let error = client
        .delete_secret(request)
        .await
        .expect_err("nobody answers");
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert_eq!(
        (error.code(), error.retry()),
        (Code::DeadlineExceeded, Retry::Unknown)
    );
    assert_eq!(region.asked().len(), 1);
}

#[tokio::test]
async fn a_time_beyond_counting_is_cut_and_not_a_panic() {
    for seconds in [u64::MAX, u64::MAX / 4, 1 << 40] {
        let answer = Reply::answer(&DescribeSecretResponse::default());
        let region = Region::start(1, [answer]).await;
        let client = region.client().with_timeout(Duration::from_secs(seconds));
        let request = DescribeSecretRequest::default();
        client.describe_secret(request).await.expect("an answer");
    }
}
