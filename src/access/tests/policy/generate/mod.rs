//! Generated cases: a request, and policies made with the request in view, so that they meet it
//! often and miss it narrowly. One seed makes one case.

mod broken;
mod condition;
mod policy;
mod report;
mod request;
mod text;
mod words;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::case::{CallerKind, Case};

pub use report::Report;

/// Chance, from a seed.
pub struct Dice(StdRng);

impl Dice {
    /// Dice that fall as the seed says.
    pub fn new(seed: u64) -> Dice {
        Dice(StdRng::seed_from_u64(seed))
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    /// Whether something of this chance in a hundred comes.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// The case of a seed, counted in the report.
pub fn case(seed: u64, report: &mut Report) -> Case {
    let mut dice = Dice::new(seed);
    let mut case = request::request(&mut dice, report);
    let has_identity = [CallerKind::User, CallerKind::Session].contains(&case.principal.kind);
    let is_foreign = case.principal.account != case.resource_account;
    let mut maker = policy::Maker::new(&mut dice, report, &case);
    if has_identity && !is_foreign && !case.is_trust() && maker.dice.percent(45) {
        case.identity = vec![maker.sharp()];
        return case;
    }
    if has_identity {
        let documents = [0, 1, 1, 1, 2][maker.dice.below(5)];
        case.identity = (0..documents)
            .map(|_| maker.document(policy::Layer::Identity))
            .collect();
        if maker.dice.percent(25) {
            case.boundary = Some(maker.document(policy::Layer::Boundary));
        }
    }
    if case.principal.kind == CallerKind::Session && maker.dice.percent(35) {
        let documents = 1 + maker.dice.below(2);
        let made = (0..documents).map(|_| maker.document(policy::Layer::Session));
        case.session = Some(made.collect());
    }
    let chance = if case.is_trust() {
        100
    } else if is_foreign {
        85
    } else {
        55
    };
    if maker.dice.percent(chance) {
        let layer = if case.is_trust() {
            policy::Layer::Trust
        } else {
            policy::Layer::Resource
        };
        case.resource_policy = Some(maker.document(layer));
    }
    if maker.dice.percent(18) {
        case.endpoint_policy = Some(maker.document(policy::Layer::Endpoint));
    }
    if dice.percent(5) {
        broken::spoil(&mut case, &mut dice, report);
    }
    case
}
