//! Everything that a run has found, as it is written to a file.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::scale::Scale;
use crate::summary::{Round, Summary, summaries};
use crate::works::{Unit, WORKS};

/// Changes with the shape of what is written.
pub(crate) const FORMAT: u32 = 1;

/// Everything that a run has found. The README says what each field means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) format: u32,
    pub(crate) machine: Machine,
    pub(crate) scale: Scale,
    pub(crate) works: Vec<Described>,
    pub(crate) rounds: Vec<Round>,
    pub(crate) summaries: Vec<Summary>,
}

/// A work, for whoever reads the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) unit: Unit,
}

impl Report {
    pub(crate) fn new(machine: Machine, scale: Scale, rounds: Vec<Round>) -> Report {
        let ran = |name: &str| rounds.iter().any(|round| round.work == name);
        let works: Vec<Described> = WORKS
            .iter()
            .filter(|work| ran(work.name))
            .map(|work| Described {
                name: work.name.to_owned(),
                title: work.title.to_owned(),
                unit: work.unit,
            })
            .collect();
        let summed = works.iter().flat_map(|work| {
            let of_work: Vec<&Round> =
                rounds.iter().filter(|round| round.work == work.name).collect();
            summaries(&of_work, work.unit.better())
        });
        let summaries = summed.collect();
        Report { format: FORMAT, machine, scale, works, rounds, summaries }
    }

    pub(crate) fn of_work<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r Summary> {
        self.summaries.iter().filter(move |summary| summary.work == name)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;
    use crate::arm::{Outcome, Runner};
    use crate::contestants::Contestant;
    use crate::control::Control;
    use crate::latency::Latency;
    use crate::summary::Came;
    use crate::usage::Usage;

    pub(crate) fn sample() -> Report {
        let latency = Latency {
            count: 500,
            p50: 101.5,
            p99: 250.25,
            p999: 900.0,
            max: 1_234.5,
            curve: vec![(0.0, 80.0), (0.9, 150.0), (0.99, 250.25), (0.999, 900.0)],
        };
        let ran = |value, work: &str, runner, round| {
            let usage = Usage {
                cpu_seconds: 0.3,
                written_bytes: 4_096,
                read_bytes: 0,
                anonymous_bytes: 9 << 20,
            };
            let came = Came::Ran(Outcome {
                value,
                count: 500,
                seconds: 0.1,
                latency: Some(latency.clone()),
                usage,
                stored: 500,
                kept_bytes: 170_000,
                notes: vec!["a note".into()],
            });
            Round { work: work.into(), round, runner, came }
        };
        let (quipu, tephra) = (Runner::Store(Contestant::Quipu), Runner::Store(Contestant::Tephra));
        let mut rounds = Vec::new();
        for round in 0..2 {
            let more = 100.0 * round as f64;
            rounds.push(ran(9_000.0 + more, "durable-1", quipu, round));
            rounds.push(ran(8_000.0 + more, "durable-1", tephra, round));
            rounds.push(ran(10_000.0, "durable-1", Runner::Control(Control::Direct), round));
            rounds.push(ran(600_000.0, "os-1", quipu, round));
            let came = Came::Absent("it has nothing between memory and disk".into());
            rounds.push(Round { work: "os-1".into(), round, runner: tephra, came });
        }
        let lmdb = Runner::Store(Contestant::Lmdb);
        let came = Came::Failed("position 7 comes where 6 must".into());
        rounds.push(Round { work: "os-1".into(), round: 0, runner: lmdb, came });
        Report::new(Machine::look(Path::new("/")), Scale::quick(), rounds)
    }

    #[test]
    fn a_report_comes_back_as_it_was_written() {
        let report = sample();
        let text = serde_json::to_string_pretty(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        assert_eq!(report.summaries.len(), 4);
    }
}
