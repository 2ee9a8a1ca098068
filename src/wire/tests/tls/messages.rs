//! What the messages themselves promise.

use std::collections::BTreeSet;

use prost_reflect::{DescriptorPool, FieldDescriptor, Value};
use wire::{
    DESCRIPTOR_SET,
    admin::v1::{CreateJoinTokenResponse, JoinRequest},
    secrets::v1::{
        CreateSecretRequest, GetRandomPasswordResponse, GetSecretValueResponse,
        PutSecretValueRequest, SecretValueEntry, UpdateSecretRequest, create_secret_request,
        get_secret_value_response, put_secret_value_request, secret_value_entry,
        update_secret_request,
    },
};

/// The packages that callers other than nodes use.
const PUBLIC: [&str; 2] = ["strongroom.secrets.v1", "strongroom.admin.v1"];

const CANARY: &str = "canary-4711";

fn canary() -> String {
    CANARY.to_owned()
}

/// Every message of `redact.rs`, its secret fields filled.
fn redacted() -> Vec<(&'static str, Vec<String>)> {
    let create = |value| CreateSecretRequest {
        value: Some(value),
        ..Default::default()
    };
    let get = |value| GetSecretValueResponse {
        value: Some(value),
        ..Default::default()
    };
    let put = |value| PutSecretValueRequest {
        value: Some(value),
        rotation_token: Some(canary()),
        ..Default::default()
    };
    let update = |value| UpdateSecretRequest {
        value: Some(value),
        ..Default::default()
    };
    let entry = |value| SecretValueEntry {
        value: Some(value),
        ..Default::default()
    };
    let bytes = CANARY.as_bytes().to_vec();
    vec![
        (
            "strongroom.secrets.v1.CreateSecretRequest",
            vec![
                format!(
                    "{:?}",
                    create(create_secret_request::Value::SecretString(canary()))
                ),
                format!(
                    "{:?}",
                    create(create_secret_request::Value::SecretBinary(bytes.clone()))
                ),
            ],
        ),
        (
            "strongroom.secrets.v1.GetSecretValueResponse",
            vec![
                format!(
                    "{:?}",
                    get(get_secret_value_response::Value::SecretString(canary()))
                ),
                format!(
                    "{:?}",
                    get(get_secret_value_response::Value::SecretBinary(
                        bytes.clone()
                    ))
                ),
            ],
        ),
        (
            "strongroom.secrets.v1.PutSecretValueRequest",
            vec![
                format!(
                    "{:?}",
                    put(put_secret_value_request::Value::SecretString(canary()))
                ),
                format!(
                    "{:?}",
                    put(put_secret_value_request::Value::SecretBinary(bytes.clone()))
                ),
            ],
        ),
        (
            "strongroom.secrets.v1.UpdateSecretRequest",
            vec![
                format!(
                    "{:?}",
                    update(update_secret_request::Value::SecretString(canary()))
                ),
                format!(
                    "{:?}",
                    update(update_secret_request::Value::SecretBinary(bytes.clone()))
                ),
            ],
        ),
        (
            "strongroom.secrets.v1.SecretValueEntry",
            vec![
                format!(
                    "{:?}",
                    entry(secret_value_entry::Value::SecretString(canary()))
                ),
                format!(
                    "{:?}",
                    entry(secret_value_entry::Value::SecretBinary(bytes.clone()))
                ),
            ],
        ),
        (
            "strongroom.secrets.v1.GetRandomPasswordResponse",
            vec![format!(
                "{:?}",
                GetRandomPasswordResponse {
                    random_password: canary()
                }
            )],
        ),
        (
            "strongroom.admin.v1.CreateJoinTokenResponse",
            vec![format!(
                "{:?}",
                CreateJoinTokenResponse {
                    token: canary(),
                    ..Default::default()
                }
            )],
        ),
        (
            "strongroom.admin.v1.JoinRequest",
            vec![format!(
                "{:?}",
                JoinRequest {
                    token: canary(),
                    ..Default::default()
                }
            )],
        ),
    ]
}

fn is_redacted(field: &FieldDescriptor) -> bool {
    let options = field.options();
    matches!(
        options.get_field_by_name("debug_redact").as_deref(),
        Some(Value::Bool(true))
    )
}

fn descriptors() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTOR_SET).expect("a descriptor set")
}

#[test]
fn the_messages_redacted_by_hand_are_those_the_protos_mark() {
    let by_hand: BTreeSet<String> = redacted()
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    let marked: BTreeSet<String> = descriptors()
        .all_messages()
        .filter(|message| message.fields().any(|field| is_redacted(&field)))
        .map(|message| message.full_name().to_owned())
        .collect();
    assert_eq!(by_hand, marked);
}

#[test]
fn debug_prints_every_field_but_no_secret() {
    let pool = descriptors();
    for (name, printed) in redacted() {
        let message = pool.get_message_by_name(name).expect("a message");
        for text in printed {
            assert!(
                !text.contains(CANARY) && !text.contains("99, 97, 110, 97"),
                "{text}"
            );
            assert!(text.contains("redacted"), "{text}");
            for field in message.fields() {
                let group = field
                    .containing_oneof()
                    .filter(|_| !field.supports_presence_alone());
                let shown = group.map_or(field.name().to_owned(), |group| group.name().to_owned());
                assert!(
                    text.contains(&format!("{shown}: ")),
                    "{name} does not print {shown}"
                );
            }
        }
    }
}

/// Tells a real `oneof` from the one that `optional` makes.
trait Alone {
    fn supports_presence_alone(&self) -> bool;
}

impl Alone for FieldDescriptor {
    fn supports_presence_alone(&self) -> bool {
        self.containing_oneof()
            .is_none_or(|group| group.is_synthetic())
    }
}

#[test]
fn fields_that_hold_secrets_are_marked() {
    for message in descriptors().all_messages() {
        for field in message.fields() {
            let name = field.name();
            let secret = [
                "secret_string",
                "secret_binary",
                "random_password",
                "rotation_token",
            ];
            let is_secret = secret.contains(&name) || name == "token";
            assert_eq!(
                is_redacted(&field),
                is_secret,
                "{}.{name}",
                message.full_name()
            );
        }
    }
}

#[test]
fn every_public_rpc_says_who_may_call_it_and_how_it_fails() {
    let pool = descriptors();
    for file in pool
        .files()
        .filter(|file| PUBLIC.contains(&file.package_name()))
    {
        let comments = file
            .file_descriptor_proto()
            .source_code_info
            .clone()
            .unwrap_or_default();
        for (s, service) in file.services().enumerate() {
            for (m, method) in service.methods().enumerate() {
                let path = [6, s as i32, 2, m as i32];
                let location = comments
                    .location
                    .iter()
                    .find(|location| location.path == path);
                let comment = location.map_or("", |location| location.leading_comments());
                for part in ["Callers: ", "Failures:"] {
                    assert!(
                        comment.contains(part),
                        "{} lacks {part:?}",
                        method.full_name()
                    );
                }
            }
        }
    }
}
