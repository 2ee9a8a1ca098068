//! The calls that are measured, over connections that are made before the clock starts.

use std::sync::Arc;

use tonic::Request;
use tonic::transport::Channel;
use wire::secrets::v1::secrets_service_client::SecretsServiceClient;
use wire::secrets::v1::{
    BatchGetSecretValueRequest, CreateSecretRequest, GetSecretValueRequest, ListSecretsRequest,
    PutSecretValueRequest, create_secret_request, put_secret_value_request,
};

use crate::echo::EchoClient;
use crate::load::Plan;

/// Bytes of a value, and of an echo.
pub const VALUE_BYTES: usize = 1_024;
/// Secrets in one BatchGetSecretValue, and in one page of ListSecrets.
const BATCH_ITEMS: usize = 20;
/// Callers that share a connection.
const CALLERS_PER_CONNECTION: usize = 16;

/// One kind of call.
#[derive(Clone, Copy, PartialEq)]
pub enum Call {
    /// The bare echo: 1 KiB there and back.
    Echo,
    /// GetSecretValue of 1 KiB by name.
    Get,
    /// PutSecretValue of 1 KiB.
    Put,
    /// ListSecrets, the first page of 20.
    List,
    /// BatchGetSecretValue of 20 names.
    Batch,
}

impl Call {
    /// Every kind, the echo first.
    pub const ALL: [Self; 5] = [Self::Echo, Self::Get, Self::Put, Self::List, Self::Batch];

    /// The name in the table, and on the loader's command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Get => "get",
            Self::Put => "put",
            Self::List => "list",
            Self::Batch => "batch",
        }
    }
}

/// The connections of all callers.
#[derive(Clone)]
pub struct Callers {
    channels: Arc<Vec<Channel>>,
    secrets: usize,
}

impl Callers {
    /// Connects to every endpoint.
    pub async fn connect(plan: &Plan) -> Self {
        let per_endpoint = plan
            .callers
            .div_ceil(CALLERS_PER_CONNECTION * plan.endpoints.len());
        let mut channels = Vec::new();
        for _ in 0..per_endpoint {
            for endpoint in &plan.endpoints {
                channels.push(crate::cluster::connect(&plan.folder, endpoint));
            }
        }
        Self {
            channels: Arc::new(channels),
            secrets: plan.secrets,
        }
    }

    /// Makes one call; false when it failed.
    pub async fn call(&self, caller: usize, call: Call, key: usize, fresh: u64) -> bool {
        let channel = self.channel(caller);
        let mut stub = SecretsServiceClient::new(channel.clone());
        match call {
            Call::Echo => EchoClient::new(channel)
                .echo(vec![b'e'; VALUE_BYTES])
                .await
                .is_ok(),
            Call::Get => {
                let secret_id = name(key);
                let request = GetSecretValueRequest {
                    secret_id,
                    ..Default::default()
                };
                stub.get_secret_value(Request::new(request)).await.is_ok()
            }
            Call::Put => {
                let request = PutSecretValueRequest {
                    secret_id: name(key),
                    client_request_token: token(caller, fresh),
                    value: Some(put_secret_value_request::Value::SecretBinary(value(fresh))),
                    ..Default::default()
                };
                stub.put_secret_value(Request::new(request)).await.is_ok()
            }
            Call::List => {
                let request = ListSecretsRequest {
                    max_results: Some(BATCH_ITEMS as i32),
                    ..Default::default()
                };
                stub.list_secrets(Request::new(request)).await.is_ok()
            }
            Call::Batch => {
                let keys = (key..key + BATCH_ITEMS).map(|key| key % self.secrets);
                let secret_id_list = keys.map(name).collect();
                let request = BatchGetSecretValueRequest {
                    secret_id_list,
                    ..Default::default()
                };
                stub.batch_get_secret_value(Request::new(request))
                    .await
                    .is_ok()
            }
        }
    }

    /// Creates the secret of `key`, with a value of its own.
    ///
    /// # Panics
    ///
    /// When it fails twice.
    pub async fn create(&self, caller: usize, key: usize) {
        let request = CreateSecretRequest {
            name: name(key),
            client_request_token: token(0, key as u64),
            value: Some(create_secret_request::Value::SecretBinary(value(
                key as u64,
            ))),
            ..Default::default()
        };
        let mut stub = SecretsServiceClient::new(self.channel(caller));
        if stub
            .create_secret(Request::new(request.clone()))
            .await
            .is_err()
        {
            let again = stub.create_secret(Request::new(request)).await;
            again.expect("the secret can be created");
        }
    }

    fn channel(&self, caller: usize) -> Channel {
        self.channels[caller % self.channels.len()].clone()
    }
}

fn name(key: usize) -> String {
    format!("bench/{:02}/secret-{key:06}", key % 100)
}

/// A ClientRequestToken: 32 digits, so that no two writes share one.
fn token(caller: usize, fresh: u64) -> String {
    format!("{caller:012}{fresh:020}")
}

/// A value no two keys share.
fn value(fresh: u64) -> Vec<u8> {
    fresh
        .to_le_bytes()
        .iter()
        .copied()
        .cycle()
        .take(VALUE_BYTES)
        .collect()
}
