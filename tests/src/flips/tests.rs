//! The judge can fail: it does where what is read, verified or salvaged is not what is left.

use quipu::{Finding, Position, Severity, VerifyReport};

use super::asking::{Choice, Manner, Told};
use super::places::Remains;
use super::reading::{Found, View};
use super::salvaging::Salvaged;
use super::*;
use crate::checker::Rule;

/// A store of which an event is damaged, and what is honestly said of it.
struct Damaged {
    whole: Whole,
    remains: Remains,
    /// The positions of the damaged commit.
    commit: std::ops::Range<u64>,
}

/// The first store of which the first record of a commit of several events can be damaged in the middle.
fn damaged() -> Damaged {
    (0..)
        .find_map(|seed| {
            let whole = Whole::sample(seed, super::Rest::Closed)?;
            let commits = whole.commits();
            let commit = commits.iter().skip(3).find(|commit| commit.len() > 1)?;
            let commit = commit[0].position..commit[commit.len() - 1].position + 1;
            let (file, offset) = whole.places.middle_of(commit.start)?;
            whole.disk.flip(&file, offset, 4).ok()?;
            let remains = whole.places.remains(&whole.disk, true);
            Some(Damaged { whole, remains, commit })
        })
        .unwrap()
}

impl Damaged {
    fn view(&self) -> View<'_> {
        View { events: &self.whole.events, places: &self.whole.places, remains: &self.remains }
    }

    fn lost(&self) -> u64 {
        self.commit.start
    }

    /// What an honest reader gets.
    fn told(&self) -> Told {
        let lost = self.lost();
        let delivered = self.whole.events.iter().filter(|event| event.position != lost);
        Told {
            delivered: delivered.copied().collect(),
            lost: std::iter::once(lost..lost + 1).collect(),
        }
    }

    fn found(&self) -> Found {
        self.view().found(&self.told(), self.whole.events.len() as u64).unwrap()
    }

    fn report(&self) -> VerifyReport {
        let file = self.whole.places.file_of(self.lost()).unwrap().to_owned();
        let positions = Position(self.lost())..Position(self.lost() + 1);
        let (severity, what) = (Severity::Damage, "planted".to_owned());
        let finding = Finding { severity, file, offset: 0, bytes: 0, positions, what };
        let events = self.whole.events.len() as u64 - 1;
        VerifyReport { events, findings: vec![finding], ..VerifyReport::default() }
    }
}

#[test]
fn what_is_honestly_said_of_a_damaged_store_holds() {
    let damaged = damaged();
    let judged = judge(&damaged.whole).unwrap();
    assert_eq!(judged.lost, 1);
    assert!(judged.appended > 10, "{judged:?}");
    let (found, report) = (damaged.found(), damaged.report());
    assert_eq!(damaged.view().losses_are_named(&found, &report), Ok(()));
    assert_eq!(damaged.view().files_are_named(&report, &damaged.whole.disk), Ok(()));
}

#[test]
fn a_reader_who_is_given_or_told_anything_else_is_caught() {
    let damaged = damaged();
    let (view, lost) = (damaged.view(), damaged.lost());
    let next = damaged.whole.events.len() as u64;
    let refused = |doctor: &dyn Fn(&mut Told)| {
        let mut told = damaged.told();
        doctor(&mut told);
        let all = view
            .found(&told, next)
            .and_then(|found| view.is_silence_excused(&found, |_| false).map(|()| found));
        assert!(all.is_err(), "{told:?}");
        let way = view.is_same(&damaged.found(), &Choice::All, Manner::Backward, &told);
        (all.unwrap_err().rule, way.unwrap_err().rule)
    };
    let told_nothing = refused(&|told| told.lost.clear());
    assert_eq!(told_nothing, (Rule::Lost, Rule::Lost));
    let kept_back = refused(&|told| told.delivered.retain(|event| event.position != 2));
    assert_eq!(kept_back, (Rule::Lost, Rule::Selection));
    let served = refused(&|told| told.delivered.push(damaged.whole.events[lost as usize]));
    assert_eq!(served.1, Rule::Selection);
    let too_much = refused(&|told| told.lost[0].end += 1);
    assert_eq!(too_much, (Rule::Reading, Rule::Reading));
    let changed = refused(&|told| told.delivered[1].digest ^= 1);
    assert_eq!(changed, (Rule::Bytes, Rule::Bytes));
    let twice = refused(&|told| told.delivered.insert(1, told.delivered[0]));
    assert_eq!(twice, (Rule::Twice, Rule::Selection));
    let swapped = view.is_same(&damaged.found(), &Choice::All, Manner::Forward, &{
        let mut told = damaged.told();
        told.delivered.swap(0, 1);
        told
    });
    assert_eq!(swapped.unwrap_err().rule, Rule::Selection);
}

