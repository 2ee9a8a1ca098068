//! Commands of a script by which a region takes in another one's feed.

use std::fmt::Write as _;

use strongroom_machine::{
    Body, Command, FeedId, FillRows, MachineVersion, RegionName, RowKey, Scope, Uid,
};

use crate::net::{Site, Snapshot, body, changes, fill, import, mends};
use crate::runner::{Arguments, Runner};
use crate::support::{Failure, region, uid_named};

impl Runner {
    pub(super) fn feeds(
        &mut self,
        at: &RegionName,
        name: &str,
        of: &Arguments<'_>,
    ) -> Result<Option<String>, Failure> {
        Ok(Some(match name {
            "cluster" => self.cluster(of)?,
            "catch-up" => {
                self.net.catch_up()?;
                String::new()
            }
            // All nodes of the region are lost.
            "wipe" => {
                self.net.sites.remove(at);
                String::new()
            }
            "link-spares" => self.link_spares(at, of)?,
            "follow" => self.follow(at, of)?,
            "fill" => self.fill(at, of)?,
            "snapshot" => self.snapshot(at, of)?,
            "part" => self.part(at, of)?,
            "activate" => self.activate(at, of)?,
            "mend" => self.mend(at, of)?,
            "fill-key" => self.fill_key(at, of)?,
            // What regions begin with from here on.
            "rules" => {
                let rules = MachineVersion(u32::try_from(of.number(0)?)?);
                self.net.rules = Some(rules);
                String::new()
            }
            _ => return Ok(None),
        }))
    }

    /// `cluster b c=all`: the first region, and others that are linked and have the root feed.
    fn cluster(&mut self, of: &Arguments<'_>) -> Result<String, Failure> {
        let selected = of.words.iter().map(|word| (word.as_str(), Scope::Selected));
        let all = of.keyed.iter().map(|(letter, _)| (*letter, Scope::All));
        let mut others: Vec<(&str, Scope)> = selected.chain(all).collect();
        others.sort_by_key(|(letter, _)| *letter);
        self.net.found(&others)?;
        self.net.catch_up()?;
        Ok(String::new())
    }

    /// `link-spares 10`: so many regions that never come.
    fn link_spares(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        for number in 1..=of.number(0)? {
            let name = RegionName::new(&format!("spare-{number}"))?;
            self.net.link(at, &name, Scope::Selected)?;
        }
        Ok(String::new())
    }

    /// `follow a home max=3`: what one region sends of a feed, in one entry.
    fn follow(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        let feed = named(of, 1)?;
        let (from, to) = (self.net.site(&region(of.word(0)?)?)?, self.net.site(at)?);
        let max = of.keyed_number("max")?.unwrap_or(1000);
        let sent = match changes(from, to, &feed, usize::try_from(max)?) {
            Ok(sent) => sent,
            Err(reason) => return Ok(not_served(&reason)),
        };
        let refused = refused(of)?;
        let import = import(to, &feed, &sent, &refused);
        self.apply(at, Command::ImportChanges(import))
    }

    /// `fill a home`: what the region lacks of a feed.
    fn fill(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        let feed = named(of, 1)?;
        let (from, to) = (self.net.site(&region(of.word(0)?)?)?, self.net.site(at)?);
        let refused = refused(of)?;
        match fill(from, to, &feed, &refused) {
            None => Ok("nothing to fill".to_owned()),
            Some(fill) => self.apply(at, Command::FillRows(fill)),
        }
    }

    /// `fill-key a r1`: the key of a credential that is here; of a session key with `session`.
    fn fill_key(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        let uid = uid_named(of.word(1)?)?;
        let key = match of.has("session") {
            true => RowKey::SessionKey(uid),
            false => RowKey::Credential(uid),
        };
        let (from, to) = (self.net.site(&region(of.word(0)?)?)?, self.net.site(at)?);
        let Body::Here(framed) = from.state.body_for(&key, at) else {
            return Ok("nothing is sent".to_owned());
        };
        let row = (key, body(to, &key, &framed, &refused(of)?));
        let (feed, rows) = (FeedId::Root, vec![row]);
        self.apply(at, Command::FillRows(FillRows { feed, rows }))
    }

