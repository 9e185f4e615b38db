//! The cores of the machine: which there are, which may be used, and which share what.

use super::{Root, core_list};

/// One logical core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// The system's number for it.
    pub id: usize,
    /// Whether this process may run on it.
    pub is_allowed: bool,
    /// Whether the kernel keeps other threads away from it (`isolcpus`).
    pub is_isolated: bool,
    /// Whether the timer tick is stopped while one thread runs on it (`nohz_full`).
    pub is_tickless: bool,
    /// The logical cores of the same physical core, itself included.
    pub siblings: Vec<usize>,
    /// The logical cores that share its last-level cache, itself included.
    pub cache_mates: Vec<usize>,
    /// The name of what sets its clock frequency (`performance`, `schedutil`), if the system lets that be chosen.
    pub governor: Option<String>,
}

/// All cores that are online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The cores, in rising order of their numbers.
    pub cores: Vec<Core>,
    /// Whether the system listed its cores. If not, `cores` holds those that may be used.
    pub is_known: bool,
}

impl Topology {
    /// Reads the topology from the kernel's files, given the cores that the process may use.
    pub fn read(root: &Root, allowed: Option<Vec<usize>>) -> Self {
        let list = |path: &str| root.read(path).as_deref().and_then(core_list::parse);
        let online = list("/sys/devices/system/cpu/online");
        let isolated = list("/sys/devices/system/cpu/isolated").unwrap_or_default();
        let tickless = list("/sys/devices/system/cpu/nohz_full").unwrap_or_default();
        let is_known = online.is_some();
        let ids = online.or(allowed.clone()).unwrap_or_default();
        let core = |id: usize| {
            let folder = format!("/sys/devices/system/cpu/cpu{id}");
            Core {
                id,
                is_allowed: allowed.as_ref().is_none_or(|allowed| allowed.contains(&id)),
                is_isolated: isolated.contains(&id),
                is_tickless: tickless.contains(&id),
                siblings: list(&format!("{folder}/topology/thread_siblings_list"))
                    .unwrap_or_else(|| vec![id]),
                cache_mates: caches(root, id).pop().map_or_else(|| vec![id], |cache| cache.shared_by),
                governor: root.read(&format!("{folder}/cpufreq/scaling_governor")),
            }
        };
        Topology { cores: ids.into_iter().map(core).collect(), is_known }
    }

    /// Returns the core with this number, if it is online.
    pub fn core(&self, id: usize) -> Option<&Core> {
        self.cores.iter().find(|core| core.id == id)
    }

    /// Returns the numbers of the cores for which `keep` holds.
    pub fn ids(&self, keep: impl Fn(&Core) -> bool) -> Vec<usize> {
        self.cores.iter().filter(|core| keep(core)).map(|core| core.id).collect()
    }
}

/// One cache of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The level; 1 is the nearest.
    pub level: u32,
    /// The kind: `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The logical cores that share it.
    pub shared_by: Vec<usize>,
}

/// Returns the caches of a core, nearest first; empty if the system does not say.
pub fn caches(root: &Root, core: usize) -> Vec<Cache> {
    let mut caches: Vec<Cache> = (0..16).map_while(|index| cache(root, core, index)).collect();
    caches.sort_by_key(|cache| cache.level);
    caches
}

fn cache(root: &Root, core: usize, index: usize) -> Option<Cache> {
    let field =
        |name: &str| root.read(&format!("/sys/devices/system/cpu/cpu{core}/cache/index{index}/{name}"));
    Some(Cache {
        level: field("level")?.parse().ok()?,
        kind: field("type")?,
        bytes: parse_size(&field("size")?)?,
        shared_by: core_list::parse(&field("shared_cpu_list")?)?,
    })
}

/// `48K`, `32M` or plain bytes.
fn parse_size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("48K"), Some(49_152));
        assert_eq!(parse_size("32M"), Some(33_554_432));
        assert_eq!(parse_size("512"), Some(512));
        for bad in ["", "K", "-1K", "99999999999999999999", "99999999999999G"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_machine_with_threads_and_isolated_cores_is_read() {
        let (_folder, root) = Root::scratch();
        let put = |path: &str, text: &str| root.put(&format!("sys/devices/system/cpu/{path}"), text);
        put("online", "0-3\n");
        put("isolated", "1,3\n");
        put("nohz_full", "(null)\n");
        for core in 0..4 {
            put(&format!("cpu{core}/topology/thread_siblings_list"), ["0-1\n", "2-3\n"][core / 2]);
            put(&format!("cpu{core}/cpufreq/scaling_governor"), "powersave\n");
            for (index, level, size, shared) in [(0, "1", "48K", "0-1"), (1, "3", "32M", "0-3")] {
                let cache = format!("cpu{core}/cache/index{index}");
                put(&format!("{cache}/level"), level);
                put(&format!("{cache}/type"), "Unified");
                put(&format!("{cache}/size"), size);
                put(&format!("{cache}/shared_cpu_list"), shared);
            }
        }
        let topology = Topology::read(&root, Some(vec![1, 2]));
        assert!(topology.is_known);
        assert_eq!(topology.ids(|core| core.is_allowed), [1, 2]);
        assert_eq!(topology.ids(|core| core.is_isolated), [1, 3]);
        assert!(topology.ids(|core| core.is_tickless).is_empty());
        let core = topology.core(3).unwrap();
        assert_eq!((&core.siblings[..], &core.cache_mates[..]), (&[2, 3][..], &[0, 1, 2, 3][..]));
        assert_eq!(core.governor.as_deref(), Some("powersave"));
        assert_eq!(topology.core(4), None);
    }

    #[test]
    fn a_system_that_tells_nothing_leaves_the_cores_that_may_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let topology = Topology::read(&Root::at(folder.path()), Some(vec![0, 5]));
        assert!(!topology.is_known);
        assert_eq!(topology.ids(|core| core.is_allowed && core.siblings == [core.id]), [0, 5]);
    }
}
