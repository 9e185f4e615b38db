//! Which stage runs on which thread.

/// One thread of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadPlacement {
    /// The core it is pinned to.
    pub core: usize,
    /// The positions of the stages that it runs, in order.
    pub stages: Vec<usize>,
}

/// Returns the threads of a lane whose stages run on `cores`, in the order of the first stage of each: stages on the same
/// core share a thread.
///
/// ```
/// let threads = voxlane_runtime::placement::by_core(&[0, 3, 3, 0]);
/// assert_eq!(threads.len(), 2);
/// assert_eq!((threads[1].core, &threads[1].stages[..]), (3, &[1, 2][..]));
/// ```
pub fn by_core(cores: &[usize]) -> Vec<ThreadPlacement> {
    let mut threads: Vec<ThreadPlacement> = Vec::new();
    for (stage, &core) in cores.iter().enumerate() {
        match threads.iter_mut().find(|thread| thread.core == core) {
            Some(thread) => thread.stages.push(stage),
            None => threads.push(ThreadPlacement { core, stages: vec![stage] }),
        }
    }
    threads
}
