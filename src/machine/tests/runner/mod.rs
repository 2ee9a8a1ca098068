//! Runs the commands of a script: against one region, or against the one that stands before the
//! command.

mod commands;
mod feeds;
mod forged;
mod identities;
mod liars;
mod links;
mod print;
mod queries;
mod seen;

use std::error::Error;

use goldenscript::{Argument, Block, Command as Line, Context};
use strongroom_machine::{
    Applied, Command, FeedId, KeyId, MachineVersion, NewVersion, RegionName, Replica, Revision,
    RowKey, Seen, SeenAs, SeenRow, Tag, Uid,
};

use crate::net::forge::Forger;
use crate::net::{Net, Snapshot};
use crate::support::{Failure, default_key, new, region, reload, uid_named, wrap};

const DAY_MS: u64 = strongroom_machine::limits::DAY_MS;

/// The regions and the leaders' clock.
pub struct Runner {
    net: Net,
    machine_version: MachineVersion,
    /// What is being sent, from one command to the next.
    snapshot: Option<Snapshot>,
    forger: Option<Forger>,
}

impl Runner {
    pub fn new(machine_version: MachineVersion) -> Runner {
        let now_ms = 100 * DAY_MS;
        Runner {
            net: Net {
                now_ms,
                rules: Some(machine_version),
                ..Net::default()
            },
            machine_version,
            snapshot: None,
            forger: None,
        }
    }
}

impl goldenscript::Runner for Runner {
    type Command = Line;

    fn run(&mut self, line: &Line, context: &Context) -> Result<String, Box<dyn Error>> {
        let at = region(context.prefix.as_deref().unwrap_or("a"))?;
        let of = Arguments::new(line, &at);
        let output = match line.name.as_str() {
            "day" => {
                self.net.now_ms = of.number(0)?.saturating_mul(DAY_MS);
                String::new()
            }
            "clock" => {
                self.net.now_ms = of.number(0)?;
                String::new()
            }
            "repeat" => self.repeat(&at, &of)?,
            name if queries::is_query(name) => {
                let site = self.net.sites.entry(at.clone());
                let site = site.or_insert_with(|| crate::net::Site::new(at.clone()));
                queries::answer(&mut site.state, name, &of)?
            }
            name => match self.between(&at, name, &of)? {
                Some(output) => output,
                None => {
                    let command = self.command(&at, name, &of)?;
                    self.apply(&at, command)?
                }
            },
        };
        Ok(shortened(&output))
    }

    fn end_block(&mut self, _: &Block) -> Result<String, Box<dyn Error>> {
        for site in self.net.sites.values() {
            let counts = site.state.counts();
            let is_whole = counts.value_bytes == counts.resident_value_bytes;
            if is_whole && reload(&site.state)?.node_hash() != site.state.node_hash() {
                return Err("the state is not the same after a reload".into());
            }
        }
        Ok(String::new())
    }
}

impl Runner {
    /// Runs what needs more than one region, or asks about that.
    fn between(
        &mut self,
        at: &RegionName,
        name: &str,
        of: &Arguments<'_>,
    ) -> Result<Option<String>, Failure> {
        let site = self.net.sites.get(at);
        if let Some(site) = site
            && let Some(output) = identities::answer(&site.state, name, of)?
        {
            return Ok(Some(output));
        }
        Ok(match seen::answer(&self.net, at, name, of)? {
            Some(output) => Some(output),
            None => match self.feeds(at, name, of)? {
                Some(output) => Some(output),
                None => self.forged(at, name, of)?,
            },
        })
    }

    fn command(&self, at: &RegionName, name: &str, of: &Arguments<'_>) -> Result<Command, Failure> {
        if let Some(command) = identities::command(name, of, self.net.now_ms)? {
            return Ok(command);
        }
        let mut command = match self.link_command(at, name, of)? {
            Some(command) => command,
            None => commands::command(name, of, self.net.now_ms)?,
        };
        if let (Command::Found(found), None) = (&mut command, of.keyed("machine-version")) {
            found.machine_version = self.machine_version;
        }
        Ok(command)
    }

    /// Applies an entry and prints what came of it.
    fn apply(&mut self, at: &RegionName, command: Command) -> Result<String, Failure> {
        Ok(print::applied(&self.applied(at, command)?))
    }

    fn applied(&mut self, at: &RegionName, command: Command) -> Result<Applied, Failure> {
        let before = self.net.sites.get(at).map(|site| site.state.clone());
        let applied = self.net.apply(at, command);
        let state = &self.net.site(at)?.state;
        if applied.changes.is_empty() && before.unwrap_or_default().node_hash() != state.node_hash()
        {
            return Err("the state changed without a change".into());
        }
        Ok(applied)
    }

    /// `repeat 3 put 1 v`: numbers the last word; prints the last answer.
    fn repeat(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        let (times, first) = (of.number(0)?, of.keyed_number("first")?.unwrap_or(1));
        let name = of.word(1)?;
        let mut output = String::new();
        for n in first..first + times {
            let numbered = Arguments {
                words: of.numbered(2, n),
                keyed: of.keyed.clone(),
                at: of.at.clone(),
            };
            let command = self.command(at, name, &numbered)?;
            output = print::applied(&self.net.apply(at, command));
        }
        Ok(output)
    }
}

/// The words of a line.
pub struct Arguments<'a> {
    words: Vec<String>,
    keyed: Vec<(&'a str, &'a str)>,
    /// The region they are said to.
    at: RegionName,
}

impl<'a> Arguments<'a> {
    fn new(line: &'a Line, at: &RegionName) -> Arguments<'a> {
        let mut arguments = Arguments {
            words: Vec::new(),
            keyed: Vec::new(),
            at: at.clone(),
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
        uid_named(self.word(0)?)
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
            seen: SeenAs::Revision(Revision(revision)),
        };
        Ok(Seen(vec![row]))
    }

    fn new_version(&self) -> Result<Option<NewVersion>, Failure> {
        let bytes = self.keyed_number("bytes")?.unwrap_or(32);
        let Some(name) = self.keyed("version") else {
            return Ok(None);
        };
        let mut new = new(name, usize::try_from(bytes)?)?;
        new.wrap = wrap(self.key("wrap")?.unwrap_or(default_key(&self.at)), 1);
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
            "home" => Ok(FeedId::Home(self.at.clone())),
            "root" => Ok(FeedId::Root),
            written if written.contains('/') => Ok(written.parse()?),
            letter => Ok(FeedId::Home(region(letter)?)),
        }
    }

    /// `b/c.force/d@alias`: regions, and where a secret there gives way, and the key there.
    fn replicas(&self, list: &str) -> Result<Vec<Replica>, Failure> {
        let replicas = list.split('/').map(|told| {
            let (told, kms_key) = match told.split_once('@') {
                Some((told, key)) => (told, Some(key.to_owned())),
                None => (told, None),
            };
            Ok(Replica {
                region: region(told.trim_end_matches(".force"))?,
                kms_key,
                force: told.ends_with(".force"),
            })
        });
        replicas.collect()
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
