//! From rounds to figures: medians, spreads, ratios.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arm::{Outcome, Runner};
use crate::contestants::Contestant;
use crate::works::Better;

/// One arm of one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) work: String,
    pub(crate) round: usize,
    pub(crate) runner: Runner,
    pub(crate) came: Came,
}

/// What came of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Came {
    Ran(Outcome),
    /// The store cannot do it, and why.
    Absent(String),
    /// It went wrong, and how.
    Failed(String),
}

/// What the rounds of one runner with one work come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) work: String,
    pub(crate) runner: Runner,
    pub(crate) value: Spread,
    /// How many times as good as the best control arm of the same round.
    pub(crate) to_control: Option<Spread>,
    /// How many times as good as the best peer of the same round.
    pub(crate) to_peer: Option<Spread>,
    /// The round in the middle, for everything that is not summed up.
    pub(crate) middle: Outcome,
}

/// The middle, the least and the most of some figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Nothing if there are no figures.
    pub(crate) fn of(figures: &[f64]) -> Option<Spread> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[half - 1], sorted[half]),
            _ => sorted[half],
        };
        Some(Spread { median, min, max })
    }
}

/// How many times as good one figure is as another; nothing where that has no meaning.
pub(crate) fn ratio(figure: f64, other: f64, better: Better) -> Option<f64> {
    let (above, below) = match better {
        Better::More => (figure, other),
        Better::Less => (other, figure),
    };
    (below > 0.0).then_some(above / below)
}

/// Whoever is neither this project nor a control arm.
pub(crate) fn is_peer(runner: Runner) -> bool {
    matches!(runner, Runner::Store(contestant) if contestant != Contestant::Quipu)
}

fn is_control(runner: Runner) -> bool {
    matches!(runner, Runner::Control(_))
}

/// Sums up the rounds of one work, a line for each runner that ran.
pub(crate) fn summaries(rounds: &[&Round], better: Better) -> Vec<Summary> {
    let mut figures = BTreeMap::<Runner, Vec<(usize, &Outcome)>>::new();
    for round in rounds {
        if let Came::Ran(outcome) = &round.came {
            figures.entry(round.runner).or_default().push((round.round, outcome));
        }
    }
    let best = |of: fn(Runner) -> bool| best_by_round(&figures, of, better);
    let (controls, peers) = (best(is_control), best(is_peer));
    let work = rounds.first().map(|round| round.work.clone()).unwrap_or_default();
    let mut lines = Vec::new();
    for (runner, ran) in &figures {
        let values: Vec<f64> = ran.iter().map(|(_, outcome)| outcome.value).collect();
        let against = |best: &BTreeMap<usize, f64>| {
            let ratios = ran
                .iter()
                .filter_map(|(round, outcome)| ratio(outcome.value, *best.get(round)?, better));
            Spread::of(&ratios.collect::<Vec<_>>())
        };
        let Some(value) = Spread::of(&values) else { continue };
        lines.push(Summary {
            work: work.clone(),
            runner: *runner,
            value,
            to_control: against(&controls),
            to_peer: against(&peers),
            middle: middle(ran),
        });
    }
    lines
}

/// How many times as good a runner is with one work as with another, by the rounds in which it ran both.
pub(crate) fn between(
    rounds: &[Round],
    runner: Runner,
    (work, other): (&str, &str),
    better: Better,
) -> Option<Spread> {
    let value = |name: &str, number: usize| {
        rounds.iter().find_map(|round| match &round.came {
            Came::Ran(outcome)
                if round.runner == runner && round.round == number && round.work == name =>
            {
                Some(outcome.value)
            }
            _ => None,
        })
    };
    let last = rounds.iter().map(|round| round.round).max()?;
    let ratios =
        (0..=last).filter_map(|number| ratio(value(work, number)?, value(other, number)?, better));
    Spread::of(&ratios.collect::<Vec<_>>())
}

/// By round, the best figure of those who are asked for.
fn best_by_round(
    figures: &BTreeMap<Runner, Vec<(usize, &Outcome)>>,
    of: fn(Runner) -> bool,
    better: Better,
) -> BTreeMap<usize, f64> {
    let mut best = BTreeMap::<usize, f64>::new();
    for (_, ran) in figures.iter().filter(|(runner, _)| of(**runner)) {
        for (round, outcome) in ran {
            let known = best.entry(*round).or_insert(outcome.value);
            *known = match better {
                Better::More => known.max(outcome.value),
                Better::Less => known.min(outcome.value),
            };
        }
    }
    best
}