    /// `snapshot a home values`: takes one, to be sent in parts.
    fn snapshot(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        let feed = named(of, 1)?;
        let (from, to) = (self.net.site(&region(of.word(0)?)?)?, self.net.site(at)?);
        let mut snapshot = Snapshot::take(from, to, &feed, of.has("values"))?;
        if of.has("wrong") {
            snapshot.hash.0[0] ^= 1;
        }
        let rows = snapshot.rows.len();
        let (epoch, revision) = (snapshot.at.epoch.clone(), snapshot.at.revision);
        let epoch = epoch.ok_or("no epoch")?;
        self.snapshot = Some(snapshot);
        Ok(format!("{rows} rows of {feed} at {epoch} {revision}"))
    }

    /// `part 0 10`: so many rows from one on.
    fn part(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        let snapshot = self.snapshot.as_ref().ok_or("no snapshot")?;
        let (first, count) = (of.number(0)?, of.number(1)?);
        let mut part = snapshot.part(usize::try_from(first)?, usize::try_from(count)?);
        if let Command::StageRows(stage) = &mut part {
            if of.has("reversed") {
                stage.rows.reverse();
            }
            if let Some(name) = of.keyed("as") {
                stage.feed = FeedId::Home(region(name)?);
            }
        }
        self.apply(at, part)
    }

    fn activate(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        let snapshot = self.snapshot.as_ref().ok_or("no snapshot")?;
        let mut activate = snapshot.activate();
        if let (Command::ActivateSnapshot(activate), Some(rows)) =
            (&mut activate, of.keyed_number("rows")?)
        {
            activate.rows = rows;
        }
        self.apply(at, activate)
    }

    /// `mend a home`: every bucket that differs.
    fn mend(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        let feed = named(of, 1)?;
        let mends = {
            let (from, to) = (self.net.site(&region(of.word(0)?)?)?, self.net.site(at)?);
            mends(from, to, &feed)?
        };
        let mut output = String::new();
        for mend in mends {
            output.push_str(&self.apply(at, mend)?);
        }
        match output.is_empty() {
            true => Ok("nothing to mend".to_owned()),
            false => Ok(output),
        }
    }
}

/// The feed a line names; that of the region that sends if none.
fn named(of: &Arguments<'_>, at: usize) -> Result<FeedId, Failure> {
    match of.word(at) {
        Ok("home") | Err(_) => Ok(FeedId::Home(region(of.word(at - 1)?)?)),
        Ok(_) => of.feed(at),
    }
}

/// `fails=1/2`: secrets whose values cannot be wrapped.
fn refused(of: &Arguments<'_>) -> Result<impl Fn(&Uid) -> Option<String> + use<>, Failure> {
    let names = of.keyed("fails").map(|names| names.split('/'));
    let uids = names.into_iter().flatten().map(uid_named);
    let uids = uids.collect::<Result<Vec<Uid>, Failure>>()?;
    Ok(move |uid: &Uid| {
        uids.contains(uid)
            .then(|| "The key is disabled.".to_owned())
    })
}

pub fn not_served(reason: &strongroom_machine::NotServed) -> String {
    let debug = format!("{reason:?}");
    let name: String = debug
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    format!("not served {name}: {reason}")
}

/// Shows a site's feeds.
pub fn standing(site: &Site) -> Result<String, Failure> {
    let mut output = String::new();
    for feed in site.state.feeds() {
        let Some(position) = feed.position() else {
            continue;
        };
        write!(output, "{position}")?;
        if let Some(fence) = site.state.fence(&position.feed) {
            write!(output, ", fenced by {fence}")?;
        }
        if let Some(staging) = feed.staging() {
            write!(output, ", {} rows staged", staging.rows)?;
        }
        for begun in feed.epochs() {
            write!(output, ", {} after {}", begun.epoch, begun.last_revision)?;
        }
        output.push('\n');
    }
    Ok(output)
}
