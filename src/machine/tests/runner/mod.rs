//! Runs the commands of a script against one state.

mod print;
mod queries;

use std::error::Error;

use goldenscript::{Argument, Command as Line, Context};
use strongroom_machine::{
    AccountId, AdmitNode, ArnSuffix, Checkpoint, Command, CreateSecret, DeleteSecret, Entry,
    FeedId, Hash, IssueJoinToken, KeyId, KeyState, Label, LogIndex, MachineVersion, NodeId,
    PurgeSecret, PutSecretValue, RecordAccess, RegionName, RemoveNode, RestoreSecret, Revision,
    RowKey, SecretName, Seen, SeenRow, SetMachineVersion, Stamp, State, Tag, TagResource, TrimFeed,
    Uid, UntagResource, UpdateSecret, UpdateSecretVersionStage, apply,
};

use crate::support::{
    ACCOUNT, DEFAULT_KEY, Failure, REGION, entry, found, new, node, reload, uid, version, wrap,
};

const DAY_MS: u64 = strongroom_machine::limits::DAY_MS;

/// One state, its log index and the leader's clock.
pub struct Runner {
    state: State,
    index: u64,
    now_ms: u64,
}

impl Default for Runner {
    fn default() -> Runner {
        Runner {
            state: State::new(),
            index: 0,
            now_ms: 100 * DAY_MS,
        }
    }
}

impl goldenscript::Runner for Runner {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Result<String, Box<dyn Error>> {
        let arguments = Arguments::new(line);
        let output = match line.name.as_str() {
            "day" => {
                self.now_ms = arguments.number(0)?.saturating_mul(DAY_MS);
                String::new()
            }
            "clock" => {
                self.now_ms = arguments.number(0)?;
                String::new()
            }
            "repeat" => self.repeat(&arguments)?,
            name if queries::is_query(name) => queries::answer(&mut self.state, name, &arguments)?,
            _ => {
                let command = command(line.name.as_str(), &arguments, self)?;
                self.apply(command)?
            }
        };
        Ok(shortened(&output))
    }
}

impl Runner {
    /// Applies an entry as it comes out of the log.
    fn apply(&mut self, command: Command) -> Result<String, Failure> {
        self.index += 1;
        let entry = entry(self.now_ms, command);
        // What only a newer build can read is tried on this one's rules all the same.
        let entry = Entry::decode(&entry.encode()).unwrap_or(entry);
        let before = self.state.node_hash();
        let applied = apply(&mut self.state, LogIndex(self.index), &entry);
        if applied.changes.is_empty() && before != self.state.node_hash() {
            return Err("the state changed without a change".into());
        }
        let counts = self.state.counts();
        let is_whole = counts.value_bytes == counts.resident_value_bytes;
        if is_whole && reload(&self.state)?.node_hash() != self.state.node_hash() {
            return Err("the state is not the same after a reload".into());
        }
        Ok(print::applied(&applied))
    }

    /// `repeat 3 put 1 v`: numbers the last word; prints the last answer.
    fn repeat(&mut self, arguments: &Arguments<'_>) -> Result<String, Failure> {
        let (times, first) = (
            arguments.number(0)?,
            arguments.keyed_number("first")?.unwrap_or(1),
        );
        let name = arguments.word(1)?;
        let mut output = String::new();
        for n in first..first + times {
            let numbered = arguments.numbered(2, n);
            let arguments = Arguments {
                words: numbered,
                keyed: arguments.keyed.clone(),
            };
            let command = command(name, &arguments, self)?;
            self.index += 1;
            let entry = entry(self.now_ms, command);
            let applied = apply(&mut self.state, LogIndex(self.index), &entry);
            output = print::applied(&applied);
        }
        Ok(output)
    }
}

/// The words of a line.
pub struct Arguments<'a> {
    words: Vec<String>,
    keyed: Vec<(&'a str, &'a str)>,
}

impl<'a> Arguments<'a> {
    fn new(line: &'a Line) -> Arguments<'a> {
        let mut arguments = Arguments {
            words: Vec::new(),
            keyed: Vec::new(),
        };
        for argument in &line.args {
            match argument {
                Argument::Positional(word) => arguments.words.push(word.clone()),
                Argument::KeyValue(key, value) => arguments.keyed.push((key, value)),
                _ => {}
            }
        }
        arguments
    }

    fn numbered(&self, from: usize, n: u64) -> Vec<String> {
        let mut words: Vec<String> = self.words.iter().skip(from).cloned().collect();
        if let Some(last) = words.last_mut() {
            last.push_str(&n.to_string());
        }
        words
    }

    pub fn word(&self, at: usize) -> Result<&str, Failure> {
        Ok(self
            .words
            .get(at)
            .map(String::as_str)
            .ok_or("a word is missing")?)
    }

    pub fn number(&self, at: usize) -> Result<u64, Failure> {
        Ok(self.word(at)?.parse()?)
    }

    pub fn uid(&self) -> Result<Uid, Failure> {
        self.number(0).map(uid)
    }

    pub fn keyed(&self, key: &str) -> Option<&'a str> {
        self.keyed
            .iter()
            .find(|(held, _)| *held == key)
            .map(|(_, value)| *value)
    }

