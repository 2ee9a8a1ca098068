//! How far behind its primary each followed feed can be (R32): the time since this region *sent*
//! the question whose answer it has fully applied. Without an answer it grows.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use consensus::{Ages, Clock};
use machine::{Cursor, FeedId};

use crate::limits::{ANSWERS_MAX, FEEDS_MAX, QUESTIONS_MAX};

/// The ages of all followed feeds, as this node knows them. The node that leads finds them out and
/// tells the others. Counted on the clock that goes on while the machine sleeps.
pub struct Staleness {
    clock: Arc<dyn Clock>,
    /// When a question was sent whose answer is applied; in time since boot.
    confirmed: Mutex<BTreeMap<FeedId, Duration>>,
}

impl Staleness {
    /// Knows nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Staleness {
        Staleness {
            clock,
            confirmed: Mutex::default(),
        }
    }

    /// Answers how old what is here of a feed can be at most; none if it was never confirmed. Of a
    /// feed that is led here it says nothing: ask [`machine::State::is_primary`] first.
    pub fn age(&self, feed: &FeedId) -> Option<Duration> {
        let confirmed = self.lock().get(feed).copied()?;
        Some(self.now().saturating_sub(confirmed))
    }

    /// Answers the ages of all feeds that were ever confirmed, at this instant: what the node that
    /// leads tells the others.
    pub fn snapshot(&self) -> Vec<(FeedId, Duration)> {
        let now = self.now();
        let confirmed = self.lock();
        let ages = confirmed.iter();
        ages.map(|(feed, at)| (feed.clone(), now.saturating_sub(*at)))
            .collect()
    }

    /// Takes what [`consensus::Consensus::ask_ages`] answered, which was asked at `asked`, in time
    /// since boot ([`Staleness::now`]): the ages are of a later instant than that.
    pub fn merge(&self, ages: &[(FeedId, Duration)], asked: Duration) {
        for (feed, age) in ages {
            self.confirm(feed, asked.saturating_sub(*age));
        }
    }

    /// The time since boot.
    pub fn now(&self) -> Duration {
        self.clock.since_boot()
    }

    /// Takes that everything is applied that the primary had at an instant after `at`.
    pub(crate) fn confirm(&self, feed: &FeedId, at: Duration) {
        let mut confirmed = self.lock();
        if confirmed.len() < FEEDS_MAX || confirmed.contains_key(feed) {
            let known = confirmed.entry(feed.clone()).or_default();
            *known = at.max(*known);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FeedId, Duration>> {
        self.confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ages for Staleness {
    fn ages(&self) -> Vec<(FeedId, Duration)> {
        self.snapshot()
    }
}

impl fmt::Debug for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.snapshot()).finish()
    }
}

/// The numbered questions of one stream, and the answers that are not applied yet.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    last: u64,
    /// Number and instant of those without an answer, the oldest first.
    asked: VecDeque<(u64, Duration)>,
    answered: BTreeMap<FeedId, Waiting>,
}

/// The answers about one feed that are not reached.
#[derive(Debug, Default)]
struct Waiting {
    answers: Vec<Answered>,
    /// Their numbers are multiples of it: of a feed that is far behind fewer are kept, over the
    /// whole time.
    step: u64,
}

#[derive(Debug)]
struct Answered {
    number: u64,
    place: Cursor,
    asked: Duration,
}

/// A number that was never asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NeverAsked;

impl Questions {
    /// Numbers a question that is sent now.
    pub(crate) fn ask(&mut self, now: Duration) -> u64 {
        self.last = self.last.saturating_add(1);
        if self.asked.len() >= QUESTIONS_MAX {
            self.asked.pop_front();
        }
        self.asked.push_back((self.last, now));
        self.last
    }

    /// Takes the answer to a question, and gives when that was asked. One that comes twice, or very
    /// late, says nothing.
    pub(crate) fn answer(
        &mut self,
        number: u64,
        places: &[(FeedId, Cursor)],
    ) -> Result<Option<Duration>, NeverAsked> {
        if number > self.last {
            return Err(NeverAsked);
        }
        let known = self.asked.iter().find(|(asked, _)| *asked == number);
        let Some((_, asked)) = known.copied() else {
            return Ok(None);
        };
        self.asked.retain(|(other, _)| *other > number);
        for (feed, place) in places.iter().take(FEEDS_MAX) {
            let waiting = self.answered.entry(feed.clone()).or_default();
            waiting.add(Answered {
                number,
                place: place.clone(),
                asked,
            });
        }
        Ok(Some(asked))
    }

    /// Finds since when everything is applied, now that the feed stands at `cursor`; none if no
    /// answer is newly reached.
    pub(crate) fn reached(&mut self, feed: &FeedId, cursor: &Cursor) -> Option<Duration> {
        self.answered.get_mut(feed)?.reached(cursor)
    }
}

