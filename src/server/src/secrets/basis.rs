//! What a call is answered from: one view, and what is to be said of it beside the answer.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use consensus::View;
use machine::{AccountId, FeedId, RegionName, Rejection, Secret, SecretId, State};
use tokio::time::Instant;

use super::ask::{Age, Answer, Reading};
use super::{Secrets, regions};
use crate::authz::{Authz, Surroundings, Who};
use crate::danger::Broken;
use crate::door::Call;
use crate::errors::Refusal;
use crate::fence::Fence;
use crate::holding::view_holding;
use crate::limits::{FRESH_MARGIN, FRESH_PAUSE, VIEWS_MAX};
use crate::staleness::Ages;

/// What a call is about: of that it is said how old it is.
#[derive(Clone, Copy)]
pub(super) enum About<'a> {
    /// A secret that is to be changed: its primary alone does that.
    Change,
    /// These secrets.
    Secrets(&'a [SecretId]),
    /// All secrets.
    Everything,
}

/// The view of one call, and how old it may be.
#[derive(Clone)]
pub(super) struct Basis {
    pub(super) view: View,
    /// The region the request belongs to, which ARNs show.
    pub(super) region: RegionName,
    /// Who asks, as the view has it.
    pub(super) who: Arc<Who>,
    /// What else policies look at.
    pub(super) around: Surroundings,
    pub(super) authz: Arc<Authz>,
    /// Of the region's own state, when the caller waived the barrier.
    age: Option<Age>,
    ages: Ages,
    /// What the answer is of that other regions lead.
    followed: Vec<FeedId>,
    /// What it is of that is led here, unless the caller waived the barrier.
    led: Vec<FeedId>,
    fence: Fence,
}

/// Counts the views of one call: what was overtaken by a change is looked at again.
#[derive(Default)]
pub(super) struct Views(usize);

impl Views {
    /// Whether another view is to be taken after what came of the last one.
    pub(super) fn again<T>(&mut self, outcome: &Result<T, Refusal>) -> bool {
        self.0 += 1;
        let is_superseded = outcome.as_ref().err().is_some_and(Refusal::is_superseded);
        is_superseded && self.0 < VIEWS_MAX
    }
}

impl Deref for Basis {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Secrets {
    /// The view a call is answered from: after a barrier unless the caller waives it, and as fresh
    /// as it asks.
    pub(super) async fn view(
        &self,
        call: &Call,
        reading: &Reading,
        about: About<'_>,
    ) -> Result<Basis, Refusal> {
        loop {
            let basis = self.look(call, reading, about).await?;
            let Some(max) = reading.max_staleness else {
                return Ok(basis);
            };
            match basis.staleness() {
                None => return Ok(basis),
                Some(Age(Some(staleness))) if staleness <= max => return Ok(basis),
                Some(Age(staleness)) if Instant::now() + FRESH_MARGIN >= call.deadline => {
                    self.metrics.regions.too_stale.inc();
                    return Err(Refusal::too_stale(staleness));
                }
                Some(_) => tokio::time::sleep(FRESH_PAUSE).await,
            }
        }
    }

    async fn look(
        &self,
        call: &Call,
        reading: &Reading,
        about: About<'_>,
    ) -> Result<Basis, Refusal> {
        let is_read = !matches!(about, About::Change);
        let broken = self.danger.is(Broken::AuthorizesBeforeBarrier);
        let before = broken.then(|| self.consensus.local_view());
        let follows = is_read && follows_any(&self.consensus.local_view());
        let began = Instant::now();
        let (view, age, ages) = match (reading.eventual, follows) {
            (true, _) => {
                let ages = match follows {
                    true => self.staleness.known(),
                    false => Ages::default(),
                };
                // Before the view, too, which may only be newer.
                let age = Age(self.freshness.age(began));
                (self.consensus.local_view(), Some(age), ages)
            }
            (false, true) => {
                // Before the view, which then has what they are of.
                let ages = self.staleness.ask(call.deadline).await;
                let began = Instant::now();
                let view = self.consensus.read(call.deadline).await?;
                self.freshness.confirm(began);
                (view, None, ages)
            }
            (false, false) => {
                let view = self.consensus.read(call.deadline).await?;
                self.freshness.confirm(began);
                (view, None, Ages::default())
            }
        };
        let view = match &reading.min_position {
            None => view,
            Some(token) => view_holding(&self.consensus, call, view, token).await?,
        };
        let who = self.authz.caller(before.as_ref().unwrap_or(&view), call)?;
        let region = regions::of_request(&view, reading.region.as_ref())?;
        let (followed, led) = sources(&view, &region, who.account(), about);
        Ok(Basis {
            around: Surroundings::of(call, &region),
            authz: Arc::clone(&self.authz),
            who,
            region,
            age,
            ages,
            followed,
            led: if reading.eventual { Vec::new() } else { led },
            fence: self.fence.clone(),
            view,
        })
    }
}

impl Basis {
    /// The answer made from this view, unless another region has taken over meanwhile.
    pub(super) fn answer<T>(&self, message: T) -> Result<Answer<T>, Refusal> {
        self.pass()?;
        Ok(Answer {
            message,
            position: self.view.token(),
            age: self.age,
            staleness: self.staleness(),
        })
    }

