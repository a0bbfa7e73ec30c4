//! The streams of a store under test, and their last events.

use std::collections::BTreeMap;

use super::questions::Asked;
use crate::checker::{Checked, Rule, ensure};
use crate::content;
use crate::history::Seen;

/// Of a store with more streams than that only some are asked for their heads.
const HEADS_MAX: usize = 32;

/// The store names the streams that these events are of, which are all that it has, and knows the last event of each.
pub(super) fn judge(store: &impl Asked, events: &[Seen]) -> quipu::Result<Checked> {
    let mut last: BTreeMap<&str, &Seen> = BTreeMap::new();
    last.extend(events.iter().map(|event| (content::stream_name(event.stream), event)));
    let named = store.streams("")?.collect::<quipu::Result<Vec<_>>>()?;
    let agree = named.iter().eq(last.keys());
    let mut judged = ensure(agree, Rule::Selection, || {
        format!("streams {named:?} are named, where {:?} have events", last.keys())
    });
    let step = last.len().div_ceil(HEADS_MAX).max(1);
    for (name, event) in last.iter().step_by(step) {
        let head = store.head(name)?.map(|head| (head.position.0, head.version.0));
        let is_last = head == Some((event.position, event.version));
        let here = ensure(is_last, Rule::Selection, || {
            format!("the head of {name} is called {head:?}, and its last event is {event:?}")
        });
        judged = judged.and(here);
    }
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Order, Question, Selection};
    use crate::subject::questions::answer;
    use quipu::{ExpectedVersion, Store};

    #[test]
    fn streams_that_are_not_named_and_heads_that_are_not_the_last_are_caught() {
        let store = Store::builder("s").in_memory().open().unwrap();
        for (id, stream) in [(1, 0), (2, 1), (3, 0), (4, 2)] {
            let (event, _) = content::event(id, 8);
            store.append(content::stream_name(stream), ExpectedVersion::Any, [event]).unwrap();
        }
        let (selection, order) = (Selection::All, Order::Forward);
        let all = Question { selection, order, from: None, limit: usize::MAX };
        let events = answer(&store, &all).unwrap();
        let judged = |events: &[Seen]| judge(&store, events).unwrap().map_err(|it| it.rule);
        assert_eq!(judged(&events), Ok(()));
        let mut older = events.clone();
        older[2].version = 0;
        for others in [&events[..3], &events[1..2], &older, &[]] {
            assert_eq!(judged(others), Err(Rule::Selection), "{others:?}");
        }
    }
}
