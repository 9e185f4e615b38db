//! `voxlane doctor`: what the host offers to threads that must be on time, and what to change.
//!
//! Each line is a finding: what, its value, and, where something can be gained, advice. What the system does not
//! tell is said to be unreadable; nothing of it is an error.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use voxlane_kernels::isa::{self, Isa};

use voxlane_runtime::host::limits::{self, Limit};
use voxlane_runtime::host::topology::caches;
use voxlane_runtime::host::{Root, Topology, allowed_cores, cgroup, core_list, gaps, system};

/// What `memory.lock` locks with the default configuration: weights, buffers and rings.
const LOCK_BYTES: u64 = 256 << 20;

/// What to look at, and how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long each core is watched for scheduling gaps; zero skips that.
    pub watch: Duration,
    /// The most cores that are watched, one after the other; isolated ones come first.
    pub watched_cores: usize,
    /// Where the kernel's files are.
    pub root: Root,
}

impl Default for Options {
    fn default() -> Self {
        Options { watch: Duration::from_secs(1), watched_cores: 8, root: Root::system() }
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    what: &'static str,
    /// `None`: the system does not say.
    value: Option<String>,
    advice: Option<String>,
}

impl Finding {
    fn new(what: &'static str, value: Option<String>) -> Self {
        Finding { what, value, advice: None }
    }

