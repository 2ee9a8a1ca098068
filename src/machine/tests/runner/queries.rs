//! Commands of a script that only ask, and two that touch what memory holds.

use std::fmt::Write as _;

use strongroom_machine::{
    Epoch, Label, Op, Position, RegionName, Revision, SecretId, Stamp, State, Token, Value,
};

use crate::runner::{Arguments, print};
use crate::support::{Failure, REGION, account, reload, uid_name, version};

const NAMES: [&str; 13] = [
    "read", "resolve", "list", "due", "holds", "journal", "evict", "reload", "counts", "nodes",
    "name", "accessed", "hashes",
];

pub fn is_query(name: &str) -> bool {
    NAMES.contains(&name)
}

pub fn answer(state: &mut State, name: &str, of: &Arguments<'_>) -> Result<String, Failure> {
    match name {
        "read" => read(state, of),
        "resolve" => Ok(match state.resolve(&account()?, &of.word(0)?.parse()?) {
            Some(secret) => format!("secret {} {}", uid_name(secret.uid), secret.arn()),
            None => "not found".to_owned(),
        }),
        "name" => Ok(match of.word(0)?.parse::<SecretId>() {
            Ok(SecretId::Name(_)) => "a name".to_owned(),
            Ok(SecretId::Arn(_)) => "an ARN".to_owned(),
            Err(error) => format!("{}: {error}", error.aws_name()),
        }),
        "list" => Ok(listed(state.secrets(&account()?))),
        "due" => Ok(listed(
            state.due(Stamp(of.number(0)? * strongroom_machine::limits::DAY_MS)),
        )),
        "holds" => holds(state, of),
        "journal" => journal(state, of),
        "evict" => {
            let (uid, id) = (of.uid()?, version(of.word(1)?)?);
            let hash = state.node_hash();
            let bytes = state.evict(&uid, &id);
            Ok(format!(
                "freed {bytes} bytes, hash kept: {}",
                hash == state.node_hash()
            ))
        }
        "reload" => {
            let again = reload(state)?;
            let same = again.node_hash() == state.node_hash() && again.counts() == state.counts();
            *state = again;
            Ok(format!("same state: {same}"))
        }
        "counts" => Ok(counts(state)),
        "nodes" => {
            let nodes = state
                .nodes()
                .map(|node| format!("node {} at {}\n", node.id, node.peer_address));
            Ok(nodes.collect())
        }
        "accessed" => Ok(match state.access(&of.uid()?) {
            Some(access) => format!("day {}, {} versions", access.day, access.versions.len()),
            None => "never".to_owned(),
        }),
        _ => hashes(state),
    }
}

fn read(state: &State, of: &Arguments<'_>) -> Result<String, Failure> {
    let uid = of.uid()?;
    let Some(secret) = state.secret(&uid) else {
        return Ok("no such secret".to_owned());
    };
    let id = of.keyed("version").map(version).transpose()?;
    let label = of.keyed("label").map(Label::new).transpose()?;
    let current = Label::current();
    Ok(match secret.select(id.as_ref(), label.as_ref()) {
        Err(rejection) => print::rejected(&rejection),
        Ok(found) => {
            let value = match state.value(&uid, &found.id) {
                Some(Value::Here(sealed)) => format!("{} bytes", sealed.ciphertext.len()),
                Some(Value::Evicted) => "evicted".to_owned(),
                None => "missing".to_owned(),
            };
            let last = label.as_ref().unwrap_or(&current);
            let last = state.last_labelled(&uid, last.as_str());
            let last = last.filter(|_| id.is_none());
            let last = last.map(|last| format!(", for it {}", print::version(last)));
            let last = last.unwrap_or_default();
            format!("{} value {value}{last}", print::version(found))
        }
    })
}

/// The counts; those of other regions only where there are any.
fn counts(state: &State) -> String {
    let counts = state.counts();
    let text = format!("{counts:?}");
    match (counts.withheld, counts.problems) {
        (0, 0) => text.replace("withheld: 0, problems: 0, ", ""),
        _ => text,
    }
}

fn listed<'a>(
    secrets: impl Iterator<Item = &'a std::sync::Arc<strongroom_machine::Secret>>,
) -> String {
    let line = |secret: &std::sync::Arc<strongroom_machine::Secret>| {
        format!(
            "secret {}: {}\n",
            uid_name(secret.uid),
            print::secret(secret)
        )
    };
    secrets.map(line).collect()
}

fn holds(state: &State, of: &Arguments<'_>) -> Result<String, Failure> {
    let region = RegionName::new(of.keyed("region").unwrap_or(REGION))?;
    let epoch = Epoch {
        number: of.number(1)?,
        region,
    };
    let position = Position {
        feed: of.feed(0)?,
        epoch,
        revision: Revision(of.number(2)?),
    };
    let token = Token {
        positions: vec![position],
    };
    let token = Token::decode(&token.encode())?;
    Ok(match state.holds(&token) {
        Ok(()) => "held".to_owned(),
        Err(error) => error.to_string(),
    })
}

fn journal(state: &State, of: &Arguments<'_>) -> Result<String, Failure> {
    let Some(rows) = state.journal(&of.feed(0)?, Revision(of.number(1)?)) else {
        return Ok("trimmed".to_owned());
    };
    let mut output = String::new();
    for row in rows {
        let header = &row.header;
        let op = if header.op == Op::Put {
            "put"
        } else {
            "delete"
        };
        let body = if row.body.is_some() {
            "with body"
        } else {
            "without body"
        };
        let (kind, uid) = (header.kind, uid_name(header.uid));
        let ordinal = header.ordinal;
        writeln!(
            output,
            "{} {op} kind {kind:#04x} {uid}/{ordinal} {body}",
            header.revision
        )?;
    }
    Ok(output)
}

fn hashes(state: &State) -> Result<String, Failure> {
    let mut output = format!("node {}\n", state.node_hash());
    for feed in state.feeds() {
        let position = feed.position().ok_or("a feed without a position")?;
        writeln!(
            output,
            "{position} chain {} hash {}",
            feed.chain(),
            feed.hash()
        )?;
    }
    Ok(output)
}
