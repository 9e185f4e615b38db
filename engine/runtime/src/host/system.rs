//! Facts about the machine and its kernel that bear on latency.

use super::Root;

/// Returns what the first processor block of `/proc/cpuinfo` says under a name, such as `model name`.
pub fn cpuinfo_field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = cpuinfo.lines().take_while(|line| !line.trim().is_empty());
    lines.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

/// Returns whether the time-stamp counter runs at a constant rate, in every idle state. `None` if there are no flags.
pub fn is_tsc_steady(cpuinfo: &str) -> Option<bool> {
    let flags: Vec<&str> = cpuinfo_field(cpuinfo, "flags")?.split_whitespace().collect();
    Some(["constant_tsc", "nonstop_tsc"].iter().all(|flag| flags.contains(flag)))
}

/// Returns the choice in brackets of a kernel switch such as `always [madvise] never`.
pub fn chosen(switch: &str) -> Option<&str> {
    let (_, rest) = switch.split_once('[')?;
    rest.split_once(']').map(|(chosen, _)| chosen)
}

/// Returns a count in `/proc/meminfo`: kB for sizes, a plain number for the rest.
pub fn meminfo(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Returns the name of the clock that the kernel reads.
pub fn clock_source(root: &Root) -> Option<String> {
    root.read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
}

/// Returns whether this is a virtual machine, as its processor says.
pub fn is_virtual(cpuinfo: &str) -> bool {
    cpuinfo_field(cpuinfo, "flags").is_some_and(|flags| flags.split_whitespace().any(|f| f == "hypervisor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUINFO: &str = "processor\t: 0\nmodel name\t: A Chip: 9\nflags\t\t: fpu constant_tsc nonstop_tsc\n\n\
                           processor\t: 1\nmodel name\t: Another\nbogus\t: 1\n";

    #[test]
    fn the_first_processor_is_read() {
        assert_eq!(cpuinfo_field(CPUINFO, "model name"), Some("A Chip: 9"));
        assert_eq!(cpuinfo_field(CPUINFO, "bogus"), None);
        assert_eq!(is_tsc_steady(CPUINFO), Some(true));
        assert_eq!(is_tsc_steady("flags : constant_tsc hypervisor"), Some(false));
        assert_eq!(is_tsc_steady("Features : fp asimd"), None);
        assert!(is_virtual("flags : a hypervisor") && !is_virtual(CPUINFO));
    }

    #[test]
    fn switches_and_counts_are_read() {
        assert_eq!(chosen("always [madvise] never"), Some("madvise"));
        assert_eq!(chosen("always"), None);
        let text = "MemTotal:       16384 kB\nHugePages_Total:       3\n";
        assert_eq!(meminfo(text, "MemTotal"), Some(16_384));
        assert_eq!(meminfo(text, "HugePages_Total"), Some(3));
        assert_eq!(meminfo(text, "Mem"), None);
    }
}