fn middle(ran: &[(usize, &Outcome)]) -> Outcome {
    let mut sorted: Vec<&Outcome> = ran.iter().map(|(_, outcome)| *outcome).collect();
    sorted.sort_by(|one, other| one.value.total_cmp(&other.value));
    sorted.get(sorted.len() / 2).map(|outcome| (*outcome).clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Control;

    const QUIPU: Runner = Runner::Store(Contestant::Quipu);
    const TEPHRA: Runner = Runner::Store(Contestant::Tephra);
    const LMDB: Runner = Runner::Store(Contestant::Lmdb);
    const DIRECT: Runner = Runner::Control(Control::Direct);
    const DSYNC: Runner = Runner::Control(Control::Dsync);

    fn rounds(figures: &[(Runner, &[f64])]) -> Vec<Round> {
        let mut rounds = Vec::new();
        for (runner, values) in figures {
            for (round, value) in values.iter().enumerate() {
                let came = Came::Ran(Outcome { value: *value, ..Outcome::default() });
                rounds.push(Round { work: "durable-1".into(), round, runner: *runner, came });
            }
        }
        rounds
    }

    fn line(rounds: &[Round], runner: Runner, better: Better) -> Summary {
        let rounds: Vec<&Round> = rounds.iter().collect();
        let lines = summaries(&rounds, better);
        lines.into_iter().find(|line| line.runner == runner).unwrap()
    }

    #[test]
    fn a_spread_is_the_middle_and_the_ends() {
        let spread = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]), spread(2.5, 1.0, 4.0));
        assert_eq!(Spread::of(&[7.0]), spread(7.0, 7.0, 7.0));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_are_taken_within_each_round_and_then_their_median() {
        // The machine is twice as fast in the second round: the ratio of medians would be another one.
        let rounds = rounds(&[
            (QUIPU, &[100.0, 220.0, 90.0]),
            (TEPHRA, &[50.0, 100.0, 30.0]),
            (LMDB, &[40.0, 110.0, 20.0]),
            (DIRECT, &[200.0, 400.0, 100.0]),
            (DSYNC, &[210.0, 300.0, 90.0]),
        ]);
        let quipu = line(&rounds, QUIPU, Better::More);
        assert_eq!(quipu.value.median, 100.0);
        let peer = quipu.to_peer.unwrap();
        assert_eq!((peer.min, peer.median, peer.max), (2.0, 2.0, 3.0));
        let control = quipu.to_control.unwrap();
        assert_eq!((control.min, control.median, control.max), (100.0 / 210.0, 0.55, 0.9));
        assert_eq!(line(&rounds, LMDB, Better::More).to_peer.unwrap().max, 1.0);
    }

    #[test]
    fn where_less_is_better_a_ratio_above_one_is_still_the_better_one() {
        let rounds = rounds(&[(QUIPU, &[2.0]), (TEPHRA, &[10.0]), (LMDB, &[8.0])]);
        let quipu = line(&rounds, QUIPU, Better::Less);
        assert_eq!(quipu.to_peer.unwrap().median, 4.0);
        assert_eq!(quipu.to_control, None);
        assert_eq!(ratio(0.0, 5.0, Better::Less), None);
        assert_eq!(ratio(5.0, 0.0, Better::More), None);
    }

    #[test]
    fn works_are_compared_by_the_rounds_in_which_both_ran() {
        let mut all = rounds(&[(QUIPU, &[80.0, 200.0, 70.0]), (TEPHRA, &[1.0, 1.0, 1.0])]);
        let mut others = rounds(&[(QUIPU, &[100.0, 400.0])]);
        others.iter_mut().for_each(|round| round.work = "os-1".into());
        all.append(&mut others);
        let ratio = between(&all, QUIPU, ("durable-1", "os-1"), Better::More).unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (0.5, 0.65, 0.8));
        assert_eq!(between(&all, TEPHRA, ("durable-1", "os-1"), Better::More), None);
    }

    #[test]
    fn a_round_that_one_of_them_missed_counts_for_neither() {
        let mut rounds = rounds(&[(QUIPU, &[100.0, 300.0]), (TEPHRA, &[50.0, 50.0])]);
        rounds[3].came = Came::Failed("lost an event".into());
        let quipu = line(&rounds, QUIPU, Better::More);
        assert_eq!(quipu.to_peer.unwrap(), Spread { median: 2.0, min: 2.0, max: 2.0 });
        assert_eq!(quipu.value.median, 200.0);
    }
}
