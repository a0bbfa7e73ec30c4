//! The judge can fail: it does where somebody is given or told anything else than what is left.

use quipu::{ByteOffset, Damage, Position};

use super::gauge::{Gauge, Way};
use super::ledger::Ledger;
use super::steps::Run;
use super::*;
use crate::checker::Rule;
use crate::flips::asking::Choice;
use crate::history::Seen;

fn event(position: u64) -> Seen {
    Seen { position, stream: 0, version: position, id: position + 1, digest: 7, recorded: 9 }
}

/// A ledger of so many events of one stream.
fn ledger(events: u64) -> Ledger {
    let mut ledger = Ledger::default();
    (0..events).for_each(|position| ledger.add(vec![event(position)]));
    ledger
}

fn damage(positions: std::ops::Range<u64>) -> Damage {
    Damage {
        file: "/store/0000000001.seg".into(),
        offset: ByteOffset(0),
        bytes: 0,
        positions: Position(positions.start)..Position(positions.end),
        what: "planted".into(),
    }
}

/// What a reader of ten events, of which the third is harmed, is given and told.
#[derive(Clone)]
struct Doctored {
    way: Way,
    before: Vec<u64>,
    told: std::ops::Range<u64>,
    times: usize,
    after: Vec<Seen>,
}

impl Doctored {
    fn honest(way: Way) -> Doctored {
        let (before, mut after): (Vec<u64>, Vec<u64>) = ((0..2).collect(), (3..10).collect());
        let (before, after) = match way {
            Way::Forward => (before, after),
            Way::Backward => {
                after.reverse();
                (after, vec![1, 0])
            }
        };
        let after = after.into_iter().map(event).collect();
        Doctored { way, before, told: 2..3, times: 1, after }
    }

    fn judge(&self) -> Checked {
        let (ledger, harmed) = (ledger(10), [2].into());
        let mut gauge = Gauge::new(Choice::All, self.way, 0, 10);
        for &position in &self.before {
            gauge.given(&ledger, &event(position))?;
        }
        if !self.told.is_empty() {
            for _ in 0..self.times {
                gauge.told(&ledger, (&harmed, 0), &damage(self.told.clone()))?;
            }
        }
        for seen in &self.after {
            gauge.given(&ledger, seen)?;
        }
        gauge.ended(&ledger, 10)
    }
}

#[test]
fn a_reader_who_is_given_or_told_anything_else_is_caught() {
    for way in [Way::Forward, Way::Backward] {
        let refused = |doctor: &dyn Fn(&mut Doctored)| {
            let mut doctored = Doctored::honest(way);
            doctor(&mut doctored);
            doctored.judge().unwrap_err().rule
        };
        assert_eq!(Doctored::honest(way).judge(), Ok(()));
        assert_eq!(refused(&|all| all.told = 0..0), Rule::Lost, "told nothing");
        assert_eq!(refused(&|all| all.times = 2), Rule::Stuck, "told twice");
        assert_eq!(refused(&|all| all.after.truncate(1)), Rule::Lost, "ended early");
        assert_eq!(refused(&|all| all.after.rotate_left(1)), Rule::Lost, "one skipped");
        assert_eq!(refused(&|all| all.before.truncate(1)), Rule::Lost, "one skipped before");
        assert_eq!(refused(&|all| all.told.end = 4), Rule::Reading, "too much is called lost");
        assert_eq!(refused(&|all| all.told = 2..u64::MAX), Rule::Reading, "all of it is");
        assert_eq!(refused(&|all| all.after.insert(0, event(2))), Rule::Reading, "lost and given");
        assert_eq!(refused(&|all| all.after[0].digest = 8), Rule::Bytes, "changed");
        assert_eq!(refused(&|all| all.after.push(event(10))), Rule::Bytes, "made up");
        assert_eq!(refused(&|all| all.after.swap(0, 1)), Rule::Lost, "out of order");
        let twice = |all: &mut Doctored| all.after.insert(1, all.after[0]);
        assert_eq!(refused(&twice), Rule::Selection, "twice");
    }
}

/// A run that was written, and nothing else.
fn written(seed: u64) -> Run {
    let mut random = Random::new(seed);
    let disk = FaultDisk::new(random.number());
    let mut run =
        Run::new(Ground::new(disk, Options { id_segments: ALL_SEGMENTS, ..options(&mut random) }));
    run.begin(&mut random).unwrap();
    run
}

