//! The state of the machine that figures were taken on.

use serde::{Deserialize, Serialize};
use std::process::Command;
use voxlane_kernels::isa;
use voxlane_runtime::host::{self, Root, core_list, system, topology};

/// Facts in the order in which they are shown, as a list of names and values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Name and value. What the system does not say is left out.
    pub facts: Vec<(String, String)>,
}

impl Machine {
    /// Reads the state. Ask from a thread that is not pinned.
    pub fn read() -> Self {
        let root = Root::system();
        let cores = host::cores();
        let mut machine = Machine::default();
        let cpuinfo = root.read("/proc/cpuinfo").unwrap_or_default();
        machine.add("processor", system::cpuinfo_field(&cpuinfo, "model name"));
        let is_virtual = if system::is_virtual(&cpuinfo) { "yes" } else { "no" };
        machine.add("virtual machine", (!cpuinfo.is_empty()).then_some(is_virtual));
        machine.add("cores online", Some(cores.cores.len().to_string()));
        let allowed = cores.ids(|core| core.is_allowed);
        machine.add("affinity mask of this run", Some(core_list::format(&allowed)));
        let list = |ids: Vec<usize>| if ids.is_empty() { "none".to_owned() } else { core_list::format(&ids) };
        machine.add("isolated cores (isolcpus)", Some(list(cores.ids(|core| core.is_isolated))));
        machine.add("tickless cores (nohz_full)", Some(list(cores.ids(|core| core.is_tickless))));
        let with_siblings = cores.ids(|core| core.siblings.len() > 1);
        machine.add("cores with a hardware sibling", Some(list(with_siblings)));
        let governors: Vec<&str> = cores.cores.iter().filter_map(|core| core.governor.as_deref()).collect();
        let governor = if governors.is_empty() { "not visible".to_owned() } else { governors.join(", ") };
        machine.add("frequency governor", Some(governor));
        if let Some(first) = cores.cores.first() {
            let caches = topology::caches(&root, first.id);
            let text = caches.iter().map(|cache| {
                format!(
                    "L{} {} {} KiB, cores {}",
                    cache.level,
                    cache.kind.to_lowercase(),
                    cache.bytes >> 10,
                    core_list::format(&cache.shared_by)
                )
            });
            machine.add(
                "caches of the first core",
                (!caches.is_empty()).then(|| text.collect::<Vec<_>>().join("; ")),
            );
        }
        machine.add("instruction set in use", Some(isa::active().name()));
        let meminfo = root.read("/proc/meminfo").unwrap_or_default();
        let mebibytes = |name: &str| system::meminfo(&meminfo, name).map(|kib| format!("{} MiB", kib >> 10));
        machine.add("memory", mebibytes("MemTotal"));
        machine.add(
            "huge pages reserved",
            system::meminfo(&meminfo, "HugePages_Total").map(|pages| pages.to_string()),
        );
        let transparent = root.read("/sys/kernel/mm/transparent_hugepage/enabled");
        machine.add("transparent huge pages", transparent.as_deref().and_then(system::chosen));
        machine.add("kernel", root.read("/proc/sys/kernel/osrelease"));
        machine.add(
            "kernel parameters about latency",
            Some(latency_parameters(&root.read("/proc/cmdline").unwrap_or_default())),
        );
        machine.add("clock source", system::clock_source(&root));
        let steady = system::is_tsc_steady(&cpuinfo).map(|steady| if steady { "yes" } else { "no" });
        machine.add("constant, never stopping time stamp counter", steady);
        machine.add("perf_event_paranoid", root.read("/proc/sys/kernel/perf_event_paranoid"));
        machine.add("operating system", Some(std::env::consts::OS));
        machine
    }

    /// Adds the load average, which is looked at before and after.
    pub fn add_load(&mut self, when: &str) {
        let load = Root::system().read("/proc/loadavg");
        self.add(&format!("load average {when} (1, 5, 15 minutes; running/all; last process)"), load);
    }

    /// Adds a fact if there is one.
    pub fn add<T: Into<String>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.facts.push((name.to_owned(), value.into()));
        }
    }

    /// A fact by its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The kernel's start parameters that bear on latency.
fn latency_parameters(command_line: &str) -> String {
    const NAMES: [&str; 12] = [
        "isolcpus",
        "nohz_full",
        "rcu_nocbs",
        "irqaffinity",
        "mitigations",
        "nosmt",
        "idle",
        "intel_idle.max_cstate",
        "processor.max_cstate",
        "cpuidle_haltpoll.force",
        "hugepages",
        "transparent_hugepage",
    ];
    let of_interest = |word: &&str| NAMES.contains(&word.split('=').next().unwrap_or_default());
    let found: Vec<&str> = command_line.split_whitespace().filter(of_interest).collect();
    if found.is_empty() { "none".to_owned() } else { found.join(" ") }
}

/// This program's version, with the revision of the source folder if git knows it.
pub fn version() -> String {
    let git = |arguments: &[&str]| -> Option<String> {
        let output =
            Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let mut version = env!("CARGO_PKG_VERSION").to_owned();
    if let Some(revision) = git(&["rev-parse", "--short=12", "HEAD"]) {
        version += &format!(" at {revision}");
        if git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty())
        {
            version += ", with changes";
        }
    }
    version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parameters_about_latency_are_shown() {
        assert_eq!(
            latency_parameters("ro isolcpus=2-3 nosmt secret=1 mitigations=off"),
            "isolcpus=2-3 nosmt mitigations=off"
        );
        assert_eq!(latency_parameters("ro quiet"), "none");
    }

    #[test]
    fn the_cores_and_the_load_are_told() {
        let mut machine = Machine::read();
        assert!(machine.get("affinity mask of this run").is_some_and(|mask| !mask.is_empty()));
        machine.add_load("before");
        machine.add("nothing", None::<String>);
        assert_eq!(machine.get("nothing"), None);
        if cfg!(target_os = "linux") {
            assert!(machine.facts.iter().any(|(name, _)| name.starts_with("load average before")));
        }
    }
}
