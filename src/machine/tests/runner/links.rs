//! Commands about regions: linking and sharing.

use bytes::Bytes;
use strongroom_machine::{
    Command, DetachSecret, Epoch, FeedId, FenceFeed, ForgetStaged, Found, IssueLinkToken,
    LinkRegion, MachineVersion, NewVersion, Node, Region, RegionName, ReplicaReport, ReplicaState,
    ReportReplicas, RewrapSecret, Scope, ShareSecret, StageDetach, Stamp, TakeOver, UnlinkRegion,
    UnshareSecret, UpdateRegion, VerifyingKey, VersionId,
};

use crate::net::steps::founding;
use crate::runner::{Arguments, DAY_MS, Runner, commands::digest};
use crate::support::{Failure, default_key, letter, new, node, region, uid_named, version, wrap};

impl Runner {
    pub(super) fn link_command(
        &self,
        at: &RegionName,
        name: &str,
        of: &Arguments<'_>,
    ) -> Result<Option<Command>, Failure> {
        Ok(Some(match name {
            "link-token" => {
                let days = of.keyed_number("days")?.unwrap_or(1);
                let expires = Stamp(self.net.now_ms + days * DAY_MS);
                Command::IssueLinkToken(IssueLinkToken {
                    digest: digest(of.number(1)?),
                    expires,
                    region: region(of.word(0)?)?,
                    scope: scope(of)?,
                })
            }
            "link" => Command::LinkRegion(LinkRegion {
                token_digest: digest(of.number(0)?),
                region: entry(of, 1)?,
            }),
            "update-region" => Command::UpdateRegion(UpdateRegion {
                region: entry(of, 0)?,
            }),
            "unlink" => Command::UnlinkRegion(UnlinkRegion {
                region: region(of.word(0)?)?,
            }),
            "found-linked" => Command::Found(self.linked(at, of)?),
            "share" => Command::ShareSecret(ShareSecret {
                uid: of.uid()?,
                replicas: of.replicas(of.word(1)?)?,
                seen: of.seen()?,
            }),
            "unshare" => Command::UnshareSecret(UnshareSecret {
                uid: of.uid()?,
                regions: regions(of.word(1)?)?,
                seen: of.seen()?,
            }),
            "detach" => self.detach(at, of)?,
            "stage-detach" => Command::StageDetach(StageDetach {
                uid: of.uid()?,
                new_uid: uid_named(of.word(1)?)?,
                versions: self.resealed(at, of)?,
            }),
            "report" => report(of)?,
            "rewrap" => rewrap(of)?,
            "take-over" => take_over(of)?,
            "fence" => Command::FenceFeed(FenceFeed {
                feed: of.feed(0)?,
                epoch: epoch(of.word(1)?)?,
            }),
            "forget-staged" => Command::ForgetStaged(ForgetStaged { feed: of.feed(0)? }),
            _ => return Ok(None),
        }))
    }

    /// `found-linked a`: with the regions that one knows.
    fn linked(&self, at: &RegionName, of: &Arguments<'_>) -> Result<Found, Failure> {
        let from = self.net.site(&region(of.word(0)?)?)?;
        let told = from.state.regions().cloned().collect();
        let mut found = founding(at, told, of.has("home-exists"))?;
        if let Some(version) = of.keyed_number("machine-version")? {
            found.machine_version = MachineVersion(u32::try_from(version)?);
        }
        Ok(found)
    }

    /// `detach 1 b2`: makes a secret of its own of a copy.
    fn detach(&self, at: &RegionName, of: &Arguments<'_>) -> Result<Command, Failure> {
        Ok(Command::DetachSecret(DetachSecret {
            uid: of.uid()?,
            new_uid: uid_named(of.word(1)?)?,
            versions: self.resealed(at, of)?,
            kms_key: of.key("kms")?,
            seen: of.seen()?,
        }))
    }

    /// The versions of a copy sealed anew: all, `without=v1`, `only=v1/v2` or none with `nothing`.
    fn resealed(&self, at: &RegionName, of: &Arguments<'_>) -> Result<Vec<NewVersion>, Failure> {
        let copy = self.net.site(at)?.state.secret(&of.uid()?).cloned();
        let versions = copy.iter().flat_map(|copy| &copy.versions);
        let left_out = of.keyed("without").map(version).transpose()?;
        let only = of.keyed("only").map(|names| names.split('/').map(version));
        let only: Option<Result<Vec<VersionId>, Failure>> = only.map(Iterator::collect);
        let only = only.transpose()?;
        let kept = versions.filter(|version| {
            let is_meant = only.as_ref().is_none_or(|only| only.contains(&version.id));
            is_meant && Some(&version.id) != left_out.as_ref() && !of.has("nothing")
        });
        let sealed = kept.map(|version| {
            let mut new = new("v", 33)?;
            new.id = version.id.clone();
            new.wrap = wrap(default_key(at), 1);
            Ok(new)
        });
        sealed.collect()
    }
}