impl Waiting {
    fn add(&mut self, answer: Answered) {
        while self.answers.len() >= ANSWERS_MAX {
            self.step = self.step.max(1).saturating_mul(2);
            let step = self.step;
            self.answers.retain(|kept| kept.number.is_multiple_of(step));
        }
        if answer.number.is_multiple_of(self.step.max(1)) {
            self.answers.push(answer);
        }
    }

    fn reached(&mut self, cursor: &Cursor) -> Option<Duration> {
        let mut reached = None;
        self.answers.retain(|answer| {
            let is_same = answer.place.epoch == cursor.epoch;
            let is_reached = is_same && answer.place.revision <= cursor.revision;
            if is_reached {
                reached = reached.max(Some(answer.asked));
            }
            // One of an epoch that is over is reached never.
            !is_reached && answer.place.epoch >= cursor.epoch
        });
        if self.answers.is_empty() {
            self.step = 0;
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use machine::{Epoch, Hash, RegionName, Revision, Stamp};

    use super::*;

    #[derive(Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> Stamp {
            Stamp(0)
        }

        fn since_boot(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(number: u64, revision: u64) -> Cursor {
        Cursor {
            epoch: Some(Epoch {
                number,
                region: RegionName::new("eu-north-1").unwrap(),
            }),
            revision: Revision(revision),
            chain: Hash::ZERO,
        }
    }

    #[test]
    fn the_age_counts_from_the_sending_of_the_question_whose_answer_is_applied() {
        let (feed, mut questions) = (FeedId::Root, Questions::default());
        let first = questions.ask(ms(100));
        let second = questions.ask(ms(200));
        questions
            .answer(first, &[(feed.clone(), at(1, 5))])
            .unwrap();
        questions
            .answer(second, &[(feed.clone(), at(1, 9))])
            .unwrap();
        assert_eq!(questions.reached(&feed, &at(1, 4)), None);
        assert_eq!(questions.reached(&feed, &at(1, 5)), Some(ms(100)));
        assert_eq!(questions.reached(&feed, &at(1, 8)), None);
        assert_eq!(questions.reached(&feed, &at(1, 12)), Some(ms(200)));
    }

    #[test]
    fn a_position_of_another_epoch_confirms_nothing() {
        let (feed, mut questions) = (FeedId::Root, Questions::default());
        let old = questions.ask(ms(1));
        questions.answer(old, &[(feed.clone(), at(1, 5))]).unwrap();
        assert_eq!(questions.reached(&feed, &at(2, 9)), None);
        let new = questions.ask(ms(2));
        questions.answer(new, &[(feed.clone(), at(3, 5))]).unwrap();
        assert_eq!(questions.reached(&feed, &at(2, 9)), None);
        assert_eq!(questions.reached(&feed, &at(3, 6)), Some(ms(2)));
    }

    #[test]
    fn an_answer_to_what_was_not_asked_is_refused_and_one_that_comes_twice_says_nothing() {
        let (feed, mut questions) = (FeedId::Root, Questions::default());
        let number = questions.ask(ms(1));
        let places = [(feed.clone(), at(1, 1))];
        assert_eq!(questions.answer(number + 1, &places), Err(NeverAsked));
        questions.answer(number, &places).unwrap();
        assert_eq!(questions.reached(&feed, &at(1, 1)), Some(ms(1)));
        questions.answer(number, &places).unwrap();
        assert_eq!(questions.reached(&feed, &at(1, 1)), None);
    }

    #[test]
    fn answers_that_wait_are_bounded_and_reach_over_the_whole_time() {
        let (feed, mut questions) = (FeedId::Root, Questions::default());
        for n in 1..=10_000 {
            let number = questions.ask(ms(n));
            questions
                .answer(number, &[(feed.clone(), at(1, n))])
                .unwrap();
        }
        assert!(questions.answered[&feed].answers.len() <= ANSWERS_MAX);
        let reached = questions.reached(&feed, &at(1, 9_000)).unwrap();
        assert!(reached > ms(7_000), "{reached:?}");
        for _ in 0..10_000 {
            questions.ask(ms(20_000));
        }
        assert!(questions.asked.len() <= QUESTIONS_MAX);
    }

    #[test]
    fn another_node_counts_from_when_it_asked() {
        let clock = Arc::new(Hand::default());
        let staleness = Staleness::new(Arc::clone(&clock) as Arc<dyn Clock>);
        clock.0.store(5_000, Ordering::SeqCst);
        assert_eq!(staleness.age(&FeedId::Root), None);
        staleness.merge(&[(FeedId::Root, ms(300))], ms(4_900));
        assert_eq!(staleness.age(&FeedId::Root), Some(ms(400)));
        // An older word moves nothing back.
        staleness.merge(&[(FeedId::Root, ms(9_000))], ms(4_950));
        assert_eq!(staleness.age(&FeedId::Root), Some(ms(400)));
        clock.0.store(6_000, Ordering::SeqCst);
        assert_eq!(staleness.snapshot(), [(FeedId::Root, ms(1_400))]);
    }
}
