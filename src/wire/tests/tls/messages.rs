//! What the messages themselves promise.

use std::{collections::BTreeSet, fmt::Debug};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, Value};
use wire::{
    DESCRIPTOR_SET,
    access::v1::{AssumeRoleWithWebIdentityRequest, CreateCredentialResponse, Session},
    admin::v1::{
        CreateJoinTokenResponse, CreateLinkTokenResponse, InstallIssuerRequest, JoinRequest,
        LinkRequest,
    },
    replication::v1::{ForwardedAnswer, ForwardedCall},
    secrets::v1::{
        CreateSecretRequest, GetRandomPasswordResponse, GetSecretValueResponse,
        PutSecretValueRequest, SecretValueEntry, UpdateSecretRequest,
    },
};

/// The packages that callers other than nodes use.
const PUBLIC: [&str; 3] = [
    "strongroom.secrets.v1",
    "strongroom.access.v1",
    "strongroom.admin.v1",
];

const CANARY: &str = "canary-4711";

/// Decodes a message and prints it.
type Print = fn(&[u8]) -> String;

/// Every message of `redact.rs`.
const BY_HAND: [(&str, Print); 16] = [
    (
        "strongroom.access.v1.AssumeRoleWithWebIdentityRequest",
        print::<AssumeRoleWithWebIdentityRequest>,
    ),
    (
        "strongroom.access.v1.CreateCredentialResponse",
        print::<CreateCredentialResponse>,
    ),
    ("strongroom.access.v1.Session", print::<Session>),
    (
        "strongroom.secrets.v1.CreateSecretRequest",
        print::<CreateSecretRequest>,
    ),
    (
        "strongroom.secrets.v1.GetSecretValueResponse",
        print::<GetSecretValueResponse>,
    ),
    (
        "strongroom.secrets.v1.PutSecretValueRequest",
        print::<PutSecretValueRequest>,
    ),
    (
        "strongroom.secrets.v1.UpdateSecretRequest",
        print::<UpdateSecretRequest>,
    ),
    (
        "strongroom.secrets.v1.SecretValueEntry",
        print::<SecretValueEntry>,
    ),
    (
        "strongroom.secrets.v1.GetRandomPasswordResponse",
        print::<GetRandomPasswordResponse>,
    ),
    (
        "strongroom.admin.v1.CreateJoinTokenResponse",
        print::<CreateJoinTokenResponse>,
    ),
    ("strongroom.admin.v1.JoinRequest", print::<JoinRequest>),
    (
        "strongroom.admin.v1.CreateLinkTokenResponse",
        print::<CreateLinkTokenResponse>,
    ),
    ("strongroom.admin.v1.LinkRequest", print::<LinkRequest>),
    (
        "strongroom.admin.v1.InstallIssuerRequest",
        print::<InstallIssuerRequest>,
    ),
    (
        "strongroom.replication.v1.ForwardedCall",
        print::<ForwardedCall>,
    ),
    (
        "strongroom.replication.v1.ForwardedAnswer",
        print::<ForwardedAnswer>,
    ),
];

fn print<M: Message + Default + Debug>(encoded: &[u8]) -> String {
    format!("{:?}", M::decode(encoded).expect("a message"))
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
    let by_hand: BTreeSet<String> = BY_HAND.iter().map(|(name, _)| (*name).to_owned()).collect();
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
    for (name, print) in BY_HAND {
        let message = pool.get_message_by_name(name).expect("a message");
        for secret in message.fields().filter(is_redacted) {
            let mut filled = DynamicMessage::new(message.clone());
            let value = match secret.kind() {
                Kind::Bytes => Value::Bytes(CANARY.as_bytes().to_vec().into()),
                _ => Value::String(CANARY.to_owned()),
            };
            filled.set_field(&secret, value);
            let text = print(&filled.encode_to_vec());
            let as_bytes = format!("{:?}", CANARY.as_bytes());
            assert!(
                !text.contains(CANARY) && !text.contains(&as_bytes),
                "{text}"
            );
            assert!(text.contains("redacted"), "{text}");
            for field in message.fields() {
                let group = field
                    .containing_oneof()
                    .filter(|group| !group.is_synthetic());
                let shown = group.map_or(field.name().to_owned(), |group| group.name().to_owned());
                assert!(
                    text.contains(&format!("{shown}: ")),
                    "{name} does not print {shown}"
                );
            }
        }
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
                "plain_request",
                "plain_reply",
                "secret_access_key",
                "web_identity_token",
                "session_token",
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
                // Who may, policies say by an action; others are named.
                for either in [["Callers: ", "Action: "], ["Failures:", "Failures: "]] {
                    assert!(
                        either.iter().any(|part| comment.contains(part)),
                        "{} lacks {either:?}",
                        method.full_name()
                    );
                }
            }
        }
    }
}
