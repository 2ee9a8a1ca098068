//! The verbs that read metadata.

use client::secrets::v1::{
    DescribeSecretRequest, Filter, FilterKey, ListSecretVersionIdsRequest, ListSecretsRequest,
    SecretListEntry, SortBy as WireSortBy, SortOrder as WireSortOrder,
};
use serde_json::{Value as Json, json};

use super::Session;
use super::show::{date, day, object, stages, stages_json, tags, tags_json};
use crate::arguments::secret::{Filters, List, Name, SortBy, SortOrder, Versions};
use crate::failure::Failure;
use crate::output::Answer;

/// The largest page the server gives.
const PAGE_MAX: u32 = 100;

pub async fn describe(session: &Session, secret: &Name) -> Result<(), Failure> {
    let request = DescribeSecretRequest {
        secret_id: secret.name.clone(),
    };
    let answer = session.client.describe_secret(request).await?;
    let at = |date_of: Option<_>| date_of.map(|at: client::Timestamp| date(at.seconds, at.nanos));
    let created = at(answer.created_date).unwrap_or_default();
    let changed = at(answer.last_changed_date).unwrap_or_default();
    let accessed = at(answer.last_accessed_date).unwrap_or_default();
    let deleted = at(answer.deleted_date).unwrap_or_default();
    let json = object(vec![
        ("ARN", json!(answer.arn)),
        ("Name", json!(answer.name)),
        ("Description", json!(answer.description)),
        ("KmsKeyId", json!(answer.kms_key_id)),
        ("Tags", tags_json(&answer.tags)),
        (
            "VersionIdsToStages",
            stages_json(&answer.version_ids_to_stages),
        ),
        ("CreatedDate", json!(created)),
        ("LastChangedDate", json!(changed)),
        ("LastAccessedDate", json!(accessed)),
        ("DeletedDate", json!(deleted)),
    ]);
    let fields = vec![
        ("Name", answer.name),
        ("ARN", answer.arn),
        ("Description", answer.description.unwrap_or_default()),
        ("Key", answer.kms_key_id.unwrap_or_default()),
        ("Tags", tags(&answer.tags)),
        ("Versions", stages(&answer.version_ids_to_stages)),
        ("Created", created),
        ("Last changed", changed),
        ("Last accessed", day_of(answer.last_accessed_date)),
        ("Marked for deletion", deleted),
    ];
    Answer::fields(fields, json).print(session.format)
}

pub async fn list(session: &Session, options: &List) -> Result<(), Failure> {
    let mut entries = Vec::new();
    let mut next_token = String::new();
    loop {
        let had = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let missing = options
            .limit
            .map_or(PAGE_MAX, |limit| limit.saturating_sub(had));
        if missing == 0 {
            break;
        }
        let request = ListSecretsRequest {
            include_planned_deletion: options.include_planned_deletion,
            max_results: i32::try_from(missing.min(PAGE_MAX)).ok(),
            next_token,
            filters: filters(&options.filters)?,
            sort_order: sort_order(options.sort_order).into(),
            sort_by: sort_by(options.sort_by).into(),
        };
        let page = session.client.list_secrets(request).await?;
        entries.extend(page.secret_list);
        next_token = page.next_token;
        if next_token.is_empty() {
            break;
        }
    }
    let json: Vec<Json> = entries.iter().map(entry_json).collect();
    let rows = entries.into_iter().map(entry_row).collect();
    let heading = vec!["NAME", "DESCRIPTION", "LAST CHANGED", "TAGS", "STATE"];
    Answer::rows(heading, rows, json!({ "SecretList": json })).print(session.format)
}

