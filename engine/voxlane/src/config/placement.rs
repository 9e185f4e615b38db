//! Which stage runs on which core.

use super::load::Source;
use super::{ConfigError, InvalidField, LaneConfig, WaitKind};
use crate::stage_kind::StageKind;
use voxlane_runtime::host::{self, core_list};
use voxlane_runtime::placement::by_core;

/// The cores of a machine, and those that this process may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// All cores, in rising order.
    pub existing: Vec<usize>,
    /// The cores in the process's affinity mask, in rising order. Never empty.
    pub allowed: Vec<usize>,
}

impl Topology {
    /// Returns the cores of this machine and this process.
    pub fn of_host() -> Self {
        let cores = host::cores();
        let (existing, allowed) = (cores.ids(|_| true), cores.ids(|core| core.is_allowed));
        // A system that lists none has one.
        let or_first = |cores: Vec<usize>| if cores.is_empty() { vec![0] } else { cores };
        let (existing, allowed) = (or_first(existing), or_first(allowed));
        Topology { existing, allowed }
    }

    /// Creates a machine with `count` cores, all of them allowed: for checking a file meant for another machine.
    pub fn with_cores(count: usize) -> Self {
        let cores: Vec<usize> = (0..count.max(1)).collect();
        Topology { existing: cores.clone(), allowed: cores }
    }
}

/// One thread of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadPlacement {
    /// The core it is pinned to.
    pub core: usize,
    /// The stages it runs, in order.
    pub stages: Vec<StageKind>,
}

/// The threads of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The threads, in order of the first stage that each runs.
    pub threads: Vec<ThreadPlacement>,
    /// The core of the encoder's helper thread, if there is one.
    pub helper: Option<usize>,
}

impl Placement {
    /// Where `lane` runs on `topology`. Without stated cores: everything on the one core that is allowed, or
    /// encoder and decoder on the second of several and the rest on the first.
    pub(crate) fn of(
        source: &Source,
        (number, lane): (usize, &LaneConfig),
        topology: &Topology,
    ) -> Result<Self, ConfigError> {
        let at = |field: &str| source.place(&format!("lane.{number}.{field}"));
        let core = |stage: StageKind| match &lane.cores {
            Some(cores) => check(cores.get(stage), topology, || at(&format!("cores.{}", stage.name()))),
            None => Ok(default_core(stage, &topology.allowed)),
        };
        let hears_turns = source.config.endpoint.turn.hears_audio();
        let stages: Vec<StageKind> =
            StageKind::ALL.into_iter().filter(|&stage| stage != StageKind::Turn || hears_turns).collect();
        let cores: Vec<usize> = stages.iter().map(|&stage| core(stage)).collect::<Result<_, _>>()?;
        let threads = by_core(&cores).into_iter().map(|thread| ThreadPlacement {
            core: thread.core,
            stages: thread.stages.iter().map(|&stage| stages[stage]).collect(),
        });
        let mut placement = Placement { threads: threads.collect(), helper: None };
        if let Some(stated) = lane.helper_core {
            let core = check(stated, topology, || at("helper_core"))?;
            if placement.core(StageKind::Encoder) == Some(core) {
                return Err(ConfigError::Value {
                    at: at("helper_core"),
                    field: "helper_core",
                    value: core.to_string(),
                    message: "must not be the encoder's core".to_owned(),
                });
            }
            placement.helper = Some(core);
        }
        Ok(placement)
    }

    /// The core of every thread, the helper's too.
    fn cores(&self) -> impl Iterator<Item = usize> {
        self.threads.iter().map(|thread| thread.core).chain(self.helper)
    }

    /// Returns the core of a stage.
    pub fn core(&self, stage: StageKind) -> Option<usize> {
        self.threads.iter().find(|thread| thread.stages.contains(&stage)).map(|thread| thread.core)
    }
}

impl Source {
    /// Returns where every stage of every lane will run, of a configuration whose values are all in range.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming the field, [`ConfigError::NoSuchCore`] or [`ConfigError::CoreNotAllowed`] naming the core and the line.
    pub fn placement(&self, topology: &Topology) -> Result<Vec<Placement>, ConfigError> {
        self.check_values()?;
        let lanes = &self.config.lanes;
        let placements: Vec<Placement> = lanes
            .iter()
            .enumerate()
            .map(|lane| Placement::of(self, lane, topology))
            .collect::<Result<_, _>>()?;
        match spinning_fault(lanes, &placements) {
            Some(fault) => Err(self.refused(fault)),
            None => Ok(placements),
        }
    }
}