    pub fn keyed_number(&self, key: &str) -> Result<Option<u64>, Failure> {
        Ok(self.keyed(key).map(str::parse).transpose()?)
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|held| held == word)
    }

    fn seen(&self) -> Result<Seen, Failure> {
        let Some(revision) = self.keyed_number("seen")? else {
            return Ok(Seen::default());
        };
        let row = SeenRow {
            key: RowKey::Secret(self.uid()?),
            revision: Revision(revision),
        };
        Ok(Seen(vec![row]))
    }

    fn new_version(&self) -> Result<Option<strongroom_machine::NewVersion>, Failure> {
        let bytes = self.keyed_number("bytes")?.unwrap_or(32);
        let Some(name) = self.keyed("version") else {
            return Ok(None);
        };
        let mut new = new(name, usize::try_from(bytes)?)?;
        new.wrap = wrap(self.key("wrap")?.unwrap_or(DEFAULT_KEY), 1);
        Ok(Some(new))
    }

    fn key(&self, name: &str) -> Result<Option<KeyId>, Failure> {
        let key = self.keyed(name).map(str::parse::<u8>).transpose()?;
        Ok(key.map(|key| KeyId([key; 16])))
    }

    fn young_ms(&self) -> Result<u64, Failure> {
        Ok(self
            .keyed_number("young-days")?
            .unwrap_or(0)
            .saturating_mul(DAY_MS))
    }

    pub fn feed(&self, at: usize) -> Result<FeedId, Failure> {
        match self.word(at)? {
            "home" => Ok(FeedId::Home(RegionName::new(REGION)?)),
            other => Ok(other.parse()?),
        }
    }

    fn tags(&self, except: &[&str]) -> Vec<Tag> {
        let tags = self.keyed.iter().filter(|(key, _)| !except.contains(key));
        tags.map(|(key, value)| Tag {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        })
        .collect()
    }
}

fn command(name: &str, of: &Arguments<'_>, runner: &Runner) -> Result<Command, Failure> {
    Ok(match name {
        "found" => founded(of)?,
        "create" => create(of)?,
        "put" => put(of)?,
        "update" => update(of)?,
        "stage" => Command::UpdateSecretVersionStage(UpdateSecretVersionStage {
            uid: of.uid()?,
            label: Label::new(of.word(1)?)?,
            remove_from: of.keyed("from").map(version).transpose()?,
            move_to: of.keyed("to").map(version).transpose()?,
            seen: of.seen()?,
        }),
        "delete" => {
            let window_days = of.keyed_number("days")?.map(u32::try_from).transpose()?;
            let (uid, seen) = (of.uid()?, of.seen()?);
            Command::DeleteSecret(DeleteSecret {
                uid,
                window_days,
                seen,
            })
        }
        "restore" => Command::RestoreSecret(RestoreSecret {
            uid: of.uid()?,
            seen: of.seen()?,
        }),
        "purge" => {
            let deletion_date = Stamp(of.number(1)?.saturating_mul(DAY_MS));
            Command::PurgeSecret(PurgeSecret {
                uid: of.uid()?,
                deletion_date,
            })
        }
        "tag" => {
            let (uid, tags, seen) = (of.uid()?, of.tags(&["seen"]), of.seen()?);
            Command::TagResource(TagResource { uid, tags, seen })
        }
        "tags" => many_tags(of)?,
        "untag" => {
            let keys = of.words.iter().skip(1).cloned().collect();
            Command::UntagResource(UntagResource {
                uid: of.uid()?,
                keys,
                seen: of.seen()?,
            })
        }
        "access" => {
            let day = u32::try_from(of.number(0)?)?;
            let touched = of
                .keyed
                .iter()
                .map(|(uid, id)| Ok((touched(uid)?, version(id)?)));
            let touched = touched.collect::<Result<_, Failure>>()?;
            Command::RecordAccess(RecordAccess { day, touched })
        }
        "token" => {
            let days = of.keyed_number("days")?.unwrap_or(1);
            let expires = Stamp(runner.now_ms.saturating_add(days.saturating_mul(DAY_MS)));
            Command::IssueJoinToken(IssueJoinToken {
                digest: digest(of.number(0)?),
                expires,
            })
        }
        "admit" => {
            let id = of.number(0)?;
            let key = of.keyed_number("key")?.unwrap_or(id);
            let token_digest = digest(of.keyed_number("token")?.unwrap_or(id));
            let node = node(id, u8::try_from(key)?);
            Command::AdmitNode(AdmitNode { token_digest, node })
        }
        "remove" => Command::RemoveNode(RemoveNode {
            node: NodeId(of.number(0)?),
        }),
        "machine-version" => {
            let version = MachineVersion(u32::try_from(of.number(0)?)?);
            Command::SetMachineVersion(SetMachineVersion { version })
        }
        "checkpoint" => Command::Checkpoint(Checkpoint { feed: of.feed(0)? }),
        "trim" => {
            let upto = Revision(of.number(1)?);
            Command::TrimFeed(TrimFeed {
                feed: of.feed(0)?,
                upto,
            })
        }
        other => return Err(format!("unknown command {other}").into()),
    })
}

