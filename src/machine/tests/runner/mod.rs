//! Runs the commands of a script against one state.

mod commands;
mod print;
mod queries;

use std::error::Error;

use goldenscript::{Argument, Command as Line, Context};
use strongroom_machine::{
    Command, Entry, FeedId, KeyId, LogIndex, MachineVersion, NewVersion, RegionName, Revision,
    RowKey, Seen, SeenRow, State, Tag, Uid, apply,
};

use crate::support::{DEFAULT_KEY, Failure, REGION, entry, new, reload, uid, wrap};

const DAY_MS: u64 = strongroom_machine::limits::DAY_MS;

/// One state, its log index and the leader's clock.
pub struct Runner {
    state: State,
    index: u64,
    now_ms: u64,
    machine_version: MachineVersion,
}

impl Runner {
    pub fn new(machine_version: MachineVersion) -> Runner {
        Runner {
            state: State::new(),
            index: 0,
            now_ms: 100 * DAY_MS,
            machine_version,
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
                let mut command = commands::command(line.name.as_str(), &arguments, self.now_ms)?;
                if let (Command::Found(found), None) =
                    (&mut command, arguments.keyed("machine-version"))
                {
                    found.machine_version = self.machine_version;
                }
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
            let command = commands::command(name, &arguments, self.now_ms)?;
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

    fn new_version(&self) -> Result<Option<NewVersion>, Failure> {
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

/// Takes the padding off version ids.
fn shortened(output: &str) -> String {
    let longest_first = (8..=32).rev();
    longest_first.fold(output.to_owned(), |text, length| {
        text.replace(&"-".repeat(length), "")
    })
}
