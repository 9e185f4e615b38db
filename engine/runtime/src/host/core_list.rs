//! The kernel's notation for sets of cores: `0-3,8,10-11`.
//!
//! ```
//! use voxlane_runtime::host::core_list;
//!
//! assert_eq!(core_list::parse("8,0-2"), Some(vec![0, 1, 2, 8]));
//! assert_eq!(core_list::format(&[0, 1, 2, 8]), "0-2,8");
//! assert_eq!(core_list::parse("2-0"), None);
//! ```

/// The highest core number that is believed, far above any machine: a damaged list must not cost memory.
const MAX_CORE: usize = 65_535;

/// Parses a list into its cores, in rising order, each once; empty text is the empty set. `None` if it is no list.
pub fn parse(text: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in text.trim().split(',').filter(|_| !text.trim().is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last > MAX_CORE {
            return None;
        }
        cores.extend(first..=last);
    }
    cores.sort_unstable();
    cores.dedup();
    Some(cores)
}

/// Writes a set of cores, sorted, in the same notation.
pub fn format(cores: &[usize]) -> String {
    let runs = cores.chunk_by(|a, b| a + 1 == *b);
    let parts: Vec<String> = runs
        .map(|run| match run {
            [first, .., last] => format!("{first}-{last}"),
            run => run.iter().map(usize::to_string).collect(),
        })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        for (text, cores) in
            [("", vec![]), ("0", vec![0]), ("0-3", vec![0, 1, 2, 3]), ("0-1,8,10-11", vec![0, 1, 8, 10, 11])]
        {
            assert_eq!(parse(text), Some(cores.clone()));
            assert_eq!(format(&cores), text);
        }
        assert_eq!(parse("3,1-2,2\n"), Some(vec![1, 2, 3]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["x", "1-", "-1", "3-1", "1,,2", "0-99999999999", "0-4000000000"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