pub async fn versions(session: &Session, options: &Versions) -> Result<(), Failure> {
    let mut entries = Vec::new();
    let mut next_token = String::new();
    let (arn, name) = loop {
        let request = ListSecretVersionIdsRequest {
            secret_id: options.name.clone(),
            max_results: None,
            next_token,
            include_deprecated: options.include_deprecated,
        };
        let page = session.client.list_secret_version_ids(request).await?;
        entries.extend(page.versions);
        next_token = page.next_token;
        if next_token.is_empty() {
            break (page.arn, page.name);
        }
    };
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for entry in entries {
        let created = entry
            .created_date
            .map(|at| date(at.seconds, at.nanos))
            .unwrap_or_default();
        let accessed = entry
            .last_accessed_date
            .map(|at| date(at.seconds, at.nanos))
            .unwrap_or_default();
        json.push(object(vec![
            ("VersionId", json!(entry.version_id)),
            ("VersionStages", json!(entry.version_stages)),
            ("CreatedDate", json!(created)),
            ("LastAccessedDate", json!(accessed)),
            ("KmsKeyIds", json!(entry.kms_key_ids)),
        ]));
        rows.push(vec![
            entry.version_id,
            entry.version_stages.join(" "),
            created,
            day_of(entry.last_accessed_date),
        ]);
    }
    let heading = vec!["VERSION", "LABELS", "CREATED", "LAST ACCESSED"];
    let json = json!({ "ARN": arn, "Name": name, "Versions": json });
    Answer::rows(heading, rows, json).print(session.format)
}

/// The day of a last access, of which no more is recorded.
fn day_of(accessed: Option<client::Timestamp>) -> String {
    accessed.map(|at| day(at.seconds)).unwrap_or_default()
}

/// Filters as the API wants them.
pub fn filters(asked: &Filters) -> Result<Vec<Filter>, Failure> {
    asked
        .filter
        .iter()
        .map(|filter| {
            let name = format!("FILTER_KEY_{}", filter.key.replace('-', "_").to_uppercase());
            let key = FilterKey::from_str_name(&name)
                .filter(|key| *key != FilterKey::Unspecified)
                .ok_or_else(|| Failure::FilterKey {
                    key: filter.key.clone(),
                })?;
            Ok(Filter {
                key: key.into(),
                values: filter.values.clone(),
            })
        })
        .collect()
}

fn sort_by(asked: SortBy) -> WireSortBy {
    match asked {
        SortBy::CreatedDate => WireSortBy::CreatedDate,
        SortBy::LastAccessedDate => WireSortBy::LastAccessedDate,
        SortBy::LastChangedDate => WireSortBy::LastChangedDate,
        SortBy::Name => WireSortBy::Name,
    }
}

fn sort_order(asked: SortOrder) -> WireSortOrder {
    match asked {
        SortOrder::Asc => WireSortOrder::Asc,
        SortOrder::Desc => WireSortOrder::Desc,
    }
}

fn entry_json(entry: &SecretListEntry) -> Json {
    let at = |date_of: Option<client::Timestamp>| date_of.map(|at| date(at.seconds, at.nanos));
    object(vec![
        ("ARN", json!(entry.arn)),
        ("Name", json!(entry.name)),
        ("Description", json!(entry.description)),
        ("KmsKeyId", json!(entry.kms_key_id)),
        ("Tags", tags_json(&entry.tags)),
        (
            "SecretVersionsToStages",
            stages_json(&entry.secret_versions_to_stages),
        ),
        ("CreatedDate", json!(at(entry.created_date))),
        ("LastChangedDate", json!(at(entry.last_changed_date))),
        ("LastAccessedDate", json!(at(entry.last_accessed_date))),
        ("DeletedDate", json!(at(entry.deleted_date))),
    ])
}

fn entry_row(entry: SecretListEntry) -> Vec<String> {
    let changed = entry
        .last_changed_date
        .map(|at| date(at.seconds, at.nanos))
        .unwrap_or_default();
    let state = if entry.deleted_date.is_some() {
        "to be deleted"
    } else {
        ""
    };
    let description = entry.description.unwrap_or_default();
    vec![
        entry.name,
        description,
        changed,
        tags(&entry.tags),
        state.into(),
    ]
}