    /// Adds advice if the value is known and calls for it.
    fn advise(mut self, is_called_for: bool, advice: impl Into<String>) -> Self {
        if is_called_for && self.value.is_some() {
            self.advice = Some(advice.into());
        }
        self
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let value = self.value.as_deref().unwrap_or("not readable on this system");
        let mark = match (&self.value, &self.advice) {
            (None, _) => '?',
            (Some(_), None) => ' ',
            (Some(_), Some(_)) => '!',
        };
        writeln!(out, "{mark} {:<20} {value}", self.what)?;
        self.advice.iter().try_for_each(|advice| writeln!(out, "  {:<20}   -> {advice}", ""))
    }
}

/// Writes the report. Takes as long as the scheduling gaps are watched: by default one second a core.
///
/// # Errors
/// Only those of `out`.
pub fn run(out: &mut impl Write, options: Options) -> io::Result<()> {
    let root = &options.root;
    let allowed = allowed_cores();
    let topology = Topology::read(root, allowed.clone());
    writeln!(out, "Marks: ! something can be gained, ? not readable.")?;
    if !cfg!(target_os = "linux") {
        writeln!(out, "This is not Linux: most of what follows cannot be read here.")?;
    }
    writeln!(out)?;
    let mut findings = vec![machine(root), kernel(root), instruction_sets()];
    findings.extend(core_findings(&topology, allowed.as_deref()));
    findings.extend([cache_finding(root, &topology), governor(root, &topology), quota(root)]);
    findings.extend([clock(root), huge_pages(root), locked_memory(root), realtime(root), swap(root)]);
    findings.extend(device_findings());
    for finding in &findings {
        finding.write(out)?;
    }
    if !options.watch.is_zero() {
        write_gaps(out, &topology, &options)?;
    }
    Ok(())
}

/// What each backend beside the processor's own kernels would run on.
#[cfg(feature = "burn")]
fn device_findings() -> Vec<Finding> {
    use voxlane_models::burn::platform::{DeviceError, all_found};
    let of_backend = |(backend, found): (&'static str, Result<Vec<String>, DeviceError>)| {
        let value = match found {
            Ok(names) if names.is_empty() => "no device".to_owned(),
            Ok(names) => {
                let numbered = names.iter().enumerate().map(|(index, name)| format!("{index}: {name}"));
                numbered.collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.to_string(),
        };
        Finding::new(backend, Some(value))
    };
    all_found().into_iter().map(of_backend).collect()
}

/// Nothing but the processor's own kernels is built in.
#[cfg(not(feature = "burn"))]
fn device_findings() -> Vec<Finding> {
    Vec::new()
}

fn machine(root: &Root) -> Finding {
    let text = root.read("/proc/cpuinfo");
    let cpuinfo = text.as_deref().unwrap_or_default();
    let name = system::cpuinfo_field(cpuinfo, "model name");
    let is_virtual = system::is_virtual(cpuinfo);
    let kind = if is_virtual { " (virtual machine)" } else { "" };
    Finding::new("processor", name.map(|name| format!("{name}{kind}"))).advise(
        is_virtual,
        "a hypervisor can take a core away at any time: for guarantees use dedicated cores or bare metal",
    )
}

fn kernel(root: &Root) -> Finding {
    let is_realtime = root.read("/sys/kernel/realtime").as_deref() == Some("1");
    let suffix = if is_realtime { ", real-time (PREEMPT_RT)" } else { "" };
    Finding::new(
        "kernel",
        root.read("/proc/sys/kernel/osrelease").map(|release| format!("{release}{suffix}")),
    )
}

fn instruction_sets() -> Finding {
    let names: Vec<_> = Isa::available().map(Isa::name).collect();
    let value = format!("{} (of {})", isa::active().name(), names.join(", "));
    let finding = Finding::new("instruction set", Some(value));
    match isa::check() {
        Ok(active) => finding
            .advise(active == Isa::Scalar, "no vector instructions are used: expect many times the latency"),
        Err(error) => finding.advise(true, error.to_string()),
    }
}

fn core_findings(topology: &Topology, allowed: Option<&[usize]>) -> [Finding; 3] {
    let list = |cores: &[usize]| if cores.is_empty() { "none".into() } else { core_list::format(cores) };
    let online = topology.is_known.then_some(topology.cores.len());
    let cores = Finding::new(
        "cores",
        allowed.map(|allowed| {
            let of = online.map_or_else(String::new, |online| format!(" of {online}"));
            format!("{}{of} may be used: {}", allowed.len(), list(allowed))
        }),
    )
    .advise(
        online.is_some_and(|online| allowed.is_some_and(|allowed| allowed.len() < online)),
        "the affinity mask leaves cores out (taskset, cpuset, container): widen it if that is not intended",
    );

    let isolated = topology.ids(|core| core.is_isolated);
    let ticking = topology.ids(|core| core.is_isolated && !core.is_tickless);
    let out_of_reach = topology.ids(|core| core.is_isolated && !core.is_allowed);
    let isolation = Finding::new("isolated cores", topology.is_known.then(|| list(&isolated)));
    let isolation = if isolated.is_empty() {
        let advice = match topology.cores.len() {
            0..=2 => {
                "too few cores to isolate any: expect gaps, and let threads sleep (`wait = \"park\"`, the default)"
            }
            _ => {
                "boot with isolcpus=managed_irq,domain,LIST nohz_full=LIST rcu_nocbs=LIST for the lanes' cores, \
                 and leave core 0 to the system"
            }
        };
        isolation.advise(true, advice)
    } else if !out_of_reach.is_empty() {
        let advice = format!("start with `taskset -c {}`: the mask leaves them out", list(&out_of_reach));
        isolation.advise(true, advice)
    } else {
        let advice = format!("add nohz_full={}: the timer tick still interrupts them", list(&ticking));
        isolation.advise(!ticking.is_empty(), advice)
    };

    let shares_its_core = topology.cores.iter().filter(|core| core.is_allowed && core.siblings.len() > 1);
    let pairs: BTreeSet<&[usize]> = shares_its_core.map(|core| &core.siblings[..]).collect();
    let pairs: Vec<_> = pairs.into_iter().map(list).collect();
    let siblings = if pairs.is_empty() { "none".into() } else { pairs.join(" ") };
    let siblings = Finding::new("SMT siblings", topology.is_known.then_some(siblings)).advise(
        !pairs.is_empty(),
        "place one stage per physical core and keep its sibling idle: two threads share its units and caches",
    );
    [cores, isolation, siblings]
}

fn cache_finding(root: &Root, topology: &Topology) -> Finding {
    let core = topology.ids(|core| core.is_allowed).first().copied().unwrap_or(0);
    let parts: Vec<_> = caches(root, core)
        .iter()
        .map(|cache| {
            let letter = match cache.kind.as_str() {
                "Data" => "d",
                "Instruction" => "i",
                _ => "",
            };
            let shared = match cache.shared_by.len() {
                1 => String::new(),
                _ => format!(" (cores {})", core_list::format(&cache.shared_by)),
            };
            format!("L{}{letter} {} KiB{shared}", cache.level, cache.bytes >> 10)
        })
        .collect();
    Finding::new("caches", (!parts.is_empty()).then(|| format!("core {core}: {}", parts.join(", "))))
}

fn governor(root: &Root, topology: &Topology) -> Finding {
    let mut kinds: Vec<&str> = topology.cores.iter().filter_map(|core| core.governor.as_deref()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let cpuinfo = root.read("/proc/cpuinfo").unwrap_or_default();
    let value = match kinds.is_empty() {
        false => Some(kinds.join(", ")),
        true if system::is_virtual(&cpuinfo) => Some("left to the hypervisor".into()),
        true => None,
    };
    Finding::new("frequency governor", value).advise(
        kinds.iter().any(|kind| *kind != "performance"),
        "`cpupower frequency-set -g performance`: a clock that has to rise first costs milliseconds",
    )
}

fn quota(root: &Root) -> Finding {
    let quota = cgroup::quota(root);
    let value = quota.map(|quota| match quota {
        None => "none".to_owned(),
        Some(quota) => format!("{:.2} cores ({} of {} us)", quota.cores(), quota.quota_us, quota.period_us),
    });
    Finding::new("CPU time quota", value).advise(
        quota.flatten().is_some(),
        "lift the control group's CPU limit: a spinning thread uses it up and stands still until the period ends",
    )
}

fn clock(root: &Root) -> Finding {
    let source = system::clock_source(root);
    let steady = root.read("/proc/cpuinfo").and_then(|cpuinfo| system::is_tsc_steady(&cpuinfo));
    let value = source.as_ref().map(|source| match steady {
        Some(true) => format!("{source}, the time stamp counter is constant and never stops"),
        Some(false) => format!("{source}, the time stamp counter is not steady"),
        None => source.clone(),
    });
    let is_fast =
        source.as_deref().is_some_and(|source| matches!(source, "tsc" | "kvm-clock" | "arch_sys_counter"));
    Finding::new("clock source", value).advise(
        !is_fast,
        "boot with clocksource=tsc if the counter is steady: each reading of this clock is a system call",
    )
}

fn huge_pages(root: &Root) -> Finding {
    let switch = root.read("/sys/kernel/mm/transparent_hugepage/enabled");
    let choice = switch.as_deref().and_then(system::chosen);
    let reserved = root.read("/proc/meminfo").and_then(|text| {
        Some((system::meminfo(&text, "HugePages_Total")?, system::meminfo(&text, "HugePages_Free")?))
    });
    let value = choice.map(|choice| match reserved {
        Some((total, free)) => format!("transparent: {choice}; reserved: {total}, free: {free}"),
        None => format!("transparent: {choice}"),
    });
    Finding::new("huge pages", value).advise(
        choice == Some("never"),
        "`echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`: weights in 4 KiB pages cost TLB misses",
    )
}

fn locked_memory(root: &Root) -> Finding {
    let limit = limits::locked_memory(root);
    let value = limit.map(|limit| match limit {
        Limit::Unlimited => "unlimited".to_owned(),
        Limit::At(bytes) => format!("at most {} KiB", bytes >> 10),
    });
    Finding::new("locked memory", value).advise(
        limit.is_some_and(|limit| !limit.allows(LOCK_BYTES)),
        format!(
            "`ulimit -l {}` (or memlock in limits.conf): `memory.lock = true` locks no more than this allows",
            LOCK_BYTES >> 10
        ),
    )
}

fn realtime(root: &Root) -> Finding {
    let priority = limits::realtime_priority(root);
    let throttle = root.read("/proc/sys/kernel/sched_rt_runtime_us").and_then(|us| us.parse::<i64>().ok());
    let value = priority.map(|priority| match (priority, throttle) {
        (0, _) => "none allowed".to_owned(),
        (_, Some(us)) if us >= 0 => format!("up to {priority}, throttled to {us} us in each second"),
        _ => format!("up to {priority}"),
    });
    Finding::new("real-time priority", value).advise(
        priority == Some(0),
        "`ulimit -r 50` (or rtprio in limits.conf) lets stages keep ordinary threads away on cores that are shared",
    )
}

fn swap(root: &Root) -> Finding {
    let text = root.read("/proc/meminfo");
    let field = |name: &str| text.as_deref().and_then(|text| system::meminfo(text, name));
    let value = field("MemTotal").zip(field("MemAvailable")).map(|(total, available)| {
        let swap = field("SwapTotal").unwrap_or(0);
        format!("{} MiB, {} MiB available, swap {} MiB", total >> 10, available >> 10, swap >> 10)
    });
    Finding::new("memory", value).advise(
        field("SwapTotal").is_some_and(|swap| swap > 0),
        "`memory.lock = true`, or turn swap off on the host",
    )
}

/// Watches cores one after the other: watched together, they would push the system's own threads onto each other.
fn write_gaps(out: &mut impl Write, topology: &Topology, options: &Options) -> io::Result<()> {
    let mut cores = topology.ids(|core| core.is_allowed && core.is_isolated);
    cores.extend(topology.ids(|core| core.is_allowed && !core.is_isolated));
    let left_out = cores.len().saturating_sub(options.watched_cores);
    cores.truncate(options.watched_cores);
    let (min, seconds) = (gaps::MIN_GAP.as_micros(), options.watch.as_secs_f64());
    writeln!(out, "\nScheduling gaps above {min} us while a pinned thread spins, {seconds} s a core:")?;
    writeln!(out, "   core   isolated   count   p50 us   p99 us   max us   time lost   clock read ns")?;
    let us = |duration: Duration| duration.as_secs_f64() * 1e6;
    let mut worst = Duration::ZERO;
    for core in cores {
        let gaps = match gaps::watch(core, options.watch) {
            Ok(gaps) => gaps,
            Err(problem) => {
                writeln!(out, "?  {core:>4}   {problem}")?;
                continue;
            }
        };
        worst = worst.max(gaps.max());
        let is_isolated = topology.core(core).is_some_and(|core| core.is_isolated);
        writeln!(
            out,
            "   {core:>4}   {:<8}   {:>5}   {:>6.1}   {:>6.1}   {:>6.1}   {:>8.3}%   {:>13.1}",
            if is_isolated { "yes" } else { "no" },
            gaps.count,
            us(gaps.percentile(0.5)),
            us(gaps.percentile(0.99)),
            us(gaps.max()),
            100.0 * gaps.lost(),
            gaps.watched.as_secs_f64() * 1e9 / gaps.readings as f64,
        )?;
    }
    if left_out > 0 {
        writeln!(out, "   {left_out} more cores were not watched.")?;
    }
    // The shortest unit of work that the engine promises to be polled in is one millisecond.
    if worst >= Duration::from_millis(1) {
        writeln!(
            out,
            "!  -> the longest gap is {:.1} ms: no deadline below that can be kept here",
            us(worst) / 1e3
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(files: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let options = Options { watch: Duration::ZERO, root: Root::at(folder.path()), ..Options::default() };
        let mut out = Vec::new();
        run(&mut out, options).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn line<'a>(report: &'a str, what: &str) -> &'a str {
        report.lines().find(|line| line.get(2..).is_some_and(|line| line.starts_with(what))).unwrap()
    }

    #[test]
    fn a_system_that_tells_nothing_is_reported_as_unreadable() {
        let report = report(&[]);
        for what in
            ["processor", "isolated cores", "frequency governor", "CPU time quota", "clock source", "memory"]
        {
            assert_eq!(line(&report, what), format!("? {what:<20} not readable on this system"));
        }
        assert!(line(&report, "instruction set").contains(isa::active().name()));
    }

    #[test]
    fn advice_is_given_where_it_is_called_for_and_only_there() {
        let bad = report(&[
            ("sys/devices/system/cpu/online", "0-7"),
            ("sys/devices/system/cpu/isolated", ""),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]"),
            ("proc/self/limits", "Max locked memory 65536 65536 bytes\nMax realtime priority 0 0\n"),
            ("proc/self/cgroup", "0::/x"),
            ("sys/fs/cgroup/x/cpu.max", "50000 100000"),
        ]);
        let good = report(&[
            ("sys/devices/system/cpu/online", "0"),
            ("sys/devices/system/cpu/isolated", "0"),
            ("sys/devices/system/cpu/nohz_full", "0"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
            (
                "proc/self/limits",
                "Max locked memory unlimited unlimited bytes\nMax realtime priority 99 99\n",
            ),
            ("proc/self/cgroup", "0::/"),
        ]);
        let whats = ["isolated cores", "frequency governor", "clock source", "huge pages", "locked memory"];
        for what in whats.into_iter().chain(["real-time priority", "CPU time quota"]) {
            assert!(line(&bad, what).starts_with("! "), "{bad}");
            // Core 0 may be outside this process's mask, which is then rightly advised about.
            let is_reachable = what != "isolated cores" || allowed_cores().unwrap().contains(&0);
            assert!(line(&good, what).starts_with("  ") || !is_reachable, "{good}");
        }
    }

    #[test]
    fn gaps_are_measured_on_the_cores_that_may_be_used() {
        let options = Options { watch: Duration::from_millis(5), watched_cores: 1, root: Root::system() };
        let mut out = Vec::new();
        run(&mut out, options).unwrap();
        let report = String::from_utf8(out).unwrap();
        let (_, rows) = report.split_once("clock read ns\n").unwrap();
        let core = rows.split_whitespace().next().unwrap().parse().unwrap();
        assert!(allowed_cores().unwrap().contains(&core), "{report}");
    }
}