/// Whoever writes a store beside which the ledger says something else is caught by each rule.
#[test]
fn a_writer_who_is_told_anything_else_is_caught() {
    let caught = |doctor: &dyn Fn(&mut Ledger)| {
        let mut rules = Vec::new();
        for seed in 0..30 {
            let mut run = written(seed);
            doctor(&mut run.ground.ledger);
            let mut random = Random::new(seed);
            let done = (0..20).try_for_each(|_| {
                run.append(&mut random)?;
                run.retry(&mut random)
            });
            rules.extend(done.err().map(|broken| broken.rule));
        }
        rules
    };
    assert_eq!(caught(&|_| {}), []);
    let is_told = |rules: &[Rule], rule| assert!(rules.contains(&rule), "{rule:?}: {rules:?}");
    let moved = caught(&|ledger| ledger.events.iter_mut().for_each(|event| event.version += 1));
    is_told(&moved, Rule::Expectation);
    is_told(&moved, Rule::Conflict);
    is_told(&moved, Rule::Receipt);
    is_told(&moved, Rule::Repeat);
    let renamed = caught(&|ledger| ledger.events.iter_mut().for_each(|event| event.id += 1 << 32));
    is_told(&renamed, Rule::Twice);
    let forgotten = caught(&|ledger| ledger.truncate(ledger.next() - 1));
    is_told(&forgotten, Rule::Receipt);
}

/// Whoever sees less elsewhere than there is, while it is written or once it is left, is caught.
#[test]
fn a_reader_elsewhere_who_sees_less_is_caught() {
    let mut caught = [0; 3];
    for seed in 0..20 {
        let (mut run, mut random) = (written(seed), Random::new(seed));
        assert_eq!(run.come_elsewhere(&mut random), Ok(()));
        let next = run.ground.ledger.next();
        run.ground.ledger.add(vec![event(next)]);
        let is_caught = |seen: Checked| seen.is_err_and(|broken| broken.rule == Rule::Following);
        caught[0] += u32::from(is_caught(run.visible_elsewhere(0)));
        caught[1] += u32::from(is_caught(run.come_elsewhere(&mut random)));
        run.writer = None;
        caught[2] += u32::from(is_caught(run.visible_elsewhere(0)));
    }
    // Some of them could not read something at that moment.
    assert!(caught.iter().all(|&seen| seen > 15), "{caught:?}");
}

/// A store that shows less to its writer than that was told, and a verification that keeps damage back or makes it up, are
/// caught.
#[test]
fn what_is_said_without_a_reason_is_caught() {
    for seed in 0..10 {
        let run = || written(seed);
        let rule = |told: Checked| told.unwrap_err().rule;
        assert_eq!(run().verify(), Ok(()));
        let mut more = run();
        let next = more.ground.ledger.next();
        assert_eq!(more.visible_here(), Ok(()));
        more.ground.ledger.add(vec![event(next)]);
        assert_eq!(rule(more.visible_here()), Rule::Watermark);
        let mut kept_back = run();
        let file = kept_back.ground.ledger.file_of(0).unwrap().to_owned();
        let frame = kept_back.ground.ledger.frames_of(&file)[1].clone();
        kept_back.ground.ledger.spoiled(&file, frame.clone());
        assert_eq!(rule(kept_back.verify()), Rule::Verification, "of a page that can be read");
        let made_up = run();
        let manifest = made_up.ground.manifest().unwrap();
        made_up.ground.disk.flip(&manifest, 0, 1).unwrap();
        assert_eq!(rule(made_up.verify()), Rule::Verification, "what nobody knows was done");
    }
}

/// What is harmed is told from the bytes alone, and heals with them.
#[test]
fn what_is_harmed_is_known() {
    for seed in 0..10 {
        let mut run = written(seed);
        let Ground { ledger, disk, .. } = &mut run.ground;
        assert!(ledger.unsound(disk).is_empty() && ledger.changed(disk).is_empty());
        let file = ledger.file_of(0).unwrap().to_owned();
        let frame = ledger.frames_of(&file)[1].clone();
        let own = ledger.standing(&file, &frame);
        assert!(!own.is_empty());
        disk.flip(&file, frame.start, 1).unwrap();
        assert_eq!(ledger.unsound(disk), own, "its header");
        assert_eq!(ledger.changed(disk), [file.as_path()]);
        disk.flip(&file, frame.start, 1).unwrap();
        assert!(ledger.unsound(disk).is_empty());
        disk.erase(&file).unwrap();
        assert!(ledger.unsound(disk).len() >= own.len());
    }
}

#[test]
fn every_kind_of_harm_comes_up() {
    let mut words = String::new();
    for seed in 0..60 {
        let mut run = written(seed);
        let mut random = Random::new(seed);
        (0..5).for_each(|_| run.ground.harm(&mut random));
        words += &run.ground.words.join("; ");
    }
    for kind in ["a bit at", "zeros at", "cut to", "gone", "cannot be read", "garbage", "again"] {
        assert!(words.contains(kind), "{kind}");
    }
    for file in [".seg", ".idx", ".run", "manifest", "live"] {
        assert!(words.contains(file), "{file}");
    }
}
