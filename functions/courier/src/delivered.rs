//! What this environment delivered a while ago. When only the report failed, or a message comes twice, nothing is sent
//! again. It is no promise: another environment knows nothing of it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use crate::verdict::Verdict;

/// About 2 MB, when each has the largest body.
const MOST: usize = 1_000;

#[derive(Default)]
pub struct Delivered {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_key: HashMap<String, Verdict>,
    oldest_first: VecDeque<String>,
}

impl Delivered {
    pub fn remember(&self, key: &str, verdict: &Verdict) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.by_key.insert(key.to_owned(), verdict.clone()).is_some() {
            return;
        }
        known.oldest_first.push_back(key.to_owned());
        if known.oldest_first.len() > MOST
            && let Some(oldest) = known.oldest_first.pop_front()
        {
            known.by_key.remove(&oldest);
        }
    }

    pub fn get(&self, key: &str) -> Option<Verdict> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).by_key.get(key).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let delivered = Delivered::default();
        let verdict = Verdict::Delivered { status: Some(200), body: None };
        for n in 0..=MOST {
            delivered.remember(&n.to_string(), &verdict);
            delivered.remember(&n.to_string(), &verdict);
        }
        assert_eq!(delivered.get("0"), None);
        assert_eq!(delivered.get("1"), Some(verdict));
        assert_eq!(delivered.known.lock().unwrap().by_key.len(), MOST);
    }
}