fn scope(of: &Arguments<'_>) -> Result<Scope, Failure> {
    Ok(match of.keyed("scope") {
        Some("all") => Scope::All,
        Some("founder") => Scope::Founder,
        None | Some("selected") => Scope::Selected,
        Some(other) => return Err(format!("no scope {other}").into()),
    })
}

/// `b nodes=2 first=1 scope=all`: the entry of a region in the directory.
fn entry(of: &Arguments<'_>, at: usize) -> Result<Region, Failure> {
    let name = region(of.word(at)?)?;
    let first = of.keyed_number("first")?.unwrap_or(1);
    let nodes = first..first + of.keyed_number("nodes")?.unwrap_or(1);
    let key = letter(&name).as_bytes()[0];
    // Each node has a key of its own.
    let mut nodes: Vec<Node> = nodes.map(|id| node(id, key + id as u8 - 1)).collect();
    if of.has("unsorted") {
        nodes.reverse();
    }
    let scope = match of.keyed("scope") {
        None => Scope::Founder,
        Some(_) => scope(of)?,
    };
    let authority = Bytes::from_static(b"an issuer's certificate");
    let authorities = [authority].into_iter().filter(|_| !of.has("bare"));
    Ok(Region {
        name,
        scope,
        authorities: authorities.collect(),
        nodes,
        unlinked: None,
        signing_key: signing_key(of)?,
    })
}

fn signing_key(of: &Arguments<'_>) -> Result<Option<VerifyingKey>, Failure> {
    let number = of.keyed_number("signs")?.map(u8::try_from).transpose()?;
    Ok(number.map(|number| VerifyingKey([number; 32])))
}

fn regions(list: &str) -> Result<Vec<RegionName>, Failure> {
    list.split('/').map(region).collect()
}

/// `report b 1 failed "why" day=3`.
fn report(of: &Arguments<'_>) -> Result<Command, Failure> {
    let state = match of.word(2)? {
        "in-progress" => ReplicaState::InProgress,
        "in-sync" => ReplicaState::InSync,
        "failed" => ReplicaState::Failed,
        "detached" => ReplicaState::Detached,
        other => return Err(format!("no state {other}").into()),
    };
    let day = of.keyed_number("day")?.unwrap_or_default();
    let report = ReplicaReport {
        uid: uid_named(of.word(1)?)?,
        state,
        message: of.word(3).unwrap_or_default().to_owned(),
        access_day: u32::try_from(day)?,
    };
    Ok(Command::ReportReplicas(ReportReplicas {
        region: region(of.word(0)?)?,
        replicas: vec![report],
    }))
}

/// `rewrap 1 v1 v2 wrap=3`.
fn rewrap(of: &Arguments<'_>) -> Result<Command, Failure> {
    let key = of.key("wrap")?.unwrap_or(default_key(&of.at));
    let names = of.words.iter().skip(1);
    let wraps = names.map(|name| Ok((version(name)?, wrap(key, 1))));
    Ok(Command::RewrapSecret(RewrapSecret {
        uid: of.uid()?,
        wraps: wraps.collect::<Result<_, Failure>>()?,
    }))
}

/// `take-over a root=7@c`: and the highest ballots heard of.
fn take_over(of: &Arguments<'_>) -> Result<Command, Failure> {
    let heard = of.keyed.iter().map(|(feed, heard)| {
        let feed = match *feed {
            "root" => FeedId::Root,
            home => FeedId::Home(region(home)?),
        };
        Ok((feed, epoch(heard)?))
    });
    Ok(Command::TakeOver(TakeOver {
        region: region(of.word(0)?)?,
        heard: heard.collect::<Result<_, Failure>>()?,
    }))
}

/// `2@b`.
pub fn epoch(text: &str) -> Result<Epoch, Failure> {
    let (number, name) = text.split_once('@').ok_or("no ballot")?;
    Ok(Epoch {
        number: number.parse()?,
        region: region(name)?,
    })
}
