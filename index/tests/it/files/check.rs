//! Whether a part answers as the model does.

use quipu_index::{Held, IndexError, Key, Kind, Part, Way};

use super::events::{Known, Model, keys};

/// The first answer that differs.
pub(crate) fn difference(part: &Part, model: &Model) -> Result<Option<String>, IndexError> {
    for (key, known) in &model.keys {
        if let Some(difference) = key_difference(part, *key, known)? {
            return Ok(Some(difference));
        }
    }
    for absent in 0..50u32 {
        let key = keys().bytes(Kind::Lost, &absent.to_le_bytes());
        if part.find(key)?.is_some() {
            return Ok(Some(format!("{key:?} is found")));
        }
    }
    if let Some(difference) = offsets_difference(part, model)? {
        return Ok(Some(difference));
    }
    names_difference(part, model)
}

fn key_difference(part: &Part, key: Key, known: &Known) -> Result<Option<String>, IndexError> {
    let Some(held) = part.find(key)? else { return Ok(Some(format!("{key:?} is not found"))) };
    let said = (held.key, held.before, held.count, Some(held.last));
    let expected = (key, known.before, known.ordinals.len() as u32, known.ordinals.last().copied());
    if said != expected {
        return Ok(Some(format!("{key:?}: {said:?} where {expected:?} stands")));
    }
    for (n, ordinal) in (0..).zip(&known.ordinals) {
        if part.nth(&held, n)? != *ordinal {
            return Ok(Some(format!("{key:?}: another ordinal {n}")));
        }
    }
    if part.nth(&held, held.count).is_ok() {
        return Ok(Some(format!("{key:?}: an ordinal after the last")));
    }
    for from in places(&known.ordinals) {
        for way in [Way::Forward, Way::Backward] {
            if let Some(difference) = batch_difference(part, &held, from, way, &known.ordinals)? {
                return Ok(Some(difference));
            }
        }
    }
    Ok(None)
}

/// From where batches are read: around some of the ordinals and at both ends.
fn places(ordinals: &[u32]) -> Vec<u32> {
    let step = ordinals.len() / 20 + 1;
    let around = ordinals.iter().step_by(step).chain(ordinals.last());
    let mut places: Vec<u32> =
        around.flat_map(|&at| [at.saturating_sub(1), at, at.saturating_add(1)]).collect();
    places.extend([0, u32::MAX]);
    places
}

fn batch_difference(
    part: &Part,
    held: &Held,
    from: u32,
    way: Way,
    ordinals: &[u32],
) -> Result<Option<String>, IndexError> {
    let mut out = vec![7; 3];
    part.batch(held, from, way, &mut out)?;
    let rest: Vec<u32> = match way {
        Way::Forward => ordinals.iter().copied().filter(|at| *at >= from).collect(),
        Way::Backward => ordinals.iter().rev().copied().filter(|at| *at <= from).collect(),
    };
    let empty = out.is_empty() && !rest.is_empty();
    Ok((empty || out.len() > 128 || !rest.starts_with(&out))
        .then(|| format!("{:?} from {from} {way:?}: {out:?} where {rest:?} follow", held.key)))
}

fn offsets_difference(part: &Part, model: &Model) -> Result<Option<String>, IndexError> {
    let end = model.first + model.offsets.len() as u32;
    if part.ordinals() != (model.first..end) {
        return Ok(Some(format!("the ordinals {:?}", part.ordinals())));
    }
    for (ordinal, offset) in (model.first..).zip(&model.offsets) {
        if part.offset(ordinal)? != Some(*offset) {
            return Ok(Some(format!("another offset of {ordinal}")));
        }
    }
    let outside = [model.first.checked_sub(1), Some(end), Some(u32::MAX)];
    for ordinal in outside.into_iter().flatten() {
        if part.offset(ordinal)?.is_some() {
            return Ok(Some(format!("an offset of {ordinal}")));
        }
    }
    Ok(None)
}

fn names_difference(part: &Part, model: &Model) -> Result<Option<String>, IndexError> {
    for prefix in
        ["", "o", "order-", "order-1", "order-12", "order-9999", "p", "ordep", "\u{10ffff}"]
    {
        let expected: Vec<&String> =
            model.names.iter().filter(|name| name.starts_with(prefix)).collect();
        let names = part.names(prefix)?;
        if names.iter().ne(expected.iter().copied()) {
            return Ok(Some(format!("{prefix:?}: {names:?} where {expected:?} stand")));
        }
    }
    Ok(None)
}

mod planted {
    use quipu_format::ByteOffset;

    use super::difference;
    use crate::files::events::{Model, memory};
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;

    #[test]
    fn a_model_that_differs_in_one_thing_is_told_from_the_part() {
        let tree =
            crate::files::events::events(300).new_tree(&mut TestRunner::deterministic()).unwrap();
        let events = tree.current();
        let (part, model) = (memory(0, &events), Model::of(0, &events));
        let differs = |change: &dyn Fn(&mut Model)| {
            let mut model = model.clone();
            change(&mut model);
            difference(&part, &model).unwrap().is_some()
        };
        assert!(!differs(&|_| {}));
        let some = |model: &Model| {
            *model.keys.iter().find(|(_, known)| known.ordinals.len() > 5).unwrap().0
        };
        let known = |model: &mut Model, change: &dyn Fn(&mut super::Known)| {
            let key = some(model);
            change(model.keys.get_mut(&key).unwrap());
        };
        assert!(differs(&|model| known(model, &|known| known.before += 1)));
        assert!(differs(&|model| known(model, &|known| known.ordinals[3] += 1)));
        assert!(differs(&|model| known(model, &|known| known.ordinals.truncate(4))));
        assert!(differs(&|model| known(model, &|known| known.ordinals.push(100_000))));
        assert!(differs(&|model| model.offsets[17] = ByteOffset(0)));
        assert!(differs(&|model| model.offsets.truncate(9)));
        assert!(differs(&|model| model.names.extend(["order-x".to_owned()])));
        assert!(differs(&|model| model.names.retain(|name| name.len() > 7)));
        let absent = super::keys().bytes(super::Kind::Lost, &[]);
        assert!(differs(&|model| model.keys.extend([(absent, super::Known::default())])));
    }
}
