//! CPU time quotas of control groups: what makes a spinning thread stand still for many milliseconds.

use super::Root;

/// A limit of CPU time: at most `quota_us`, over all cores, in each `period_us`.
///
/// ```
/// use voxlane_runtime::host::cgroup::{Quota, parse_cpu_max};
///
/// let quota = parse_cpu_max("200000 100000");
/// assert_eq!(quota, Some(Some(Quota { quota_us: 200_000, period_us: 100_000 })));
/// assert_eq!(quota.flatten().map(Quota::cores), Some(2.0));
/// assert_eq!(parse_cpu_max("max 100000"), Some(None), "no limit");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The CPU time of a period, in microseconds.
    pub quota_us: u64,
    /// The length of a period, in microseconds.
    pub period_us: u64,
}

impl Quota {
    /// Returns the number of cores whose whole time this is.
    pub fn cores(self) -> f64 {
        self.quota_us as f64 / self.period_us as f64
    }
}

/// Parses version 2's `cpu.max`: `max 100000` (no quota, `Some(None)`) or `200000 100000`.
pub fn parse_cpu_max(text: &str) -> Option<Option<Quota>> {
    let (quota, period) = text.trim().split_once(' ')?;
    let period_us = period.trim().parse().ok().filter(|&period| period > 0)?;
    if quota == "max" {
        return Some(None);
    }
    Some(Some(Quota { quota_us: quota.parse().ok()?, period_us }))
}

/// Returns the group of this process in the text of `/proc/self/cgroup`: version 2's, or the one of version 1's
/// `cpu` controller, whichever `controller` names (`""` or `"cpu"`).
pub fn group<'a>(cgroups: &'a str, controller: &str) -> Option<&'a str> {
    cgroups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        let path = fields.next()?;
        controllers.split(',').any(|name| name == controller).then_some(path)
    })
}

/// Returns the tightest quota on this process, from its group up to the root; `Some(None)` if there is none, `None` if
/// no controller's files could be read.
pub fn quota(root: &Root) -> Option<Option<Quota>> {
    let cgroups = root.read("/proc/self/cgroup")?;
    let mut quotas = Vec::new();
    for path in group(&cgroups, "").into_iter().flat_map(ancestors) {
        for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            let text = root.read(&format!("{mount}{path}/cpu.max"));
            quotas.extend(text.and_then(|text| parse_cpu_max(&text)));
        }
    }
    let v1 = group(&cgroups, "cpu");
    for path in v1.into_iter().flat_map(ancestors) {
        for mount in ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"] {
            let field = |name: &str| root.read(&format!("{mount}{path}/cpu.cfs_{name}_us"));
            if let (Some(quota), Some(period)) = (field("quota"), field("period")) {
                // Version 1 writes "no quota" as -1.
                let quota = if quota.starts_with('-') { "max" } else { &quota };
                quotas.extend(parse_cpu_max(&format!("{quota} {period}")));
            }
        }
    }
    // The root group of version 2 has no `cpu.max`: being in it is being without a quota.
    if quotas.is_empty() && (v1.is_some() || group(&cgroups, "") != Some("/")) {
        return None;
    }
    Some(quotas.into_iter().flatten().min_by(|a, b| a.cores().total_cmp(&b.cores())))
}

/// `/a/b` → `/a/b`, `/a` and the root, written as empty text.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let path = path.trim_end_matches('/');
    std::iter::successors(Some(path), |path| path.rfind('/').map(|slash| &path[..slash]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_parsed() {
        assert_eq!(parse_cpu_max("max 100000\n"), Some(None));
        let quota = Quota { quota_us: 150_000, period_us: 100_000 };
        assert_eq!(parse_cpu_max("150000 100000"), Some(Some(quota)));
        assert_eq!(quota.cores(), 1.5);
        for bad in ["", "max", "1 0", "x 100000", "1 y"] {
            assert_eq!(parse_cpu_max(bad), None, "{bad}");
        }
    }

    #[test]
    fn groups_of_both_versions_are_found() {
        let text = "9:name=systemd:/\n4:cpu,cpuacct:/docker/x:y\n0::/user.slice\n";
        assert_eq!(group(text, "cpu"), Some("/docker/x:y"));
        assert_eq!(group(text, ""), Some("/user.slice"));
        assert_eq!(group(text, "pids"), None);
        assert_eq!(ancestors("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", ""]);
        assert_eq!(ancestors("/").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn the_tightest_quota_on_the_way_up_counts() {
        let (_folder, root) = Root::scratch();
        let put = |path: &str, text: &str| root.put(path, text);
        assert_eq!(quota(&root), None);
        put("proc/self/cgroup", "0::/pod/app\n");
        assert_eq!(quota(&root), None, "a group whose files are out of reach");
        put("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n");
        assert_eq!(quota(&root), Some(None));
        put("sys/fs/cgroup/pod/cpu.max", "50000 100000\n");
        assert_eq!(quota(&root), Some(Some(Quota { quota_us: 50_000, period_us: 100_000 })));
        put("proc/self/cgroup", "1:cpu:/\n0::/\n");
        put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
        put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
        assert_eq!(quota(&root), Some(None));
    }
}