fn founded(of: &Arguments<'_>) -> Result<Command, Failure> {
    let mut found = found()?;
    if of.has("disabled-key") {
        found.default_key.state = KeyState::Disabled;
    }
    if of.has("empty-key") {
        found.default_key.versions.clear();
    }
    if let Some(version) = of.keyed_number("machine-version")? {
        found.machine_version = MachineVersion(u32::try_from(version)?);
    }
    Ok(Command::Found(found))
}

fn create(of: &Arguments<'_>) -> Result<Command, Failure> {
    let known = [
        "version",
        "bytes",
        "description",
        "kms",
        "account",
        "suffix",
        "seen",
        "long",
    ];
    Ok(Command::CreateSecret(CreateSecret {
        uid: of.uid()?,
        account: AccountId::new(of.keyed("account").unwrap_or(ACCOUNT))?,
        name: SecretName::new(of.word(1)?)?,
        arn_suffix: ArnSuffix::new(of.keyed("suffix").unwrap_or("AbC123"))?,
        description: described(of)?.unwrap_or_default(),
        kms_key: of.key("kms")?,
        tags: of.tags(&known),
        new: of.new_version()?,
        seen: of.seen()?,
    }))
}

fn put(of: &Arguments<'_>) -> Result<Command, Failure> {
    let bytes = usize::try_from(of.keyed_number("bytes")?.unwrap_or(32))?;
    let mut new = new(of.word(1)?, bytes)?;
    new.wrap.key_id = of.key("wrap")?.unwrap_or(DEFAULT_KEY);
    let labels = of
        .keyed("labels")
        .map(|labels| labels.split('/'))
        .into_iter()
        .flatten();
    let labels = labels.map(Label::new).collect::<Result<_, _>>()?;
    let (uid, young_protection_ms, seen) = (of.uid()?, of.young_ms()?, of.seen()?);
    Ok(Command::PutSecretValue(PutSecretValue {
        uid,
        new,
        labels,
        young_protection_ms,
        seen,
    }))
}

fn update(of: &Arguments<'_>) -> Result<Command, Failure> {
    let kms_key = match of.keyed("kms") {
        Some("default") => Some(None),
        _ => of.key("kms")?.map(Some),
    };
    let rewrapped = of
        .keyed("rewrap")
        .map(|names| names.split('/'))
        .into_iter()
        .flatten();
    let rewrapped = rewrapped.map(|name| Ok((version(name)?, wrap(DEFAULT_KEY, 1))));
    Ok(Command::UpdateSecret(UpdateSecret {
        uid: of.uid()?,
        description: described(of)?,
        kms_key,
        rewrapped: rewrapped.collect::<Result<_, Failure>>()?,
        new: of.new_version()?,
        young_protection_ms: of.young_ms()?,
        seen: of.seen()?,
    }))
}

/// `description=text`, or `long=2049` for that many characters.
fn described(of: &Arguments<'_>) -> Result<Option<String>, Failure> {
    let long = of.keyed_number("long")?.map(usize::try_from).transpose()?;
    Ok(long
        .map(|long| "é".repeat(long))
        .or(of.keyed("description").map(str::to_owned)))
}

/// `tags 1 50`: so many numbered tags; `tags 1 1 key=129`: one with a key of that length.
fn many_tags(of: &Arguments<'_>) -> Result<Command, Failure> {
    let width = usize::try_from(of.keyed_number("key")?.unwrap_or(1))?;
    let tag = |n: u64| Tag {
        key: format!("{n:0width$}"),
        value: String::new(),
    };
    let tags = (1..=of.number(1)?).map(tag).collect();
    Ok(Command::TagResource(TagResource {
        uid: of.uid()?,
        tags,
        seen: of.seen()?,
    }))
}

fn touched(text: &str) -> Result<Uid, Failure> {
    Ok(uid(text.parse()?))
}

fn digest(n: u64) -> Hash {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&n.to_be_bytes());
    Hash(bytes)
}

/// Takes the padding off version ids.
fn shortened(output: &str) -> String {
    let longest_first = (8..=32).rev();
    longest_first.fold(output.to_owned(), |text, length| {
        text.replace(&"-".repeat(length), "")
    })
}
