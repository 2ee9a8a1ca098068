//! Whether what clients saw of one secret can have happened one call after the other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

/// What a client asked of a secret. A value is also the number of its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// CreateSecret with this value.
    Create(u64),
    /// GetSecretValue of AWSCURRENT.
    Get,
    /// GetSecretValue of AWSPREVIOUS.
    GetPrevious,
    /// PutSecretValue.
    Put(u64),
    /// UpdateSecret with a new value.
    Update(u64),
    /// UpdateSecretVersionStage: AWSCURRENT from the first version to the second.
    Move(u64, u64),
    /// DeleteSecret with a recovery window.
    Delete,
    /// RestoreSecret.
    Restore,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// A read showed this value.
    Value(u64),
    /// ResourceNotFoundException.
    Missing,
    /// ResourceExistsException.
    Exists,
    /// InvalidRequestException: not in the state that the secret is in.
    Marked,
    /// InvalidParameterException: the label is not where the caller thought.
    Elsewhere,
    /// Nobody knows; it may take effect at any later time, or never.
    Unknown,
}

/// One call and its outcome; what the checker works on.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What was asked.
    pub call: Call,
    /// What came back.
    pub outcome: Outcome,
}

/// A moment of a history of one secret: a call by its number begins, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The call was about to be sent.
    Begins(usize),
    /// The answer was there.
    Ends(usize),
}

/// What the checker says of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order of the calls that explains every outcome.
    Linearizable,
    /// There is none.
    NotLinearizable,
    /// The time was over before either was found.
    Undecided,
}

/// The rules of one secret, as far as these calls show them.
struct Secret;

/// An operation, and when to stop looking for its place.
#[derive(Clone, Copy, Debug)]
struct Timed {
    operation: Operation,
    end: Instant,
}

/// What a secret is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    exists: bool,
    deleted: bool,
    current: u64,
    previous: Option<u64>,
}

/// Which calls without a known outcome are taken to have been done at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unknown {
    /// Writes whose value was read: they must have been.
    Seen,
    /// Any that the search finds a place for.
    Any,
}

/// Judges a history of one secret. A call without a known outcome may have been done at any time
/// after its begin, or never. If the history is explained without those that no read has seen,
/// nothing else need be tried: a search doubles with each of them.
pub fn judge(operations: &[Operation], moments: &[Moment], time: Duration) -> Verdict {
    match search(operations, moments, Unknown::Seen, time) {
        Verdict::Linearizable => Verdict::Linearizable,
        _ => search(operations, moments, Unknown::Any, time),
    }
}

fn search(
    operations: &[Operation],
    moments: &[Moment],
    unknown: Unknown,
    time: Duration,
) -> Verdict {
    let end = Instant::now() + time;
    let actions = actions(operations, moments, unknown, end);
    if actions.is_empty() || WGLChecker::<Secret>::is_linearizable(History::from_actions(actions)) {
        Verdict::Linearizable
    } else if Instant::now() < end {
        Verdict::NotLinearizable
    } else {
        Verdict::Undecided
    }
}

/// The history as the checker takes it. A write without a known outcome ends with the first read
/// that saw its value, by which time it was done, or else after all others.
fn actions(
    operations: &[Operation],
    moments: &[Moment],
    unknown: Unknown,
    end: Instant,
) -> Vec<(usize, Action<Timed>)> {
    let is_open = |at: usize| operations[at].outcome == Outcome::Unknown;
    let timed = |at: usize| Timed {
        operation: operations[at],
        end,
    };
    let seen: BTreeSet<u64> = operations.iter().filter_map(Operation::seen).collect();
    let is_tried = |at: usize| match operations[at].call {
        // What only read, and saw nothing, says nothing.
        Call::Get | Call::GetPrevious => false,
        call => unknown == Unknown::Any || call.value().is_some_and(|value| seen.contains(&value)),
    };
    let mut actions = Vec::new();
    let mut open = Vec::new();
    for moment in moments {
        match *moment {
            Moment::Begins(at) if is_open(at) && !is_tried(at) => {}
            Moment::Begins(at) => {
                actions.push((at, Action::Call(timed(at))));
                if is_open(at) {
                    open.push(at);
                }
            }
            Moment::Ends(at) if is_open(at) => {}
            Moment::Ends(at) => {
                if let Some(value) = operations[at].seen() {
                    let wrote = |at: &mut usize| operations[*at].call.value() == Some(value);
                    let written = open.extract_if(.., wrote);
                    actions.extend(written.map(|at| (at, Action::Response(timed(at)))));
                }
                actions.push((at, Action::Response(timed(at))));
            }
        }
    }
    let open = open.into_iter();
    actions.extend(open.map(|at| (at, Action::Response(timed(at)))));
    actions
}

impl Call {
    /// What it writes, if it writes a value of its own.
    fn value(self) -> Option<u64> {
        match self {
            Self::Create(value) | Self::Put(value) | Self::Update(value) => Some(value),
            _ => None,
        }
    }
}

impl Operation {
    /// The value that it has read.
    fn seen(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Value(value) => Some(value),
            _ => None,
        }
    }
}

impl Specification for Secret {
    type State = State;
    type Operation = Timed;

    fn init() -> State {
        State::default()
    }

    fn apply(timed: &Timed, state: &State) -> (bool, State) {
        if Instant::now() >= timed.end {
            // With no call in any place the search ends soon.
            return (false, state.clone());
        }
        let Operation { call, outcome } = timed.operation;
        let (right, after) = state.step(call);
        let valid = match outcome {
            Outcome::Unknown => return (true, after),
            // A version that nobody labels any more may be gone.
            Outcome::Missing if matches!(call, Call::Move(..)) => return (true, state.clone()),
            outcome => outcome == right,
        };
        (valid, if valid { after } else { state.clone() })
    }
}

impl State {
    /// The one right outcome of a call, and the state after it.
    fn step(&self, call: Call) -> (Outcome, Self) {
        let same = |outcome| (outcome, self.clone());
        match call {
            Call::Create(_) if self.deleted => same(Outcome::Marked),
            Call::Create(_) if self.exists => same(Outcome::Exists),
            Call::Create(value) => (
                Outcome::Done,
                Self {
                    exists: true,
                    current: value,
                    ..Self::default()
                },
            ),
            _ if !self.exists => same(Outcome::Missing),
            Call::Restore => (Outcome::Done, self.marked(false)),
            _ if self.deleted => same(Outcome::Marked),
            Call::Delete => (Outcome::Done, self.marked(true)),
            Call::Get => same(Outcome::Value(self.current)),
            Call::GetPrevious => same(self.previous.map_or(Outcome::Missing, Outcome::Value)),
            Call::Put(value) | Call::Update(value) => (Outcome::Done, self.with_current(value)),
            Call::Move(from, _) if from != self.current => same(Outcome::Elsewhere),
            Call::Move(_, to) => (Outcome::Done, self.with_current(to)),
        }
    }

    fn marked(&self, deleted: bool) -> Self {
        Self {
            deleted,
            ..self.clone()
        }
    }

    fn with_current(&self, current: u64) -> Self {
        Self {
            current,
            previous: Some(self.current),
            ..self.clone()
        }
    }
}
