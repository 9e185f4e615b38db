//! Short work, timed in turns.

use std::time::Instant;

/// One contender: its name and what it does.
pub type Contender<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// A sample is at least this long, so that the clock's own cost does not count.
const SHORTEST_SAMPLE_S: f64 = 20e-6;

/// The seconds that each contender's work took, one value a round; in a round every contender has its turn, in one
/// order in even rounds and in the other in odd ones.
pub fn rounds(contenders: Vec<Contender<'_>>, rounds: usize) -> Vec<(&str, Vec<f64>)> {
    let (names, mut works): (Vec<_>, Vec<_>) = contenders.into_iter().unzip();
    let repeats: Vec<usize> = works
        .iter_mut()
        .map(|work| {
            let first = seconds(1, work).max(seconds(1, work));
            (SHORTEST_SAMPLE_S / first.max(1e-9)).ceil().max(1.0) as usize
        })
        .collect();
    let mut samples = vec![Vec::with_capacity(rounds); works.len()];
    for round in 0..rounds {
        for turn in 0..works.len() {
            let number = if round % 2 == 0 { turn } else { works.len() - 1 - turn };
            samples[number].push(seconds(repeats[number], &mut works[number]) / repeats[number] as f64);
        }
    }
    names.into_iter().zip(samples).collect()
}

fn seconds(repeats: usize, work: &mut impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..repeats).for_each(|_| work());
    begun.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn everyone_has_a_turn_in_every_round() {
        let nap = |micros| move || std::thread::sleep(Duration::from_micros(micros));
        let timed = rounds(vec![("short", Box::new(nap(100))), ("long", Box::new(nap(2_000)))], 5);
        assert_eq!((timed[0].0, timed[0].1.len(), timed[1].1.len()), ("short", 5, 5));
        assert!(timed[1].1.iter().all(|seconds| *seconds >= 0.002));
    }
}