#[test]
fn a_verification_that_says_anything_else_is_caught() {
    let damaged = damaged();
    let (view, found) = (damaged.view(), damaged.found());
    let refused = |doctor: &dyn Fn(&mut VerifyReport)| {
        let mut report = damaged.report();
        doctor(&mut report);
        let judged = view.losses_are_named(&found, &report);
        let judged = judged.and_then(|()| view.files_are_named(&report, &damaged.whole.disk));
        judged.unwrap_err().rule
    };
    let doctors: [&dyn Fn(&mut VerifyReport); 6] = [
        &|report| report.findings.clear(),
        &|report| report.findings[0].severity = Severity::Unfinished,
        &|report| report.findings[0].positions.end.0 += 1,
        &|report| report.findings[0].positions.end.0 -= 1,
        &|report| report.findings[0].file = "/store/0000000099.seg".into(),
        &|report| report.events += 1,
    ];
    for (number, doctor) in doctors.into_iter().enumerate() {
        assert_eq!(refused(doctor), Rule::Verification, "{number}");
    }
}

#[test]
fn a_salvage_that_keeps_or_says_anything_else_is_caught() {
    let damaged = damaged();
    let (view, found) = (damaged.view(), damaged.found());
    let Whole { boundaries, disk, .. } = &damaged.whole;
    let judge = |salvaged: &Salvaged| view.salvaged(&found, boundaries, (salvaged, disk));
    let made = || judge::salvage(&damaged.whole).unwrap();
    assert_eq!(judge(&made()), Ok(()));
    let doctors: [&dyn Fn(&mut Salvaged); 11] = [
        &|made| made.report.lost.clear(),
        &|made| made.report.lost[0].positions.start.0 += 1,
        &|made| made.report.lost[0].positions.end.0 += 1,
        &|made| made.report.lost.extend_from_within(..),
        &|made| made.report.events += 1,
        &|made| made.report.commits -= 1,
        &|made| made.report.moved_from = None,
        &|made| made.report.renumbered.clear(),
        &|made| made.events.truncate(1),
        &|made| made.events[1].position += 1,
        &|made| made.verified.findings = damaged.report().findings,
    ];
    for (number, doctor) in doctors.into_iter().enumerate() {
        let mut salvaged = made();
        doctor(&mut salvaged);
        assert_eq!(judge(&salvaged).unwrap_err().rule, Rule::Salvage, "{number}");
    }
}

/// What an index knows of is no reason to refuse anybody else.
#[test]
fn stores_of_which_a_bit_of_the_log_is_flipped_are_mostly_written_all_the_same() {
    let mut written = 0;
    for seed in 0..STORES / 3 {
        let mut random = Random::new(seed);
        let whole = small_store(&mut random).unwrap();
        let is_of_log = |harm: &Harm| matches!(harm, Harm::Flip { .. }) && harm.segment().is_some();
        let mut draws = (0..1000).filter_map(|_| Harm::draw(&mut random, &whole.disk, &[]));
        let flip = draws.find(is_of_log).unwrap();
        flip.apply(&whole.disk);
        let judged = judge(&whole).unwrap_or_else(|broken| panic!("store {seed}: {broken}"));
        written += u64::from(judged.appended > 10);
    }
    println!("{written} of {} are written", STORES / 3);
    assert!(written > STORES / 4, "{written}");
}

/// So many stores show each kind of damage.
const STORES: u64 = 300;

#[test]
fn every_kind_of_damage_comes_up_and_changes_something() {
    let mut kinds = Vec::new();
    for seed in 0..STORES {
        let mut random = Random::new(seed);
        let whole = small_store(&mut random).unwrap();
        let Some(harm) = Harm::draw(&mut random, &whole.disk, &[]) else { continue };
        harm.apply(&whole.disk);
        let kind = std::mem::discriminant(&harm);
        if whole.places.is_changed(&whole.disk) && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    assert_eq!(kinds.len(), 9, "all that `Harm` knows");
}

#[test]
fn a_segment_is_damaged_together_with_its_index() {
    let together = (0..STORES).filter(|&seed| {
        let mut random = Random::new(seed);
        let whole = small_store(&mut random).unwrap();
        let harms = harm(&mut random, &whole.disk);
        let files: Vec<_> = harms.iter().filter_map(Harm::segment).collect();
        let index = |file: &std::path::PathBuf| file.with_extension("idx");
        whole
            .places
            .changed(&whole.disk)
            .iter()
            .any(|changed| files.iter().any(|f| index(f) == *changed))
    });
    assert!(together.count() > 15);
}
