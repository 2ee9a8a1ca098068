//! Makes the bodies of rows ready for one region and one stream: reads values that left memory, and
//! wraps data keys under the stream's key.

use std::sync::Arc;

use bytes::Bytes;
use consensus::{Broken, Danger, ValueError, View};
use envelope::{LinkBinding, LinkKey};
use machine::{Body, Framed, Ordinal, RegionName, Row, RowKey, RowRef, State, Uid};
use wire::replication::v1;

use crate::codec;
use crate::context::Context;
use crate::error::Refused;
use crate::options::Keys;

/// Packs rows for one stream. All of it may block.
pub(super) struct Packer {
    keys: Arc<dyn Keys>,
    link: LinkKey,
    region: RegionName,
    /// What a build that is broken on purpose leaves out.
    danger: Danger,
}

impl Packer {
    /// Agrees with a region on the key of a stream; also gives what its private key makes the key
    /// of.
    pub(super) fn agree(
        context: &Context,
        region: &RegionName,
        stream: &[u8],
        public_key: &[u8],
    ) -> Result<(Packer, Bytes), Refused> {
        let options = &context.options;
        let binding = LinkBinding {
            cluster: options.cluster.0,
            from: options.region.to_string(),
            to: region.to_string(),
            stream: codec::from_stream(stream)?,
        };
        let (link, encapsulated) = LinkKey::encapsulate(public_key, &binding)?;
        let packer = Packer {
            keys: Arc::clone(&options.keys),
            link,
            region: region.clone(),
            danger: options.consensus.danger(),
        };
        Ok((packer, encapsulated.into()))
    }

    /// The region it packs for.
    pub(super) fn region(&self) -> &RegionName {
        &self.region
    }

    /// Packs a body that the region is to have. None if it is not to have it, and if it cannot be
    /// read here: the region then knows that it is missing, and asks for it by its key.
    pub(super) fn pack(
        &self,
        view: &View,
        key: &RowKey,
        body: Body,
    ) -> Result<Option<v1::RowBody>, ValueError> {
        let framed = match body {
            Body::Withheld if self.danger.is(Broken::SendsToNonMembers) => held(view, key),
            Body::Withheld => None,
            Body::Here(framed) => Some(framed),
            Body::Evicted => evicted(view, key)?,
        };
        Ok(framed.map(|framed| codec::body(&framed, self.wrapped(view, key))))
    }

    /// Wraps the data key of a version, or of what a row of the root feed seals, under the stream's
    /// key.
    fn wrapped(&self, view: &View, key: &RowKey) -> Option<Vec<u8>> {
        if let RowKey::Version(uid, ordinal) = key {
            return self.wrap(view, uid, *ordinal);
        }
        let (version, uid) = (key.seals_as()?, key.uid());
        let wrap = view.root_wrap(&uid)?;
        self.keys.send(view, &uid, &version, wrap, &self.link)
    }

    fn wrap(&self, view: &View, uid: &Uid, ordinal: Ordinal) -> Option<Vec<u8>> {
        let mut versions = view.secret(uid)?.versions.iter();
        let version = versions.find(|version| version.ordinal == ordinal)?;
        let wrap = view.wrap(uid, &version.id)?;
        self.keys.send(view, uid, &version.id, wrap, &self.link)
    }
}

/// A row whoever it is for, in a build that is broken on purpose.
fn held(view: &View, key: &RowKey) -> Option<Framed> {
    match view.row(key) {
        Some(RowRef::Here(row)) => row.framed_body(),
        _ => None,
    }
}

/// Reads a value that left memory.
fn evicted(view: &View, key: &RowKey) -> Result<Option<Framed>, ValueError> {
    match view.read_row(key) {
        Ok(row) => Ok(row.as_ref().and_then(Row::framed_body)),
        Err(ValueError::Superseded) => Err(ValueError::Superseded),
        Err(error) => {
            tracing::warn!(%error, "a value could not be read for another region");
            Ok(None)
        }
    }
}

/// What stands for a row, without its body; none if the state has no such row.
pub(super) fn outline(state: &State, key: &RowKey, row: Option<&Row>) -> Option<v1::Row> {
    let (revision, commitment) = match row {
        Some(row) => (row.origin()?.revision, row.commitment()),
        None => (state.revision_of(key)?, state.commitment_of(key)?),
    };
    Some(v1::Row {
        key: key.encode().into(),
        revision: revision.0,
        commitment: Bytes::copy_from_slice(&commitment.0),
        body: None,
    })
}

/// The size of a row on its way.
pub(super) fn bytes_of(row: &v1::Row) -> usize {
    let body = row.body.as_ref();
    let body = body.map_or(0, |body| body.bytes.len() + body.wrapped_dek.len() + 32);
    row.key.len() + row.commitment.len() + body + 16
}