    /// What came of a call: the answer, or a refusal that says of which state it is.
    pub(super) fn close<T>(&self, outcome: Result<T, Refusal>) -> Result<Answer<T>, Refusal> {
        match outcome {
            Ok(message) => self.answer(message),
            Err(refusal) => Err(self.refuse(refusal)),
        }
    }

    /// A refusal, with how old the state is that gave rise to it.
    pub(super) fn refuse(&self, refusal: Refusal) -> Refusal {
        match (self.pass(), self.staleness()) {
            (Err(fenced), _) => fenced,
            (Ok(()), None) => refusal,
            (Ok(()), Some(Age(staleness))) => refusal.with_staleness(staleness),
        }
    }

    /// Finds the secret a caller names.
    pub(super) fn lookup(&self, id: &SecretId) -> Result<&Arc<Secret>, Refusal> {
        let found = regions::find(&self.view, &self.region, self.who.account(), id);
        found.map_err(|refusal| self.refuse(refusal))
    }

    /// Refuses to change a secret that another region leads, and names that.
    pub(super) fn led(&self, secret: &Secret) -> Result<(), Refusal> {
        let feed = self.view.feed_of_secret(&secret.uid);
        let primary = feed.and_then(|feed| Some((feed, self.view.primary_of(feed)?)));
        match primary {
            Some((feed, primary)) if self.view.region() != Some(primary) => {
                let rejection = Rejection::NotPrimary {
                    feed: feed.clone(),
                    region: primary.clone(),
                };
                Err(Refusal::from(rejection).with_addresses(&self.view))
            }
            _ => Ok(()),
        }
    }

    /// Lets the view go, which keeps what it shows in memory, and gives the request's region.
    pub(super) fn into_region(self) -> RegionName {
        self.region
    }

    /// A secret's ARN as this request is shown it.
    pub(super) fn arn(&self, secret: &Secret) -> String {
        self.view.arn_of(secret, &self.region).to_string()
    }

    /// How much older than in the regions that lead it what the answer is of may be: the oldest
    /// part counts.
    fn staleness(&self) -> Option<Age> {
        let mut oldest = Duration::ZERO;
        for feed in &self.followed {
            match self.ages.age(feed) {
                None => return Some(Age(None)),
                Some(age) => oldest = oldest.max(age),
            }
        }
        let is_followed = !self.followed.is_empty();
        is_followed.then_some(Age(Some(oldest)))
    }

    pub(super) fn live<'a>(&self, secret: &'a Arc<Secret>) -> Result<&'a Arc<Secret>, Refusal> {
        let scheduled = "You can't perform this operation on the secret because it was marked for \
                         deletion.";
        match secret.is_scheduled() {
            false => Ok(secret),
            true => Err(self.refuse(Refusal::request(scheduled))),
        }
    }

    fn pass(&self) -> Result<(), Refusal> {
        let mut fenced = self.led.iter();
        match fenced.find_map(|feed| self.fence.over(&self.view, feed)) {
            None => Ok(()),
            Some(epoch) => Err(Refusal::taken_over(&epoch).with_addresses(&self.view)),
        }
    }
}

/// Whether any feed is led elsewhere.
fn follows_any(state: &State) -> bool {
    let mut leaders = state.epochs().map(|(_, epoch)| Some(&epoch.region));
    leaders.any(|leader| leader != state.region())
}

/// The feeds an answer is of: those that other regions lead, and those that are led here.
fn sources(
    state: &State,
    region: &RegionName,
    account: &AccountId,
    about: About<'_>,
) -> (Vec<FeedId>, Vec<FeedId>) {
    let of_secret = |id: &SecretId| {
        let secret = regions::find(state, region, account, id).ok()?;
        state.feed_of_secret(&secret.uid).cloned()
    };
    let named: Option<BTreeSet<FeedId>> = match about {
        // One that is not found may be in any.
        About::Secrets(ids) => ids.iter().map(of_secret).collect(),
        About::Change | About::Everything => None,
    };
    let feeds = named.unwrap_or_else(|| {
        let all = state.epochs().map(|(feed, _)| feed.clone());
        all.filter(|feed| *feed != FeedId::Root).collect()
    });
    let (led, followed): (Vec<FeedId>, Vec<FeedId>) =
        feeds.into_iter().partition(|feed| state.is_primary(feed));
    match about {
        // It is changed where it is led, and nowhere from something older.
        About::Change => (Vec::new(), led),
        About::Secrets(_) | About::Everything => (followed, led),
    }
}
