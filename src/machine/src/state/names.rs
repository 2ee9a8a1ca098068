//! Which secrets have which name. One has it in a region, but for regions that receive every
//! secret: there two of different feeds may meet.

use std::sync::Arc;

use imbl::OrdMap;

use crate::ids::Uid;
use crate::names::{AccountId, SecretName};

/// Secrets by account and name.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    named: OrdMap<(AccountId, SecretName), Named>,
}

#[derive(Debug, Clone)]
enum Named {
    One(Uid),
    /// Sorted, so that it depends on the rows and not on the way to them.
    Several(Arc<Vec<Uid>>),
}

impl Names {
    pub(super) fn insert(&mut self, account: AccountId, name: SecretName, uid: Uid) {
        let key = (account, name);
        let named = match self.named.get(&key) {
            None => Named::One(uid),
            Some(Named::One(other)) if *other == uid => return,
            Some(Named::One(other)) => several(vec![*other, uid]),
            Some(Named::Several(others)) if others.contains(&uid) => return,
            Some(Named::Several(others)) => several(others.iter().copied().chain([uid]).collect()),
        };
        self.named.insert(key, named);
    }

    pub(super) fn remove(&mut self, account: &AccountId, name: &SecretName, uid: Uid) {
        let key = (account.clone(), name.clone());
        match self.named.get(&key) {
            Some(Named::One(other)) if *other == uid => {
                self.named.remove(&key);
            }
            Some(Named::Several(others)) => {
                let rest: Vec<Uid> = others.iter().copied().filter(|id| *id != uid).collect();
                let named = match rest.as_slice() {
                    [last] => Named::One(*last),
                    _ => several(rest),
                };
                self.named.insert(key, named);
            }
            Some(Named::One(_)) | None => {}
        }
    }

    /// Gives all that have the name.
    pub(super) fn all(&self, account: &AccountId, name: &SecretName) -> &[Uid] {
        match self.named.get(&(account.clone(), name.clone())) {
            None => &[],
            Some(Named::One(uid)) => std::slice::from_ref(uid),
            Some(Named::Several(uids)) => uids,
        }
    }
}

fn several(mut uids: Vec<Uid>) -> Named {
    uids.sort_unstable();
    Named::Several(Arc::new(uids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_name_does_not_depend_on_the_order_it_came_in() {
        let account = AccountId::new("000000000001").unwrap();
        let name = SecretName::new("s").unwrap();
        let uid = |n: u8| Uid([n; 16]);
        for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
            let mut names = Names::default();
            for n in order {
                names.insert(account.clone(), name.clone(), uid(n));
                names.insert(account.clone(), name.clone(), uid(n));
            }
            assert_eq!(names.all(&account, &name), [uid(1), uid(2), uid(3)]);
            names.remove(&account, &name, uid(2));
            names.remove(&account, &name, uid(9));
            assert_eq!(names.all(&account, &name), [uid(1), uid(3)]);
            names.remove(&account, &name, uid(1));
            assert_eq!(names.all(&account, &name), [uid(3)]);
            names.remove(&account, &name, uid(3));
            assert!(names.named.is_empty());
        }
    }
}
