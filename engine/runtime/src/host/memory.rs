//! The memory that this process may have.

use super::Root;
use super::cgroup::{ancestors, group};
use super::system::meminfo;

/// Returns the bytes that this process may have at most: what the machine has, or the tightest limit of its control groups.
/// `None` where the system does not say.
pub fn limit(root: &Root) -> Option<u64> {
    let machine = meminfo(&root.read("/proc/meminfo")?, "MemTotal")?.saturating_mul(1024);
    let cgroups = root.read("/proc/self/cgroup").unwrap_or_default();
    let of_group = |controller, mount: &'static str, file: &'static str| {
        let paths = group(&cgroups, controller).into_iter().flat_map(ancestors);
        // No limit is written as `max` or as a number near the largest there is.
        paths
            .filter_map(move |path| root.read(&format!("{mount}{path}/{file}"))?.parse::<u64>().ok())
            .collect::<Vec<_>>()
    };
    let limits = of_group("", "/sys/fs/cgroup", "memory.max").into_iter();
    let limits = limits.chain(of_group("memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"));
    Some(limits.fold(machine, u64::min))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_counts() {
        let (_folder, root) = Root::scratch();
        let put = |path: &str, text: &str| root.put(path, text);
        assert_eq!(limit(&root), None);
        put("proc/meminfo", "MemTotal:       16384 kB\n");
        assert_eq!(limit(&root), Some(16 << 20));
        put("proc/self/cgroup", "5:memory:/box\n0::/pod/app\n");
        put("sys/fs/cgroup/pod/app/memory.max", "max\n");
        assert_eq!(limit(&root), Some(16 << 20));
        put("sys/fs/cgroup/pod/memory.max", "9000000\n");
        assert_eq!(limit(&root), Some(9_000_000));
        put("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "8000000\n");
        assert_eq!(limit(&root), Some(8_000_000));
    }
}
