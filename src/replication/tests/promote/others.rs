//! Regions that only answer Ask, as a test tells them to.

use std::sync::Arc;

use machine::{Cursor, Epoch, FeedId};
use wire::replication::v1;

use crate::support::fake::Fake;
use crate::support::following::{cursor, origin};
use crate::support::identity;
use crate::support::pipes::Pipes;

/// What a region's first node answers.
#[derive(Clone, Default)]
pub struct Answers {
    pub feeds: Vec<(FeedId, Cursor)>,
    pub leads: Vec<FeedId>,
    pub claims: Vec<(FeedId, Epoch)>,
    /// Says that it is of another region.
    pub is_forged: bool,
    /// Never answers.
    pub is_silent: bool,
}

/// Serves a region's first node.
pub fn serve(pipes: &Arc<Pipes>, region: &str, answers: &Answers) {
    let who = match answers.is_forged {
        true => "eu-east-9",
        false => region,
    };
    let feeds = answers.feeds.iter();
    let answer = v1::AskResponse {
        origin: Some(origin(&identity(who, 1), &answers.claims)),
        feeds: feeds.map(|(feed, at)| cursor(feed, at)).collect(),
        leads: answers.leads.iter().map(FeedId::to_string).collect(),
        leader: 1,
        machine_version: 3,
    };
    let fake = Fake {
        answer: Some(answer).filter(|_| !answers.is_silent),
        ..Fake::new(region)
    };
    fake.serve(pipes);
}