/// The first lane that spins on a core on which another lane spins too: neither would ever give it up to the other.
fn spinning_fault(lanes: &[LaneConfig], placements: &[Placement]) -> Option<InvalidField> {
    let spinning =
        || lanes.iter().zip(placements).enumerate().filter(|(_, (lane, _))| lane.wait == WaitKind::Spin);
    spinning().find_map(|(number, (_, placement))| {
        let mut earlier = spinning().take_while(|(other, _)| *other < number);
        let (other, core) = earlier.find_map(|(other, (_, theirs))| {
            let core = placement.cores().find(|core| theirs.cores().any(|their| their == *core))?;
            Some((other, core))
        })?;
        Some(InvalidField {
            field: "lane.wait",
            value: "spin".to_owned(),
            rule: format!(
                "must not be on core {core}, where lane {other} spins: give the lanes other cores (lane.cores), or let \
                 them park"
            ),
            other: Some("lane.cores"),
            lane: Some(number),
        })
    })
}

fn check(
    core: usize,
    topology: &Topology,
    at: impl FnOnce() -> super::Located,
) -> Result<usize, ConfigError> {
    if !topology.existing.contains(&core) {
        return Err(ConfigError::NoSuchCore {
            at: at(),
            core,
            existing: core_list::format(&topology.existing),
        });
    }
    if !topology.allowed.contains(&core) {
        return Err(ConfigError::CoreNotAllowed {
            at: at(),
            core,
            allowed: core_list::format(&topology.allowed),
        });
    }
    Ok(core)
}

fn default_core(stage: StageKind, allowed: &[usize]) -> usize {
    let first = allowed.first().copied().unwrap_or(0);
    match stage {
        StageKind::Encoder | StageKind::Decoder | StageKind::Turn => allowed.get(1).copied().unwrap_or(first),
        StageKind::Ingest | StageKind::Features | StageKind::Emit => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse(text.into(), Some("test.toml".into())).unwrap()
    }

    const TWO: &str = "model = \"moonshine-tiny\"\n[[lane]]\ncores = { ingest = 0, features = 0, encoder = 3, decoder = 3, emit = 0 }\n";

    #[test]
    fn stages_on_one_core_share_a_thread() {
        let placement = &source(TWO).placement(&Topology::with_cores(4)).unwrap()[0];
        assert_eq!(placement.threads.len(), 2);
        assert_eq!(placement.threads[0].stages, [StageKind::Ingest, StageKind::Features, StageKind::Emit]);
        assert_eq!(placement.core(StageKind::Decoder), Some(3));
    }

    #[test]
    fn a_core_that_does_not_exist_is_named_with_its_line() {
        let error = source(TWO).placement(&Topology::with_cores(2)).unwrap_err();
        assert_eq!(error.to_string(), "test.toml:3: core 3: not in this machine (expected one of 0-1)");
    }

    #[test]
    fn a_core_outside_the_mask_is_named_with_its_line() {
        let topology = Topology { existing: vec![0, 1, 2, 3], allowed: vec![0, 1] };
        let error = source(TWO).placement(&topology).unwrap_err();
        assert_eq!(
            error.to_string(),
            "test.toml:3: core 3: not in this process's affinity mask (expected one of 0-1)"
        );
    }

    #[test]
    fn one_allowed_core_runs_everything_in_one_thread() {
        let topology = Topology { existing: vec![0, 1], allowed: vec![1] };
        let placement = &Source::from(super::super::Config::default()).placement(&topology).unwrap()[0];
        assert_eq!(placement.threads.len(), 1);
        assert_eq!(placement.threads[0].core, 1);
    }

    #[test]
    fn a_helper_on_the_encoders_core_is_refused() {
        let with_helper = |core: usize| source(&format!("{TWO}helper_core = {core}\n"));
        let topology = Topology::with_cores(4);
        assert_eq!(with_helper(2).placement(&topology).unwrap()[0].helper, Some(2));
        let error = with_helper(3).placement(&topology).unwrap_err().to_string();
        assert!(error.starts_with("test.toml:4: helper_core = 3"), "{error}");
        assert!(with_helper(4).placement(&topology).is_err());
    }

    #[test]
    fn two_lanes_that_spin_on_a_core_are_refused() {
        let lane = |wait: &str, core: usize| {
            format!(
                "[[lane]]\nwait = \"{wait}\"\ncores = {{ ingest = {core}, features = {core}, encoder = {core}, \
                 decoder = {core}, emit = {core} }}\n"
            )
        };
        let placement = |lanes: [String; 2]| source(&lanes.concat()).placement(&Topology::with_cores(2));
        assert!(placement([lane("spin", 0), lane("spin", 1)]).is_ok());
        assert!(placement([lane("spin", 1), lane("park", 1)]).is_ok());
        let error = placement([lane("spin", 1), lane("spin", 1)]).unwrap_err().to_string();
        let expected = "test.toml:5: lane.wait = spin: must not be on core 1, where lane 0 spins";
        assert!(error.starts_with(expected), "{error}");
        // Without stated cores all lanes are on the same.
        let twice = "[[lane]]\nwait = \"spin\"\n".repeat(2);
        assert!(source(&twice).placement(&Topology::with_cores(8)).is_err());
    }
}
