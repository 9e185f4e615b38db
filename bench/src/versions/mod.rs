//! Two builds of this workspace beside each other, interleaved (A B B A) on the same core: times and their ratios.

pub mod measure;
pub mod server;

use crate::bootstrap::{Interval, bootstrap, median};

/// The intervals are the same in every run.
const SEED: u64 = 1;

/// The times of one measure, two of each build a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rounds {
    /// Of the old build.
    pub old: Vec<[f64; 2]>,
    /// Of the new one.
    pub new: Vec<[f64; 2]>,
}

impl Rounds {
    /// Measures old, new, new, old.
    ///
    /// # Errors
    /// Those of `measure`, which is given 0 for the old build and 1 for the new one.
    pub fn add<E>(&mut self, mut measure: impl FnMut(usize) -> Result<f64, E>) -> Result<(), E> {
        let (a, b, c, d) = (measure(0)?, measure(1)?, measure(1)?, measure(0)?);
        self.old.push([a, d]);
        self.new.push([b, c]);
        Ok(())
    }

    /// The medians of the old build and of the new one.
    ///
    /// # Panics
    /// If nothing was measured.
    pub fn medians(&self) -> [f64; 2] {
        [&self.old, &self.new].map(|rounds| median(&mut rounds.concat()))
    }

    /// The median of the new build over that of the old one, with its 95 % bootstrap interval: rounds are drawn again,
    /// the same for both builds.
    ///
    /// # Panics
    /// If nothing was measured.
    pub fn ratio(&self) -> Interval {
        bootstrap(self.old.len(), SEED, |draw| {
            let rounds: Vec<usize> = draw.collect();
            let of = |all: &[[f64; 2]]| {
                median(&mut rounds.iter().flat_map(|&round| all[round]).collect::<Vec<_>>())
            };
            of(&self.new) / of(&self.old)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_take_turns_in_both_orders() {
        let mut order = Vec::new();
        let mut rounds = Rounds::default();
        for _ in 0..2 {
            let added: Result<(), ()> = rounds.add(|build| {
                order.push(build);
                Ok(order.len() as f64)
            });
            added.unwrap();
        }
        assert_eq!(order, [0, 1, 1, 0, 0, 1, 1, 0]);
        assert_eq!(rounds.old, [[1.0, 4.0], [5.0, 8.0]]);
        assert_eq!(rounds.medians(), [4.5, 4.5]);
    }

    #[test]
    fn a_slower_build_shows_in_the_ratio() {
        let mut rounds = Rounds::default();
        for round in 0..20 {
            let noise = f64::from(round % 5) * 0.1;
            let added: Result<(), ()> = rounds.add(|build| Ok((10.0 + noise) * [1.0, 1.2][build]));
            added.unwrap();
        }
        let ratio = rounds.ratio();
        assert!((ratio.estimate - 1.2).abs() < 1e-9, "{ratio:?}");
        assert!(ratio.low > 1.15 && ratio.high < 1.25, "{ratio:?}");
    }
}
