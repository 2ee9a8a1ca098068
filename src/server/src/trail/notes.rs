//! What is noted of a call while it is worked on, for its record: handlers know what the door does
//! not.
//!
//! Of several decisions the last denial counts if the call is denied, else the first that allowed
//! something: that is the one the call was let in by.

use std::sync::{Mutex, MutexGuard, PoisonError};

use machine::Position;

/// The notes of one call.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    caller: String,
    session: String,
    call: Subject,
    /// What is being looked at of a call that is about several.
    item: Option<Subject>,
    items: Vec<Item>,
}

/// What a call, or one item of it, is about, and what decided.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The ARN.
    pub resource: String,
    /// The id of the version.
    pub version: String,
    /// The stage.
    pub stage: String,
    /// What allowed it.
    pub allowed: String,
    /// What denied it.
    pub denied: String,
    /// Where the write stands in its feed, or what a read had seen of it.
    pub position: Option<Position>,
    /// The feed, in words.
    pub feed: String,
}

/// One of the things that a call is subject.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is, and what decided.
    pub subject: Subject,
    /// The name of the error; none if it is in the answer.
    pub error: Option<&'static str>,
}

impl Notes {
    /// Notes who the caller is here, and by what it proved that.
    pub fn caller(&self, arn: String, session: String) {
        let mut noted = self.noted();
        noted.caller = arn;
        noted.session = session;
    }

    /// Notes the session that a call has opened: whose it is, which is who the caller becomes where
    /// nobody knew it, and its id, by which it can be revoked.
    pub fn opened(&self, arn: &str, id: &str, brought_by: &str) {
        let mut noted = self.noted();
        if noted.caller.is_empty() {
            arn.clone_into(&mut noted.caller);
            id.clone_into(&mut noted.session);
        }
        let subject = noted.subject();
        let words = format!(
            "{}; opened session {id} of {arn}{brought_by}",
            subject.allowed
        );
        subject.allowed = words.trim_start_matches("; ").to_owned();
    }

    /// Notes a decision about a resource.
    pub fn decided(&self, resource: &str, is_allowed: bool, reason: String) {
        let mut noted = self.noted();
        let subject = noted.subject();
        if is_allowed && !subject.allowed.is_empty() {
            return;
        }
        resource.clone_into(&mut subject.resource);
        match is_allowed {
            true => subject.allowed = reason,
            false => subject.denied = reason,
        }
    }

    /// Notes which version the call is about, and by which stage it was asked for.
    pub fn version(&self, version: &str, stage: &str) {
        let mut noted = self.noted();
        let subject = noted.subject();
        version.clone_into(&mut subject.version);
        stage.clone_into(&mut subject.stage);
    }

    /// Notes a place in a feed.
    pub fn position(&self, position: Position) {
        let mut noted = self.noted();
        let subject = noted.subject();
        subject.feed = position.feed.to_string();
        subject.position = Some(position);
    }

    /// Begins to look at one of several things.
    pub fn begin_item(&self) {
        self.noted().item = Some(Subject::default());
    }

    /// Ends that, with the name of an error if it is not in the answer.
    pub fn end_item(&self, error: Option<&'static str>) {
        let mut noted = self.noted();
        if let Some(subject) = noted.item.take() {
            noted.items.push(Item { subject, error });
        }
    }

    /// Forgets the items: all of them are looked at again.
    pub fn forget_items(&self) {
        let mut noted = self.noted();
        noted.item = None;
        noted.items.clear();
    }

    /// What is noted by now: the caller, its session, the call itself and its items.
    pub fn seen(&self) -> (String, String, Subject, Vec<Item>) {
        let noted = self.noted();
        let (caller, session) = (noted.caller.clone(), noted.session.clone());
        (caller, session, noted.call.clone(), noted.items.clone())
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn subject(&mut self) -> &mut Subject {
        self.item.as_mut().unwrap_or(&mut self.call)
    }
}

impl Subject {
    /// The statement that decided.
    pub fn statement(&self, is_denied: bool) -> &str {
        match is_denied && !self.denied.is_empty() {
            true => &self.denied,
            false => &self.allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Notes;

    #[test]
    fn the_last_denial_and_the_first_permission_count() {
        let notes = Notes::default();
        notes.decided("*", true, "a".to_owned());
        notes.decided("x", true, "b".to_owned());
        notes.decided("y", false, "c".to_owned());
        notes.decided("z", false, "d".to_owned());
        let (_, _, call, items) = notes.seen();
        assert_eq!((call.statement(false), call.statement(true)), ("a", "d"));
        assert_eq!((call.resource.as_str(), items.len()), ("z", 0));
    }

    #[test]
    fn items_are_apart_from_their_call() {
        let notes = Notes::default();
        notes.decided("*", true, "all".to_owned());
        for (resource, error) in [("a", None), ("b", Some("AccessDeniedException"))] {
            notes.begin_item();
            notes.decided(resource, error.is_none(), "one".to_owned());
            notes.end_item(error);
        }
        let (_, _, call, items) = notes.seen();
        assert_eq!((call.resource.as_str(), items.len()), ("*", 2));
        assert_eq!(items[1].subject.resource, "b");
        notes.begin_item();
        notes.end_item(None);
        notes.forget_items();
        assert!(notes.seen().3.is_empty());
    }
}
