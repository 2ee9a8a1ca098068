//! Lists that nodes give page by page.

use crate::limits::PAGE_MAX;

/// A list that is read page by page, up to a limit. A page may be empty and have another one behind
/// it.
pub struct Pages<T> {
    limit: Option<u32>,
    entries: Vec<T>,
    /// What the next page is asked for with; none behind the last one.
    next: Option<String>,
}

/// One page to ask for.
pub struct Page {
    /// The most entries that are wanted of it.
    pub max_results: Option<i32>,
    /// Where it begins; empty for the first.
    pub next_token: String,
}

impl<T> Pages<T> {
    /// A list of which nothing is there yet, of so many entries at most.
    pub fn new(limit: Option<u32>) -> Self {
        Self {
            limit,
            entries: Vec::new(),
            next: Some(String::new()),
        }
    }

    /// The page to ask for; none when enough is there.
    pub fn next(&mut self) -> Option<Page> {
        let had = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let wanted = self
            .limit
            .map_or(PAGE_MAX, |limit| limit.saturating_sub(had));
        let next_token = self.next.take().filter(|_| wanted > 0)?;
        Some(Page {
            max_results: i32::try_from(wanted.min(PAGE_MAX)).ok(),
            next_token,
        })
    }

    /// Takes in what a page had.
    pub fn add(&mut self, entries: Vec<T>, next_token: String) {
        self.entries.extend(entries);
        self.next = Some(next_token).filter(|token| !token.is_empty());
    }

    /// All that came.
    pub fn entries(self) -> Vec<T> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_until_there_is_none_or_enough() {
        let mut pages = Pages::new(Some(3));
        let first = pages.next().unwrap();
        assert_eq!(
            (first.max_results, first.next_token.as_str()),
            (Some(3), "")
        );
        pages.add(vec![1, 2], "a".to_owned());
        let second = pages.next().unwrap();
        assert_eq!(
            (second.max_results, second.next_token.as_str()),
            (Some(1), "a")
        );
        pages.add(vec![], "b".to_owned());
        assert_eq!(pages.next().unwrap().next_token, "b");
        pages.add(vec![3], "c".to_owned());
        assert!(pages.next().is_none(), "enough is there");
        assert_eq!(pages.entries(), [1, 2, 3]);

        let mut all = Pages::<u8>::new(None);
        assert_eq!(all.next().unwrap().max_results, Some(1_000));
        all.add(vec![1], String::new());
        assert!(all.next().is_none(), "it was the last");
    }
}
