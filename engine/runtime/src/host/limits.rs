//! Limits of what this process may do: locked memory, real-time priority, capabilities.

use super::Root;

/// A limit of a resource.
///
/// ```
/// use voxlane_runtime::host::limits::{Limit, soft_limit};
///
/// let limits = "Max locked memory         65536                65536                bytes";
/// let limit = soft_limit(limits, "Max locked memory");
/// assert_eq!(limit, Some(Limit::At(65_536)));
/// assert!(Limit::Unlimited.allows(1 << 40) && !Limit::At(65_536).allows(65_537));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// No limit.
    Unlimited,
    /// At most this much.
    At(u64),
}

impl Limit {
    /// Returns whether `amount` is allowed.
    pub fn allows(self, amount: u64) -> bool {
        match self {
            Limit::Unlimited => true,
            Limit::At(most) => amount <= most,
        }
    }
}

/// Returns the soft limit of a resource in the text of `/proc/self/limits`, e.g. `Max locked memory`.
pub fn soft_limit(limits: &str, resource: &str) -> Option<Limit> {
    let line = limits.lines().find_map(|line| line.strip_prefix(resource))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(Limit::Unlimited),
        number => number.parse().ok().map(Limit::At),
    }
}

/// A capability, by its number in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Capability {
    /// The permission to lock memory without limit.
    IpcLock = 14,
    /// The permission to set real-time priorities without limit.
    SysNice = 23,
}

/// Returns whether the effective set in the text of `/proc/self/status` holds a capability.
pub fn has_capability(status: &str, capability: Capability) -> Option<bool> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let set = u64::from_str_radix(set.trim(), 16).ok()?;
    Some(set & (1 << capability as u32) != 0)
}

/// Returns how many bytes this process may lock into memory.
pub fn locked_memory(root: &Root) -> Option<Limit> {
    let limit = soft_limit(&root.read("/proc/self/limits")?, "Max locked memory")?;
    Some(if is_capable(root, Capability::IpcLock) { Limit::Unlimited } else { limit })
}

/// Returns the highest real-time priority that this process may take; 0: none, 99: any.
pub fn realtime_priority(root: &Root) -> Option<u64> {
    let limit = soft_limit(&root.read("/proc/self/limits")?, "Max realtime priority")?;
    Some(match limit {
        _ if is_capable(root, Capability::SysNice) => 99,
        Limit::Unlimited => 99,
        Limit::At(priority) => priority,
    })
}

fn is_capable(root: &Root, capability: Capability) -> bool {
    root.read("/proc/self/status").and_then(|status| has_capability(&status, capability)) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max core file size        0                    unlimited            bytes
Max locked memory         8388608              8388608              bytes
Max address space         unlimited            unlimited            bytes
Max realtime priority     0                    0                    ";

    #[test]
    fn soft_limits_are_found_by_name() {
        assert_eq!(soft_limit(LIMITS, "Max locked memory"), Some(Limit::At(8_388_608)));
        assert_eq!(soft_limit(LIMITS, "Max address space"), Some(Limit::Unlimited));
        assert_eq!(soft_limit(LIMITS, "Max realtime priority"), Some(Limit::At(0)));
        assert_eq!(soft_limit(LIMITS, "Max wishes"), None);
        assert_eq!(soft_limit("Max locked memory  ?", "Max locked memory"), None);
        assert!(Limit::At(8).allows(8) && !Limit::At(8).allows(9) && Limit::Unlimited.allows(u64::MAX));
    }

    #[test]
    fn capabilities_are_bits_of_a_hexadecimal_set() {
        let status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t0000000000804000\n";
        assert_eq!(has_capability(status, Capability::IpcLock), Some(true));
        assert_eq!(has_capability(status, Capability::SysNice), Some(true));
        assert_eq!(has_capability("CapEff:\t0000000000000001", Capability::SysNice), Some(false));
        assert_eq!(has_capability("Name: x", Capability::SysNice), None);
    }
}
