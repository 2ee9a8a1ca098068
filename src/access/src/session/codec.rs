//! The bytes of a session, version 1.
//!
//! A version, then the fields in the order of [`encode`]. Numbers are big-endian. A text is its
//! length in bytes (u16) and UTF-8; a list is the number of its items (u8) and the items; what may
//! be missing is a list of none or one. Nothing may follow. Every field has one encoding only, so
//! that the same session always is the same bytes.

use super::{Holder, Origin, Session, SessionError, SessionId, Tag, Tags};

const VERSION: u8 = 1;
const HOLDER_ROLE: u8 = 1;
const HOLDER_USER: u8 = 2;
const ORIGIN_ACCESS_KEY: u8 = 1;
const ORIGIN_CERTIFICATE: u8 = 2;
const ORIGIN_PROVIDER: u8 = 3;

/// Encodes a session within its bounds, which keep every length below what its prefix can say.
pub(super) fn encode(session: &Session) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(session.id.0);
    match &session.holder {
        Holder::Role { arn, id, name } => {
            bytes.push(HOLDER_ROLE);
            for part in [&arn.to_string(), id, name] {
                text(&mut bytes, part);
            }
        }
        Holder::User { account, arn, id } => {
            bytes.push(HOLDER_USER);
            for part in [account, arn, id] {
                text(&mut bytes, part);
            }
        }
    }
    match &session.origin {
        Origin::AccessKey { id } => {
            bytes.push(ORIGIN_ACCESS_KEY);
            text(&mut bytes, id);
        }
        Origin::Certificate {
            credential,
            key_hash,
        } => {
            bytes.push(ORIGIN_CERTIFICATE);
            text(&mut bytes, credential);
            bytes.extend(key_hash);
        }
        Origin::Provider {
            id,
            issuer,
            subject,
        } => {
            bytes.push(ORIGIN_PROVIDER);
            for part in [id, issuer, subject] {
                text(&mut bytes, part);
            }
        }
    }
    count(&mut bytes, session.chain.len());
    for id in &session.chain {
        bytes.extend(id.0);
    }
    bytes.extend(session.issued_ms.to_be_bytes());
    bytes.extend(session.expires_ms.to_be_bytes());
    text(&mut bytes, &session.region);
    texts(&mut bytes, &session.regions);
    texts(&mut bytes, session.policy.as_slice());
    texts(&mut bytes, &session.policy_arns);
    let tags = session.tags.as_slice();
    count(&mut bytes, tags.len());
    for tag in tags {
        text(&mut bytes, &tag.key);
        text(&mut bytes, &tag.value);
        bytes.push(u8::from(tag.transitive));
    }
    texts(&mut bytes, session.source_identity.as_slice());
    bytes
}

/// Decodes what [`encode`] gives. Bounds of single fields are the caller's.
pub(super) fn decode(bytes: &[u8]) -> Result<Session, SessionError> {
    let mut reader = Reader(bytes);
    match reader.byte()? {
        VERSION => {}
        version => return Err(SessionError::Version(version)),
    }
    let session = Session {
        id: SessionId(reader.array()?),
        holder: reader.holder()?,
        origin: reader.origin()?,
        chain: reader.list(|reader| reader.array().map(SessionId))?,
        issued_ms: i64::from_be_bytes(reader.array()?),
        expires_ms: i64::from_be_bytes(reader.array()?),
        region: reader.text()?,
        regions: reader.list(Reader::text)?,
        policy: reader.optional("the policy")?,
        policy_arns: reader.list(Reader::text)?,
        tags: reader.tags()?,
        source_identity: reader.optional("the source identity")?,
    };
    match reader.0.is_empty() {
        true => Ok(session),
        false => Err(SessionError::Length),
    }
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    // A longer one is refused before it gets here; were one not, its prefix would not fit, and
    // decoding would fail.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    bytes.extend(length.to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn texts(bytes: &mut Vec<u8>, texts: &[String]) {
    count(bytes, texts.len());
    for one in texts {
        text(bytes, one);
    }
}

fn count(bytes: &mut Vec<u8>, count: usize) {
    bytes.push(u8::try_from(count).unwrap_or(u8::MAX));
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], SessionError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(SessionError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SessionError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(SessionError::Length)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, SessionError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn text(&mut self) -> Result<String, SessionError> {
        let length = u16::from_be_bytes(self.array()?);
        let bytes = self.take(usize::from(length))?;
        let text = std::str::from_utf8(bytes).map_err(|_| SessionError::Value("a text"))?;
        Ok(text.to_owned())
    }

    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Reader<'a>) -> Result<T, SessionError>,
    ) -> Result<Vec<T>, SessionError> {
        let count = self.byte()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn optional(&mut self, what: &'static str) -> Result<Option<String>, SessionError> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.text().map(Some),
            _ => Err(SessionError::Value(what)),
        }
    }

    fn holder(&mut self) -> Result<Holder, SessionError> {
        let kind = self.byte()?;
        match kind {
            HOLDER_ROLE => Ok(Holder::Role {
                arn: self
                    .text()?
                    .parse()
                    .map_err(|_| SessionError::Value("the holder"))?,
                id: self.text()?,
                name: self.text()?,
            }),
            HOLDER_USER => Ok(Holder::User {
                account: self.text()?,
                arn: self.text()?,
                id: self.text()?,
            }),
            _ => Err(SessionError::Value("the holder")),
        }
    }

    fn origin(&mut self) -> Result<Origin, SessionError> {
        match self.byte()? {
            ORIGIN_ACCESS_KEY => Ok(Origin::AccessKey { id: self.text()? }),
            ORIGIN_CERTIFICATE => Ok(Origin::Certificate {
                credential: self.text()?,
                key_hash: self.array()?,
            }),
            ORIGIN_PROVIDER => Ok(Origin::Provider {
                id: self.text()?,
                issuer: self.text()?,
                subject: self.text()?,
            }),
            _ => Err(SessionError::Value("the origin")),
        }
    }

    fn tags(&mut self) -> Result<Tags, SessionError> {
        let read = self.list(|reader| {
            Ok(Tag {
                key: reader.text()?,
                value: reader.text()?,
                transitive: match reader.byte()? {
                    0 => false,
                    1 => true,
                    _ => return Err(SessionError::Value("a tag")),
                },
            })
        })?;
        let tags = Tags::new(read.clone())?;
        match tags.as_slice() == read {
            true => Ok(tags),
            false => Err(SessionError::Value("the order of the tags")),
        }
    }
}
