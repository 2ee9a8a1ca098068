//! The open connections of a listener by who is at their other end, so that one can be ended when
//! that caller has no right to it any more.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::identity::Caller;

/// The open connections of callers with a certificate. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    by_number: BTreeMap<u64, (Caller, CancellationToken)>,
}

/// The place of one connection among them, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    connections: Connections,
    number: u64,
    cut: CancellationToken,
}

impl Connections {
    /// Ends the connections of all callers of whom `is_over` says so: calls under way fail, and
    /// streams end. Gives how many there were.
    pub fn cut(&self, is_over: impl Fn(&Caller) -> bool) -> usize {
        // Judged outside the lock: handshakes must not wait for it.
        let all: Vec<_> = self.lock().by_number.values().cloned().collect();
        let over = all.into_iter().filter(|(caller, _)| is_over(caller));
        over.map(|(_, cut)| cut.cancel()).count()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().by_number.len()
    }

    /// Takes in a connection; none of a caller without a certificate, who proved nothing that could
    /// be revoked.
    pub(crate) fn enter(&self, caller: &Caller) -> Option<Entered> {
        if matches!(caller, Caller::Anonymous) {
            return None;
        }
        let cut = CancellationToken::new();
        let mut open = self.lock();
        open.last = open.last.wrapping_add(1);
        let number = open.last;
        open.by_number.insert(number, (caller.clone(), cut.clone()));
        Some(Entered {
            connections: self.clone(),
            number,
            cut,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entered {
    pub(crate) fn cut(&self) -> &CancellationToken {
        &self.cut
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.connections.lock().by_number.remove(&self.number);
    }
}
